"""Who made the bytes that an operation reads: tensors followed back through views to the layer that wrote them."""

from collections.abc import Iterable

from mensa_sim.workload.build.operation import Operation, Role, Tensor

_MAKERS = (Role.LAYER, Role.UNSUPPORTED)
_PASSES = (Role.VIEW, Role.STRIDED, Role.PAD)

Share = tuple[Tensor, int]
"""A tensor that a layer wrote (or a model input), and how many of its elements are meant."""


class Producers:
    """The settled operations of a model as a graph of written tensors.

    A view passes on the elements that it shows, never more than its source holds; what is read twice by one
    operation counts once.
    """

    def __init__(self, operations: Iterable[Operation], outputs: Iterable[str], states: Iterable[str] = ()) -> None:
        operations = list(operations)
        self._producer = {t.id: o for o in operations if o.role in _MAKERS for t in o.writes}
        self._view = {t.id: (o, t) for o in operations if o.role in _PASSES for t in o.writes}
        self._shares: dict[str, tuple[Share, ...]] = {}
        self._leaving: dict[str, int] = {}
        self._used: set[str] = set()
        for operation in operations:
            for tensor in operation.writes:
                self._resolve(tensor)  # in the order they run, so that no view is far from what it shows
            if operation.role in _MAKERS:
                self._used.update(tensor.id for tensor, _ in self.sources(operation))
                self._used.update(t.id for back in operation.feedback for t, _ in self._resolve(back))
        written = {tensor.id: tensor for operation in operations for tensor in operation.writes}
        for id in outputs:
            for tensor, count in self._resolve(written[id]) if id in written else ():
                self._leaving[tensor.id] = self._leaving.get(tensor.id, 0) + count
                self._used.add(tensor.id)
        self._used.update(t.id for id in states if id in written for t, _ in self._resolve(written[id]))

    def producer(self, tensor: Tensor) -> Operation | None:
        """The layer that wrote a tensor; none for a model input."""
        return self._producer.get(tensor.id)

    def sources(self, operation: Operation) -> tuple[Share, ...]:
        """The tensors that an operation reads, back through views, each once."""
        return self._merged([share for tensor in _distinct(operation.reads) for share in self._resolve(tensor)])

    def written(self, operation: Operation) -> tuple[Tensor, ...]:
        """What an operation writes that anything reads; its first tensor where nothing does."""
        used = tuple(tensor for tensor in operation.writes if tensor.id in self._used)
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
            shares = tuple((source, -(-count * shown // total)) for source, count in behind if total)
            self._shares[tensor.id] = shares
        return self._shares[tensor.id]

    def _merged(self, shares: list[Share]) -> tuple[Share, ...]:
        counts: dict[str, Share] = {}
        for tensor, count in shares:
            before = counts[tensor.id][1] if tensor.id in counts else 0
            counts[tensor.id] = (tensor, min(before + count, tensor.stored))
        return tuple(counts.values())


def _distinct(tensors: Iterable[Tensor]) -> Iterable[Tensor]:
    return {tensor.id: tensor for tensor in tensors}.values()
