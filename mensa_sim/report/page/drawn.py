"""A figure with what a page needs to place it."""

from collections.abc import Sequence
from dataclasses import dataclass

from mensa_sim.report.page.figure import Figure
from mensa_sim.report.page.page import figure_block, figures_block


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A figure of a report, and what stands below it."""

    figure: Figure
    note: str = ""
    wide: bool = False
    height_rem: float | None = None
    """Where the usual height is too little."""


def drawn(figure: Figure | None, note: str = "", *, wide: bool = False) -> Drawn | None:
    """A figure, where there is one."""
    return None if figure is None else Drawn(figure=figure, note=note, wide=wide)


def drawn_block(figures: dict[str, Drawn], *names: str, small: bool = False) -> str:
    """The figures of those names that there are, side by side; empty where there is none.

    `small` ones stand side by side on a narrow screen too.
    """
    chosen = {name: figures[name] for name in names if name in figures}
    blocks = [
        figure_block(name, each.figure, note=each.note, wide=each.wide, height_rem=each.height_rem)
        for name, each in chosen.items()
    ]
    return figures_block(blocks, small=small) if blocks else ""


def others(figures: dict[str, Drawn], *placed: Sequence[str]) -> list[str]:
    """The names of the figures that no other section of a page has: its last section takes them, so that none is lost.

    >>> others({"energy": Drawn(figure={}), "new": Drawn(figure={})}, ("energy", "roofline"))
    ['new']
    """
    taken = {name for names in placed for name in names}
    return [name for name in figures if name not in taken]
