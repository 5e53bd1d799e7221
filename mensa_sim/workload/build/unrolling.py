"""Loops that a model unrolled, folded back: equal layers that share parameters become one layer of many steps.

The operations of a model stand in the order they run. Where a stretch of them that holds a product with parameters
comes again at once, equal in every operator, shape and parameter, the stretches are the steps of a loop. So are
stretches without parameters (a scan, as in Mamba or RWKV) where each reads what the one before made, and something
that none of them did. A layer of
the loop that its own earlier step feeds is recurrent, and the layers of one such cycle form a recurrent group: what
they read of an earlier step is feedback, not an edge. Layers of the loop outside any cycle (an input product) have
all their steps known beforehand. A concatenation of one layer's steps is where that layer writes in the first place.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Operation, Role, Tensor, numbered
from mensa_sim.workload.build.reindexing import COPY
from mensa_sim.workload.order import circles

_CANDIDATES = 4
"""Next occurrences of an operation that are tried as the loop's period (one weight may serve twice in a step)."""


_FEWEST_SCANNED = 3
"""Steps from which on equal stretches without parameters count as a loop (a choice: two may be so by chance)."""

_PASSES = (Role.VIEW, Role.PAD)

_Body = list[list[Operation]]
"""The operations of a loop, by place in the step, then by step."""

_Views = dict[str, tuple[str, ...]]
"""The written tensors behind each tensor that a view makes."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """Where a loop stands among the layers: first index, length of a step, number of steps."""

    start: int
    period: int
    steps: int


def fold_unrolled(operations: Sequence[Operation]) -> list[Operation]:
    """The operations with every unrolled loop folded, inner loops first."""
    folded = list(operations)
    while True:
        layers = [index for index, o in enumerate(folded) if o.role not in _PASSES]
        views = _views_of(folded)
        loops = list(_loops([_signature(folded[index]) for index in layers], [folded[i] for i in layers], views))
        if not loops:
            return folded
        folded = _fold(folded, layers, loops, views)


def _views_of(operations: Sequence[Operation]) -> _Views:
    views: _Views = {}
    for operation in operations:
        if operation.role in _PASSES:
            bases = tuple(dict.fromkeys(base for tensor in operation.reads for base in _bases(tensor, views)))
            views.update((tensor.id, bases) for tensor in operation.writes)
    return views


def _signature(operation: Operation) -> Hashable:
    """What two operations have in common when they are steps of one: everything but which tensors flow."""
    parameters = tuple(t.constant for t in operation.reads if t.is_parameter)
    shapes = tuple(tensor.shape for tensor in operation.writes)
    place = (operation.role, operation.operator, operation.site.source, operation.recurrent, operation.fused)
    return (place, parameters, operation.nest, operation.steps, operation.vector_ops, shapes)


def _loops(signatures: list[Hashable], operations: list[Operation], views: _Views) -> Iterator[_Loop]:
    """Loops one after another; each holds a product with parameters, which shared weights are found by, or scans."""
    following: dict[Hashable, list[int]] = {}
    for index, signature in enumerate(signatures):
        following.setdefault(signature, []).append(index)
    free = 0
    for index, signature in enumerate(signatures):
        operation = operations[index]
        shared = operation.nest is not None and any(t.is_parameter for t in operation.reads)
        if index < free:
            continue
        later = [other for other in following[signature] if other > index][:_CANDIDATES]
        for other in later:
            loop = _loop_at(signatures, index, other - index, free)
            if loop is not None and (shared or _is_scan(loop, operations, views)):
                yield loop
                free = loop.start + loop.period * loop.steps
                break


def _loop_at(signatures: list[Hashable], index: int, period: int, free: int) -> _Loop | None:
    start, end = index, index
    while end + period < len(signatures) and signatures[end] == signatures[end + period]:
        end += 1
    while start > free and signatures[start - 1] == signatures[start - 1 + period]:
        start -= 1
    if end - start < period:
        return None
    return _Loop(start, period, (end - start) // period + 1)


def _is_scan(loop: _Loop, operations: list[Operation], views: _Views) -> bool:
    """True where each step reads what the one before it made, and something from outside the loop (its own input)."""
    if loop.steps < _FEWEST_SCANNED:
        return False
    spans = [
        range(loop.start + step * loop.period, loop.start + (step + 1) * loop.period) for step in range(loop.steps)
    ]
    made = {t.id: step for step, span in enumerate(spans) for index in span for t in operations[index].writes}
    for step, span in enumerate(spans[1:], start=1):
        makers = [made.get(b) for index in span for t in operations[index].reads for b in _bases(t, views)]
        if step - 1 not in makers or None not in makers:
            return False
    return True


def _fold(operations: list[Operation], layers: list[int], loops: list[_Loop], views: _Views) -> list[Operation]:
    result: list[Operation | None] = list(operations)
    taken = {operation.group for operation in operations if operation.group is not None}
    for loop in loops:
        at = layers[loop.start : loop.start + loop.period * loop.steps]
        rows = range(loop.period)
        body = [[operations[i] for i in at[place :: loop.period]] for place in rows]
        for place, merged in enumerate(_merge(body, views, taken)):
            for step in range(loop.steps):
                result[at[step * loop.period + place]] = None
            result[at[place]] = merged
    kept = [operation for operation in result if operation is not None]
    return _joined_in_place(kept, views)


def _merge(body: _Body, views: _Views, taken: set[str]) -> Iterator[Operation]:
    """One operation per place of the body."""
    made = {t.id: (place, step) for place, row in enumerate(body) for step, o in enumerate(row) for t in o.writes}
    flow: dict[int, set[int]] = {place: set() for place in range(len(body))}
    for place, row in enumerate(body):
        for operation in row:
            for tensor in operation.reads:
                for base in _bases(tensor, views):
                    if base in made:
                        flow[made[base][0]].add(place)
    cycle_of = {p: min(c) for c in circles(flow) for p in c}
    groups = _groups(body, cycle_of, taken)
    for place, row in enumerate(body):
        fed_back: set[str] = set()
        for step, operation in enumerate(row):
            for tensor in operation.reads:
                sources = [made[base] for base in _bases(tensor, views) if base in made]
                cycle = cycle_of.get(place, -1)
                if any(cycle_of.get(maker) == cycle and made_at != step for maker, made_at in sources):
                    fed_back.add(tensor.id)
        yield _one_of(row, groups.get(place), fed_back)


def _groups(body: _Body, cycle_of: dict[int, int], taken: set[str]) -> dict[int, str]:
    """The group's name per place of a cycle: the one that its members have, else the module that they share."""
    names: dict[int, str] = {}
    for place, row in enumerate(body):
        if place in cycle_of and row[0].group is not None:
            names.setdefault(cycle_of[place], row[0].group)
    for place in range(len(body)):
        if place in cycle_of and cycle_of[place] not in names:
            members = [r[0].site.source for p, r in enumerate(body) if cycle_of.get(p) == cycle_of[place]]
            names[cycle_of[place]] = numbered(_common_path(members) or "loop", taken)
            taken.add(names[cycle_of[place]])
    return {place: names[cycle] for place, cycle in cycle_of.items()}


def _common_path(paths: list[str]) -> str:
    """The innermost module path that holds all of them."""
    shared = []
    for parts in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


def _one_of(row: list[Operation], group: str | None, fed_back: set[str]) -> Operation:
    """One operation that does what a row of equal ones does, step by step."""
    first = row[0]
    reads: dict[str, Tensor] = {}
    feedback: dict[str, Tensor] = {}
    for operation in row:
        for tensor in operation.reads:
            if tensor.id in fed_back:
                feedback[tensor.id] = tensor
            else:
                reads.setdefault(tensor.constant if tensor.constant and tensor.stored else tensor.id, tensor)
    return replace(
        first,
        reads=tuple(reads.values()),
        writes=tuple(tensor for operation in row for tensor in operation.writes),
        vector_ops=sum(operation.vector_ops for operation in row),
        slices=sum(operation.slices for operation in row),
        gathered=None if first.gathered is None else sum(o.gathered or 0 for o in row),
        steps=sum(operation.steps for operation in row),
        recurrent=first.recurrent or group is not None,
        group=group or first.group,
        feedback=tuple(feedback.values()),
        feedback_elements=sum(operation.feedback_elements for operation in row),
        state_elements=sum(operation.state_elements for operation in row),
        nodes=tuple(node for operation in row for node in operation.nodes or (operation.site.node,)),
    )


def _joined_in_place(operations: list[Operation], views: _Views) -> list[Operation]:
    """A copy that strings together the steps of one folded layer is where the layer writes them: no copy."""
    maker = {t.id: index for index, o in enumerate(operations) if o.steps > 1 for t in o.writes}
    joined = []
    for operation in operations:
        if operation.role is Role.LAYER and operation.operator == COPY and len(operation.reads) > 1:
            makers = [maker.get(base) for tensor in operation.reads for base in _bases(tensor, views)]
            if None not in makers and len(set(makers)) == 1 and len(makers) == len(operation.reads):
                operation = replace(operation, role=Role.VIEW)
        joined.append(operation)
    return joined


def _bases(tensor: Tensor, views: _Views) -> tuple[str, ...]:
    """The written tensors behind a tensor, through views."""
    return () if tensor.constant is not None else views.get(tensor.id, (tensor.id,))
