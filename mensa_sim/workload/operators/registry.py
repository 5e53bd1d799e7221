"""Every ATen operator that we can read, by name: one table, put together from the families' own."""

from collections.abc import Mapping, Sequence
from typing import Any

from mensa_sim.workload.operators import (
    attention,
    constants,
    convolution,
    copies,
    detection,
    einsum,
    elementwise,
    experts,
    indexing,
    matrix,
    normalisation,
    pooling,
    quantisation,
    recurrent_calls,
    reduction,
    sampling,
    transforms,
    views,
)
from mensa_sim.workload.operators.call import Handler

_FAMILIES = (
    *(convolution, matrix, experts, einsum, attention, recurrent_calls, indexing, normalisation, pooling, reduction),
    *(elementwise, sampling, copies, views, constants, quantisation, transforms, detection),
)

OPERATORS: Mapping[str, Handler] = {name: handler for family in _FAMILIES for name, handler in family.HANDLERS.items()}
"""ATen operator (`aten.conv2d`) or overload (`aten.max.dim`) to the handler that adds its layers."""


def handler_of(target: str) -> Handler | None:
    """The handler of an overload such as `aten.max.dim`: its own, else its operator's; none where we have neither."""
    packet = ".".join(target.split(".")[:2])
    return OPERATORS.get(target, OPERATORS.get(packet))


def can_read(target: str, arguments: Sequence[Any]) -> bool:
    """True where a handler knows an overload, with these arguments."""
    if target.startswith("aten.einsum"):
        return einsum.is_product(arguments[0])
    return handler_of(target) is not None


def without_underscore(target: str) -> str:
    """The operator that makes a new tensor in the place of one that writes in place: `aten.relu_.default`."""
    packet, _, overload = target.rpartition(".")
    return f"{packet.rstrip('_')}.{overload}"
