"""What the commands share: an option that several take, options of the form NAME=VALUE, and showing a table."""

import math
from collections.abc import Sequence
from typing import Annotated

import typer

from mensa_sim.errors import UsageError

Timings = Annotated[str, typer.Option(help="Measured accelerators: exact (their table alone) or fit.")]


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Name to value, split at the last `=`; a text without one, or a name given twice, is an error.

    >>> pairs("--pin", ["lstm.l0.cell=pavlov"])
    {'lstm.l0.cell': 'pavlov'}
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} {text!r}: must be NAME=VALUE")
        if name in found:
            raise UsageError(f"{option}: {name} is given twice")
        found[name] = value
    return found


def numbers(option: str, texts: Sequence[str]) -> dict[str, float]:
    """Name to a finite number.

    >>> numbers("--option", ["mac_ratio=2.5"])
    {'mac_ratio': 2.5}
    """
    found: dict[str, float] = {}
    for name, value in pairs(option, texts).items():
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(f"{option} {name}={value}: must be a finite number")
        found[name] = number
    return found


def show(what: object) -> None:
    """Print tables or a line on standard output."""
    from rich.console import Console

    Console(highlight=False).print(what, soft_wrap=isinstance(what, str), markup=False)
