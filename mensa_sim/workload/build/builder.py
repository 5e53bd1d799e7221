"""The builder of layer graphs: operations on tensors in, layers and the bytes between them out. Knows no torch."""

import math
from collections.abc import Iterable
from dataclasses import replace

from mensa_sim.errors import TraceError
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.build.dataflow import Producers
from mensa_sim.workload.build.expressions import join_expressions
from mensa_sim.workload.build.fusing import fuse
from mensa_sim.workload.build.liveness import live
from mensa_sim.workload.build.operation import INDEX_BITS, Operation, Role, Site, Tensor, numbered
from mensa_sim.workload.build.reindexing import settle_reindexing
from mensa_sim.workload.build.unrolling import fold_unrolled
from mensa_sim.workload.build.updating import settle_updates
from mensa_sim.workload.build.widths import narrow
from mensa_sim.workload.graph import Coverage, Edge, LayerGraph
from mensa_sim.workload.layer import Layer, Parameter


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
        """A tensor that enters the model; `index` marks integers (tokens)."""
        return self._keep(Tensor(id=id, shape=tuple(shape), stored=math.prod(shape), index=index, bits=bits))

    def constant(
        self, id: str, shape: Iterable[int], *, name: str, fill: bool = False, bits: int | None = None
    ) -> Tensor:
        """A parameter, a buffer or a literal of the model; a `fill` repeats one value and takes no memory."""
        shape = tuple(shape)
        return self._keep(Tensor(id=id, shape=shape, stored=0 if fill else math.prod(shape), constant=name, bits=bits))

    def state(self, id: str, shape: Iterable[int], *, index: bool = False) -> Tensor:
        """A tensor that the model keeps from one inference to the next and changes (a cache of keys and values)."""
        shape = tuple(shape)
        return self._keep(Tensor(id=id, shape=shape, stored=math.prod(shape), index=index, state=True))

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

    def makes_nothing(self, site: Site, results: Iterable[Tensor]) -> bool:
        """Whether all that an operator makes is empty; it is then made of nothing."""
        empty = list(results)
        if not empty or any(tensor.elements for tensor in empty):
            return False
        for tensor in empty:
            self.fill(site, tensor)
        return True

    def note_fused(self, node: str) -> None:
        """Counts a node that the front end joined with another, such as the addition of a bias."""
        self._folded_nodes.append(node)

    def note_layout(self, node: str) -> None:
        """A node that makes no tensor (an assertion): it is counted, and costs nothing."""
        self._layout_nodes.append(node)

    def _fold(self, operation: Operation) -> None:
        self._folded_nodes.append(operation.site.node)
        filled = bool(operation.reads) and all(tensor.stored == 0 for tensor in operation.reads)
        for tensor in operation.writes:
            if operation.role in (Role.VIEW, Role.STRIDED) and len(operation.reads) == 1:
                named = _part_name(operation.reads[0], tensor, operation.part)
                self._keep(replace(tensor, constant=named, bits=_narrower(tensor.bits, operation.reads[0].bits)))
            else:
                stored = 0 if filled else tensor.elements
                self._keep(replace(tensor, stored=stored, constant=operation.site.node))

    def _keep(self, tensor: Tensor) -> Tensor:
        if tensor.id in self._tensors:
            raise TraceError(f"{self.name}: {tensor.id} is made twice")
        self._tensors[tensor.id] = tensor
        return tensor

    def build(self) -> LayerGraph:
        """The layer graph of all that was added."""
        operations = live(self._operations, self._outputs, self._next_states)
        unread = {id(operation) for operation in self._operations} - {id(operation) for operation in operations}
        self._layout_nodes.extend(o.site.node for o in self._operations if id(o) in unread)
        kept = [*self._outputs, *(new for new in self._next_states.values())]
        operations = settle_reindexing(settle_updates(operations, self._outputs), kept)
        operations, absorbed = join_expressions(operations, kept)
        for part in absorbed:
            (self._layout_nodes if part.role is Role.VIEW else self._folded_nodes).append(part.site.node)
        operations = fuse(fold_unrolled(operations), kept)
        operations = narrow(operations, kept)
        flow = Producers(operations, self._outputs, tuple(self._next_states.values()))
        layers = [operation for operation in operations if operation.role in (Role.LAYER, Role.UNSUPPORTED)]
        names: dict[int, str] = {}
        taken: set[str] = set()
        for operation in layers:
            names[id(operation)] = numbered(operation.site.name, taken)
            taken.add(names[id(operation)])
        return LayerGraph(
            name=self.name,
            layers=tuple(self._layer(operation, names[id(operation)], flow) for operation in layers),
            edges=self._edges(layers, names, flow),
            coverage=self._coverage(operations),
        )

    def _layer(self, operation: Operation, name: str, flow: Producers) -> Layer:
        sources = flow.sources(operation)
        input_bytes = sum(self._bytes(tensor, count) for tensor, count in sources)
        entering = [(t, count) for t, count in sources if flow.producer(t) is None and not t.state]
        model_input_bytes = sum(self._bytes(tensor, count) for tensor, count in entering)
        written = flow.written(operation)
        leaving = sum(self._bytes(tensor, flow.leaving(tensor)) for tensor in written)
        output_bytes = sum(self._bytes(tensor, tensor.stored) for tensor in written)
        fed_back = operation.feedback_elements + sum(tensor.stored for tensor in operation.feedback)
        state_bits = next((t.bits for t in operation.writes if t.bits is not None), self.activation_bits)
        feedback_bytes = bits_to_bytes(fed_back * state_bits)
        state_bytes = bits_to_bytes(operation.state_elements * state_bits)
        gathered = operation.gathered
        learned = [tensor for tensor in operation.reads if tensor.constant is not None and tensor.stored]
        table_bits = next((t.bits for t in learned if t.bits is not None), self.parameter_bits)
        read_bits = [tensor.bits for tensor, _ in sources]
        return Layer(
            name=name,
            operator=operation.operator,
            nest=operation.nest,
            vector_ops=operation.vector_ops,
            parameters=tuple(self._parameters(operation)),
            gathered_bytes=None if gathered is None else bits_to_bytes(gathered * table_bits),
            input_bytes=input_bytes + feedback_bytes,
            output_bytes=output_bytes + state_bytes,
            model_input_bytes=model_input_bytes,
            model_output_bytes=leaving,
            steps=operation.steps,
            recurrent=operation.recurrent,
            group=operation.group,
            gate=operation.gate,
            fused=operation.fused,
            supported=operation.role is not Role.UNSUPPORTED,
            source=operation.site.source,
            parameter_bits=self.parameter_bits,
            activation_bits=self.activation_bits,
            weight_bits=self._weight_bits(operation, learned, read_bits),
            input_bits=_other(read_bits[0] if read_bits else None, self.activation_bits),
            output_bits=_other(written[0].bits if written else None, self.activation_bits),
        )

    def _weight_bits(self, operation: Operation, learned: list[Tensor], read: list[int | None]) -> int | None:
        """Bits of the nest's weight operand: a parameter, or the second of two activations."""
        if operation.nest is None:
            return None
        if learned:
            return _other(learned[0].bits, self.parameter_bits)
        return _other(read[-1] if read else None, self.activation_bits)

    def _parameters(self, operation: Operation) -> Iterable[Parameter]:
        named = {t.constant: t for t in operation.reads if t.constant is not None and t.stored}
        for name, tensor in named.items():
            yield Parameter(name=name, size_bytes=bits_to_bytes(tensor.stored * (tensor.bits or self.parameter_bits)))

    def _bytes(self, tensor: Tensor, count: int) -> int:
        return bits_to_bytes(count * (INDEX_BITS if tensor.index else tensor.bits or self.activation_bits))

    def _edges(self, kept: list[Operation], names: dict[int, str], flow: Producers) -> tuple[Edge, ...]:
        sizes: dict[tuple[str, str], int] = {}
        for operation in kept:
            for tensor, count in flow.sources(operation):
                producer = flow.producer(tensor)
                if producer is not None:
                    ends = (names[id(producer)], names[id(operation)])
                    sizes[ends] = sizes.get(ends, 0) + self._bytes(tensor, count)
        return tuple(Edge(producer=p, consumer=c, size_bytes=size) for (p, c), size in sizes.items())

    def _coverage(self, operations: list[Operation]) -> Coverage:
        """Each traced node once, by the costliest thing that became of it."""
        kinds = dict.fromkeys(self._layout_nodes, "layout") | dict.fromkeys(self._folded_nodes, "fused")
        rank = ("layout", "fused", "costed", "unsupported")
        for operation in operations:
            kind = _COVERAGE[operation.role]
            for node in operation.nodes or (operation.site.node,):
                kinds[node] = max(kinds.get(node, kind), kind, key=rank.index)
        counts = {kind: list(kinds.values()).count(kind) for kind in rank}
        unsupported = sorted({o.operator for o in operations if o.role is Role.UNSUPPORTED})
        return Coverage(**counts, unsupported_operators=tuple(unsupported))


def _other(bits: int | None, default: int) -> int | None:
    """Bits that differ from the default."""
    return None if bits == default else bits


_COVERAGE = {
    Role.LAYER: "costed",
    Role.ELEMENTWISE: "fused",
    Role.AFFINE: "fused",
    Role.PAD: "fused",
    Role.VIEW: "layout",
    Role.STRIDED: "layout",
    Role.UNSUPPORTED: "unsupported",
}


def _narrower(bits: int | None, others: int | None) -> int | None:
    """The fewer of two numbers of bits, where they are known: a cast reads what is stored."""
    return min((each for each in (bits, others) if each is not None), default=None)


def _part_name(whole: Tensor, view: Tensor, part: str) -> str | None:
    """A view of a whole parameter is that parameter; a part of it has a name of its own."""
    return whole.constant if view.stored == whole.stored else f"{whole.constant}[{part or view.id}]"
