"""How wide elements are stored: what only casts read is written at the width that they cast to.

A quantised model says so by its casts: an operator makes a float, and the next thing is a cast to eight bits, which is
part of how its result is rounded on its way out. Nobody ever stores the float.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mensa_sim.workload.build.operation import Operation, Role, Tensor

_PASSES = (Role.VIEW, Role.STRIDED)


def narrow(operations: Sequence[Operation], outputs: Iterable[str]) -> list[Operation]:
    """The operations with every tensor at the width at which it is stored; `outputs` are kept as they are.

    A view whose result states other bits than its operand's is a cast.
    """
    readers: dict[str, list[Operation]] = {}
    for operation in operations:
        for tensor in (*operation.reads, *operation.feedback):
            readers.setdefault(tensor.id, []).append(operation)
    needed: dict[str, int | None] = dict.fromkeys(outputs)
    written = [tensor for operation in reversed(operations) for tensor in operation.writes]
    entering = [tensor for operation in operations for tensor in operation.reads]
    for tensor in (*written, *entering):  # a view's result before what it shows
        if tensor.id not in needed:
            needed[tensor.id] = _needed(tensor, readers.get(tensor.id, ()), needed)
    if not any(needed.values()):
        return list(operations)
    return [
        replace(
            operation,
            reads=tuple(_stored(tensor, needed) for tensor in operation.reads),
            writes=tuple(_stored(tensor, needed) for tensor in operation.writes),
            feedback=tuple(_stored(tensor, needed) for tensor in operation.feedback),
        )
        for operation in operations
    ]


def _needed(tensor: Tensor, readers: Sequence[Operation], needed: Mapping[str, int | None]) -> int | None:
    """Bits that the readers of a tensor want of it, where those are fewer than it has; none where it stays as it is."""
    if not readers or tensor.constant is not None:
        return None
    wanted = 0
    for reader in readers:
        if reader.role not in _PASSES or len(reader.writes) != 1:
            return None
        (shown,) = reader.writes
        bits = [bits for bits in (shown.bits, needed.get(shown.id)) if bits is not None]
        if not bits or (tensor.bits is not None and min(bits) >= tensor.bits):
            return None
        wanted = max(wanted, min(bits))
    return wanted


def _stored(tensor: Tensor, needed: Mapping[str, int | None]) -> Tensor:
    bits = needed.get(tensor.id)
    return tensor if bits is None else replace(tensor, bits=bits)
