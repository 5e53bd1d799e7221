"""The builder of layer graphs: operations on tensors in, layers and the bytes between them out. Knows no torch."""

import math
from collections.abc import Iterable
from dataclasses import replace

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.dataflow import Producers, live
from mensa_sim.workload.build.expressions import join_expressions
from mensa_sim.workload.build.fusing import fuse
from mensa_sim.workload.build.layers import LayerMaker, with_attention_marked
from mensa_sim.workload.build.operation import REPEATED, Operation, Role, Site, Tensor, narrower, numbered
from mensa_sim.workload.build.reindexing import settle_reindexing, settle_updates
from mensa_sim.workload.build.rows import disordered
from mensa_sim.workload.build.unrolling import fold_unrolled
from mensa_sim.workload.graph import Coverage, LayerGraph


class GraphBuilder:
    """Collects a model's tensors and operations in the order they run, then makes its layer graph.

    An operation that reads constants alone is computed before the model runs, whether or not we understand it: what it
    writes is a constant too. One that no output hangs on is never run.
    """

    def __init__(self, name: str, *, parameter_bits: int = 8, activation_bits: int = 8) -> None:
        self.name = name
        self.parameter_bits = parameter_bits
        self.activation_bits = activation_bits
        self._tensors: dict[str, Tensor] = {}
        self._operations: list[Operation] = []
        self._outputs: list[str] = []
        self._next_states: dict[str, str] = {}
        self._claimed: set[str] = set()
        self._folded_nodes: list[str] = []
        self._layout_nodes: list[str] = []

    def input(self, id: str, shape: Iterable[int], *, index: bool = False, bits: int | None = None) -> Tensor:
        """A tensor that enters the model; `index` marks integers (tokens), `bits` a width that the model states."""
        shape = tuple(shape)
        return self._keep(Tensor(id=id, shape=shape, stored=math.prod(shape), index=index, bits=bits))

    def constant(
        self,
        id: str,
        shape: Iterable[int],
        *,
        name: str,
        fill: bool = False,
        bits: int | None = None,
        scales: tuple[Tensor, ...] = (),
    ) -> Tensor:
        """A parameter, a buffer or a literal of the model; a `fill` repeats one value and takes no memory."""
        shape = tuple(shape)
        stored = 0 if fill else math.prod(shape)
        return self._keep(Tensor(id=id, shape=shape, stored=stored, constant=name, bits=bits, scales=scales))

    def learned(self, tensor: Tensor) -> Tensor:
        """The same as a parameter, where it is known at all: even one number, repeated, has its bytes."""
        if tensor.constant is None or tensor.stored:
            return tensor
        id = f"{tensor.id}/learned"
        return self._tensors.get(id) or self.constant(id, tensor.shape, name=tensor.constant, bits=tensor.bits)

    def state(self, id: str, shape: Iterable[int], *, index: bool = False, bits: int | None = None) -> Tensor:
        """A tensor that the model keeps from one inference to the next and changes (a cache of keys and values)."""
        shape = tuple(shape)
        return self._keep(Tensor(id=id, shape=shape, stored=math.prod(shape), index=index, bits=bits, state=True))

    def next_state(self, id: str, new: str) -> None:
        """What a state is after this inference; an unread state (a counter of batches) is not kept up."""
        self._next_states[id] = self.tensor(new).id

    def output(self, id: str) -> None:
        """Marks a tensor as one that leaves the model."""
        self._outputs.append(self.tensor(id).id)

    def tensor(self, id: str) -> Tensor:
        """The tensor of that name, as an input, a constant or what an operation wrote."""
        if id not in self._tensors:
            raise TraceError(f"{self.name}: {id} is read before anything makes it")
        return self._tensors[id]

    def has(self, id: str) -> bool:
        """Whether a tensor of that name is known."""
        return id in self._tensors

    def alias(self, id: str, tensor: Tensor) -> None:
        """Another name for a tensor."""
        self._tensors[id] = tensor

    def claim(self, name: str) -> str:
        """A name that no group or gate has yet: the one given, or that one numbered."""
        unique = numbered(name, self._claimed)
        self._claimed.add(unique)
        return unique

    def add(self, operation: Operation) -> None:
        """The next operation of the model."""
        for tensor in operation.reads:
            self.tensor(tensor.id)
        # A state of zeros is a state like any other: the first step of a loop is no special case.
        starts = operation.nest is not None and any(tensor.stored == 0 for tensor in operation.reads)
        opaque = operation.role is Role.UNSUPPORTED and not operation.reads
        runs = operation.recurrent or starts or opaque or not operation.foldable
        if not runs and all(tensor.constant is not None for tensor in operation.reads):
            self._fold(operation)
            return
        for tensor in operation.writes:
            self._keep(tensor)
        self._operations.append(operation)

    def fill(self, site: Site, tensor: Tensor) -> None:
        """A tensor of one repeated value, which no memory need hold."""
        self._keep(replace(tensor, stored=0, constant=site.node))
        self._folded_nodes.append(site.node)

    def makes_nothing(self, site: Site, results: Iterable[Tensor], reads: Iterable[Tensor] = ()) -> bool:
        """Settles an operator whose results, or all that it reads of data, hold no elements: it computes nothing.

        False, and nothing done, for any other.
        """
        results, reads = tuple(results), tuple(reads)
        filled = [tensor for tensor in reads if tensor.elements]
        unread = len(filled) < len(reads) and all(tensor.constant is not None for tensor in filled)
        if not results or not (unread or all(tensor.elements == 0 for tensor in results)):
            return False
        for tensor in results:
            self._keep(replace(tensor, stored=0, constant=site.node))
        self._folded_nodes.append(site.node)
        return True

    def note_layout(self, node: str) -> None:
        """A node that makes no tensor (an assertion): it is counted, and costs nothing."""
        self._layout_nodes.append(node)

    def _fold(self, operation: Operation) -> None:
        self._folded_nodes.append(operation.site.node)
        filled = bool(operation.reads) and all(tensor.stored == 0 for tensor in operation.reads)
        for tensor in operation.writes:
            if operation.role in (Role.VIEW, Role.STRIDED) and len(operation.reads) == 1:
                (whole,) = operation.reads
                bits, scales = narrower(whole.bits, tensor.bits), whole.scales or tensor.scales
                name = _part_name(whole, tensor, operation.part)
                self._keep(replace(tensor, constant=name, bits=bits, scales=scales))
            else:
                stored = 0 if filled else tensor.elements
                bits, scales = _quantised(operation, tensor)
                bits = tensor.bits or bits
                self._keep(replace(tensor, stored=stored, constant=operation.site.node, bits=bits, scales=scales))

    def _keep(self, tensor: Tensor) -> Tensor:
        if tensor.id in self._tensors:
            raise TraceError(f"{self.name}: {tensor.id} is made twice")
        self._tensors[tensor.id] = tensor
        return tensor

    def build(self, *, channels_last: bool = False) -> LayerGraph:
        """The layer graph of all that was added; `channels_last` says how images lie in the model's memory."""
        operations = live(self._operations, self._outputs, self._next_states)
        unread = {id(operation) for operation in self._operations} - {id(operation) for operation in operations}
        self._layout_nodes.extend(o.site.node for o in self._operations if id(o) in unread)
        kept = [*self._outputs, *(new for new in self._next_states.values())]
        operations = settle_reindexing(settle_updates(operations, self._outputs), kept)
        operations, absorbed = join_expressions(operations, kept)
        for part in absorbed:
            (self._layout_nodes if part.role is Role.VIEW else self._folded_nodes).append(part.site.node)
        operations = fuse(fold_unrolled(operations), kept)
        flow = Producers(
            operations, self._outputs, tuple(self._next_states.values()), default_bits=self.activation_bits
        )
        maker = LayerMaker(flow, parameter_bits=self.parameter_bits, activation_bits=self.activation_bits)
        apart = disordered(operations, flow, channels_last=channels_last)
        layers, edges = maker.layers_and_edges(operations, apart)
        layers = with_attention_marked(layers, edges)
        return LayerGraph(name=self.name, layers=layers, edges=edges, coverage=self._coverage(operations))

    def _coverage(self, operations: list[Operation]) -> Coverage:
        """Each traced node once, by the costliest thing that became of it."""
        kinds = dict.fromkeys(map(_first, self._layout_nodes), "layout")
        kinds |= dict.fromkeys(map(_first, self._folded_nodes), "fused")
        rank = ("layout", "fused", "costed", "unsupported")
        for operation in operations:
            kind = _COVERAGE[operation.role]
            for node in map(_first, operation.nodes or (operation.site.node,)):
                kinds[node] = max(kinds.get(node, kind), kind, key=rank.index)
        counts = {kind: list(kinds.values()).count(kind) for kind in rank}
        unsupported = sorted({o.operator for o in operations if o.role is Role.UNSUPPORTED})
        return Coverage(
            costed=counts["costed"],
            fused=counts["fused"],
            layout=counts["layout"],
            unsupported=counts["unsupported"],
            unsupported_operators=tuple(unsupported),
        )


_COVERAGE = {
    Role.LAYER: "costed",
    Role.ELEMENTWISE: "fused",
    Role.AFFINE: "fused",
    Role.PAD: "fused",
    Role.VIEW: "layout",
    Role.STRIDED: "layout",
    Role.UNSUPPORTED: "unsupported",
}


def _first(node: str) -> str:
    """The node itself, for one that is made again."""
    return node.partition(REPEATED)[0]


def _quantised(operation: Operation, result: Tensor) -> tuple[int | None, tuple[Tensor, ...]]:
    """Width and scales of a constant computed of others: what was stored in few bits has no more information."""
    same = [tensor for tensor in operation.reads if tensor.bits is not None and tensor.elements == result.elements]
    if not same:
        return None, ()
    others = tuple(tensor for tensor in operation.reads if tensor not in same and tensor.stored)
    return same[0].bits, same[0].scales + others


def _part_name(whole: Tensor, view: Tensor, part: str) -> str | None:
    """A view of a whole parameter is that parameter; a part of it has a name of its own."""
    return whole.constant if view.stored == whole.stored else f"{whole.constant}[{part or view.id}]"
