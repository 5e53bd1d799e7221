"""Which operations a model's results hang on: what nothing reads is never run."""

from collections.abc import Iterable, Mapping, Sequence

from mensa_sim.workload.build.operation import Operation


def live(operations: Sequence[Operation], outputs: Iterable[str], next_states: Mapping[str, str]) -> list[Operation]:
    """The operations, in order, that the outputs are made of, and the next values of the states that those read.

    A compiler drops the others (an auxiliary head, a counter of batches), whichever format a model comes in.
    """
    wanted = set(outputs)
    while True:
        found, read = _behind(operations, wanted)
        updates = {new for state, new in next_states.items() if state in read} - wanted
        if not updates:
            return found
        wanted |= updates


def _behind(operations: Sequence[Operation], wanted: Iterable[str]) -> tuple[list[Operation], set[str]]:
    """What some tensors are made of, in order, and all tensors that this reads."""
    read = set(wanted)
    found = []
    for operation in reversed(operations):
        if any(tensor.id in read for tensor in operation.writes):
            read.update(tensor.id for tensor in operation.reads)
            found.append(operation)
    return found[::-1], read
