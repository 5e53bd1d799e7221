"""What a layer computes on its way out: batch norm folded into its weights, elementwise operators fused.

An elementwise operator with one activation operand fuses into the layer that makes that operand, where nothing else
reads it and it is not a model output; so an addition of two activations is a layer of its own, and what follows it
fuses into it. A fused operator adds its vector operations and constant operands to the layer. A recurrent group takes
in only what belongs to it, a copy nothing, nor does a product of two activations take in an operator with parameters
(it has none of its own). Batch norm right after a layer with weights vanishes into them: one bias per channel remains;
one number for each channel that is added right after them is a bias, which costs no operation, however it is spelt.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from mensa_sim.workload.build.operation import Operation, Role, Tensor
from mensa_sim.workload.build.reindexing import COPY


def fuse(operations: Sequence[Operation], outputs: Sequence[str]) -> list[Operation]:
    """The operations with each ELEMENTWISE and AFFINE one fused into its producer, or made a layer.

    A fused operation keeps its role and stays in the list, for the count of nodes; its producer writes its output.
    """
    readers = Counter(id for o in operations for id in {tensor.id for tensor in (*o.reads, *o.feedback)})
    readers.update(outputs)
    made_by = {tensor.id: index for index, o in enumerate(operations) for tensor in o.writes}
    result = list(operations)
    for index, operation in enumerate(operations):
        if operation.role not in (Role.ELEMENTWISE, Role.AFFINE):
            continue
        target = _target(operation, result, made_by, readers)
        if target is None:
            result[index] = replace(operation, role=Role.LAYER)
            continue
        at, made = target
        result[at] = _fused(result[at], operation, made)
        made_by.update((tensor.id, at) for tensor in operation.writes)
    return result


def activations(operation: Operation) -> list[Tensor]:
    """What an operation reads that is not a constant, each tensor once."""
    return list({t.id: t for t in operation.reads if t.constant is None}.values())


def _target(
    operation: Operation, operations: list[Operation], made_by: dict[str, int], readers: Counter[str]
) -> tuple[int, list[Tensor]] | None:
    """The layer that an operation fuses into and what it makes for it, step by step; none where it stands alone."""
    operands = activations(operation)
    if len(operands) != len(operation.writes) or operation.feedback:
        return None
    found = [_made(tensor, operations, made_by, readers) for tensor in operands]
    makers = {at for at, _ in found}
    at = makers.pop()
    made = [tensor for _, tensor in found]
    if makers or at is None or not _takes_in(operations[at], operation, made):
        return None
    return at, made


def _made(
    tensor: Tensor, operations: list[Operation], made_by: dict[str, int], readers: Counter[str]
) -> tuple[int | None, Tensor]:
    """The operation behind views that makes a tensor which nothing else reads."""
    while tensor.id in made_by and readers[tensor.id] == 1:
        producer = operations[made_by[tensor.id]]
        if producer.role is not Role.VIEW or len(producer.reads) != 1:
            return made_by[tensor.id], tensor
        tensor = producer.reads[0]
    return None, tensor


def _takes_in(producer: Operation, operation: Operation, made: list[Tensor]) -> bool:
    if producer.role is not Role.LAYER or producer.group != operation.group or producer.operator == COPY:
        return False
    written = [tensor.id for tensor in producer.writes]
    elements = [tensor.elements for tensor in operation.writes]
    if [tensor.id for tensor in made] != written or [tensor.elements for tensor in made] != elements:
        return False
    return not (_has_weights(operation) and producer.nest is not None and not _has_weights(producer))


def _has_weights(operation: Operation) -> bool:
    return any(tensor.is_parameter for tensor in operation.reads)


def _fused(producer: Operation, operation: Operation, made: list[Tensor]) -> Operation:
    constants = tuple(tensor for tensor in operation.reads if tensor.constant is not None)
    if _is_bias(producer, operation):
        return replace(producer, reads=(*producer.reads, *constants), writes=operation.writes, has_bias=True)
    vector_ops = producer.vector_ops + operation.vector_ops
    has_bias = producer.has_bias
    if _folds(producer, operation, made):
        constants = () if producer.has_bias else constants[-1:]
        vector_ops = producer.vector_ops
        has_bias = True
    return replace(
        producer,
        reads=(*producer.reads, *constants),
        writes=operation.writes,
        vector_ops=vector_ops,
        gathered=None if producer.gathered is None else producer.gathered + sum(t.stored for t in constants),
        has_bias=has_bias,
        fused=(*producer.fused, operation.operator),
    )


def _is_bias(producer: Operation, operation: Operation) -> bool:
    """True where one number for each channel that a layer's weights make is added to what they make, by itself."""
    if operation.operator != "add" or producer.nest is None or producer.has_bias or producer.fused:
        return False
    constants = [tensor for tensor in operation.reads if tensor.constant is not None]
    channels = producer.nest.G * producer.nest.K
    one_each = len(constants) == 1 and constants[0].stored == channels == max(constants[0].shape, default=0)
    return one_each and _has_weights(producer) and producer.vector_ops == 0 and producer.steps == 1


def _folds(producer: Operation, operation: Operation, made: list[Tensor]) -> bool:
    """True for batch norm on the channels that a layer's weights make, with nothing between the two."""
    if operation.role is not Role.AFFINE or producer.nest is None or not _has_weights(producer):
        return False
    direct = activations(operation) == made
    return direct and all(name in ("pad", "batch_norm") for name in producer.fused)
