"""Who made the bytes that an operation reads: tensors followed back through views to the layer that wrote them.

A cast is a view with a width. What a layer writes is as wide as its widest reader wants it, casts on the way included:
a tensor that is quantised before anything reads it is written quantised.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mensa_sim.workload.build.operation import INDEX_BITS, Operation, Role, Tensor, narrower

_MAKERS = (Role.LAYER, Role.UNSUPPORTED)
_PASSES = (Role.VIEW, Role.STRIDED, Role.PAD)

Share = tuple[Tensor, int]
"""A tensor that a layer wrote (or a model input) as wide as it is read, and how many of its elements are meant."""


class Producers:
    """The settled operations of a model as a graph of written tensors.

    A view passes on the elements that it shows, never more than its source holds; what is read twice by one
    operation counts once.
    """

    def __init__(
        self, operations: Iterable[Operation], outputs: Iterable[str], states: Iterable[str] = (), *, default_bits: int
    ) -> None:
        operations = list(operations)
        self._producer = {t.id: o for o in operations if o.role in _MAKERS for t in o.writes}
        self._view = {t.id: (o, t) for o in operations if o.role in _PASSES for t in o.writes}
        self._shares: dict[str, tuple[Share, ...]] = {}
        self._leaving: dict[str, int] = {}
        self._default_bits = default_bits
        self._bits: dict[str, int] = {}
        for operation in operations:
            for tensor in operation.writes:
                self._resolve(tensor)  # in the order they run, so that no view is far from what it shows
            if operation.role in _MAKERS:
                self._use(self.sources(operation))
                for back in operation.feedback:
                    self._use(self._resolve(back))
        written = {tensor.id: tensor for operation in operations for tensor in operation.writes}
        for id in outputs:
            shares = self._resolve(written[id]) if id in written else ()
            self._use(shares)
            for tensor, count in shares:
                self._leaving[tensor.id] = self._leaving.get(tensor.id, 0) + count
        for id in states:
            self._use(self._resolve(written[id]) if id in written else ())

    def _use(self, shares: Iterable[Share]) -> None:
        for tensor, _ in shares:
            self._bits[tensor.id] = max(self._bits.get(tensor.id, 0), self.read_bits(tensor))

    def read_bits(self, tensor: Tensor) -> int:
        """Bits of an element as one reader takes it."""
        return INDEX_BITS if tensor.index else tensor.bits or self._default_bits

    def operand_bits(self, tensor: Tensor) -> int:
        """Bits of an element of an operand, as its reader takes it."""
        return max((self.read_bits(share) for share, _ in self._resolve(tensor)), default=self._default_bits)

    def stored_bits(self, tensor: Tensor) -> int:
        """Bits of an element in memory: what the widest reader takes."""
        return self._bits.get(tensor.id) or self.read_bits(tensor)

    def shown(self, tensor: Tensor) -> tuple[Share, ...]:
        """The written tensors behind one that is read."""
        return self._resolve(tensor)

    def producer(self, tensor: Tensor) -> Operation | None:
        """The layer that wrote a tensor; none for a model input."""
        return self._producer.get(tensor.id)

    def sources(self, operation: Operation) -> tuple[Share, ...]:
        """The tensors that an operation reads, back through views, each once."""
        read = {tensor.id: tensor for tensor in operation.reads}.values()
        return self._merged([share for tensor in read for share in self._resolve(tensor)])

    def written(self, operation: Operation) -> tuple[Tensor, ...]:
        """What an operation writes that anything reads; its first tensor where nothing does."""
        used = tuple(tensor for tensor in operation.writes if tensor.id in self._bits)
        return used if used or operation.state_elements else operation.writes[:1]

    def leaving(self, tensor: Tensor) -> int:
        """Elements of a tensor that leave the model."""
        return min(self._leaving.get(tensor.id, 0), tensor.stored)

    def _resolve(self, tensor: Tensor) -> tuple[Share, ...]:
        """The written tensors behind a tensor."""
        if tensor.constant is not None:
            return ()
        if tensor.id not in self._view:
            return ((tensor, tensor.stored),)
        if tensor.id not in self._shares:
            operation, view = self._view[tensor.id]
            behind = self._merged([share for read in operation.reads for share in self._resolve(read)])
            total = sum(count for _, count in behind)
            shown = min(view.stored, total)
            shares = tuple((_as_cast(source, view), -(-count * shown // total)) for source, count in behind if total)
            self._shares[tensor.id] = shares
        return self._shares[tensor.id]

    def _merged(self, shares: list[Share]) -> tuple[Share, ...]:
        counts: dict[str, Share] = {}
        for tensor, count in shares:
            known, before = counts.get(tensor.id, (tensor, 0))
            widest = tensor if self.read_bits(tensor) > self.read_bits(known) else known
            counts[tensor.id] = (widest, min(before + count, tensor.stored))
        return tuple(counts.values())


def _as_cast(source: Tensor, view: Tensor) -> Tensor:
    return source if view.bits is None else replace(source, bits=narrower(source.bits, view.bits))


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
