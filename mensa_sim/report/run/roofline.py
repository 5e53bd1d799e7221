"""The roofline of a run: each accelerator's roof and its layers (Williams et al., Communications of the ACM, 2009)."""

import math
from collections.abc import Sequence

from mensa_sim.hardware.system import System
from mensa_sim.report.page.colours import GREY, looks
from mensa_sim.report.page.figure import MAX_POINTS, Figure, Trace, figure, lines, log_axis, most_of, padded, shown
from mensa_sim.report.page.quantities import bytes_text, engineering, percent_text, time_text
from mensa_sim.study.run.result import LayerResult, SystemResult
from mensa_sim.units import PS_PER_S

BOUND_SYMBOLS = {"compute": "circle", "buffer": "square", "memory": "diamond", "power": "triangle-up"}
"""Of a layer, by what sets its time."""

BINDING = {"compute": "compute", "buffer": "buffers", "memory": "memory", "power": "power"}

GIGA = 1e9
LARGEST_PX, SMALLEST_PX = 34, 5


def roofline_figure(main: SystemResult) -> Figure | None:
    """MACs a second over MACs per byte that crossed the memory, both logarithmic; none where no layer multiplies."""
    placed = most_of(_placed(main), lambda layer: layer.end_ps - layer.start_ps)
    if not placed:
        return None
    colours = looks(main.accelerators)
    intensities = [layer.macs / layer.memory_bytes for layer in placed]
    ends = (min(intensities) / 2, max(intensities) * 2)
    traces: list[Trace] = []
    alike: dict[tuple[float, float], list[str]] = {}
    for name in colours:
        alike.setdefault(_limits(main.hardware, name), []).append(name)
    for limits, names in alike.items():
        traces.append(_roof(names, limits, colours[names[0]].colour, ends))
    for name, look in colours.items():
        own = [layer for layer in placed if layer.accelerator == name]
        if own:
            traces.append(_points(main, name, look.colour, own))
    x = log_axis("MACs per byte over the memory (MAC/B)", *map(math.log10, ends))
    return figure(_finding(main), x, padded("throughput (GMAC/s)", traces, "y"), traces)


def _placed(main: SystemResult) -> list[LayerResult]:
    """The layers that have a place: with products, and with bytes that crossed the memory."""
    return [layer for layer in main.layers if layer.macs and layer.memory_bytes and layer.end_ps > layer.start_ps]


def roofline_note(main: SystemResult) -> str:
    """How to read the figure, and what is not in it."""
    without = sum(1 for layer in main.layers if not layer.macs)
    inside = sum(1 for layer in main.layers if layer.macs and not layer.memory_bytes)
    parts = [
        "Area: share of the time. Circle: bound by compute, square: by a buffer's port, diamond: by memory, "
        "triangle: by a limit of power."
    ]
    if without:
        parts.append(f"Layers without MACs have no place here: {without}.")
    if inside:
        parts.append(f"Nor have those that moved nothing over the memory: {inside}.")
    if (count := len(_placed(main))) > MAX_POINTS:
        parts.append(f"Thinned out: of {count} layers the {MAX_POINTS} that take most time are drawn.")
    return " ".join(parts)


def _limits(system: System, name: str) -> tuple[float, float]:
    """MACs and bytes a second that an accelerator reaches at most."""
    return system.accelerator(name).spec.peak_macs_per_s, system.memory_of(name).effective_bytes_per_s


def _roof(names: Sequence[str], roof: tuple[float, float], colour: str, ends: tuple[float, float]) -> Trace:
    """The roof that accelerators have in common."""
    peak, bandwidth = roof
    ridge = peak / bandwidth
    xs = sorted({ends[0], *ends[1:], *([ridge] if ends[0] < ridge < ends[1] else [])})
    name = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    limits = f"{engineering(peak, 'MAC/s')}, {engineering(bandwidth, 'B/s')}{' each' * (len(names) > 1)}"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": shown(f"{name}: {limits}"),
        "legendgroup": shown(names[0]),
        "x": xs,
        "y": [min(peak, bandwidth * x) / GIGA for x in xs],
        "line": {"color": colour, "width": 2},
        "hovertemplate": f"{lines(f'roof of {name}', limits, f'ridge at {ridge:.3g} MAC/B')}<extra></extra>",
    }


def _points(main: SystemResult, name: str, colour: str, layers: Sequence[LayerResult]) -> Trace:
    times = [layer.end_ps - layer.start_ps for layer in layers]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": shown(f"layers on {name}"),
        "legendgroup": shown(name),
        "showlegend": False,
        "x": [layer.macs / layer.memory_bytes for layer in layers],
        "y": [layer.macs * PS_PER_S / time_ps / GIGA for layer, time_ps in zip(layers, times, strict=True)],
        "customdata": [
            lines(
                layer.name,
                f"on {name}, bound by {layer.bound}",
                f"{time_text(time_ps)}, {percent_text(time_ps / main.latency_ps)} of the latency",
                f"{bytes_text(layer.memory_bytes)} over the memory",
                f"{layer.macs / layer.memory_bytes:.4g} MAC/B",
                f"{engineering(layer.macs * PS_PER_S / time_ps, 'MAC/s')}, "
                f"{percent_text(layer.utilization)} of the peak",
            )
            for layer, time_ps in zip(layers, times, strict=True)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {
            "color": colour,
            "opacity": 0.75,
            "symbol": [BOUND_SYMBOLS[layer.bound] for layer in layers],
            "size": [max(SMALLEST_PX, LARGEST_PX * math.sqrt(time_ps / main.latency_ps)) for time_ps in times],
            "line": {"width": 0.5, "color": GREY},
        },
    }


def _finding(main: SystemResult) -> str:
    times = dict.fromkeys(BOUND_SYMBOLS, 0)
    for layer in main.layers:
        times[layer.bound] += layer.end_ps - layer.start_ps
    total = sum(times.values()) or 1
    order = sorted((bound for bound in times if times[bound]), key=lambda bound: -times[bound])
    shares = ", ".join(f"{BINDING[bound]} {percent_text(times[bound] / total)}" for bound in order)
    peak = sum(each.spec.peak_macs_per_s for each in main.hardware.accelerators)
    return (
        f"What binds the layers' time: {shares}; {main.system} reaches {engineering(main.macs_per_s, 'MAC/s')}, "
        f"{percent_text(main.macs_per_s / peak)} of its peak"
    )
