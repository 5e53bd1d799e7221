"""Which operations a model's results hang on: what nothing reads is never run."""

from collections.abc import Iterable, Sequence

from mensa_sim.workload.build.operation import Operation


def live(operations: Sequence[Operation], kept: Iterable[str]) -> list[Operation]:
    """The operations, in order, that the tensors named in `kept` are made of.

    A compiler drops the others (an auxiliary head, a counter of batches), whichever format a model comes in.
    """
    read = set(kept)
    found = []
    for operation in reversed(operations):
        if any(tensor.id in read for tensor in operation.writes):
            read.update(tensor.id for tensor in (*operation.reads, *operation.feedback))
            found.append(operation)
    return found[::-1]
