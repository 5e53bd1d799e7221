"""A loop nest in another tool's letters, as an entry of a layer list: each dim by the operands that it indexes."""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any

from mensa_sim.records import dataclass
from mensa_sim.workload.dims import DIMS, Operand

CLASSES: Mapping[frozenset[str], str] = {
    frozenset({"weight", "input", "output"}): "G",
    frozenset({"weight", "output"}): "K",
    frozenset({"weight", "input"}): "C",
    frozenset({"input", "output"}): "B",
}
"""The dim of ours that indexes these operands and no row or column."""

BATCH = ("B", "N")
"""Names of dims that are batches where the layer is a matrix product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliding:
    """Rows or columns of the input: outputs and taps that together index it."""

    outputs: str
    taps: str
    stride: int = 1
    dilation: int = 1

    @classmethod
    def of(cls, terms: Sequence[tuple[str, int]], outputs: Collection[str]) -> "Sliding":
        """That of two dims, in either order, and their coefficients; `ValueError` unless one is an output's alone."""
        (first, stride), (second, dilation) = sorted(terms, key=lambda term: term[0] not in outputs)
        if first not in outputs or second in outputs:
            raise ValueError(f"{first} and {second} index the input together, but are no output and a tap")
        return cls(outputs=first, taps=second, stride=stride, dilation=dilation)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignNest:
    """A loop nest in other letters."""

    sizes: Mapping[str, int]
    indexes: Mapping[Operand, frozenset[str]]
    """The dims that index each operand, those behind a window included."""
    rows: Sliding | None = None
    columns: Sliding | None = None

    @property
    def letters(self) -> dict[str, str]:
        """Our dim for each of its dims; `ValueError` for one that indexes no two operands."""
        found: dict[str, str] = {}
        for window, outputs, taps in ((self.rows, "OY", "FY"), (self.columns, "OX", "FX")):
            if window is not None:
                found |= {window.outputs: outputs, window.taps: taps}
        for dim in self.sizes:
            indexed = frozenset(operand for operand, dims in self.indexes.items() if dim in dims)
            if indexed not in CLASSES:
                places = " and ".join(sorted(indexed)) or "nothing"
                raise ValueError(f"{dim} indexes {places}: a loop of ours indexes two operands or all three")
            found.setdefault(dim, self._without_window(dim, CLASSES[indexed]))
        return found

    def _without_window(self, dim: str, ours: str) -> str:
        """Positions and taps keep their own names; rows of a matrix product are OX."""
        if dim in {"B": ("OY", "OX"), "C": ("FY", "FX")}.get(ours, ()):
            return dim
        return "OX" if ours == "B" and self.rows is self.columns is None and dim not in BATCH else ours

    def entry(self, name: str, *, constant_weights: bool) -> dict[str, Any]:
        """What a layer list says of it: name, operator, dims, stride and dilation."""
        letters = self.letters
        dims = {dim: prod(size for their, size in self.sizes.items() if letters[their] == dim) for dim in DIMS}
        windows = self.rows or Sliding(outputs="", taps=""), self.columns or Sliding(outputs="", taps="")
        slides = max(dims["OY"], dims["FY"], dims["FX"], *(window.stride for window in windows)) > 1
        operator = "conv2d" if slides else "linear" if constant_weights else "matmul"
        entry: dict[str, Any] = {"name": name, "operator": operator}
        entry["dims"] = {dim: size for dim, size in dims.items() if size > 1} or {"K": 1}
        if slides:
            for key, pair in (
                ("stride", [window.stride for window in windows]),
                ("dilation", [window.dilation for window in windows]),
            ):
                if pair != [1, 1]:
                    entry[key] = pair[0] if pair[0] == pair[1] else pair
        return entry
