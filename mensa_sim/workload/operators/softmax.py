"""Softmax: per row of n the maximum (n - 1), n differences, n exponentials, their sum (n - 1) and n divisions."""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.build.spot import Spot
from mensa_sim.workload.operators.call import Call, Handler


def softmax_operations(elements: int, row: int) -> int:
    """Vector operations of a softmax over rows of a length.

    >>> softmax_operations(elements=12, row=4)  # three rows: 3 + 4 + 4 + 3 + 4 each
    54
    """
    return 5 * elements - 2 * (elements // row)


def softmax(spot: Spot, *, data: Tensor, output: Tensor, row: int, logarithm: bool = False) -> None:
    """Softmax of rows; its logarithm takes one logarithm per row more (a difference is its division)."""
    logarithms = output.elements // row if logarithm else 0
    spot.add(
        "log_softmax" if logarithm else "softmax",
        reads=(data,),
        writes=(output,),
        vector_ops=softmax_operations(output.elements, row) + logarithms,
    )


def _softmax(call: Call) -> None:
    row = call.result.shape[call["dim"]] if call.result.shape else 1
    softmax(call, data=call.operands[0], output=call.result, row=row, logarithm="log" in call.operator)


HANDLERS: Mapping[str, Handler] = dict.fromkeys(
    ("aten.softmax", "aten._softmax", "aten._safe_softmax", "aten.log_softmax", "aten._log_softmax"), _softmax
)
