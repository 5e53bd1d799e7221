"""Matrix products: linear, matmul and its batched and biased forms.

The rows of a product go in OX. An operand that is a parameter is the nest's weight, whichever side it stands on;
independent batches of rows against one weight join the rows. Where each batch has a weight of its own, be it
parameters or activations (attention), batches are groups.
"""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler, unsupported
from mensa_sim.workload.operators.views import view


def product(
    spot: Spot,
    *,
    data: Tensor,
    weight: Tensor,
    output: Tensor,
    nest: LoopNest,
    addend: Tensor | None = None,
    operator: str | None = None,
) -> None:
    """A product, plus an addend (free if it is a bias): `linear` with a parameter, else `matmul`."""
    added = addend is not None and addend.constant is None
    spot.add(
        operator or ("matmul" if weight.constant is None else "linear"),
        reads=(data, weight) if addend is None else (data, weight, addend),
        writes=(output,),
        nest=nest,
        vector_ops=output.elements if added else 0,
        has_bias=addend is not None and not added,
    )


def matrix_nest(*, rows: int, columns: int, depth: int, groups: int = 1) -> LoopNest:
    """The loop nest of `groups` products of [rows, depth] and [depth, columns]."""
    return LoopNest(G=groups, K=columns, C=depth, OX=rows, input_width=rows)


def linear(spot: Spot, *, data: Tensor, weight: Tensor, bias: Tensor | None, output: Tensor) -> None:
    """Rows of [..., C] times a weight [K, C]."""
    depth = weight.shape[-1]
    nest = matrix_nest(rows=data.elements // depth, columns=math.prod(weight.shape[:-1]), depth=depth)
    product(spot, operator="linear", data=data, weight=weight, output=output, nest=nest, addend=bias)


def matmul(spot: Spot, *, left: Tensor, right: Tensor, output: Tensor, addend: Tensor | None = None) -> None:
    """numpy's matmul of two tensors; a vector is a row on the left and a column on the right."""
    if _sums_nothing(spot, left, right, output, addend):
        return
    left_shape = left.shape if len(left.shape) > 1 else (1, *left.shape)
    right_shape = right.shape if len(right.shape) > 1 else (*right.shape, 1)
    rows, depth, columns = left_shape[-2], left_shape[-1], right_shape[-1]
    left_batch, right_batch = math.prod(left_shape[:-2]), math.prod(right_shape[:-2])
    batch = output.elements // (rows * columns)
    data, weight = left, right
    weight_batch, data_batch = right_batch, left_batch
    if left.constant is not None and right.constant is None:
        data, weight, rows, columns = right, left, columns, rows
        weight_batch, data_batch = left_batch, right_batch
    if weight_batch == 1:
        rows, groups = rows * batch, 1
    elif data_batch == 1 and weight.constant is None:
        columns, groups = columns * batch, 1
    else:
        groups = batch
    nest = matrix_nest(rows=rows, columns=columns, depth=depth, groups=groups)
    product(spot, data=data, weight=weight, output=output, nest=nest, addend=addend)


def _sums_nothing(spot: Spot, left: Tensor, right: Tensor, output: Tensor, addend: Tensor | None) -> bool:
    """Settles a product of no elements, whose sums are zeros: what is left is the addend."""
    if left.elements and right.elements:
        return False
    if addend is None:
        spot.fill(output)
    else:
        view(spot, data=addend, output=output)
    return True


def _linear(call: Call) -> None:
    data, weight = call.tensor("input"), call.tensor("weight")
    linear(call, data=data, weight=weight, bias=call.get("bias"), output=call.result)


def _matmul(call: Call) -> None:
    left, right = call.operands
    matmul(call, left=left, right=right, output=call.result)


def _biased(call: Call) -> None:
    addend, left, right = call.operands
    matmul(call, left=left, right=right, output=call.result, addend=addend)


def _summed_batches(call: Call) -> None:
    """An addend and the sum of a batch of products: batches add to the depth."""
    addend, left, right = call.operands
    if _sums_nothing(call, left, right, call.result, addend):
        return
    batch, rows, depth = left.shape
    nest = matrix_nest(rows=rows, columns=right.shape[-1], depth=batch * depth)
    product(call, data=left, weight=right, output=call.result, nest=nest, addend=addend)


def _bilinear(call: Call) -> None:
    """x A y for each output: rows of x times [in, out * in2], then each row times its own y (torch's `nn.Bilinear`)."""
    left, weight, right = call.operands
    if (call["expand1"], call["expand2"], call["expand3"], call["sumdim"]) != ([1, 3], [0], [1, 2], [2, 3]):
        unsupported(call)
        return
    outputs, depth, second = weight.shape
    rows = left.elements // depth
    half = call.new("half", (rows, outputs, second), index=call.result.index, bits=call.result.bits)
    wide = matrix_nest(rows=rows, columns=outputs * second, depth=depth)
    product(call, operator="linear", data=left, weight=weight, output=half, nest=wide)
    narrow = matrix_nest(rows=outputs, columns=1, depth=second, groups=rows)
    product(call, operator="matmul", data=half, weight=right, output=call.result, nest=narrow)


def _distances(call: Call) -> None:
    """Differences of all pairs, raised, summed: three operations for each coordinate."""
    width = call.operands[0].shape[-1]
    call.add("cdist", vector_ops=3 * width * call.result.elements)


HANDLERS: Mapping[str, Handler] = {
    "aten.linear": _linear,
    **dict.fromkeys(("aten.matmul", "aten.mm", "aten.bmm", "aten.mv", "aten.dot"), _matmul),
    **dict.fromkeys(("aten.addmm", "aten.addmv", "aten.baddbmm"), _biased),
    "aten.addbmm": _summed_batches,
    "aten._trilinear": _bilinear,
    **dict.fromkeys(("aten._cdist_forward", "aten.cdist", "aten._pdist_forward", "aten.pdist"), _distances),
}
