"""What stays on chip on a run's page: tensors over time and what they save, layers in stacks, layers in pieces."""

from collections.abc import Iterator, Mapping, Sequence

from mensa_sim.report.page.colours import GREEN, GREY, SKY, Look, looks
from mensa_sim.report.page.figure import Drawn, Trace, bar, categories, figure, most_of, shown
from mensa_sim.report.page.page import SEARCHED_ROWS, drawn_block, heading, paragraph, table_block
from mensa_sim.report.page.quantities import bytes_text, percent_text, time_axis, time_text
from mensa_sim.report.page.sheet import known_text
from mensa_sim.report.run.tables import homes_text, splits_text, stacks_text
from mensa_sim.study.run.on_chip import HomeResult, SplitResult, StackResult
from mensa_sim.study.run.result import SystemResult

KEPT = ("saved",)
"""The figures of this section."""
_BARS = 16
"""Tensors in the figure: more are too narrow to name."""
_ROWS = 400
"""In each table."""
_HOME, _STACK = "at home", "in a stack"
_LOOKS: Mapping[str, Look] = {_HOME: Look(colour=GREEN), _STACK: Look(colour=SKY, pattern="/")}
STACK_COLUMNS = ("layers", "from", "to", "accelerator", "tiles", "rows", "time", "one by one", "as a stack", "saved")
SPLIT_COLUMNS = ("layer", "cut by", "pieces", "shares", "time", "whole alone")
TENSOR_COLUMNS = ("tensor", "where", "saved")
STACKS_TOLD = "Layers in stacks, and what moves where they run one by one and as a stack."
SPLITS_TOLD = (
    "Layers in pieces: from the first piece's start to the last one's end, and alone, whole on one accelerator."
)
TENSORS_TOLD = "Tensors that stay on chip, the one that saves most first."


def on_chip_blocks(main: SystemResult, figures: dict[str, Drawn]) -> Iterator[str]:
    """The section; nothing where nothing is at home, in a stack or in pieces."""
    texts = (*homes_text(main), *stacks_text(main), *splits_text(main))
    if not texts:
        return
    yield heading("What stays on chip")
    for text in texts:
        yield paragraph(f"{text[0].upper()}{text[1:]}.")
    yield drawn_block(figures, *KEPT)
    saved = saved_by_tensor(main)
    tables = (
        (STACKS_TOLD, STACK_COLUMNS, [_stack_cells(each) for each in main.stacks], STACK_COLUMNS[4:], "stacks"),
        (SPLITS_TOLD, SPLIT_COLUMNS, [_split_cells(each) for each in main.splits], SPLIT_COLUMNS[4:], "splits"),
        (
            TENSORS_TOLD,
            TENSOR_COLUMNS,
            [(*key, bytes_text(size)) for key, size in saved],
            TENSOR_COLUMNS[2:],
            "tensors",
        ),
    )
    for told, columns, rows, numeric, name in tables:
        if rows:
            yield paragraph(told)
            name_if_long = name if len(rows) > SEARCHED_ROWS else None
            yield table_block(columns, rows[:_ROWS], numeric=numeric, name=name_if_long)
        if len(rows) > _ROWS:
            yield paragraph(f"The first {_ROWS} of {len(rows)}; summary.json holds them all.", kind="note")


def saved_by_tensor(main: SystemResult) -> list[tuple[tuple[str, str], int]]:
    """What each tensor on chip would move at least in memory, by its name and where it stays; the most first."""
    found = [((each.tensor, f"at home on {each.home}"), each.saved_bytes) for each in main.homes]
    for stack in main.stacks:
        where = f"in a stack on {stack.accelerator}"
        found += [((name, where), size) for name, size in stack.tensors.items()]
    return sorted(found, key=lambda each: (-each[1], each[0]))


def saved_figure(main: SystemResult) -> Drawn | None:
    """A bar for each tensor that saves most; none where none stays."""
    everything = saved_by_tensor(main)
    if not everything:
        return None
    largest = most_of(everything, lambda each: float(each[1]), _BARS)
    drawn = ((kind, look, [each for each in largest if each[0][1].startswith(kind)]) for kind, look in _LOOKS.items())
    traces = [_bars(*each) for each in drawn if each[2]]
    names = [shown(name) for (name, _), _ in largest]
    ys = {**categories("tensor, by the layer that makes it"), "autorange": "reversed"}
    ys |= {"categoryorder": "array", "categoryarray": names, "automargin": True}
    total = sum(size for _, size in everything)
    (first, _), most = everything[0]
    title = (
        f"{len(everything)} tensors stay on chip and save {bytes_text(total)} of memory traffic; the most, "
        f"{percent_text(most / total)}, {first}"
    )
    note = "At least: written once, and read by each of its readers."
    if len(largest) < len(everything):
        note += f" The {len(largest)} of {len(everything)} tensors that save most."
    xs = {"title": "memory traffic saved (B)", "tickformat": "~s"}
    return Drawn(figure=figure(title, xs, ys, traces, barmode="stack"), note=note, wide=True)


def _bars(kind: str, look: Look, own: Sequence[tuple[tuple[str, str], int]]) -> Trace:
    return bar(
        name=kind,
        orientation="h",
        y=[shown(name) for (name, _), _ in own],
        x=[size for _, size in own],
        customdata=[shown(f"{bytes_text(size)}, {where}") for (_, where), size in own],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
        marker=look.bar,
    )


def _stack_cells(each: StackResult) -> tuple[str, ...]:
    return (
        str(len(each.layers)),
        each.layers[0],
        each.layers[-1],
        each.accelerator,
        str(each.tiles),
        str(each.rows),
        time_text(each.end_ps - each.start_ps),
        bytes_text(each.alone_bytes),
        bytes_text(each.moved_bytes),
        bytes_text(each.saved_bytes),
    )


def _split_cells(each: SplitResult) -> tuple[str, ...]:
    return (
        each.layer,
        each.axis,
        str(each.pieces),
        _shares_text(each.parts),
        time_text(each.end_ps - each.start_ps),
        known_text(each.whole_ps, time_text),
    )


def _shares_text(parts: Mapping[str, float]) -> str:
    """Accelerators with equal shares together.

    >>> _shares_text({"core0": 0.3, "core1": 0.3, "core2": 0.4})
    'core0, core1 30.0 % each; core2 40.0 %'
    """
    alike: dict[str, list[str]] = {}
    for name, share in parts.items():
        alike.setdefault(percent_text(share), []).append(name)
    return "; ".join(f"{', '.join(names)} {text}{' each' * (len(names) > 1)}" for text, names in alike.items())


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
