"""Layers of settled operations: the bytes and widths of what they read, hold and write, and the edges between them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.build.dataflow import Producers, Share
from mensa_sim.workload.build.operation import Operation, Role, Tensor, numbered
from mensa_sim.workload.graph import Edge
from mensa_sim.workload.layer import Layer, Parameter


class LayerMaker:
    """Makes the layers of one model; both widths are the workload's, for elements of which the model says nothing."""

    def __init__(self, flow: Producers, *, parameter_bits: int, activation_bits: int) -> None:
        self._flow = flow
        self._parameter_bits = parameter_bits
        self._activation_bits = activation_bits

    def layers_and_edges(
        self, operations: Iterable[Operation], apart: Collection[tuple[int, str]] = ()
    ) -> tuple[tuple[Layer, ...], tuple[Edge, ...]]:
        """A layer for each operation that is one, each by a name of its own, and what flows between them.

        `apart` are operations, by `id`, and tensors that they do not read row by row.
        """
        kept = [operation for operation in operations if operation.role in (Role.LAYER, Role.UNSUPPORTED)]
        names: dict[int, str] = {}
        taken: set[str] = set()
        for operation in kept:
            names[id(operation)] = numbered(operation.site.name, taken)
            taken.add(names[id(operation)])
        layers = tuple(self._layer(operation, names[id(operation)]) for operation in kept)
        return layers, tuple(self._edges(kept, names, apart))

    def _layer(self, operation: Operation, name: str) -> Layer:
        flow = self._flow
        sources = flow.sources(operation)
        entering = [(t, count) for t, count in sources if flow.producer(t) is None and not t.state]
        kept = [(t, count) for t, count in sources if flow.producer(t) is None and t.state]
        written = flow.written(operation)
        fed_back = operation.feedback_elements + sum(tensor.stored for tensor in operation.feedback)
        state_bits = next((t.bits for t in operation.writes if t.bits is not None), self._activation_bits)
        gathered = operation.gathered
        widths = self._widths(operation, written)
        return Layer(
            name=name,
            operator=operation.operator,
            nest=operation.nest,
            window=operation.window,
            output_channels=operation.output_channels,
            summed_elements=operation.summed_elements,
            waiting_elements=operation.waiting_elements,
            further_rows=operation.further_rows,
            slices=operation.slices,
            slice_elements=operation.slice_elements,
            vector_ops=operation.vector_ops,
            parameters=tuple(self._parameters(operation)),
            gathered_bytes=None if gathered is None else bits_to_bytes(gathered * self._table_bits(operation)),
            input_bytes=self._bytes(sources) + bits_to_bytes(fed_back * state_bits),
            output_bytes=self._bytes((tensor, tensor.stored) for tensor in written)
            + bits_to_bytes(operation.state_elements * state_bits),
            model_input_bytes=self._bytes(entering),
            model_output_bytes=self._bytes((tensor, flow.leaving(tensor)) for tensor in written),
            state_bytes=self._bytes(kept),
            steps=operation.steps,
            recurrent=operation.recurrent,
            group=operation.group,
            gate=operation.gate,
            fused=operation.fused,
            supported=operation.role is not Role.UNSUPPORTED,
            source=operation.site.source,
            parameter_bits=self._parameter_bits,
            activation_bits=self._activation_bits,
            weight_bits=widths.get("weight"),
            input_bits=widths.get("input"),
            output_bits=widths.get("output"),
        )

    def _widths(self, operation: Operation, written: Sequence[Tensor]) -> dict[str, int]:
        """The widths of the operands, where the model says others than the workload; indices have one of their own."""
        activations = [tensor for tensor in operation.reads if tensor.constant is None and not tensor.index]
        computed = [self._flow.operand_bits(tensor) for tensor in activations]
        held = [tensor for tensor in operation.reads if tensor.is_parameter]
        found: dict[str, tuple[int, int]] = {}
        if computed:
            found["input"] = (computed[0], self._activation_bits)
        if operation.nest is None:
            pass
        elif held:
            weight = max(held, key=lambda tensor: tensor.stored)
            found["weight"] = (weight.bits or self._parameter_bits, self._parameter_bits)
        elif computed:
            found["weight"] = (computed[min(1, len(computed) - 1)], self._activation_bits)
        made = [self._flow.stored_bits(tensor) for tensor in written if not tensor.index]
        if made:
            found["output"] = (max(made), self._activation_bits)
        return {operand: bits for operand, (bits, usual) in found.items() if bits != usual}

    def _table_bits(self, operation: Operation) -> int:
        """Bits of an element of the table that an operation gathers from."""
        table = next((tensor for tensor in operation.reads if tensor.constant is not None), None)
        return (table.bits if table is not None else None) or self._parameter_bits

    def _parameters(self, operation: Operation) -> Iterator[Parameter]:
        reads = [*operation.reads, *_group_scales(operation)]
        named = {t.constant: t for t in reads if t.constant is not None and t.stored}
        for name, tensor in named.items():
            yield Parameter(name=name, size_bytes=bits_to_bytes(tensor.stored * (tensor.bits or self._parameter_bits)))

    def _bytes(self, shares: Iterable[Share]) -> int:
        return sum(bits_to_bytes(count * self._flow.stored_bits(tensor)) for tensor, count in shares)

    def _edges(
        self, kept: Sequence[Operation], names: dict[int, str], apart: Collection[tuple[int, str]]
    ) -> Iterator[Edge]:
        sizes: dict[tuple[str, str], int] = {}
        whole: set[tuple[str, str]] = set()
        for operation in kept:
            for tensor, count in self._flow.sources(operation):
                producer = self._flow.producer(tensor)
                if producer is not None:
                    ends = (names[id(producer)], names[id(operation)])
                    sizes[ends] = sizes.get(ends, 0) + self._bytes([(tensor, count)])
                    whole |= {ends} if (id(operation), tensor.id) in apart else set()
        for ends, size in sizes.items():
            yield Edge(producer=ends[0], consumer=ends[1], size_bytes=size, whole=ends in whole)


def _group_scales(operation: Operation) -> Iterator[Tensor]:
    """The scales that are read with a product's weights: those of groups inside a channel.

    One for each output channel is part of how its sums are rounded, as a bias is of how they begin.
    """
    if operation.nest is not None:
        channels = operation.nest.G * operation.nest.K
        for tensor in operation.reads:
            if any(scale.stored > channels for scale in tensor.scales):
                yield from tensor.scales


def with_attention_marked(layers: Sequence[Layer], edges: Iterable[Edge]) -> tuple[Layer, ...]:
    """The layers, those inside an attention marked; any other softmax or product of activations is not."""
    makers: dict[str, set[str]] = defaultdict(set)
    readers: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        makers[edge.consumer].add(edge.producer)
        readers[edge.producer].add(edge.consumer)
    products = {layer.name for layer in layers if layer.weights_are_activations}
    inside: set[str] = set()
    for layer in layers:
        before, after = makers[layer.name], readers[layer.name]
        if layer.operator == "softmax" and before and after and before | after <= products:
            inside |= {layer.name} | before | after
    return tuple(replace(layer, in_attention=True) if layer.name in inside else layer for layer in layers)
