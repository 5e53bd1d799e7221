"""Sums of a transposed convolution that wait on chip, where its columns overlap, for what the next row adds to them."""

from dataclasses import replace

from mensa_sim.cost.vector import spread_of
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.layer import Layer


def beside_waiting_sums(layer: Layer, accelerator: PeArray) -> tuple[Layer, PeArray, int]:
    """A layer, its accelerator without the room of the sums that wait, and their bytes, in the SRAM of its outputs.

    Where they do not fit the layer makes columns, sums as wide as those are, and adds up what it reads of them.
    """
    if not layer.waiting_elements:
        return layer, accelerator, 0
    store = accelerator.store_of("output")
    sum_bits = layer.accumulator_bits or accelerator.accumulator_bits
    waiting_bytes = bits_to_bytes(layer.waiting_elements * sum_bits)
    each_bytes = 0 if store is None else -(-waiting_bytes // spread_of(store, accelerator))
    if store is None or each_bytes >= store.capacity_bytes:
        return replace(layer, summed_elements=0, output_bits=sum_bits), accelerator, 0
    less = replace(store, capacity_bytes=store.capacity_bytes - each_bytes)
    levels = tuple(less if level is store else level for level in accelerator.levels)
    return layer, replace(accelerator, levels=levels), waiting_bytes
