"""Which re-orderings, pads and partial overwrites cost a copy.

A loop nest fetches its operands with an address generator that walks any strides and clips at any edge, and a copy
reads in any order too. So a permutation (or a view whose innermost run is broken) is free where only MAC layers and
copies read it, and rows and columns of zeros are the convolution's own padding where only convolutions read them.
Everything else streams its operands in order: for it, and for a model output, the re-ordered tensor is written out,
and that copy is a layer charged with its bytes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mensa_sim.workload.build.operation import Operation, Role, Tensor, permuting, readers_of

COPY = "copy"

_PADDING_READERS = ("conv1d", "conv2d", "conv3d")


def settle_reindexing(operations: Sequence[Operation], outputs: Sequence[str]) -> list[Operation]:
    """The operations with every STRIDED one made a view or a copy, and every PAD absorbed or made a copy."""
    operations = _in_one_order(operations)
    readers = readers_of(operations)
    settled = list(operations)
    leaving = frozenset(outputs)
    for index in reversed(range(len(operations))):
        operation = operations[index]
        if operation.role is Role.STRIDED:
            free = all(_read_in_any_order(tensor, settled, readers, leaving) for tensor in operation.writes)
            settled[index] = replace(operation, role=Role.VIEW) if free else _as_copy(operation)
        elif operation.role is Role.PAD:
            into = readers.get(operation.writes[0].id, [])
            if (
                operation.writes[0].id not in leaving
                and into
                and all(_absorbs(settled[reader], operation.writes[0]) for reader in into)
            ):
                for reader in into:
                    settled[reader] = _with_padding(settled[reader], operation)
            else:
                settled[index] = _as_copy(operation)
    return [part for operation in settled for part in _picked_first(operation)]


def _in_one_order(operations: Sequence[Operation]) -> list[Operation]:
    """The operations with each permutation of what is permuted as a single one: none where it undoes the other."""
    permuted: dict[str, Operation] = {}
    found: list[Operation] = []
    for operation in operations:
        inner = permuted.get(operation.reads[0].id) if operation.order else None
        if inner is not None:
            order = tuple(inner.order[axis] for axis in operation.order)
            operation = replace(operation, reads=inner.reads, order=order, role=permuting(order, inner.reads[0].shape))
        if operation.order:
            permuted[operation.writes[0].id] = operation
        found.append(operation)
    return found


def _as_copy(operation: Operation) -> Operation:
    return replace(operation, role=Role.LAYER, operator=COPY)


def _picked_first(operation: Operation) -> Iterator[Operation]:
    """A copy of a part reads that part alone: a view picks it."""
    whole = operation.reads[0] if operation.operator == COPY and len(operation.reads) == 1 else None
    copied = operation.writes[0].stored if operation.writes else 0
    if whole is None or operation.role is not Role.LAYER or whole.constant is not None or copied >= whole.stored:
        yield operation
        return
    picked = replace(whole, id=f"{operation.site.node}/picked", shape=(copied,), stored=copied)
    yield replace(operation, operator="pick", role=Role.VIEW, reads=(whole,), writes=(picked,))
    yield replace(operation, reads=(picked,))


def _read_in_any_order(
    tensor: Tensor, settled: list[Operation], readers: Mapping[str, list[int]], leaving: frozenset[str]
) -> bool:
    if tensor.id in leaving:
        return False
    for index in readers.get(tensor.id, ()):
        reader = settled[index]
        if reader.role is Role.VIEW:
            if not all(_read_in_any_order(view, settled, readers, leaving) for view in reader.writes):
                return False
        elif reader.role is not Role.PAD and reader.nest is None and reader.operator != COPY:
            return False
    return True


def _absorbs(reader: Operation, padded: Tensor) -> bool:
    return reader.operator in _PADDING_READERS and reader.reads[0].id == padded.id


def _with_padding(reader: Operation, pad: Operation) -> Operation:
    """The convolution on the tensor before the pad: its nest knows the real height and width."""
    if reader.nest is None:
        return reader
    nest = replace(
        reader.nest,
        input_height=reader.nest.input_height - pad.pads[0],
        input_width=reader.nest.input_width - pad.pads[1],
    )
    return replace(reader, nest=nest, fused=(*reader.fused, pad.operator))


_VIEWS = (Role.VIEW, Role.STRIDED)


def settle_updates(operations: Sequence[Operation], outputs: Sequence[str]) -> list[Operation]:
    """The operations with every UPDATE made a copy of its part, and a view of both, or a copy of the whole.

    Where nothing reads the old elements afterwards, and the memory is the model's own to write (state, or something
    computed; no parameter and no model input), the new ones are written where they belong and the rest stays where it
    is: a row appended to a cache costs the row. Otherwise the whole is copied.
    """
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
