"""What a layer costs on an accelerator that a host feeds.

Activations never leave the chip between layers; of the parameters, those that do not stay cross in each inference:
once, of a recurrent layer too, or with each block of an image that the chip cannot hold at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import isqrt

from mensa_sim.cost.layer_cost import MEMORY, STREAMED, LayerCost, Residency, Traffic
from mensa_sim.cost.parameter_cache import has_one_pixel, held_bytes
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import System
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import window_span
from mensa_sim.workload.layer import Layer, LoopNest

ON_CHIP = Residency(parameters=True, input=True, output=True)
RESIDENT = Residency(parameters=True)


def as_fed(
    costs: Mapping[Residency, LayerCost], layer: Layer, accelerator: str, system: System
) -> Mapping[Residency, LayerCost]:
    """A layer's costs as the array and its buffers cause them, turned into those on a system's accelerator.

    Behind a host its own time is that with everything on chip, or the nearest that the buffers hold.
    """
    if system.feeder_of(accelerator) is None:
        return costs
    spec, on_chip = system.accelerator(accelerator).array, costs[ON_CHIP]
    resident = replace(
        on_chip,
        residency=RESIDENT,
        head_bytes=0,
        tail_bytes=0,
        traffic=tuple(each for each in on_chip.traffic if each.level != MEMORY),
        dynamic_pj={name: pj for name, pj in on_chip.dynamic_pj.items() if name != MEMORY},
    )
    held = held_bytes(layer, spec) if layer.gathered_bytes is None else layer.gathered_bytes
    streamed = replace(resident, residency=STREAMED)
    if held:
        read_bytes = held * spatial_blocks(layer, spec)
        memory_pj = system.memory_of(accelerator).transfer_pj(read_bytes=read_bytes)
        streamed = replace(
            streamed,
            traffic=(
                *resident.traffic,
                Traffic(operand="weight", level=MEMORY, read_bytes=read_bytes, write_bytes=0),
            ),
            dynamic_pj={**resident.dynamic_pj, **({MEMORY: memory_pj} if memory_pj else {})},
            buffered_bytes={**resident.buffered_bytes, "parameter": held},
            stored_bytes=held,
        )
    return {residency: resident if residency.parameters else streamed for residency in costs}


def spatial_blocks(layer: Layer, accelerator: PeArray) -> int:
    """Blocks of the image that are worked on one after the other, each with all of the layer's filters.

    A block is shared out over the tiles, which stand in a square. Each holds its part of the output, the part of the
    input that this needs, halo included, and the filters of the output channels that the array computes at once. The
    grid of blocks grows by a column and a row in turn until this fits. How the compiler cuts is not published: for 3x3
    convolutions on 64 x 64 pixels this gives 4, 6 and 9 blocks from 452, 652 and 732 channels on, where the latencies
    of stacks (Jorgitou98/EdgeTPU-QuantRL-Evaluation) rise as if their parameters crossed the link so often.
    """
    store, nest, memory = accelerator.parameter_store, layer.nest, accelerator.buffer("activation")
    if store is None or memory is None or nest is None or has_one_pixel(nest):
        return 1
    room_bytes = memory.capacity_bytes // store.tiles
    rows = columns = 1
    side = max(1, isqrt(store.tiles))
    while _tile_bytes(layer, nest, accelerator, rows, columns, side) > room_bytes:
        if rows >= nest.OY and columns >= nest.OX:
            break
        rows, columns = (rows, columns + 1) if columns == rows else (rows + 1, columns)
    return min(rows, nest.OY) * min(columns, nest.OX)


def _tile_bytes(layer: Layer, nest: LoopNest, accelerator: PeArray, rows: int, columns: int, side: int) -> int:
    """What one tile holds of a block of a grid, and its filters."""
    height, width = _share(nest.OY, rows, side), _share(nest.OX, columns, side)
    high = min(nest.input_height, window_span(height, nest.FY, nest.stride_y, nest.dilation_y))
    wide = min(nest.input_width, window_span(width, nest.FX, nest.stride_x, nest.dilation_x))
    elements = nest.B * nest.G * (nest.K * height * width + nest.C * high * wide)
    at_once = next((axis.size for axis in accelerator.unrolled_axes if "K" in axis.dims), 1)
    filters = at_once * nest.C * nest.FY * nest.FX
    return bits_to_bytes(elements * layer.activation_bits) + bits_to_bytes(filters * layer.parameter_bits)


def _share(pixels: int, blocks: int, side: int) -> int:
    """Pixels of a tile along one axis."""
    block = -(-pixels // blocks)
    return -(-block // side)
