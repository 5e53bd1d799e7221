"""A layer of any size has a mapping as good as that of a smaller one: of its tiles some fit the buffers."""

import pytest

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

FEW, MANY = 4096, 1 << 18


def energy_delay(nest: LoopNest, accelerator: str) -> float:
    """That of the mapping found, in joules x seconds."""
    parameter = Parameter(name="weight", size_bytes=nest.weight_elements)
    sizes = {"input_bytes": nest.input_elements, "output_bytes": nest.output_elements}
    layer = Layer(name="large", operator="linear", nest=nest, parameters=(parameter,), **sizes)
    system = load_system(accelerator)
    cost = price(LayerGraph(name="one", layers=(layer,), edges=()), system).cost("large", accelerator, STREAMED)
    assert cost.floor is not None
    assert cost.gap is not None
    return cost.floor * (1 + cost.gap)


@pytest.mark.parametrize("accelerator", ["edge_tpu", "pascal", "jacquard", "eyeriss_v2"])
@pytest.mark.parametrize("dim", ["K", "C", "OX"])
def test_a_layer_many_times_as_large_takes_about_as_many_times_the_energy_and_time(accelerator: str, dim: str) -> None:
    sizes = {"K": 2048, "C": 2048, "OX": 2048}
    few, many = (
        energy_delay(LoopNest(**{**sizes, dim: size}, input_width=size if dim == "OX" else 2048), accelerator)
        for size in (FEW, MANY)
    )
    times = MANY / FEW
    assert many <= 2 * times**2 * few  # an operand that the buffers held whole may have to come again
