"""What the accelerators do with the time of an inference: multiply, lose lanes and cycles, wait, or stand idle."""

from collections.abc import Mapping

from mensa_sim.report.page.colours import GREY, PURPLE, SKY, VERMILION, YELLOW, Look
from mensa_sim.report.page.figure import Figure, Trace, categories, figure, shown
from mensa_sim.report.page.quantities import percent_text, time_text
from mensa_sim.study.run.result import RunResult, SystemResult

USES: Mapping[str, Look] = {
    "MACs at the peak rate": Look(colour=SKY),
    "vector work": Look(colour=PURPLE),
    "lanes without work (spatial)": Look(colour=YELLOW),
    "fill, drain, cycles without MACs (temporal)": Look(colour=GREY, pattern="/"),
    "waiting for buffers and memory (stall)": Look(colour=VERMILION),
    "busy, not divided (measured)": Look(colour=SKY, pattern="x"),
    "idle": Look(colour="rgba(140, 140, 140, 0.25)"),
}
"""By what the time of an accelerator goes to; none of the colours of the shipped accelerators."""

MACS, _VECTOR, SPATIAL, TEMPORAL, STALL, MEASURED, IDLE = USES


def time_use(result: SystemResult) -> dict[str, dict[str, float]]:
    """For each accelerator the time in ps of each use; the sum is the latency."""
    found = {name: dict.fromkeys(USES, 0.0) for name in result.accelerators}
    for layer in result.layers:
        own, time_ps = found[layer.accelerator], layer.end_ps - layer.start_ps
        if layer.source != "analytical":
            own[MEASURED] += time_ps
            continue
        spatial, temporal, working = (min(1.0, share) for share in layer.utilization_split)
        own[STALL] += time_ps * (1 - working)
        if not layer.macs:
            own[_VECTOR] += time_ps * working
            continue
        own[TEMPORAL] += time_ps * working * (1 - temporal)
        own[SPATIAL] += time_ps * working * temporal * (1 - spatial)
        own[MACS] += time_ps * working * temporal * spatial
    for uses in found.values():
        uses[IDLE] = max(0.0, result.latency_ps - sum(uses.values()))
    return found


def time_use_figure(result: RunResult) -> Figure:
    """A bar for each accelerator of the system and of the baseline, in percent of the latency there."""
    bars: dict[str, tuple[int, dict[str, float]]] = {}
    for system, role in zip(result.systems, ("", " (baseline)"), strict=False):
        for name, uses in time_use(system).items():
            bars[f"{name}{role}"] = system.latency_ps, uses
    traces: list[Trace] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": use,
            "y": [shown(label) for label in bars],
            "x": [100 * uses[use] / latency_ps for latency_ps, uses in bars.values()],
            "customdata": [time_text(round(uses[use])) for _, uses in bars.values()],
            "hovertemplate": "%{y}<br>%{fullData.name}: %{customdata}, %{x:.3g} %<extra></extra>",
            "marker": look.bar,
        }
        for use, look in USES.items()
        if any(uses[use] for _, uses in bars.values())
    ]
    x = {"title": "share of the latency (%)", "range": [0, 100]}
    y = {**categories("accelerator"), "autorange": "reversed"}
    return figure(_finding(result.main), x, y, traces, barmode="stack", bargap=0.35)


def _finding(main: SystemResult) -> str:
    busiest = max(main.accelerators, key=lambda name: main.accelerators[name].busy_ps)
    uses = time_use(main)[busiest]
    busy_ps = main.latency_ps - uses[IDLE]
    lost = max((use for use in USES if use not in (MACS, IDLE)), key=uses.__getitem__)
    words = {
        _VECTOR: "vector work takes most of the rest",
        SPATIAL: "most of the rest is lanes without work",
        TEMPORAL: "most of the rest is cycles without MACs",
        STALL: "most of the rest is waiting for buffers and memory",
        MEASURED: "its times are measured as a whole",
    }
    text = f"{busiest} is busy {percent_text(busy_ps / main.latency_ps)} of the time"
    if not busy_ps or not main.macs:
        return text if main.macs else f"{text}; nothing is multiplied"
    return f"{text} and multiplies at peak rate in {percent_text(uses[MACS] / busy_ps)} of that; {words[lost]}"
