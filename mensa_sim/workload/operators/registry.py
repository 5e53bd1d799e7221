"""Every ATen operator that we can read, by name: one table, put together from the families' own."""

from collections.abc import Mapping

from mensa_sim.workload.operators import (
    constants,
    convolution,
    elementwise,
    matrix,
    normalisation,
    pooling,
    recurrent_calls,
    views,
)
from mensa_sim.workload.operators.call import Handler

_FAMILIES = (convolution, matrix, recurrent_calls, elementwise, normalisation, pooling, views, constants)

OPERATORS: Mapping[str, Handler] = {name: handler for family in _FAMILIES for name, handler in family.HANDLERS.items()}
"""ATen operator (`aten.conv2d`) or overload (`aten.max.dim`) to the handler that adds its layers."""


def handler_of(target: str) -> Handler | None:
    """The handler of an overload such as `aten.max.dim`: its own, else its operator's; none where we have neither."""
    packet = ".".join(target.split(".")[:2])
    return OPERATORS.get(target, OPERATORS.get(packet))
