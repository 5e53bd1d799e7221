"""Which reads keep the rows of what they read in order: a tile of rows may be handed on where every one does.

Rows are what a layer makes one after another: those of an image, or the places (tokens) that a product goes over. A
view keeps them wherever it puts them, a permutation or a copy may not, and a softmax over rows needs all of them for
each. Where nothing is known of a tensor's rows nothing is said.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from mensa_sim.records import dataclass
from mensa_sim.workload.build.dataflow import Producers
from mensa_sim.workload.build.fusing import activations
from mensa_sim.workload.build.operation import Operation, Role, Tensor
from mensa_sim.workload.layer import LoopNest

_SHUFFLES = frozenset({"pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "shuffle"})
"""Operators that put channels into places beside each other: rows stay in order, if more or fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowOrder:
    """Where rows lie in a tensor's elements: `outer` blocks of `size` rows, each of `inner` elements."""

    outer: int
    size: int
    inner: int

    @property
    def bounds(self) -> tuple[int, int]:
        """The rows' axis reaches from this to that product of all sizes before it."""
        return self.outer, self.outer * self.size

    def holds(self, other: "_RowOrder") -> bool:
        """Whether each of these rows is one or several of the other's, in the same order."""
        same = self.outer == other.outer and self.size * self.inner == other.size * other.inner
        return same and other.size % self.size == 0


_Known = _RowOrder | None
_LAYERS = (Role.LAYER, Role.UNSUPPORTED)
_NOWHERE = _RowOrder(outer=0, size=1, inner=1)
"""Those of a tensor in which rows lie apart, or in another order."""


def disordered(
    operations: Sequence[Operation], flow: Producers, *, channels_last: bool = False
) -> set[tuple[int, str]]:
    """Operations, by `id`, with tensors that layers wrote, by theirs, that they do not read row by row.

    `channels_last` says how images lie in the model's memory.
    """
    known: dict[str, _Known] = {}
    found: set[tuple[int, str]] = set()
    others = [operation for operation in operations if operation.role not in _LAYERS]
    between = {made.id: read for each in others for made, read in zip(each.writes, activations(each), strict=False)}
    for operation in operations:
        if operation.role in _LAYERS:
            first = tuple(_unfused(tensor, between) for tensor in operation.writes)
            made = _made(operation, first[0], known, channels_last) if first else None
            for tensor in operation.reads:
                wanted = _wanted(operation, tensor, made, channels_last)
                rows = known.get(tensor.id)
                if rows is not None and not _in_order(operation, tensor, rows, wanted):
                    found.update((id(operation), source.id) for source, _ in flow.shown(tensor))
        else:
            first, made = operation.writes, _viewed(operation, known)
        known.update((tensor.id, made) for tensor in first)
    return found


def _unfused(tensor: Tensor, between: Mapping[str, Tensor]) -> Tensor:
    """What a layer makes before the operators that are fused into it, and the views between, have changed it."""
    while tensor.id in between:
        tensor = between[tensor.id]
    return tensor


def _in_order(operation: Operation, tensor: Tensor, rows: _RowOrder, wanted: _Known) -> bool:
    if rows == _NOWHERE or _mixes(operation, tensor, rows):
        return False
    return wanted is None or rows.holds(wanted)


def _mixes(operation: Operation, tensor: Tensor, rows: _RowOrder) -> bool:
    """Whether the operation goes over places of several rows for each element that it writes."""
    first, behind = rows.bounds
    for axis in operation.across:
        before = math.prod(tensor.shape[:axis])
        if before < behind and before * tensor.shape[axis] > first and tensor.shape[axis] > 1:
            return True
    return False


def _wanted(operation: Operation, tensor: Tensor, made: _Known, channels_last: bool) -> _Known:
    """The rows that a product or a window goes over, of the operand that it moves along; else those that it makes.

    Rows of several images at once, where a window goes over depth too, are not those of any.
    """
    loops = operation.nest or operation.window
    if loops is None and made and not operation.order:
        return made if tensor.elements == made.outer * made.size * made.inner else None
    if loops is None or operation.steps > 1 or tensor.id != operation.reads[0].id:
        return None
    if not _is_image(operation):
        return _of(tensor.elements, _copies(operation, loops), loops.input_width)
    if tensor.elements != loops.input_elements:
        return _NOWHERE
    return _of_image(tensor.elements, loops.B, loops.input_height, loops.input_width, channels_last)


def _made(operation: Operation, output: Tensor, known: Mapping[str, _Known], channels_last: bool) -> _Known:
    """Those of what a layer makes, before operators that are fused into it."""
    loops = operation.nest or operation.window
    if operation.steps > 1:
        return None
    if loops is None:
        return _alike(operation, output, known)
    if not _is_image(operation):
        return _of(output.elements, _copies(operation, loops), loops.OX)
    if operation.operator.startswith("conv_transpose"):
        return None
    return _of_image(output.elements, loops.B, loops.OY, loops.OX, channels_last)


def _is_image(operation: Operation) -> bool:
    return operation.window is not None or operation.operator.startswith("conv")


def _copies(operation: Operation, loops: LoopNest) -> int:
    return loops.B * (1 if any(tensor.is_parameter for tensor in operation.reads) else loops.G)


def _of_image(elements: int, images: int, height: int, width: int, channels_last: bool) -> _Known:
    """Those of an image; of one that is one high its columns."""
    rows, inner = (width, 1) if height == 1 else (height, width)
    return _of(elements, images if channels_last else elements // (rows * inner), rows)


def _of(elements: int, outer: int, size: int) -> _Known:
    """None where the elements do not divide into so many."""
    inner, rest = divmod(elements, outer * size)
    return None if rest or size == 1 else _RowOrder(outer=outer, size=size, inner=inner)


def _alike(operation: Operation, output: Tensor, known: Mapping[str, _Known]) -> _Known:
    """Those of its largest operand, where it writes them as they lie there; wider on one side where it joins parts."""
    operands = [tensor for tensor in operation.reads if known.get(tensor.id) is not None]
    if not operands:
        return None
    operand = max(operands, key=lambda tensor: tensor.elements)
    rows = known[operand.id]
    if rows is None or rows == _NOWHERE:
        return None
    if operation.order:
        return _permuted(rows, operand.shape, operation.order)
    if operand.elements == output.elements:
        return rows
    return _resized(rows, operand.shape, output.shape)


def _resized(rows: _RowOrder, old: Sequence[int], new: Sequence[int]) -> _Known:
    """Rows where some axes have become longer or shorter: other ones, where these are the axes that hold them."""
    if len(old) != len(new):
        return None
    first, behind = rows.bounds
    before = (math.prod(old[:axis]) for axis in range(len(old)))
    changed = [(start, size, other) for start, size, other in zip(before, old, new, strict=True) if size != other]
    if any(start < behind and start * size > first for start, size, _ in changed):
        return _NOWHERE
    outer, inner = rows.outer, rows.inner
    for start, size, other in changed:
        if start < first:
            outer = outer // size * other
        else:
            inner = inner // size * other
    return _RowOrder(outer=outer, size=rows.size, inner=inner)


def _viewed(operation: Operation, known: Mapping[str, _Known]) -> _Known:
    """Those of a view of one tensor, or of it changed element by element; none of one with zeros around it."""
    read = activations(operation)
    if len(read) != 1 or len(operation.writes) != 1:
        return None
    (shown,), (view,) = read, operation.writes
    rows = known.get(shown.id)
    if rows is None or rows == _NOWHERE or operation.role is Role.PAD:
        return rows if rows == _NOWHERE else None
    if shown.elements != view.elements:
        return _resized(rows, shown.shape, view.shape)
    if _mixes(operation, shown, rows):
        return _NOWHERE
    if operation.operator in _SHUFFLES:
        return None
    return _permuted(rows, shown.shape, operation.order) if operation.order else rows


def _permuted(rows: _RowOrder, shape: Sequence[int], order: Sequence[int]) -> _Known:
    """Rows after the axes of a shape are put in another order: none where they share an axis with something else."""
    parts: list[list[tuple[int, bool]]] = []  # by axis, the sizes that it is made of, and whether each is of rows
    before, (first, behind) = 1, rows.bounds
    for size in shape:
        cuts = sorted({1, size, *(bound // before for bound in (first, behind) if before < bound < before * size)})
        if any(high % low for low, high in pairwise(cuts)) or any(
            bound % before for bound in (first, behind) if before < bound < before * size
        ):
            return None
        steps = [high // low for low, high in pairwise(cuts)] or [size]
        axis = []
        for step in steps:
            axis.append((step, first <= before and before * step <= behind and step > 1))
            before *= step
        parts.append(axis)
    moved = [(axis, place, *part) for axis in order for place, part in enumerate(parts[axis]) if part[0] > 1]
    places = [index for index, (*_, row) in enumerate(moved) if row]
    together = places == list(range(places[0], places[-1] + 1)) if places else False
    ordered = [moved[index][:2] for index in places]
    if not together or ordered != sorted(ordered):
        return _NOWHERE
    outer = math.prod(size for _, _, size, _ in moved[: places[0]])
    return _RowOrder(outer=outer, size=rows.size, inner=math.prod(size for _, _, size, _ in moved[places[-1] + 1 :]))
