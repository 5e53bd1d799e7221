"""The dims of a loop nest, in ZigZag's letters, and which of them index each operand."""

from collections.abc import Mapping
from functools import cache
from typing import Literal

Operand = Literal["weight", "input", "output"]

OPERANDS: tuple[Operand, ...] = ("weight", "input", "output")
DIMS = ("B", "G", "K", "C", "OY", "OX", "FY", "FX")

FLATTENED = (("OX", "OY"), ("OY", "OX"), ("FX", "FY"), ("FY", "FX"), ("C", "FX", "FY"), ("C", "FY", "FX"))
"""Products of dims that an array may unroll as one, the first dim fastest."""

WINDOW = frozenset({"OY", "OX", "FY", "FX"})
"""The dims that together index the rows and columns of the input."""

RELEVANT: Mapping[str, frozenset[str]] = {
    "weight": frozenset({"G", "K", "C", "FY", "FX"}),
    "input": frozenset({"B", "G", "C", "OY", "OX", "FY", "FX"}),
    "output": frozenset({"B", "G", "K", "OY", "OX"}),
}
"""The dims that index each operand."""


@cache
def split_dims(entry: str) -> tuple[str, ...]:
    """The dims of one entry of an axis; `A*B` is the two flattened.

    >>> split_dims("OX*OY")
    ('OX', 'OY')
    """
    dims = tuple(part.strip() for part in entry.split("*"))
    for dim in dims:
        if dim not in DIMS:
            raise ValueError(f"unknown dim {dim!r} in {entry!r}; choose from {', '.join(DIMS)}")
    return dims


@cache
def relevant(operand: str, dim: str) -> bool:
    """Whether a dim, or a flattened product of dims, indexes an operand.

    >>> relevant("weight", "FX*FY"), relevant("output", "C")
    (True, False)
    """
    return split_dims(dim)[0] in RELEVANT[operand]


def in_window(dim: str) -> bool:
    """Whether a window of the input moves along a dim, or a flattened product of dims.

    >>> in_window("OX*OY"), in_window("C*FX*FY"), in_window("C")
    (True, True, False)
    """
    return split_dims(dim)[-1] in WINDOW


def window_span(outputs: int, taps: int, stride: int, dilation: int) -> int:
    """Positions along an axis from the first to the last that some outputs of a window read through some taps.

    >>> window_span(outputs=2, taps=3, stride=2, dilation=1)
    5
    """
    return stride * (outputs - 1) + dilation * (taps - 1) + 1
