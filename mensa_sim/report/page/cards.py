"""Headline figures as cards: a value, the baseline's, and how many times better it is."""

import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One headline figure."""

    label: str
    value: str
    beside: str = ""
    """What it is compared with, or what it means."""
    ratio: float | None = None
    """Above 1 is better; none where better means nothing."""


def cards_block(cards: Sequence[Card]) -> str:
    """The cards side by side, escaped."""
    return '<div class="cards">\n' + "\n".join(_card(card) for card in cards) + "\n</div>"


def _card(card: Card) -> str:
    ratio = ""
    if card.ratio is not None:
        kind = "better" if card.ratio >= 1 else "worse"
        ratio = f'<div class="ratio {kind}">{card.ratio:.2f}x</div>'
    return (
        f'<div class="card"><div class="label">{html.escape(card.label)}</div>'
        f'<div class="value">{html.escape(card.value)}</div>{ratio}'
        f'<div class="beside">{html.escape(card.beside)}</div></div>'
    )
