"""Expressions of one tensor: elementwise operators that together compute one tensor out of another.

`x * sigmoid(x)`, `x * relu6(x + 3) / 6` and what a decomposition makes of an activation are all the same to hardware: a
function that reads each element once and writes each once. So a region of elementwise operators that one tensor alone
enters (beside constants) and one tensor alone leaves becomes one operator, whatever front end spelt it and however.

* Where its constants are single numbers it is a function of one variable, which a vector unit looks up or interpolates
  piece by piece: one operation for each element, as for the activation that has a name.
* Where it has constants of many numbers (a scale per channel), it costs the operations of its parts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mensa_sim.workload.build.operation import Operation, Role, Tensor, narrower, readers_of

_GATES: Mapping[frozenset[str], str] = {
    frozenset({"erf"}): "gelu",
    frozenset({"tanh"}): "gelu",
    frozenset({"sigmoid"}): "silu",
    frozenset({"clamp"}): "hardswish",
    frozenset({"hardsigmoid"}): "hardswish",
    frozenset({"softplus", "tanh"}): "mish",
}
"""The functions inside a function that multiplies its own operand, and the name that the whole has."""

_ARITHMETIC = frozenset({"add", "sub", "rsub", "mul", "div", "neg", "pow", "square", "reciprocal", "cast", "copy_into"})
_CLAMPS = frozenset({"clamp", "clamp_min", "clamp_max", "relu6", "hardtanh", "relu", "clip", "minimum", "maximum"})


def join_expressions(
    operations: Sequence[Operation], outputs: Sequence[str]
) -> tuple[list[Operation], list[Operation]]:
    """The operations with each expression of one tensor as one, and those that became part of another."""
    absorbed: list[Operation] = []
    joined = _joined(operations, outputs, absorbed, numbers_alone=True)
    return _joined(joined, outputs, absorbed, numbers_alone=False), absorbed


def _joined(
    operations: Sequence[Operation], outputs: Sequence[str], absorbed: list[Operation], *, numbers_alone: bool
) -> list[Operation]:
    readers = readers_of(operations)
    result: list[Operation | None] = list(operations)
    leaving = frozenset(outputs)
    for tensor in _entries(operations, readers):
        cone = _cone(tensor, operations, readers, result, numbers_alone=numbers_alone)
        region = _region(tensor, cone, operations, readers, leaving, forked=not numbers_alone)
        parts = [operations[index] for index in region]
        if sum(part.role is not Role.VIEW for part in parts) < 2:
            continue
        for index in region:
            result[index] = None
        result[region[-1]] = _one(tensor, parts, one_variable=numbers_alone)
        absorbed.extend(parts[:-1])
    return [operation for operation in result if operation is not None]


def _entries(operations: Sequence[Operation], readers: Mapping[str, list[int]]) -> Iterator[Tensor]:
    """Every tensor that an elementwise operator reads, in the order in which they are first read."""
    seen: set[str] = set()
    for operation in operations:
        for tensor in operation.reads:
            if tensor.constant is None and tensor.id not in seen:
                seen.add(tensor.id)
                yield tensor


def _cone(
    tensor: Tensor,
    operations: Sequence[Operation],
    readers: Mapping[str, list[int]],
    result: Sequence[Operation | None],
    *,
    numbers_alone: bool,
) -> list[int]:
    """Places of all operators that compute element by element, from the tensor and constants alone, in order."""
    known, found = {tensor.id}, set()
    waiting = list(readers.get(tensor.id, ()))
    while waiting:
        index = waiting.pop()
        operation = operations[index]
        if index in found or result[index] is not operation:
            continue
        if not _allowed(operation, tensor, known, numbers_alone=numbers_alone):
            continue
        found.add(index)
        known.add(operation.writes[0].id)
        waiting.extend(readers.get(operation.writes[0].id, ()))
    return sorted(found)


def _allowed(operation: Operation, entry: Tensor, known: set[str], *, numbers_alone: bool) -> bool:
    if (
        operation.role not in (Role.ELEMENTWISE, Role.VIEW)
        or len(operation.writes) != 1
        or operation.feedback
        or operation.group is not None
    ):
        return False
    if operation.writes[0].elements != entry.elements:
        return False
    for tensor in operation.reads:
        constant = tensor.constant is not None and (not numbers_alone or _is_number(tensor))
        if not constant and tensor.id not in known:
            return False
    return True


def _is_number(tensor: Tensor) -> bool:
    """A tensor filled with one number is none: it may be the first state of a loop, whose later ones are computed."""
    return tensor.elements <= 1


def _region(
    tensor: Tensor,
    cone: Sequence[int],
    operations: Sequence[Operation],
    readers: Mapping[str, list[int]],
    leaving: frozenset[str],
    *,
    forked: bool,
) -> list[int]:
    """The largest part of a cone that one tensor leaves; `forked` leaves plain chains to fusing."""
    for last in reversed(range(len(cone))):
        region = _behind(cone[: last + 1], operations)
        if operations[region[-1]].role is Role.VIEW:
            continue
        inside = set(region)
        if forked and not _forks(tensor, region, operations):
            continue
        inner = [operations[index].writes[0].id for index in region[:-1]]
        if all(id not in leaving and inside.issuperset(readers.get(id, ())) for id in inner):
            return region
    return []


def _behind(cone: Sequence[int], operations: Sequence[Operation]) -> list[int]:
    """What the last operator of a cone is computed from, within the cone, and itself."""
    wanted = {tensor.id for tensor in operations[cone[-1]].reads}
    region = [cone[-1]]
    for index in reversed(cone[:-1]):
        if operations[index].writes[0].id in wanted:
            wanted.update(tensor.id for tensor in operations[index].reads)
            region.append(index)
    return region[::-1]


def _forks(tensor: Tensor, region: Sequence[int], operations: Sequence[Operation]) -> bool:
    """True where more than one operator of a region reads the same tensor."""
    reads = [t.id for index in region for t in operations[index].reads if t.constant is None]
    return len(reads) > len(set(reads))


def _one(entry: Tensor, parts: Sequence[Operation], *, one_variable: bool) -> Operation:
    """One operator in place of the last of its parts."""
    last = parts[-1]
    constants = {t.constant or t.id: t for part in parts for t in part.reads if t.constant is not None}
    output = last.writes[0]
    return replace(
        last,
        operator=_name(entry, parts),
        role=Role.ELEMENTWISE,
        reads=(_as_read(entry, parts), *constants.values()),
        vector_ops=output.elements if one_variable else sum(part.vector_ops for part in parts),
    )


def _as_read(entry: Tensor, parts: Sequence[Operation]) -> Tensor:
    """The entry as wide as its parts read it: where all of them read a cast of it, it is that."""
    casts = {entry.id: entry.bits}
    widths = []
    for part in parts:
        for tensor in part.reads:
            if tensor.id not in casts:
                continue
            if part.role is Role.VIEW:
                casts[part.writes[0].id] = narrower(casts[tensor.id], part.writes[0].bits)
            else:
                widths.append(casts[tensor.id])
    known = [bits for bits in widths if bits is not None]
    return replace(entry, bits=max(known)) if known and len(known) == len(widths) else entry


def _name(entry: Tensor, parts: Sequence[Operation]) -> str:
    """What the whole is called: an activation's name where its parts spell one, else its one function, else its end."""
    made = [part.operator for part in parts if part.role is not Role.VIEW]
    functions = frozenset("clamp" if name in _CLAMPS else name for name in made if name not in _ARITHMETIC)
    uses = sum(tensor.id == entry.id for part in parts for tensor in part.reads)
    if uses > 1 and functions in _GATES:
        return _GATES[functions]
    if functions == {"clamp"} and len(made) > 1:
        return "hardsigmoid" if made[-1] in _ARITHMETIC or made[0] in _ARITHMETIC else made[-1]
    return next(iter(functions)) if len(functions) == 1 else made[-1]
