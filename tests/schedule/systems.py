"""A hand-made graph, system and cost table: a convolution, a recurrent group and a join, on two memories."""

from collections.abc import Iterable
from typing import cast

from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Traffic
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.array.pe_array import Axis, Dataflow, PeArray
from mensa_sim.hardware.memory import Link, Memory
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

_TECHNOLOGY = cast(Technology, "not looked at by a scheduler")
STATIC_MW = 18.0


def memory(bandwidth_bytes_per_s: int) -> Memory:
    return Memory(
        kind="dram",
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
        efficiency=0.5,
        read_pj_per_bit=1.0,
        write_pj_per_bit=2.0,
        background_mw=3.0,
    )


def accelerator(name: str, memory_name: str) -> PlacedAccelerator:
    spec = PeArray(
        name=name,
        placement="cpu_die",
        technology="test",
        clock_hz=10**9,
        dataflow=Dataflow(axes=(Axis(size=4, dims=("K",)),), stationary="output"),
        source="a test",
    )
    return PlacedAccelerator(spec=spec, technology=_TECHNOLOGY, memory=memory_name)


def a_system(*, links: bool = True, families: dict[int, str] | None = None) -> System:
    link = Link(between=("dram", "stack"), bandwidth_bytes_per_s=10**9, energy_pj_per_bit=0.5, latency_ps=77)
    return System(
        name="two",
        memories={"dram": memory(2 * 10**9), "stack": memory(8 * 10**9)},
        accelerators=(accelerator("near", "dram"), accelerator("far", "stack")),
        links=(link,) if links else (),
        families=families or {},
    )


def gate(name: str, **fields: object) -> Layer:
    weights = Parameter(name=f"{name}.weight", size_bytes=1_048_576)
    nest = LoopNest(K=1024, C=1024)
    return Layer(name=name, operator="linear", nest=nest, parameters=(weights,), steps=4, output_bytes=1000, **fields)  # type: ignore[arg-type]


def a_graph() -> LayerGraph:
    """conv feeds two gates; `hidden` and `cell` are a recurrent group that both feed; `head` reads the cell."""
    conv = Layer(
        name="conv",
        operator="conv2d",
        nest=LoopNest(K=16, C=16, OY=64, OX=64, FY=3, FX=3, input_height=64, input_width=64),
        parameters=(Parameter(name="conv.weight", size_bytes=2304),),
        output_bytes=4096,
    )
    layers = (
        conv,
        gate("input", gate="g"),
        gate("hidden", gate="g", group="lstm", recurrent=True),
        Layer(name="cell", operator="lstm_cell", vector_ops=4096, steps=4, group="lstm", recurrent=True),
        Layer(name="head", operator="add", vector_ops=100),
    )
    edges = (
        Edge(producer="conv", consumer="input", size_bytes=4096),
        Edge(producer="conv", consumer="cell", size_bytes=10),
        Edge(producer="input", consumer="cell", size_bytes=1000),
        Edge(producer="hidden", consumer="cell", size_bytes=1000),
        Edge(producer="cell", consumer="head", size_bytes=300),
        Edge(producer="conv", consumer="head", size_bytes=4096),
    )
    return LayerGraph(name="toy", layers=layers, edges=edges)


def a_cost_table(graph: LayerGraph, system: System, refused: Iterable[tuple[str, str]] = ()) -> CostTable:
    """1000 cycles, 64 bytes and 10 pJ for every layer on `near`, 2000 cycles and 20 pJ on `far`."""
    costs = {}
    for layer in graph.layers:
        for index, placed in enumerate(system.accelerators, start=1):
            costs[layer.name, placed.name, STREAMED] = LayerCost(
                layer=layer.name,
                accelerator=placed.name,
                macs=layer.macs,
                clock_hz=10**9,
                compute_cycles=1000 * index,
                buffer_cycles=0,
                peak_macs_per_s=4 * 10**9,
                traffic=(Traffic(operand="input", level="memory", read_bytes=64, write_bytes=0),),
                dynamic_pj={"mac": 10.0 * index},
            )
    refusals = dict.fromkeys(refused, "no buffer holds one tile")
    return CostTable(graph=graph, system=system, costs=costs, refusals=refusals)
