"""Small hand-made systems, graphs and cost tables for the simulator, and hypothesis strategies that draw them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

from drawn_once import one_of
from hypothesis import strategies as st

from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency, Traffic
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.accelerator import BufferName
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis, Dataflow, PeArray
from mensa_sim.hardware.memory import Link, Memory
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.simulate.plan.options import Options
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, Parameter

GHZ = 10**9
GB_PER_S = 10**9
"""At 1 GB/s a byte takes 1000 ps; at 1 GHz so does a cycle."""


SERVES: dict[BufferName, tuple[Operand, ...]] = {"parameter": ("weight",), "activation": ("input", "output")}

SIZES = st.integers(0, 1500)
ENERGIES = st.floats(0, 1e9, allow_nan=False)
"""Made once, and what is drawn for something else is drawn by functions: hypothesis asks each strategy what it is."""

TECHNOLOGY = cast(Technology, "not looked at by the simulator")


def accelerator(
    name: str, memory: str = "ram", *, parameter_buffer: int = 0, activation_buffer: int = 0
) -> PlacedAccelerator:
    """An accelerator of one PE at 1 GHz."""
    sizes: dict[BufferName, int] = {"parameter": parameter_buffer, "activation": activation_buffer}
    levels = tuple(
        Level(name=f"{kind}_buffer", serves=SERVES[kind], capacity_bytes=size, read_bits=64, write_bits=64, min_bits=8)
        for kind, size in sizes.items()
        if size
    )
    spec = PeArray(
        name=name,
        placement="cpu_die",
        technology="test",
        clock_hz=GHZ,
        dataflow=Dataflow(axes=(Axis(size=1, dims=("K",)),), stationary="output"),
        levels=levels,
        source="made up for tests",
    )
    return PlacedAccelerator(spec=spec, technology=TECHNOLOGY, memory=memory)


def memory(bandwidth_bytes_per_s: int = GB_PER_S, efficiency: float = 1.0) -> Memory:
    """A memory that moves a byte in 1000 ps unless said otherwise."""
    return Memory(
        kind="test",
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
        efficiency=efficiency,
        read_pj_per_bit=1.0,
        write_pj_per_bit=2.0,
        background_mw=3.0,
    )


def system(
    accelerators: Sequence[PlacedAccelerator],
    memories: Mapping[str, Memory] | None = None,
    links: Sequence[Link] = (),
) -> System:
    """A system, by default with one memory called ram."""
    return System(
        name="test",
        memories=memories or {"ram": memory()},
        accelerators=tuple(accelerators),
        links=tuple(links),
    )


def link(one: str, other: str, *, bandwidth_bytes_per_s: int = GB_PER_S, latency_ps: int = 100) -> Link:
    """A link between two memories."""
    return Link(
        between=(one, other),
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
        energy_pj_per_bit=0.5,
        latency_ps=latency_ps,
    )


def layer(
    name: str, *, parameter_bytes: int = 0, output_bytes: int = 0, input_bytes: int = 0, group: str | None = None
) -> Layer:
    """A layer without a loop nest: its work is what its cost says."""
    return Layer(
        name=name,
        operator="test",
        parameters=(Parameter(name=f"{name}.weight", size_bytes=parameter_bytes),) if parameter_bytes else (),
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        group=group,
        recurrent=group is not None,
    )


def chain(*layers: Layer, name: str = "net") -> LayerGraph:
    """Layers one after another."""
    edges = [
        Edge(producer=one.name, consumer=other.name, size_bytes=one.output_bytes) for one, other in pairwise(layers)
    ]
    return LayerGraph(name=name, layers=layers, edges=tuple(edges))


def cost(
    name: str,
    accelerator: str,
    *,
    compute: int = 0,
    head: int = 0,
    body: int = 0,
    tail: int = 0,
    weight: int = 0,
    overlap: bool = True,
    residency: Residency = STREAMED,
    pj: Mapping[str, float] | None = None,
) -> LayerCost:
    """Of `compute` cycles at 1 GHz; head and body are reads, `weight` of them parameters; the tail is written."""
    traffic = (
        Traffic(operand="weight", level="memory", read_bytes=weight, write_bytes=0),
        Traffic(operand="input", level="memory", read_bytes=head + body - weight, write_bytes=0),
        Traffic(operand="output", level="memory", read_bytes=0, write_bytes=tail),
    )
    return LayerCost(
        layer=name,
        accelerator=accelerator,
        residency=residency,
        macs=compute,
        clock_hz=GHZ,
        compute_cycles=compute,
        buffer_cycles=0,
        peak_macs_per_s=GHZ,
        head_bytes=head,
        tail_bytes=tail,
        traffic=traffic,
        dynamic_pj=pj if pj is not None else {"mac": 0.1 * compute, "memory": 8.0 * (head + body) + 16.0 * tail},
        overlap=overlap,
    )


def table(graph: LayerGraph, system: System, costs: Iterable[LayerCost]) -> CostTable:
    """A cost table of the costs given; every other pair is refused."""
    entries = {(each.layer, each.accelerator, each.residency): each for each in costs}
    known = {key[:2] for key in entries}
    refusals = {
        (layer.name, placed.name): "no cost given"
        for layer in graph.layers
        for placed in system.accelerators
        if (layer.name, placed.name) not in known
    }
    return CostTable(graph=graph, system=system, costs=entries, refusals=refusals)


def everything_on(graph: LayerGraph, accelerator: str) -> dict[str, str]:
    """Every layer on one accelerator."""
    return {layer.name: accelerator for layer in graph.layers}


def systems(draw: st.DrawFn) -> System:
    """One to three memories, the second perhaps a way into the first, linked in pairs; one to four accelerators."""
    speeds = one_of(GB_PER_S, 3 * GB_PER_S, 32 * GB_PER_S, 7_777_777)
    memories = {
        f"ram{index}": memory(draw(speeds), draw(one_of(1.0, 0.75, 0.7))) for index in range(draw(st.integers(1, 3)))
    }
    if len(memories) > 1 and draw(st.booleans()):
        turns = draw(st.booleans())
        memories["ram0"] = replace(memories["ram0"], takes_turns=turns)
        memories["ram1"] = replace(memories["ram1"], takes_turns=turns, port_of="ram0")
    names = list(memories)
    accelerators = [
        accelerator(
            f"acc{index}",
            draw(one_of(*names)),
            parameter_buffer=draw(one_of(0, 500, 4000)),
            activation_buffer=draw(one_of(0, 500, 4000)),
        )
        for index in range(draw(st.integers(1, 4)))
    ]
    links = [
        link(one, other, bandwidth_bytes_per_s=draw(speeds), latency_ps=draw(st.integers(0, 5000)))
        for index, one in enumerate(names)
        for other in names[index + 1 :]
    ]
    return system(accelerators, memories, links)


def graphs(draw: st.DrawFn, name: str = "net", max_layers: int = 8) -> LayerGraph:
    """A few layers with forward edges; some chains of neighbours are recurrent groups."""
    count = draw(st.integers(1, max_layers))
    first_of_group = draw(st.integers(0, count - 1))
    last_of_group = draw(st.integers(first_of_group, min(count - 1, first_of_group + 2)))
    layers = [
        layer(
            f"l{index}",
            parameter_bytes=draw(SIZES),
            output_bytes=draw(SIZES),
            group="cell" if first_of_group < index <= last_of_group else None,
        )
        for index in range(count)
    ]
    edges = []
    for consumer in range(1, count):
        for producer in draw(st.sets(st.integers(max(0, consumer - 3), consumer - 1), max_size=2)):
            edges.append(
                Edge(producer=f"l{producer}", consumer=f"l{consumer}", size_bytes=layers[producer].output_bytes)
            )
    return LayerGraph(name=name, layers=tuple(layers), edges=tuple(edges))


@st.composite
def problems(draw: st.DrawFn) -> tuple[LayerGraph, CostTable, dict[str, str]]:
    """A graph, its costs on a system, and an assignment that keeps groups together."""
    platform = systems(draw)
    graph = graphs(draw)
    return graph, costs_of(draw, graph, platform), assignments(draw, graph, platform)


def costs_of(draw: st.DrawFn, graph: LayerGraph, platform: System) -> CostTable:
    """Costs of every layer on every accelerator, streamed."""
    entries = []
    for each in graph.layers:
        for placed in platform.accelerators:
            head, tail = draw(SIZES), draw(SIZES)
            entries.append(
                cost(
                    each.name,
                    placed.name,
                    compute=draw(SIZES),
                    head=head,
                    body=each.parameter_bytes,
                    weight=each.parameter_bytes,
                    tail=tail,
                    overlap=draw(st.booleans()),
                    pj={"mac": draw(ENERGIES), "memory": draw(ENERGIES)},
                )
            )
    return table(graph, platform, entries)


def assignments(draw: st.DrawFn, graph: LayerGraph, platform: System) -> dict[str, str]:
    """An accelerator for every layer, one for each group."""
    names = [placed.name for placed in platform.accelerators]
    chosen: dict[str, str] = {}
    for each in graph.layers:
        chosen.setdefault(each.group or each.name, draw(one_of(*names)))
    return {each.name: chosen[each.group or each.name] for each in graph.layers}


@st.composite
def tables(draw: st.DrawFn) -> tuple[CostTable, Options]:
    """A random graph on one accelerator, priced in random subsets of the eight residencies."""
    graph = graphs(draw)
    parameter_buffer = draw(one_of(0, 500, 4000))
    platform = system([accelerator("acc", parameter_buffer=parameter_buffer, activation_buffer=4000)])
    entries = []
    for each in graph.layers:
        for index in range(8):
            residency = Residency(parameters=bool(index & 1), input=bool(index & 2), output=bool(index & 4))
            if index and draw(st.booleans()):
                continue
            weight = 0 if residency.parameters else each.parameter_bytes
            entries.append(
                cost(
                    each.name,
                    "acc",
                    compute=draw(SIZES),
                    head=draw(st.integers(0, 500)),
                    body=weight + draw(st.integers(0, 500)),
                    weight=weight,
                    tail=0 if residency.output else each.output_bytes,
                    overlap=draw(st.booleans()),
                    residency=residency,
                )
            )
    options = Options(
        prefetch=draw(st.booleans()),
        activations=draw(st.booleans()),
        parameters=draw(one_of("none", "first-fit", "best-value")),
    )
    return table(graph, platform, entries), options
