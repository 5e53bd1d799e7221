"""Operators that move data: concatenation, repetition, rolling, padding, scattering. Each is charged its bytes.

Zeros around rows and columns may become a convolution's own padding (see `reindexing`).
"""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.operation import Role, Spot, Tensor
from mensa_sim.workload.build.reindexing import COPY
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.views import view


def copy(
    spot: Spot,
    *,
    operands: Sequence[Tensor],
    outputs: Sequence[Tensor],
    vector_ops: int = 0,
    across: Sequence[int] = (),
) -> None:
    """Operands read in any order, outputs written; `across` are the axes along which places change."""
    spot.add(COPY, reads=tuple(operands), writes=tuple(outputs), vector_ops=vector_ops, across=tuple(across))


def concatenation(spot: Spot, *, operands: Sequence[Tensor], output: Tensor) -> None:
    """Tensors one after another along an axis; what is empty adds nothing, and one alone is that one."""
    filled = [tensor for tensor in operands if tensor.elements]
    if len(filled) == 1:
        view(spot, data=filled[0], output=output)
    else:
        first = filled[0].shape if filled else output.shape
        joined = [axis for axis, size in enumerate(first) if output.shape[axis : axis + 1] != (size,)]
        copy(spot, operands=filled or operands, outputs=(output,), across=joined)


def repeat(spot: Spot, *, data: Tensor, output: Tensor) -> None:
    """Repetition copies, unless it repeats once."""
    if data.elements == output.elements:
        view(spot, data=data, output=output)
    else:
        copy(spot, operands=(data,), outputs=(output,))


def pad(spot: Spot, *, data: Tensor, output: Tensor, widths: Sequence[int], zeros: bool) -> None:
    """Elements put around a tensor (negative widths cut); `widths` are low and high per axis, the last axis first."""
    if all(width <= 0 for width in widths):
        view(spot, data=data, output=output, operator="crop")
        return
    per_axis = [widths[at] + widths[at + 1] for at in range(0, len(widths), 2)]
    spatial = len(data.shape) - 2
    nowhere_else = not any(per_axis[spatial:]) and min(widths) >= 0
    columns, rows = (*per_axis, 0, 0)[:2]
    if zeros and nowhere_else and spatial >= 1:
        rows = rows if spatial > 1 else 0
        spot.add("pad", role=Role.PAD, reads=(data,), writes=(output,), pads=(rows, columns))
    else:
        copy(spot, operands=(data,), outputs=(output,))


def update(
    spot: Spot,
    *,
    base: Tensor,
    source: Tensor | None,
    indices: Sequence[Tensor] = (),
    output: Tensor,
    updated: int,
    adds: bool = False,
) -> None:
    """`updated` elements of a tensor overwritten by a source (or a number), at places known or computed.

    One that `adds` reads what it overwrites and pays an addition for each element.
    """
    computed = tuple(tensor for tensor in indices if tensor.constant is None)
    old: tuple[Tensor, ...] = ()
    if adds and base.constant is None:
        shown = min(updated, base.stored)
        picked = spot.new("old", (shown,), index=base.index)
        spot.add("pick", role=Role.VIEW, reads=(base,), writes=(picked,))
        old = (spot.builder.tensor(picked.id),)
    spot.add(
        COPY,
        role=Role.UPDATE,
        reads=(base, *((source,) if source is not None else ()), *old, *computed),
        writes=(output,),
        vector_ops=updated if adds else 0,
        updated=updated,
    )


def _update(call: Call) -> None:
    """The names that schemas have for what is written and where."""
    base = call.tensor("input")
    source = next((call[name] for name in ("src", "source", "values") if isinstance(call.get(name), Tensor)), None)
    at = call.get("index", call.get("indices"))
    indices = [tensor for tensor in (at if isinstance(at, list) else [at]) if isinstance(tensor, Tensor)]
    adds = bool(call.get("accumulate")) or call.operator.endswith(("_add", "_reduce")) or call.get("reduce") is not None
    update(
        call,
        base=base,
        source=source,
        indices=indices,
        output=call.result,
        updated=_updated(call, source, indices),
        adds=adds,
    )


def _updated(call: Call, source: Tensor | None, indices: Sequence[Tensor]) -> int:
    """Elements that are overwritten: those of the source, or of the places where it is broadcast over them."""
    if call.operator.startswith("scatter") or source is None:
        return math.prod(tensor.elements for tensor in indices[:1])
    if call.operator.endswith("index_put") and source.elements == 1:
        return max((tensor.elements for tensor in indices), default=1)
    return source.elements


def _folding(call: Call) -> None:
    """Overlapping columns put together: one addition per element of the source."""
    source = call.operands[-1]
    copy(call, operands=call.operands, outputs=call.results, vector_ops=source.elements)


def _pad(call: Call) -> None:
    zeros = call.get("mode", "constant") == "constant" and call.get("value", 0) == 0
    pad(call, data=call.tensor("input"), output=call.result, widths=call["pad"], zeros=zeros)


def _other_pad(call: Call) -> None:
    widths = call["padding"]
    pad(call, data=call.tensor("input"), output=call.result, widths=widths, zeros=False)


def _along(call: Call) -> None:
    """Places in another order along some axes; along all of them where the call names none."""
    rank = len(call.result.shape)
    axes = _SIDES.get(call.operator, call.get("dims")) or range(rank)
    across = [axis % rank for axis in ([axes] if isinstance(axes, int) else axes)]
    copy(call, operands=call.operands, outputs=call.results, across=across)


def _repeat(call: Call) -> None:
    repeat(call, data=call.operands[0], output=call.result)


_SIDES: Mapping[str, Sequence[int]] = {"fliplr": (1,), "flipud": (0,)}
_COPIES = """
    repeat_interleave masked_scatter tril triu diag diag_embed diagonal diagonal_copy
    im2col unfold block_diag as_strided cartesian_prod meshgrid index_fill
"""
_UPDATES = """
    slice_scatter select_scatter diagonal_scatter as_strided_scatter index_copy index_put _unsafe_index_put index_add
    scatter scatter_add scatter_reduce
"""

HANDLERS: Mapping[str, Handler] = {
    **{
        f"aten.{name}": lambda call: copy(call, operands=call.operands, outputs=call.results)
        for name in _COPIES.split()
    },
    **dict.fromkeys((f"aten.{name}" for name in ("roll", "flip", "fliplr", "flipud", "rot90")), _along),
    **{f"aten.{name}": _update for name in _UPDATES.split()},
    "aten.col2im": _folding,
    **{
        f"aten.{name}": lambda call: concatenation(call, operands=call.operands, output=call.result)
        for name in ("cat", "concat", "concatenate", "stack", "hstack", "vstack")
    },
    "aten.pad": _pad,
    "aten.constant_pad_nd": _pad,
    **{f"aten.{kind}_pad{rank}d": _other_pad for kind in ("reflection", "replication") for rank in (1, 2, 3)},
    "aten.repeat": _repeat,
    "aten.tile": _repeat,
}
