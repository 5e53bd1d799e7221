"""Which tensor lives on chip when: what each memory holds, tensor by tensor."""

from collections.abc import Sequence

from mensa_sim.report.page.colours import GREY, Look, looks
from mensa_sim.report.page.drawn import Drawn
from mensa_sim.report.page.figure import Trace, figure, most_of, shown
from mensa_sim.report.page.quantities import bytes_text, percent_text, time_axis, time_text
from mensa_sim.study.run.on_chip import HomeResult
from mensa_sim.study.run.result import SystemResult

MAX_TENSORS = 12
"""Tensors with a colour of their own: more cannot be told apart."""
REST = "smaller or shorter-lived tensors"


def homes_figures(main: SystemResult) -> dict[str, Drawn]:
    """A figure for each memory on chip that tensors live in."""
    homes = dict.fromkeys(each.home for each in main.homes)
    return {f"homes_{home}": _figure(main, [e for e in main.homes if e.home == home], home) for home in homes}


def _figure(main: SystemResult, own: Sequence[HomeResult], home: str) -> Drawn:
    capacity_bytes = main.hardware.room_for_tensors(home)
    scale, unit = time_axis(max(1, main.timeline.end_ps))
    largest = most_of(own, lambda each: float(each.size_bytes * (each.end_ps - each.start_ps)), MAX_TENSORS)
    named = [each.tensor for each in largest]
    times = sorted({0, main.timeline.end_ps, *(t for each in own for t in (each.start_ps, each.end_ps))})
    colours = looks(named)
    traces: list[Trace] = []
    for name in (REST, *named) if len(named) < len(own) else named:
        shares = [each for each in own if each.tensor == name or (name == REST and each.tensor not in named)]
        look = Look(colour=GREY) if name == REST else colours[name]
        held = [sum(each.size_bytes for each in shares if each.start_ps <= t < each.end_ps) for t in times]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": shown(name),
                "x": [t / scale for t in times],
                "y": [100 * size / capacity_bytes for size in held],
                "customdata": [bytes_text(size) for size in held],
                "stackgroup": "held",
                "line": {"shape": "hv", "width": 0, "color": look.colour},
                "fillcolor": look.colour,
                "fillpattern": {"shape": look.pattern},
                "hovertemplate": "%{x:.4g}: %{customdata}, %{y:.3g} %<extra>%{fullData.name}</extra>",
            }
        )
    sums = [(sum(e.size_bytes for e in own if e.start_ps <= t < e.end_ps), t) for t in times]
    peak_bytes, peak_ps = max(sums, key=lambda each: each[0])
    saved_bytes = sum(each.saved_bytes for each in own)
    title = (
        f"{len(own)} tensors live on {home}, which saves {bytes_text(saved_bytes)} of memory traffic; at most "
        f"{bytes_text(peak_bytes)} of its {bytes_text(capacity_bytes)} ({percent_text(peak_bytes / capacity_bytes)}) "
        f"at {time_text(peak_ps)}"
    )
    note = (
        "From the start of a tensor's producer to the end of its last reader; tiles of the layer at work take their "
        "room beside them."
    )
    if len(named) < len(own):
        note += f" The {len(named)} of {len(own)} tensors that take most room and time have a colour of their own."
    y = {"title": "held, of the level's capacity (%)", "rangemode": "tozero"}
    return Drawn(figure=figure(title, f"time ({unit})", y, traces), note=note, wide=True)
