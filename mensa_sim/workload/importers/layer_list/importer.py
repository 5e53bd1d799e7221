"""From a list of layers to a layer graph: the bytes that each layer moves, and whether they agree."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from mensa_sim.errors import FileError
from mensa_sim.records import dataclass
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import window_span
from mensa_sim.workload.graph import Coverage, Edge, LayerGraph
from mensa_sim.workload.importers.layer_list.entries import PER_ELEMENT, Dims, LayerEntry, pair
from mensa_sim.workload.layer import Layer, LoopNest, Parameter
from mensa_sim.workload.operators.convolution import Spread, overlapping

_TRACED: Mapping[str, str] = {"convolution": "conv2d", "transposed_convolution": "conv_transpose2d"}
"""The names that traced layers have."""


def listed_graph(
    name: str, entries: Sequence[LayerEntry], *, parameter_bits: int, activation_bits: int, path: str
) -> LayerGraph:
    """The layer graph of a list whose names and references are known to be right.

    Raises `FileError` for layers that form a cycle, and with every layer whose inputs hold another number of
    bytes than it reads.
    """
    order = _ordered(entries, path)
    draft = _Draft(parameter_bits=parameter_bits, activation_bits=activation_bits)
    for entry in order:
        draft.add(entry)
    if draft.faults:
        position = {entry.name: index for index, entry in enumerate(entries)}
        raise FileError(path, [f"layers[{position[n]}]: {fault}" for n, fault in draft.faults])
    read = {edge.producer for edge in draft.edges}
    layers = [draft.finished(entry, leaves=entry.name not in read) for entry in entries]
    coverage = Coverage(costed=len(layers))
    return LayerGraph(name=name, layers=tuple(layers), edges=tuple(draft.edges), coverage=coverage)


def _ordered(entries: Sequence[LayerEntry], path: str) -> list[LayerEntry]:
    """The entries, producers first, else in the order given."""
    order: list[LayerEntry] = []
    done: set[str] = set()
    waiting = list(entries)
    while waiting:
        ready = [entry for entry in waiting if done.issuperset(entry.inputs)]
        if not ready:
            raise FileError(path, [f"layers: {', '.join(e.name for e in waiting)} wait for each other in a cycle"])
        order.extend(ready)
        done.update(entry.name for entry in ready)
        waiting = [entry for entry in waiting if entry.name not in done]
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """What a layer computes and moves."""

    nest: LoopNest | None
    size: tuple[int, int] | None
    """Rows and columns of its output, where it has any."""
    input_bytes: int
    model_input_bytes: int
    output_bytes: int


@dataclass(slots=True, kw_only=True)
class _Draft:
    """The graph so far: what each layer moves, by name."""

    parameter_bits: int
    activation_bits: int
    edges: list[Edge] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    _moved: dict[str, _Moved] = field(default_factory=dict)

    def add(self, entry: LayerEntry) -> None:
        """Derives what one layer moves, and the edges into it."""
        nest = None if entry.dims is None else entry.nest(self._input_size(entry, entry.dims))
        made = self._activation_bytes(_output_elements(entry, nest), entry, entry.output_bits)
        offered = [self._moved[producer].output_bytes for producer in entry.inputs]
        needed = self._needed_bytes(entry, nest, offered)
        self._check(entry, nest, needed, sum(offered))
        flows = _split(needed, offered)
        self._moved[entry.name] = _Moved(
            nest=nest,
            size=self._output_size(entry),
            input_bytes=needed,
            model_input_bytes=0 if entry.recurrent else needed - sum(flows),
            output_bytes=made if entry.output_bytes is None else entry.output_bytes,
        )
        for producer, size_bytes in zip(entry.inputs, flows, strict=True):
            self.edges.append(Edge(producer=producer, consumer=entry.name, size_bytes=size_bytes))

    def finished(self, entry: LayerEntry, *, leaves: bool) -> Layer:
        """The layer of an entry; `leaves` where no layer reads what it makes."""
        moved = self._moved[entry.name]
        sums = _sums(entry, moved.nest)
        return Layer(
            name=entry.name,
            operator=_TRACED.get(entry.operator, entry.operator),
            nest=moved.nest,
            output_channels=entry.dims.G * entry.dims.K if entry.is_transposed and entry.dims else None,
            vector_ops=self._vector_ops(entry, sums),
            summed_elements=sums.get("summed_elements", 0),
            waiting_elements=sums.get("waiting_elements", 0),
            further_rows=sums.get("further_rows", 0),
            slices=(entry.elements or 0) * entry.steps // entry.slice_elements if entry.slice_elements else 0,
            slice_elements=entry.slice_elements or 0,
            parameters=tuple(self._parameters(entry)),
            gathered_bytes=entry.gathered_bytes,
            input_bytes=moved.input_bytes,
            output_bytes=moved.output_bytes,
            model_input_bytes=moved.model_input_bytes,
            model_output_bytes=moved.output_bytes if leaves else 0,
            steps=entry.steps,
            recurrent=entry.recurrent,
            group=entry.group,
            gate=entry.gate,
            source=entry.name,
            parameter_bits=self.parameter_bits,
            activation_bits=self.activation_bits,
            weight_bits=entry.weight_bits,
            input_bits=entry.input_bits,
            output_bits=entry.output_bits,
            accumulator_bits=entry.accumulator_bits,
            input_zeros=entry.input_zeros,
            output_zeros=entry.output_zeros,
        )

    def _activation_bytes(self, elements: int, entry: LayerEntry, own_bits: int | None) -> int:
        return bits_to_bytes(elements * entry.steps * (own_bits or self.activation_bits))

    def _needed_bytes(self, entry: LayerEntry, nest: LoopNest | None, offered: Sequence[int]) -> int:
        if entry.input_bytes is not None:
            return entry.input_bytes
        if nest is None:
            return sum(offered) or self._activation_bytes(entry.elements or 0, entry, entry.input_bits)
        weights = nest.weight_elements if entry.operator == "matmul" else 0
        read_bytes = self._activation_bytes(nest.input_elements, entry, entry.input_bits)
        return read_bytes + self._activation_bytes(weights, entry, entry.weight_bits)

    def _check(self, entry: LayerEntry, nest: LoopNest | None, needed: int, offered: int) -> None:
        if nest is None or entry.input_bytes is not None or entry.recurrent or not entry.inputs:
            return
        if needed != offered:
            read = f"{nest.B * nest.G * nest.C} x {nest.input_height} x {nest.input_width}"
            message = f"inputs hold {offered} bytes, but the layer reads {needed} (its input is {read})"
            self.faults.append((entry.name, f"{message}; mend dims, or say input_bytes"))

    def _input_size(self, entry: LayerEntry, dims: Dims) -> tuple[int, int]:
        """Rows and columns of the real input."""
        if not entry.is_convolution:
            return 1, dims.OX
        if entry.input_size is not None:
            return pair(entry.input_size)
        above = self._size_above(entry)
        if above is not None and entry.padding is None and _possible(entry, above):
            return above
        strides, dilations = pair(entry.stride), pair(entry.dilation)
        outputs, taps = (dims.OY, dims.OX), (dims.FY, dims.FX)
        if entry.is_transposed:
            return -(-outputs[0] // strides[0]), -(-outputs[1] // strides[1])
        if entry.padding == "valid":
            rows, columns = map(window_span, outputs, taps, strides, dilations)
            return rows, columns
        return outputs[0] * strides[0], outputs[1] * strides[1]

    def _output_size(self, entry: LayerEntry) -> tuple[int, int] | None:
        if entry.is_convolution and entry.dims is not None:
            return entry.dims.OY, entry.dims.OX
        return self._size_above(entry) if PER_ELEMENT.get(entry.operator) else None

    def _size_above(self, entry: LayerEntry) -> tuple[int, int] | None:
        """Rows and columns that all of the layer's inputs have."""
        sizes = {self._moved[producer].size for producer in entry.inputs}
        return sizes.pop() if len(sizes) == 1 else None

    def _vector_ops(self, entry: LayerEntry, sums: Mapping[str, int]) -> int:
        if entry.vector_ops is not None:
            return entry.vector_ops
        each = sums.get("vector_ops", (entry.elements or 0) * PER_ELEMENT.get(entry.operator, 0))
        return each * entry.steps

    def _parameters(self, entry: LayerEntry) -> Iterable[Parameter]:
        nest = self._moved[entry.name].nest
        name = entry.parameter or f"{entry.name}.parameters"
        if entry.parameter_bytes is not None:
            size_bytes = entry.parameter_bytes
        elif nest is not None and entry.operator != "matmul":
            biases = entry.dims.G * entry.dims.K if entry.bias and entry.dims else 0
            bits = nest.weight_elements * (entry.weight_bits or self.parameter_bits) + biases * self.parameter_bits
            size_bytes = bits_to_bytes(bits)
        else:
            size_bytes = 0
        if size_bytes:
            yield Parameter(name=name, size_bytes=size_bytes)


def _sums(entry: LayerEntry, nest: LoopNest | None) -> dict[str, int]:
    """What a transposed convolution says of its columns."""
    dims = entry.dims
    if not entry.is_transposed or dims is None or nest is None:
        return {}
    each = ((nest.OY, nest.OX), (dims.OY, dims.OX), (dims.FY, dims.FX), pair(entry.stride), pair(entry.dilation))
    axes = [
        Spread(inputs=inputs, outputs=outputs, taps=taps, stride=stride, dilation=dilation)
        for inputs, outputs, taps, stride, dilation in zip(*each, strict=True)
    ]
    made = _output_elements(entry, nest)
    return overlapping(entry.phases, nest, axes, channels=dims.G * dims.K, elements=made)


def _output_elements(entry: LayerEntry, nest: LoopNest | None) -> int:
    """Elements that one step makes; a transposed convolution's nest counts positions that it adds up."""
    if entry.is_transposed and entry.dims is not None:
        return entry.dims.B * entry.dims.G * entry.dims.K * entry.dims.OY * entry.dims.OX
    return nest.output_elements if nest else entry.elements or 0


def _possible(entry: LayerEntry, size: tuple[int, int]) -> bool:
    """Whether some padding below the filter's extent makes the layer's output from an input of that size."""
    dims = entry.dims
    if dims is None:
        return False
    per_axis: Mapping[str, tuple[int, int]] = {
        "outputs": (dims.OY, dims.OX),
        "taps": (dims.FY, dims.FX),
        "strides": pair(entry.stride),
        "dilations": pair(entry.dilation),
        "inputs": size,
    }
    for outputs, taps, stride, dilation, inputs in zip(*per_axis.values(), strict=True):
        extent = window_span(1, taps, stride, dilation)
        if entry.is_transposed:  # the convolution back, from its output to its input
            outputs, inputs = inputs, outputs
        fewest = max(1, (inputs - extent) // stride + 1)
        most = (inputs + extent - 2) // stride + 1
        if not fewest <= outputs <= most:
            return False
    return True


def _split(needed: int, offered: Sequence[int]) -> list[int]:
    """What flows from each producer: all it offers, or its share where the layer reads less.

    >>> _split(10, [4, 4]), _split(6, [8, 4])
    ([4, 4], [4, 2])
    """
    total = sum(offered)
    if total <= needed:
        return list(offered)
    bounds = [sum(offered[:index]) * needed // total for index in range(len(offered) + 1)]
    return [after - before for before, after in itertools.pairwise(bounds)]
