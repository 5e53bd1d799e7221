"""The paper's figures redrawn from our data; every title is a finding, computed."""

import math
from collections.abc import Callable, Sequence

from mensa_sim.report.families.layers import DrawnLayer, layers_figure, layers_note
from mensa_sim.report.page.colours import BLUE, COLOURS, ORANGE, SYMBOLS, VERMILION, looks, pattern
from mensa_sim.report.page.figure import (
    Drawn,
    Figure,
    Trace,
    bar,
    categories,
    figure,
    logarithmic,
    scatter,
    shown,
    slanted,
)
from mensa_sim.report.reproduce.tables import number_text, short_name
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.quantities import peak_macs_per_j, peak_macs_per_s
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.reproduce.table import MAIN, Runs
from mensa_sim.study.reproduce.workers import system_of
from mensa_sim.study.run.request import BASELINE
from mensa_sim.units import BITS_PER_BYTE, PJ_PER_J
from mensa_sim.workload.model_kinds import MODEL_KINDS

KINDS = tuple(MODEL_KINDS)
INTENSITY = "MACs per byte of memory traffic (MAC/B)"


def outcomes(runs: Runs, system: str, label: str = MAIN) -> list[Outcome]:
    """Every model on a system, in the order of the study."""
    return runs.of(label, system, KINDS)


DECADES_SHOWN = 1.0
"""Decades of ours over the paper's, each way, that the colours of `change_figure` reach: a choice."""


def change_figure(result: ReproduceResult) -> Figure:
    """Ours over the paper's for each figure under each change; the headline is the first column."""
    rows = [row for row in result.rows if row.ratio is not None and row.ratio > 0][::-1]
    columns = {"as taken": {row.figure.name: row.ratio or 0.0 for row in rows}}
    columns |= {each.name: dict(each.ratios) for each in result.agreements}
    changes = ["as taken", *(shown(each.change) for each in result.agreements)]
    # What goes the other way than the paper's has no logarithm: such a cell stays empty.
    found = [[ours.get(row.figure.name, 0.0) for ours in columns.values()] for row in rows]
    ratios = [[ratio if ratio > 0 else None for ratio in line] for line in found]
    heat: Trace = {
        "type": "heatmap",
        "x": [name.replace("_", " ") for name in columns],
        "y": [f"{short_name(row)} [{row.figure.tag}]" for row in rows],
        "z": [[None if ratio is None else math.log10(ratio) for ratio in line] for line in ratios],
        "text": [changes for _ in rows],
        "customdata": ratios,
        "zmin": -DECADES_SHOWN,
        "zmax": DECADES_SHOWN,
        "colorscale": [[0, BLUE], [0.5, "#f2f2f2"], [1, VERMILION]],
        "xgap": 1,
        "ygap": 1,
        "colorbar": {
            "title": {"text": "ours / paper", "side": "top"},
            "thickness": 14,
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["0.1", "0.32", "1", "3.2", "10"],
        },
        "hovertemplate": "%{y}<br>%{text}<br>%{customdata:.3g}<extra></extra>",
    }
    most = max((each.agreeing for each in result.agreements), default=0)
    own = max((each.authors for each in result.agreements), default=0)
    title = (
        f"No change brings more than {most} of {len(rows)} figures within 15 %, nor more than {own} of the authors' own"
    )
    x = {**categories("change"), "tickangle": -45, "tickfont": {"size": 10}}
    y = {**categories("figure of the paper [tag]"), "tickfont": {"size": 9}, "dtick": 1}
    return figure(title, x, y, [heat])


def throughput_roofline(runs: Runs) -> Figure:
    """Models under the baseline's throughput roofline."""
    system = system_of(BASELINE, runs.taken.on(BASELINE))
    peak = peak_macs_per_s(system)
    bandwidth = sum(memory.effective_bytes_per_s for memory in system.memories.values())
    measured = outcomes(runs, BASELINE)
    shares = [outcome.macs_per_s / peak for outcome in measured]
    traces = _roofline(
        measured,
        lambda intensity: min(peak, bandwidth * intensity) / 1e9,
        lambda outcome: outcome.macs_per_s / 1e9,
        "GMAC/s",
    )
    reached = f"{_mean(shares):.1%} of its {peak / 1e12:.3g} TMAC/s on average"
    title = f"The Edge TPU reaches {reached}, and as little as {min(shares):.1%}"
    return figure(title, logarithmic(INTENSITY), logarithmic("throughput (GMAC/s)"), traces)


def energy_roofline(runs: Runs) -> Figure:
    """Models under the baseline's energy roofline (Choi et al., IPDPS 2013)."""
    system = system_of(BASELINE, runs.taken.on(BASELINE))
    peak = peak_macs_per_j(system)
    memory_pj = next(iter(system.memories.values())).read_pj_per_bit * BITS_PER_BYTE
    measured = outcomes(runs, BASELINE)
    shares = [outcome.macs_per_j / peak for outcome in measured]
    traces = _roofline(
        measured,
        lambda intensity: PJ_PER_J / (PJ_PER_J / peak + memory_pj / intensity) / 1e9,
        lambda outcome: outcome.macs_per_j / 1e9,
        "GMAC/J",
    )
    title = (
        f"The Edge TPU reaches {_mean(shares):.1%} of its peak energy efficiency of {peak / 1e12:.3g} TMAC/J on average"
    )
    return figure(title, logarithmic(INTENSITY), logarithmic("energy efficiency (GMAC/J)"), traces)


def _roofline(
    measured: Sequence[Outcome], roof: Callable[[float], float], height: Callable[[Outcome], float], unit: str
) -> list[Trace]:
    traces: list[Trace] = []
    xs = [10 ** (step / 20) for step in range(-10, 81)]
    traces.append(
        scatter(x=xs, y=[roof(x) for x in xs], mode="lines", name="roofline", line={"color": "#000000", "width": 2})
    )
    for index, kind in enumerate(KINDS):
        chosen = [outcome for outcome in measured if outcome.kind == kind]
        traces.append(
            scatter(
                name=kind,
                mode="markers",
                x=[outcome.macs / max(1, outcome.traffic_bytes) for outcome in chosen],
                y=[height(outcome) for outcome in chosen],
                text=[outcome.model for outcome in chosen],
                marker={"color": COLOURS[index], "symbol": SYMBOLS[index], "size": 10},
                hovertemplate=f"%{{text}}<br>%{{x:.3g}} MAC/B<br>%{{y:.3g}} {unit}<extra></extra>",
            )
        )
    return traces


def layer_scatter(runs: Runs) -> Drawn:
    """Layers by footprint and reuse, coloured by family; hollow outside the family's ranges."""
    layers = [DrawnLayer(where=each.model, member=member) for each in runs.models for member in each.members]
    inside = sum(each.member.inside for each in layers) / len(layers) if layers else 0.0
    title = f"{inside:.0%} of {len(layers)} layers lie inside the paper's family ranges (filled); the paper counts 97 %"
    return Drawn(figure=layers_figure(title, layers), note=layers_note(len(layers)))


def family_figure(result: ReproduceResult) -> Figure:
    """Utilization of each family on the baseline, beside the paper's."""
    rows = [row for row in result.rows if row.figure.models.startswith("family") and row.ours is not None]
    traces: list[Trace] = []
    names = [row.figure.models for row in rows]
    for name, colour, shape, values in (
        ("ours", BLUE, "", [row.ours.arithmetic * 100 if row.ours else 0.0 for row in rows]),
        ("paper (tag M)", ORANGE, "/", [row.figure.value * 100 for row in rows]),
    ):
        traces.append(
            bar(
                name=name,
                x=names,
                y=values,
                marker={"color": colour, "pattern": pattern(shape)},
                text=[number_text(value) for value in values],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{x}: %{y:.3g} %<extra></extra>",
            )
        )
    order = sorted(rows, key=lambda row: -(row.ours.arithmetic if row.ours else 0.0))
    title = (
        "Utilization of the Edge TPU falls from "
        + " to ".join(
            f"{row.figure.models} ({number_text(100 * row.ours.arithmetic)} %)"
            for row in (order[0], order[-1])
            if row.ours
        )
        if order
        else "No layer of any family"
    )
    return figure(title, "layer family", "MACs over peak x time (%)", traces, barmode="group")


def utilization_figure(runs: Runs) -> Figure:
    """Utilization of each model on each system."""
    means = {system: _mean([outcome.utilization for outcome in outcomes(runs, system)]) for system in SYSTEMS}
    title = "Mean utilization: " + ", ".join(f"{system} {mean:.0%}" for system, mean in means.items())
    traces: list[Trace] = []
    drawn = looks(SYSTEMS)
    for system in SYSTEMS:
        measured = outcomes(runs, system)
        traces.append(
            bar(
                name=system,
                x=[outcome.model for outcome in measured],
                y=[outcome.utilization * 100 for outcome in measured],
                marker=drawn[system].bar,
                hovertemplate=f"%{{x}}: %{{y:.3g}} %<extra>{system}</extra>",
            )
        )
    return figure(title, slanted("model"), "MACs over peak (%)", traces, barmode="group")


def throughput_figure(runs: Runs) -> Figure:
    """Throughput of each model on each system over the baseline's."""
    ours = [
        base.latency_ps / outcome.latency_ps
        for outcome, base in zip(outcomes(runs, "mensa_g"), outcomes(runs, BASELINE), strict=True)
    ]
    title = (
        f"Mensa-G is {_mean(ours):.2f} times as fast as the Edge TPU on average, between {min(ours):.2f} and "
        f"{max(ours):.2f} times"
    )
    traces: list[Trace] = []
    base = outcomes(runs, BASELINE)
    drawn = looks(SYSTEMS)
    for system in SYSTEMS:
        pairs = list(zip(outcomes(runs, system), base, strict=True))
        traces.append(
            scatter(
                name=system,
                mode="markers",
                x=[outcome.model for outcome, _ in pairs],
                y=[other.latency_ps / outcome.latency_ps for outcome, other in pairs],
                marker={"color": drawn[system].colour, "symbol": drawn[system].symbol, "size": 10},
                hovertemplate=f"%{{x}}: %{{y:.3g}}x<extra>{system}</extra>",
            )
        )
    ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]
    y = {"title": "throughput ratio", "type": "log", "tickvals": ticks}
    return figure(title, slanted("model"), y, traces)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
