"""Small graphs of elementwise and convolution layers on an Edge TPU with a small activation buffer."""

from collections.abc import Sequence

from hypothesis import strategies as st

from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

KIB = 1024


def small_system(activation_kib: int, name: str = "edge_tpu") -> System:
    """One Edge TPU whose activation buffer holds so much."""
    return load_system(name, [f"accelerators.edge_tpu.levels.activation_buffer.capacity_bytes={activation_kib * KIB}"])


def elementwise(name: str, input_bytes: int, output_bytes: int, *, enters: int = 0, leaves: int = 0) -> Layer:
    """A layer without a loop nest."""
    return Layer(
        name=name,
        operator="add",
        vector_ops=output_bytes,
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        model_input_bytes=enters,
        model_output_bytes=leaves,
    )


def pointwise(name: str, side: int, inputs: int, outputs: int) -> Layer:
    """A 1 x 1 convolution."""
    return Layer(
        name=name,
        operator="conv",
        nest=LoopNest(K=outputs, C=inputs, OY=side, OX=side, input_height=side, input_width=side),
        parameters=(Parameter(name=f"{name}.weight", size_bytes=inputs * outputs),),
        input_bytes=side * side * inputs,
        output_bytes=side * side * outputs,
    )


def joined(layers: Sequence[Layer], edges: Sequence[tuple[str, str]]) -> LayerGraph:
    """A graph in which each reader reads all of what it reads from."""
    sizes = {layer.name: layer.output_bytes for layer in layers}
    return LayerGraph(
        name="net",
        layers=tuple(layers),
        edges=tuple(Edge(producer=one, consumer=other, size_bytes=sizes[one]) for one, other in edges),
    )


@st.composite
def graphs(draw: st.DrawFn, most_inputs: int, most_layers: int = 8) -> LayerGraph:
    """Elementwise layers in a random order of dependence, each reading up to so many others."""
    count = draw(st.integers(2, most_layers))
    sizes = [KIB * draw(st.integers(1, 24)) for _ in range(count)]
    edges = []
    for reader in range(1, count):
        sources = draw(st.sets(st.integers(0, reader - 1), min_size=1, max_size=most_inputs))
        edges += [(source, reader) for source in sorted(sources)]
    layers = []
    for index in range(count):
        read = sum(sizes[source] for source, reader in edges if reader == index)
        leaves = 0 if any(source == index for source, _ in edges) else sizes[index]
        enters = 0 if index else KIB
        layers.append(elementwise(f"l{index}", read + enters, sizes[index], enters=enters, leaves=leaves))
    return joined(layers, [(f"l{source}", f"l{reader}") for source, reader in edges])
