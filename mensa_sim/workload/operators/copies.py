"""Operators that move data: concatenation, repetition, rolling, padding, scattering. Each is charged its bytes.

Zeros around rows and columns may become a convolution's own padding (see `reindexing`).
"""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Role, Site, Tensor
from mensa_sim.workload.build.reindexing import COPY
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.views import view


def copy(
    builder: GraphBuilder, site: Site, *, operands: Sequence[Tensor], outputs: Sequence[Tensor], vector_ops: int = 0
) -> None:
    """Operands read in any order, outputs written."""
    operation = Operation(site=site, operator=COPY, reads=tuple(operands), writes=tuple(outputs), vector_ops=vector_ops)
    builder.add(operation)


def concatenation(builder: GraphBuilder, site: Site, *, operands: Sequence[Tensor], output: Tensor) -> None:
    """Tensors one after another along an axis; what is empty adds nothing, and one alone is that one."""
    filled = [tensor for tensor in operands if tensor.elements]
    if len(filled) == 1:
        view(builder, site, data=filled[0], output=output)
    else:
        copy(builder, site, operands=filled or operands, outputs=(output,))


def pad(builder: GraphBuilder, site: Site, *, data: Tensor, output: Tensor, widths: Sequence[int], zeros: bool) -> None:
    """Elements put around a tensor (negative widths cut); `widths` are low and high per axis, the last axis first."""
    if all(width <= 0 for width in widths):
        view(builder, site, data=data, output=output, operator="crop")
        return
    per_axis = [widths[at] + widths[at + 1] for at in range(0, len(widths), 2)]
    spatial = len(data.shape) - 2
    nowhere_else = not any(per_axis[spatial:]) and min(widths) >= 0
    columns, rows = (*per_axis, 0, 0)[:2]
    if zeros and nowhere_else and spatial >= 1:
        rows = rows if spatial > 1 else 0
        operation = Operation(
            site=site, operator="pad", role=Role.PAD, reads=(data,), writes=(output,), pads=(rows, columns)
        )
        builder.add(operation)
    else:
        copy(builder, site, operands=(data,), outputs=(output,))


def _copy(call: Call) -> None:
    copy(call.builder, call.site, operands=call.operands, outputs=call.results)


def _accumulating_copy(call: Call) -> None:
    """A scatter that adds: one addition per element of its source."""
    source = call.operands[-1]
    copy(call.builder, call.site, operands=call.operands, outputs=call.results, vector_ops=source.elements)


def _concatenation(call: Call) -> None:
    concatenation(call.builder, call.site, operands=call.operands, output=call.result)


def _pad(call: Call) -> None:
    zeros = call.get("mode", "constant") == "constant" and call.get("value", 0) == 0
    pad(call.builder, call.site, data=call.tensor("input"), output=call.result, widths=call["pad"], zeros=zeros)


def _other_pad(call: Call) -> None:
    widths = call["padding"]
    pad(call.builder, call.site, data=call.tensor("input"), output=call.result, widths=widths, zeros=False)


def _repeat(call: Call) -> None:
    """Repetition copies, unless it repeats once."""
    data = call.operands[0]
    if math.prod(call.result.shape) == data.elements:
        view(call.builder, call.site, data=data, output=call.result)
    else:
        _copy(call)


_COPIES = """
    roll flip fliplr flipud rot90 repeat_interleave index_copy slice_scatter select_scatter diagonal_scatter
    as_strided_scatter masked_scatter tril triu diag diag_embed diagonal diagonal_copy im2col unfold block_diag
    as_strided cartesian_prod meshgrid
"""
_ADDING = "scatter scatter_add scatter_reduce index_put index_add _unsafe_index_put index_fill col2im"

HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{name}": _copy for name in _COPIES.split()},
    **{f"aten.{name}": _accumulating_copy for name in _ADDING.split()},
    **{f"aten.{name}": _concatenation for name in ("cat", "concat", "concatenate", "stack", "hstack", "vstack")},
    "aten.pad": _pad,
    "aten.constant_pad_nd": _pad,
    **{f"aten.{kind}_pad{rank}d": _other_pad for kind in ("reflection", "replication") for rank in (1, 2, 3)},
    "aten.repeat": _repeat,
    "aten.tile": _repeat,
}
