"""Which published gains to recompute."""

from dataclasses import dataclass, field
from pathlib import Path

from mensa_sim.study.request.fields import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproducePimRequest:
    """Published gains of units in the memory, each computed here against the baseline of its publication."""

    works: tuple[str, ...] = field(default=(), metadata=spelled(form="names"))
    """Publications by their names; none: all."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """CSV to write: a row for each gain."""
    cache: bool = field(
        default=True,
        metadata=spelled("--no-cache", form="flag", stands_for=False, role="means", help="Price everything anew."),
    )
    """Keep prices for later runs."""
