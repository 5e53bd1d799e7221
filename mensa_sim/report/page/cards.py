"""Headline figures as cards: a value, the baseline's, and how many times better it is."""

import html
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from mensa_sim.records import dataclass
from mensa_sim.report.page.quantities import factor_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One headline figure."""

    label: str
    value: str
    beside: str = ""
    """What it is compared with, or what it means."""
    ratio: float | None = None
    """Above 1 is better; none where better means nothing."""


class OnSystem(Protocol):
    """A result that says which system it is of."""

    @property
    def system(self) -> str:
        """The system's name."""


Result = TypeVar("Result", bound=OnSystem)


def compared_card(
    label: str, results: Sequence[Result], text: Callable[[Result], str], *, ratio: float | None = None, more: str = ""
) -> Card:
    """A figure of the first of some results, beside it those of the others."""
    beside = [f"{each.system}: {text(each)}" for each in results[1:]]
    return Card(
        label=label, value=text(results[0]), ratio=ratio, beside="; ".join([*beside, *([more] if more else [])])
    )


def cards_block(cards: Sequence[Card]) -> str:
    """The cards side by side, escaped."""
    return '<div class="cards">\n' + "\n".join(_card(card) for card in cards) + "\n</div>"


def _card(card: Card) -> str:
    ratio = ""
    if card.ratio:
        kind = "better" if card.ratio >= 1 else "worse"
        times = factor_text(max(card.ratio, 1 / card.ratio))
        ratio = f'<div class="ratio {kind}">{"the same" if times == "1.00x" else f"{times} {kind}"}</div>'
    return (
        f'<div class="card"><div class="label">{html.escape(card.label)}</div>'
        f'<div class="value">{html.escape(card.value)}</div>{ratio}'
        f'<div class="beside">{html.escape(card.beside)}</div></div>'
    )
