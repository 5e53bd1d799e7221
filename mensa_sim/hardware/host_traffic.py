"""What crosses between a host and the accelerators that it feeds, beside parameters: bytes, time and energy."""

from collections.abc import Iterable, Iterator, Mapping

from mensa_sim.hardware.routes import Leg, through_memory
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import window_span
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


def spilled_bytes(graph: LayerGraph, capacity_bytes: int) -> Mapping[str, int]:
    """By layer, bytes of its output that leave the activation memory before their last reader and come back for it.

    Layers run in graph order. A tensor lies there from its producer to its last reader; where those of a moment exceed
    the memory, what is read last leaves first, as far as it must (Belady 1966). A layer's own input and output stay:
    what is too large for both at once is worked on in blocks of rows, one tensor alone too if nothing but the next
    layer reads it: of that the rows leave that two blocks need, of any other what is beyond the memory. Blocks are a
    choice, and no more of them than the memory asks for.
    """
    return graph.made_once(("spilled_bytes", capacity_bytes), lambda: _spilled_bytes(graph, capacity_bytes))


def _spilled_bytes(graph: LayerGraph, capacity_bytes: int) -> Mapping[str, int]:
    found: dict[str, int] = {}
    if sum(layer.model_input_bytes + layer.output_bytes for layer in graph.layers) <= capacity_bytes:
        return found
    place = {layer.name: index for index, layer in enumerate(graph.layers)}
    last = {
        layer.name: max((place[name] for name in graph.successors(layer.name)), default=-1) for layer in graph.layers
    }
    held: dict[str, int] = {}
    for index, layer in enumerate(graph.layers):
        read = set(graph.predecessors(layer.name))
        beside = sorted((name for name in held if name not in read), key=lambda name: -last[name])
        over = sum(held.values()) + layer.model_input_bytes + layer.output_bytes - capacity_bytes
        for name in beside:
            leaves = min(held[name], max(0, over))
            if leaves:
                found[name] = found.get(name, 0) + leaves
                held[name] -= leaves
                over -= leaves
        if layer.output_bytes > capacity_bytes and last[layer.name] > index:
            chained = last[layer.name] == index + 1
            edges_bytes = _at_edges(layer.output_bytes, capacity_bytes, graph.layers[index + 1])
            found[layer.name] = edges_bytes if chained else layer.output_bytes - capacity_bytes
        held[layer.name] = min(layer.output_bytes, capacity_bytes)
        held = {name: size for name, size in held.items() if last[name] > index}
    return {name: size_bytes for name, size_bytes in found.items() if size_bytes}


def _at_edges(size_bytes: int, capacity_bytes: int, reader: Layer) -> int:
    """Bytes of the rows that a window needs in two of the blocks of its input."""
    nest = reader.nest or reader.window
    if nest is None:
        return 0
    edges = -(-size_bytes // capacity_bytes) - 1
    shared = max(0, window_span(1, nest.FY, nest.stride_y, nest.dilation_y) - nest.stride_y)
    return edges * shared * size_bytes // nest.input_height


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCrossing:
    """What crosses one way for some layers of one accelerator."""

    leg: Leg
    sizes_bytes: tuple[int, ...]
    """By layer: each is read or written on its own."""

    @property
    def size_bytes(self) -> int:
        """Of all layers."""
        return sum(self.sizes_bytes)

    @property
    def time_ps(self) -> int:
        """With the channel to itself, the layers' one after another."""
        return sum(self.leg.time_ps(size_bytes) for size_bytes in self.sizes_bytes)

    @property
    def energy_pj(self) -> float:
        """Of the memory's reads or writes."""
        return sum(self.leg.energy_pj(self.size_bytes).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTraffic:
    """What crosses for some layers of one accelerator in each inference."""

    inputs: HostCrossing
    instructions: HostCrossing
    spills: HostCrossing
    """What leaves for want of room; what comes back is among the inputs."""
    outputs: HostCrossing

    def __iter__(self) -> Iterator[HostCrossing]:
        return iter((*self.before, self.outputs))

    @property
    def before(self) -> tuple[HostCrossing, ...]:
        """What is counted before the layers."""
        return self.inputs, self.instructions, self.spills

    @property
    def time_ps(self) -> int:
        """One after another, with the channel to themselves."""
        return sum(each.time_ps for each in self)

    @property
    def energy_pj(self) -> float:
        """Of the memory's reads and writes."""
        return sum(each.energy_pj for each in self)


def host_traffic(layers: Iterable[Layer], graph: LayerGraph, system: System, accelerator: str) -> HostTraffic | None:
    """What crosses for these layers on an accelerator; none where no host feeds it.

    What spills is counted before the layers, both ways: its time and energy, not the moment. Activations have their own
    memory alone, whatever parameters leave of theirs: a choice (Seshadri et al., arXiv 2102.10423, tell the two apart).
    """
    host = system.feeder_of(accelerator)
    if host is None:
        return None
    channel, memory = system.accelerator(accelerator).memory, system.memory_of(accelerator)
    room = system.accelerator(accelerator).spec.buffer_bytes.get("activation")
    spilled = {} if room is None else spilled_bytes(graph, room)
    own = [(layer, spilled.get(layer.name, 0)) for layer in layers]
    programs = (layer.nest is not None or layer.vector_ops > 0 for layer, _ in own)

    def crossing(rate: float, pj_per_byte: float, sizes_bytes: Iterable[int]) -> HostCrossing:
        return HostCrossing(leg=through_memory(channel, rate, pj_per_byte), sizes_bytes=tuple(sizes_bytes))

    read_pj, write_pj = memory.transfer_pj(read_bytes=1), memory.transfer_pj(write_bytes=1)
    return HostTraffic(
        inputs=crossing(host.in_bytes_per_s, read_pj, (layer.model_input_bytes + leaves for layer, leaves in own)),
        instructions=crossing(
            memory.effective_bytes_per_s, read_pj, (host.instruction_bytes_per_layer * each for each in programs)
        ),
        spills=crossing(host.out_bytes_per_s, write_pj, (leaves for _, leaves in own)),
        outputs=crossing(
            host.out_bytes_per_s,
            write_pj,
            (padded_output_bytes(layer, graph, host.output_channel_multiple) for layer, _ in own),
        ),
    )


def padded_output_bytes(layer: Layer, graph: LayerGraph, multiple: int) -> int:
    """Of what leaves the graph, its channels padded to a multiple."""
    channels = _channels(layer, graph) or layer.model_output_bytes
    return -(-layer.model_output_bytes * (-(-channels // multiple) * multiple) // channels) if channels else 0


def _channels(layer: Layer, graph: LayerGraph) -> int | None:
    """Output channels of a layer, or of its last ancestor with a nest; none where nothing says."""
    seen: Layer | None = layer
    while seen is not None:
        if seen.nest is not None:
            return seen.output_channels or seen.nest.G * seen.nest.K
        producers = graph.predecessors(seen.name)
        seen = graph[producers[0]] if len(producers) == 1 else None
    return None
