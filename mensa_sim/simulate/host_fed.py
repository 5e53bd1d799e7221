"""An accelerator that a host feeds over a link: inputs in, layers from on-chip memory, outputs back.

Activations never leave the chip between layers. Of the parameters, those that stay on chip are there from the second
inference on; the others cross the link in each one, a layer ahead of their use. Instructions, inputs and outputs do not
overlap with computation: runs on two links that differ in bandwidth alone differ by all of their bytes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.hardware.memory import HostLink
from mensa_sim.hardware.pe_array import PeArray
from mensa_sim.hardware.system import System
from mensa_sim.simulate.plan.parameter_cache import CachedParameters, cached_parameters, has_one_pixel, is_depthwise
from mensa_sim.simulate.record.timeline import Kind, RequestRecord, Span, Timeline
from mensa_sim.units import cycles_to_ps, transfer_ps
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

ON_CHIP = Residency(parameters=True, input=True, output=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBytes:
    """What crosses the link for one inference beside parameters."""

    input_bytes: int
    instruction_bytes: int
    output_bytes: int
    """Padded as the device pads them."""


def is_host_fed(system: System) -> bool:
    """Whether a host feeds the system's only accelerator."""
    return system.host is not None and len(system.accelerators) == 1


def host_bytes(graph: LayerGraph, host: HostLink) -> HostBytes:
    """Inputs, instructions and padded outputs of one inference.

    Each tensor that leaves has its last dim's channels padded to a multiple; of a layer without loop nest the channels
    are not known, and those of its last ancestor with one stand for them.
    """
    programmed = sum(1 for layer in graph.layers if layer.nest is not None or layer.vector_ops)
    return HostBytes(
        input_bytes=sum(layer.model_input_bytes for layer in graph.layers),
        instruction_bytes=host.instruction_bytes_per_layer * programmed,
        output_bytes=sum(_padded_output_bytes(layer, graph, host) for layer in graph.layers),
    )


def _padded_output_bytes(layer: Layer, graph: LayerGraph, host: HostLink) -> int:
    size_bytes = layer.model_output_bytes
    if not size_bytes:
        return 0
    channels = _channels(layer, graph) or size_bytes
    multiple = host.output_channel_multiple
    return -(-size_bytes * (-(-channels // multiple) * multiple) // channels)


def _channels(layer: Layer, graph: LayerGraph) -> int | None:
    """Output channels of a layer, or of its first producers as far as needed; none where nothing says."""
    seen: Layer | None = layer
    while seen is not None:
        if seen.nest is not None:
            return seen.nest.G * seen.nest.K
        producers = graph.predecessors(seen.name)
        seen = graph[producers[0]] if len(producers) == 1 else None
    return None


def host_fed_in_turn(graph: LayerGraph, costs: CostTable, inferences: int = 2) -> tuple[Timeline, ...]:
    """One timeline for each of several inferences one after another, each from time 0 of its own.

    The first brings all parameters over the link; later ones those that do not stay on chip. Raises `InfeasibleError`
    for a layer that the accelerator refuses.
    """
    cache = cached_parameters(graph.layers, costs.system.accelerators[0].array)
    return tuple(
        _Inference(graph, costs, cache, warm=number > 0).timeline(f"{graph.name}#{number}")
        for number in range(inferences)
    )


def layer_cycles(layer: Layer, cost: LayerCost, accelerator: PeArray) -> int:
    """Cycles of a layer whose parameters lie on chip: array, vector unit or buffers, or the bus if that takes longer.

    Tiles that share out the pixels of a layer need its parameters from each other and wait for each other.
    """
    cycles = max(cost.compute_cycles, cost.buffer_cycles)
    store = accelerator.parameter_store
    if store is None or layer.nest is None:
        return cycles
    if has_one_pixel(layer.nest):
        return cycles
    spread = not (is_depthwise(layer.nest) or layer.weights_are_activations)
    bus = math.ceil(layer.parameter_bytes * layer.steps / store.bus_bytes_per_cycle) if spread else 0
    return max(cycles, bus) + store.layer_cycles


class _Inference:
    """One inference as it unfolds."""

    def __init__(self, graph: LayerGraph, costs: CostTable, cache: CachedParameters, *, warm: bool) -> None:
        system = costs.system
        if system.host is None or len(system.accelerators) != 1:
            raise UsageError(f"system {system.name}: a host feeds exactly one accelerator")
        self._graph = graph
        self._costs = costs
        self._host = system.host
        self._placed = system.accelerators[0]
        self._memory = system.memory_of(self._placed.name)
        self._cached = cache.layers if warm else frozenset()
        self._stored_bytes = cache.stored_bytes

    def timeline(self, request: str) -> Timeline:
        """Overhead, inputs and instructions, layers, outputs."""
        spans = tuple(sorted(self._spans(request), key=lambda span: span.start_ps))
        end_ps = max((span.end_ps for span in spans), default=0)
        record = RequestRecord(
            name=request, stream=self._graph.name, arrival_ps=0, start_ps=0, end_ps=end_ps, served_ps=end_ps
        )
        return Timeline(spans=spans, requests=(record,))

    def _spans(self, request: str) -> Iterator[Span]:
        graph, host, channel = self._graph, self._host, self._placed.memory
        size = host_bytes(graph, host)
        first, last = graph.layers[0].name, graph.layers[-1].name
        rate = self._memory.effective_bytes_per_s
        now_ps = host.overhead_ps
        for size_bytes, bandwidth in ((size.input_bytes, float(host.in_bytes_per_s)), (size.instruction_bytes, rate)):
            end_ps = now_ps + transfer_ps(size_bytes, bandwidth)
            yield self._transfer(channel, request, first, now_ps, end_ps, read_bytes=size_bytes)
            now_ps = end_ps
        free_ps = before_ps = now_ps
        for layer in graph.layers:
            cost = self._cost(layer)
            busy_ps = cycles_to_ps(layer_cycles(layer, cost, self._placed.array), cost.clock_hz)
            start_ps, end_ps = now_ps, now_ps + busy_ps
            streamed = self._streamed_bytes(layer)
            if streamed:
                begin_ps = max(free_ps, before_ps)
                free_ps = begin_ps + transfer_ps(streamed, rate)
                end_ps = max(end_ps, free_ps)
                yield self._transfer(channel, request, layer.name, begin_ps, free_ps, read_bytes=streamed, kind="body")
            chip_pj = {name: pj for name, pj in cost.dynamic_pj.items() if name != "memory"}
            yield Span(
                resource=self._placed.name,
                kind="body",
                request=request,
                layer=layer.name,
                start_ps=start_ps,
                end_ps=end_ps,
                macs=layer.macs,
                energy_pj=chip_pj,
            )
            before_ps, now_ps = start_ps, end_ps
        end_ps = now_ps + transfer_ps(size.output_bytes, host.out_bytes_per_s)
        yield self._transfer(channel, request, last, now_ps, end_ps, write_bytes=size.output_bytes)

    def _cost(self, layer: Layer) -> LayerCost:
        """The cost with everything on chip, or the nearest that the buffers hold: its own time is the same."""
        name = self._placed.name
        self._costs.cost(layer.name, name)
        return self._costs.cost(layer.name, name, ON_CHIP)

    def _streamed_bytes(self, layer: Layer) -> int:
        """Parameters that cross the link for this layer; of a recurrent layer once, for they stay over its steps."""
        if layer.name in self._cached:
            return 0
        return self._stored_bytes.get(layer.name, layer.gathered_bytes or 0)

    def _transfer(
        self,
        channel: str,
        request: str,
        layer: str,
        start_ps: int,
        end_ps: int,
        read_bytes: int = 0,
        write_bytes: int = 0,
        kind: Kind = "transfer",
    ) -> Span:
        energy_pj = self._memory.transfer_pj(read_bytes=read_bytes, write_bytes=write_bytes)
        return Span(
            resource=channel,
            kind=kind,
            request=request,
            layer=layer,
            start_ps=start_ps,
            end_ps=end_ps,
            size_bytes=read_bytes + write_bytes,
            energy_pj={"memory": energy_pj} if energy_pj else {},
        )
