"""The paper's figures redrawn from our data; every title is a finding, computed."""

import math
from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from mensa_sim.hardware.system import System
from mensa_sim.report.page.colours import COLOURS, SYMBOLS, looks, pattern
from mensa_sim.report.reproduce.tables import number_text
from mensa_sim.study.reproduce.experiment import SYSTEMS
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.quantities import peak_macs_per_j, peak_macs_per_s
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.table import MAIN, Row, Runs
from mensa_sim.study.reproduce.workers import system_of
from mensa_sim.units import BITS_PER_BYTE, PJ_PER_J, PS_PER_S
from mensa_sim.workload.model_kinds import MODEL_KINDS

KINDS = tuple(MODEL_KINDS)
BASELINE = "edge_tpu"
LOGARITHMIC = {"type": "log", "dtick": 1, "minexponent": 3}


def outcomes(runs: Runs, system: str, label: str = MAIN) -> list[Outcome]:
    """Every model on a system, in the order of the study."""
    return runs.of(label, system, KINDS)


def styled(figure: go.Figure, title: str, x: str, y: str, **layout: object) -> go.Figure:
    """What all figures have: a finding as title, units on the axes."""
    figure.update_layout(title={"text": title}, **layout)
    figure.update_xaxes(title={"text": x})
    figure.update_yaxes(title={"text": y})
    return figure


def agreement_figure(result: ReproduceResult) -> go.Figure:
    """Ours over the paper's, figure by figure."""
    rows = [row for row in result.rows if row.ratio is not None and row.ratio > 0][::-1]
    figure = go.Figure()
    for name, colour, symbol, chosen in (
        ("within 15 %", COLOURS[2], "circle", [row for row in rows if row.agrees]),
        ("further off", COLOURS[3], "diamond", [row for row in rows if not row.agrees]),
    ):
        figure.add_trace(
            go.Scatter(
                name=name,
                mode="markers",
                x=[row.ratio for row in chosen],
                y=[_tagged(row) for row in chosen],
                marker={"color": colour, "symbol": symbol, "size": 10},
                hovertemplate="%{y}: %{x:.3g}<extra></extra>",
            )
        )
    figure.add_vrect(x0=0.85, x1=1 / 0.85, fillcolor=COLOURS[2], opacity=0.15, line_width=0)
    within = sum(bool(row.agrees) for row in rows)
    median = sorted(abs(math.log(row.ratio or 1)) for row in rows)[len(rows) // 2] if rows else 0.0
    title = f"{within} of {len(rows)} figures come out within 15 % of the paper's, half within {math.exp(median):.2g}x"
    styled(figure, title, "ours over the paper's (logarithmic)", "figure of the paper [tag]")
    figure.update_xaxes(type="log", tickvals=[0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20])
    figure.update_yaxes(categoryorder="array", categoryarray=[_tagged(row) for row in rows], tickfont={"size": 11})
    return figure


def _tagged(row: Row) -> str:
    return f"{row.figure.name} [{row.figure.tag}]"


def throughput_roofline(runs: Runs) -> go.Figure:
    """Models under the baseline's throughput roofline."""
    system = system_of(BASELINE, ())
    peak = peak_macs_per_s(system)
    bandwidth = sum(memory.effective_bytes_per_s for memory in system.memories.values())
    measured = outcomes(runs, BASELINE)
    shares = [outcome.macs * PS_PER_S / outcome.latency_ps / peak for outcome in measured]
    figure = _roofline(
        measured,
        lambda intensity: min(peak, bandwidth * intensity) / 1e9,
        lambda outcome: outcome.macs * PS_PER_S / outcome.latency_ps / 1e9,
        "GMAC/s",
    )
    reached = f"{_mean(shares):.1%} of its {peak / 1e12:.3g} TMAC/s on average"
    title = f"The Edge TPU reaches {reached}, and as little as {min(shares):.1%}"
    return styled(figure, title, "MACs per byte of memory traffic (MAC/B)", "throughput (GMAC/s)")


def energy_roofline(runs: Runs) -> go.Figure:
    """Models under the baseline's energy roofline (Choi et al., IPDPS 2013)."""
    system = system_of(BASELINE, ())
    peak = peak_macs_per_j(system)
    memory_pj = _memory_pj_per_byte(system)
    measured = outcomes(runs, BASELINE)
    shares = [outcome.macs / outcome.total_pj * PJ_PER_J / peak for outcome in measured]
    figure = _roofline(
        measured,
        lambda intensity: PJ_PER_J / (PJ_PER_J / peak + memory_pj / intensity) / 1e9,
        lambda outcome: outcome.macs / outcome.total_pj * PJ_PER_J / 1e9,
        "GMAC/J",
    )
    title = (
        f"The Edge TPU reaches {_mean(shares):.1%} of its peak energy efficiency of {peak / 1e12:.3g} TMAC/J on average"
    )
    return styled(figure, title, "MACs per byte of memory traffic (MAC/B)", "energy efficiency (GMAC/J)")


def _memory_pj_per_byte(system: System) -> float:
    memory = next(iter(system.memories.values()))
    return memory.read_pj_per_bit * BITS_PER_BYTE


def _roofline(
    measured: Sequence[Outcome], roof: Callable[[float], float], height: Callable[[Outcome], float], unit: str
) -> go.Figure:
    figure = go.Figure()
    xs = [10 ** (step / 20) for step in range(-10, 81)]
    figure.add_trace(
        go.Scatter(x=xs, y=[roof(x) for x in xs], mode="lines", name="roofline", line={"color": "#000000", "width": 2})
    )
    for index, kind in enumerate(KINDS):
        chosen = [outcome for outcome in measured if outcome.kind == kind]
        figure.add_trace(
            go.Scatter(
                name=kind,
                mode="markers",
                x=[outcome.macs / max(1, outcome.traffic_bytes) for outcome in chosen],
                y=[height(outcome) for outcome in chosen],
                text=[outcome.model for outcome in chosen],
                marker={"color": COLOURS[index], "symbol": SYMBOLS[index], "size": 10},
                hovertemplate=f"%{{text}}<br>%{{x:.3g}} MAC/B<br>%{{y:.3g}} {unit}<extra></extra>",
            )
        )
    figure.update_xaxes(**LOGARITHMIC)
    figure.update_yaxes(**LOGARITHMIC)
    return figure


def layer_scatter(runs: Runs) -> go.Figure:
    """Layers by footprint and reuse, coloured by family; hollow outside the family's ranges."""
    members = [(each.model, member) for each in runs.models for member in each.members]
    figure = go.Figure()
    for family in sorted({member.family for _, member in members}):
        chosen = [(model, member) for model, member in members if member.family == family]
        symbol = SYMBOLS[family - 1]
        figure.add_trace(
            go.Scatter(
                name=f"family {family}",
                mode="markers",
                x=[member.features.parameter_bytes for _, member in chosen],
                y=[member.features.macs_per_parameter_byte for _, member in chosen],
                text=[f"{model}: {' + '.join(member.layers)}" for model, member in chosen],
                marker={
                    "color": COLOURS[family - 1],
                    "symbol": [symbol if member.inside else f"{symbol}-open" for _, member in chosen],
                    "size": 8,
                },
                hovertemplate="%{text}<br>%{x:.3g} B, %{y:.3g} MAC/B<extra></extra>",
            )
        )
    inside = sum(member.inside for _, member in members) / len(members) if members else 0.0
    title = (
        f"{inside:.0%} of {len(members)} layers lie inside the paper's family ranges (filled); the paper counts 97 %"
    )
    styled(figure, title, "parameter footprint (bytes)", "MACs per parameter byte in one step (MAC/B)")
    figure.update_xaxes(**LOGARITHMIC)
    figure.update_yaxes(**LOGARITHMIC)
    return figure


def family_figure(result: ReproduceResult) -> go.Figure:
    """Utilization of each family on the baseline, beside the paper's."""
    rows = [row for row in result.rows if row.figure.models.startswith("family") and row.ours is not None]
    figure = go.Figure()
    names = [row.figure.models for row in rows]
    for name, colour, shape, values in (
        ("ours", COLOURS[0], "", [row.ours.arithmetic * 100 if row.ours else 0.0 for row in rows]),
        ("paper (tag M)", COLOURS[1], "/", [row.figure.value * 100 for row in rows]),
    ):
        figure.add_trace(
            go.Bar(
                name=name,
                x=names,
                y=values,
                marker={"color": colour, "pattern": pattern(shape)},
                text=[number_text(value) for value in values],
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
    return styled(figure, title, "layer family", "MACs over peak x time (%)", barmode="group")


def utilization_figure(runs: Runs) -> go.Figure:
    """Utilization of each model on each system."""
    means = {system: _mean([outcome.utilization for outcome in outcomes(runs, system)]) for system in SYSTEMS}
    title = "Mean utilization: " + ", ".join(f"{system} {mean:.0%}" for system, mean in means.items())
    figure = go.Figure()
    drawn = looks(SYSTEMS)
    for system in SYSTEMS:
        measured = outcomes(runs, system)
        figure.add_trace(
            go.Bar(
                name=system,
                x=[outcome.model for outcome in measured],
                y=[outcome.utilization * 100 for outcome in measured],
                marker=drawn[system].bar,
                hovertemplate=f"%{{x}}: %{{y:.3g}} %<extra>{system}</extra>",
            )
        )
    figure.update_xaxes(tickangle=-45)
    return styled(figure, title, "model", "MACs over peak x busy time (%)", barmode="group")


def throughput_figure(runs: Runs) -> go.Figure:
    """Throughput of each model on each system over the baseline's."""
    ours = [
        base.latency_ps / outcome.latency_ps
        for outcome, base in zip(outcomes(runs, "mensa_g"), outcomes(runs, BASELINE), strict=True)
    ]
    title = (
        f"Mensa-G is {_mean(ours):.2f} times as fast as the Edge TPU on average, between {min(ours):.2f} and "
        f"{max(ours):.2f} times"
    )
    figure = go.Figure()
    base = outcomes(runs, BASELINE)
    drawn = looks(SYSTEMS)
    for system in SYSTEMS:
        pairs = list(zip(outcomes(runs, system), base, strict=True))
        figure.add_trace(
            go.Scatter(
                name=system,
                mode="markers",
                x=[outcome.model for outcome, _ in pairs],
                y=[other.latency_ps / outcome.latency_ps for outcome, other in pairs],
                marker={"color": drawn[system].colour, "symbol": drawn[system].symbol, "size": 10},
                hovertemplate=f"%{{x}}: %{{y:.3g}}x<extra>{system}</extra>",
            )
        )
    styled(figure, title, "model", "throughput over edge_tpu's")
    figure.update_xaxes(tickangle=-45)
    figure.update_yaxes(type="log", tickvals=[0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10])
    return figure


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
