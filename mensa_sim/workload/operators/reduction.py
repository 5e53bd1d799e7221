"""Reductions, scans, sorts and softmax: vector operations per element that is read."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.operators.call import Call, Handler

REDUCING_PER_ELEMENT: Mapping[str, int] = {
    # one addition, product or comparison
    **dict.fromkeys(["sum", "nansum", "mean", "prod", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"], 1),
    **dict.fromkeys(["max", "min", "amax", "amin", "argmax", "argmin", "any", "all", "count_nonzero"], 1),
    # minimum and maximum at once; the place in a histogram and its count
    **dict.fromkeys(["aminmax", "histc"], 2),
    # square (or absolute value) and sum
    **dict.fromkeys(["norm", "linalg_vector_norm"], 2),
    # sum, difference, square, sum
    **dict.fromkeys(["var", "std", "var_mean", "std_mean"], 4),
    # maximum, difference, exponential, sum
    "logsumexp": 4,
}
"""Vector operations per input element, by operator."""


def reduction(spot: Spot, *, operator: str, operands: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
    """Elements combined along axes (or scanned); of operators without an entry, one operation for each."""
    operations = operands[0].elements * REDUCING_PER_ELEMENT.get(operator, 1)
    spot.add(operator, reads=operands, writes=outputs, vector_ops=operations)


def comparisons(count: int) -> int:
    """Halvings that find a place among so many: log2 of them, at least one.

    >>> comparisons(5), comparisons(1)
    (3, 1)
    """
    return max(1, (count - 1).bit_length())


def sort(spot: Spot, *, operator: str, operands: tuple[Tensor, ...], outputs: tuple[Tensor, ...], kept: int) -> None:
    """A row of n compared log2 n times, or log2 k times where only the k first are `kept`."""
    operations = operands[0].elements * comparisons(kept)
    spot.add(operator, reads=operands, writes=outputs, vector_ops=operations)


def _reduce(call: Call) -> None:
    operator = "avg_pool" if _is_global_pool(call) else call.operator
    reduction(call, operator=operator, operands=call.operands, outputs=call.results)


def _is_global_pool(call: Call) -> bool:
    """A mean over rows and columns: what a global average pool is taken apart to."""
    axes, shape = call.get("dim"), call.operands[0].shape
    return call.operator == "mean" and len(shape) == 4 and isinstance(axes, list) and {a % 4 for a in axes} == {2, 3}


def _sort(call: Call) -> None:
    data = call.operands[0]
    row = data.shape[call.get("dim", -1)] if data.shape else 1
    kept = min(call.get("k", row), row)
    sort(call, operator=call.operator, operands=call.operands, outputs=call.results, kept=kept)


def _search(call: Call) -> None:
    """Each value finds its place among n sorted boundaries in log2 (n + 1) comparisons."""
    boundaries = next(call.tensor(name) for name in ("sorted_sequence", "boundaries") if name in call.arguments)
    call.add("search", vector_ops=call.result.elements * comparisons(boundaries.shape[-1] + 1))


def softmax_operations(elements: int, row: int) -> int:
    """Vector operations of a softmax over rows of a length.

    Per row of n the maximum (n - 1), n differences, n exponentials, their sum (n - 1) and n divisions.

    >>> softmax_operations(elements=12, row=4)  # three rows: 3 + 4 + 4 + 3 + 4 each
    54
    """
    return 5 * elements - 2 * (elements // row)


def gone_over_twice(data: Tensor, elements: int) -> dict[str, Any]:
    """What an operation says that goes over slices of so many elements for what these have in common, then again."""
    return {"slices": data.elements // max(1, elements), "slice_elements": elements}


def softmax(spot: Spot, *, data: Tensor, output: Tensor, axes: Sequence[int], logarithm: bool = False) -> None:
    """Softmax of rows, which lie along axes; its logarithm takes one more per row (a difference is its division)."""
    row = math.prod(output.shape[axis] for axis in axes)
    logarithms = output.elements // row if logarithm else 0
    spot.add(
        "log_softmax" if logarithm else "softmax",
        reads=(data,),
        writes=(output,),
        vector_ops=softmax_operations(output.elements, row) + logarithms,
        **gone_over_twice(output, row),
        across=tuple(axes),
    )


def _softmax(call: Call) -> None:
    rank = len(call.result.shape)
    axes = [call["dim"] % rank] if rank else []
    softmax(call, data=call.operands[0], output=call.result, axes=axes, logarithm="log" in call.operator)


HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{name}": _reduce for name in REDUCING_PER_ELEMENT},
    **dict.fromkeys(("aten.searchsorted", "aten.bucketize"), _search),
    **dict.fromkeys(("aten.topk", "aten.sort", "aten.argsort", "aten.median", "aten.kthvalue"), _sort),
    **dict.fromkeys(("aten.softmax", "aten._softmax", "aten._safe_softmax"), _softmax),
    **dict.fromkeys(("aten.log_softmax", "aten._log_softmax"), _softmax),
}
