"""Into how many blocks a layer's image is cut, and what its parameters then move."""

import dataclasses

import pytest

from mensa_sim.cost.fed import RESIDENT, spatial_blocks
from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.parameter_cache import held_bytes
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

CORAL = load_system("coral_pcie")
ARRAY = CORAL.accelerators[0].array


def convolution(channels: int, pixels: int, kernel: int = 3) -> Layer:
    size = {"OY": pixels, "OX": pixels, "input_height": pixels, "input_width": pixels}
    nest = LoopNest(K=channels, C=channels, FY=kernel, FX=kernel, **size)
    weights = Parameter(name="weight", size_bytes=nest.weight_elements)
    return Layer(
        name="conv",
        operator="conv2d",
        nest=nest,
        parameters=(weights,),
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )


@pytest.mark.parametrize(
    ("channels", "blocks"), [(256, 1), (272, 2), (432, 2), (452, 4), (632, 4), (652, 6), (712, 6), (732, 9)]
)
def test_a_wider_stack_is_cut_where_measured_stacks_send_their_parameters_again(channels: int, blocks: int) -> None:
    assert spatial_blocks(convolution(channels, 64), ARRAY) == blocks


def test_small_images_and_dense_layers_are_one_block() -> None:
    assert spatial_blocks(convolution(512, 14), ARRAY) == 1
    dense = dataclasses.replace(convolution(1, 1), nest=LoopNest(K=4000, C=4000))
    assert spatial_blocks(dense, ARRAY) == 1


def test_an_array_without_tiles_cuts_nothing() -> None:
    assert spatial_blocks(convolution(732, 64), dataclasses.replace(ARRAY, parameter_store=None)) == 1


def test_a_layer_that_fits_in_no_grid_ends_with_a_pixel_a_block() -> None:
    assert spatial_blocks(convolution(200_000, 4, kernel=1), ARRAY) == 16


def test_what_streams_crosses_with_each_block_and_what_stays_never() -> None:
    layer = convolution(652, 64)
    costs = price(LayerGraph(name="one", layers=(layer,), edges=()), CORAL, "latency")
    streamed, resident = (costs.cost("conv", "coral", residency) for residency in (STREAMED, RESIDENT))
    assert streamed.memory_read_bytes == 6 * held_bytes(layer, ARRAY)
    assert streamed.stored_bytes == held_bytes(layer, ARRAY)
    assert resident.memory_bytes == 0
