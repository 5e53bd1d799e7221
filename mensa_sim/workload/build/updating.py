"""Which partial overwrites happen in place: a row appended to a cache costs the row, not the cache.

An UPDATE makes a tensor of another by overwriting some of its elements. Where nothing reads the old ones afterwards,
and the memory is the model's own to write (state, or something computed; no parameter and no model input), the new
elements are written where they belong and the rest stays where it is. Otherwise the whole is copied.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.workload.build.operation import Operation, Role
from mensa_sim.workload.build.reindexing import COPY

_VIEWS = (Role.VIEW, Role.STRIDED)


def settle_updates(operations: Sequence[Operation], outputs: Sequence[str]) -> list[Operation]:
    """The operations with every UPDATE made a copy of its part, and a view of both, or a copy of the whole."""
    if all(operation.role is not Role.UPDATE for operation in operations):
        return list(operations)
    roots = _roots(operations)
    last_read: dict[str, float] = {}
    for index, operation in enumerate(operations):
        if operation.role not in _VIEWS:
            last_read.update((roots.get(tensor.id, tensor.id), index) for tensor in operation.reads)
    last_read.update((roots.get(id, id), math.inf) for id in outputs)
    computed = {tensor.id for operation in operations for tensor in operation.writes}
    settled: list[Operation] = []
    for index, operation in enumerate(operations):
        if operation.role is not Role.UPDATE:
            settled.append(operation)
            continue
        base = operation.reads[0]
        root = roots.get(base.id, base.id)
        own = base.state or root in computed or (base.constant is not None and base.stored == 0)
        if own and last_read[root] <= index:
            settled.extend(_in_place(operation))
        else:
            settled.append(replace(operation, role=Role.LAYER, operator=COPY))
    return settled


def _roots(operations: Sequence[Operation]) -> Mapping[str, str]:
    """What each view shows, by the tensor that holds it."""
    roots: dict[str, str] = {}
    for operation in operations:
        if operation.role in _VIEWS and len(operation.reads) == 1:
            shown = operation.reads[0].id
            roots.update((tensor.id, roots.get(shown, shown)) for tensor in operation.writes)
    return roots


def _in_place(operation: Operation) -> tuple[Operation, ...]:
    """A copy of the new elements, and the whole as a view of them and of what stays."""
    base, *sources = operation.reads
    (whole,) = operation.writes
    written = min(operation.updated, whole.elements)
    node = operation.site.node
    new = replace(whole, id=f"{node}/written", shape=(written,), stored=written, state=False)
    kept = max(base.stored - written, 0)
    rest = replace(base, id=f"{node}/rest", shape=(kept,), stored=kept)
    return (
        replace(operation, role=Role.LAYER, operator=COPY, reads=tuple(sources), writes=(new,)),
        Operation(site=operation.site, operator="rest", role=Role.VIEW, reads=(base,), writes=(rest,)),
        Operation(site=operation.site, operator="update", role=Role.VIEW, reads=(rest, new), writes=(whole,)),
    )
