"""A layer's mapping for people: what each level holds and moves, as table and figure, and the gap to the floor."""

import math
from collections.abc import Iterator

from rich.console import RenderableType

from mensa_sim.report.page.colours import OPERAND_LOOKS
from mensa_sim.report.page.figure import Figure, Trace, bar, categories, figure, padded, shown
from mensa_sim.report.page.products import objective_text
from mensa_sim.report.page.quantities import bytes_text, percent_text
from mensa_sim.report.page.sheet import Sheet, known_text, numbers, texts
from mensa_sim.study.explain.levels import LevelUse, MappingUse


def use_tables(use: MappingUse) -> Iterator[RenderableType]:
    """The mapping in words, how near it is to the floor, and a row for each operand at each level."""
    yield f"its mapping on {use.accelerator}, every tensor from and to memory: {use.mapping}"
    if use.fixed_in:
        yield fixed_text(use)
    yield gap_text(use)
    yield use_sheet(use)


def fixed_text(use: MappingUse) -> str:
    """Where a user fixed the mapping."""
    return f"fixed, whole or in part, by {use.fixed_in}"


def use_sheet(use: MappingUse) -> Sheet:
    """What each level holds and moves of each operand."""
    rows = []
    for each in use.levels:
        holds, capacity = (known_text(size, bytes_text) for size in (each.held_bytes, each.capacity_bytes))
        moved = (bytes_text(each.read_bytes), bytes_text(each.write_bytes))
        rows.append((each.level, each.operand, holds, capacity, str(each.instances), *moved))
    return Sheet([*texts("level", "operand"), *numbers("holds", "of", "instances", "reads", "writes")], rows)


def gap_text(use: MappingUse) -> str:
    """How far the mapping lies above what none is below."""
    if use.floor is None or use.value is None or use.gap is None:
        return "how near it is to the best is not known"
    value, floor = (objective_text(use.objective, each) for each in (use.value, use.floor))
    if use.gap == 0:
        return f"{use.objective} {value}: no mapping has less"
    return f"{use.objective} {value}, and no mapping is below {floor}: at most {percent_text(use.gap)} to gain"


LABEL_SIGNS = 32
"""Signs beside a bar for which the width of the narrowest screen's figure has room."""


def levels_figure(use: MappingUse) -> Figure:
    """Bytes that each level moves, by operand: memory on top, registers at the bottom."""
    order = list(dict.fromkeys(each.level for each in use.levels))
    traces: list[Trace] = []
    for operand, look in OPERAND_LOOKS.items():
        own = [each for each in use.levels if each.operand == operand and each.moved_bytes]
        if own:
            traces.append(
                bar(
                    name=operand,
                    orientation="h",
                    y=[shown(each.level) for each in own],
                    x=[each.moved_bytes for each in own],
                    text=[_holding(each) for each in own],
                    textposition="outside",
                    constraintext="none",
                    textfont={"size": 10},
                    cliponaxis=False,
                    hovertemplate="%{y}, %{fullData.name}: %{customdata}<extra></extra>",
                    customdata=[
                        f"{bytes_text(each.read_bytes)} read, {bytes_text(each.write_bytes)} written" for each in own
                    ],
                    marker=look.bar,
                )
            )
    ys = {**categories("level"), "categoryorder": "array", "categoryarray": [shown(name) for name in reversed(order)]}
    xs = {**padded("moved in both directions (B)", traces, "x"), "tickformat": "~s"}
    low, high = xs["range"]
    ends = [
        (math.log10(x) - low) / (1 - len(text) / LABEL_SIGNS)
        for trace in traces
        for x, text in zip(trace["x"], trace["text"], strict=True)
    ]
    xs["range"] = [low, max(high, low + max(ends, default=0.0))]
    return figure(_finding(use), xs, ys, traces, barmode="group", bargap=0.2)


def _holding(each: LevelUse) -> str:
    if each.held_bytes is None or each.capacity_bytes is None:
        return ""
    return f"{bytes_text(each.held_bytes)} of {bytes_text(each.capacity_bytes)}"


def _finding(use: MappingUse) -> str:
    moved: dict[str, int] = {}
    for each in use.levels:
        moved[each.level] = moved.get(each.level, 0) + each.moved_bytes
    most = max(moved, key=moved.__getitem__)
    first = next(iter(moved))
    text = f"{use.layer} on {use.accelerator}: {first} moves {bytes_text(moved[first])}"
    return text if most == first else f"{text}, {most} {bytes_text(moved[most])}"
