"""Work beside the loop nest: elementwise operations, and tensors that the nest itself does not read."""

from math import prod
from typing import Any

from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorWork:
    """Elementwise operations of a layer over all its steps, and the bytes that only they move; of many in arrays."""

    ops: Any
    input_bytes: Any
    output_bytes: Any
    parameter_bytes: Any
    """Read once per fetch of the layer's parameters: biases, scales, gathered rows."""
    passes_bytes: Any
    """Outputs read and written once more in the buffer, where no vector unit stands behind the array."""
    returned_bytes: Any = 0
    """Columns that were not added up on chip: they come back from where they were written."""
    slices: Any = 0
    """Parts of the input that are gone over twice."""
    slice_bytes: Any = 0
    """Of each."""
    room_bytes: Any = 0
    """Of the outermost SRAM of inputs, in all its instances."""


def vector_work(layer: Layer, accelerator: PeArray) -> VectorWork:
    """What is left of a layer when its loop nest is taken out.

    Operators fused into a nest see its outputs on their way from the array; a second operand of theirs (a residual)
    is input that the nest does not read. Without a vector unit they read and write the buffer once more. Columns that
    are not added up on chip come back, and their sums are written.
    """
    parameter_bytes, passes_bytes, returned_bytes = layer.read_parameter_bytes, 0, 0
    store = accelerator.store_of("input")
    input_bytes, output_bytes = layer.input_bytes, layer.output_bytes
    if layer.nest is not None:
        nest, steps = layer.nest, layer.steps
        input_bytes -= bits_to_bytes(nest.input_elements * layer.element_bits("input") * steps)
        made_bytes = bits_to_bytes(layer.made_elements * layer.element_bits("output") * steps)
        if layer.waiting_elements and not layer.summed_elements:
            returned_bytes = made_bytes
        else:
            output_bytes -= made_bytes
        if layer.weights_are_activations:
            input_bytes -= layer.steps * layer.weight_bytes
        else:
            parameter_bytes -= layer.weight_bytes
        if layer.vector_ops and accelerator.vector_unit is None:
            passes_bytes = layer.output_bytes
    return VectorWork(
        ops=layer.vector_ops,
        input_bytes=max(0, input_bytes),
        output_bytes=max(0, output_bytes),
        parameter_bytes=max(0, parameter_bytes),
        passes_bytes=passes_bytes,
        returned_bytes=returned_bytes,
        slices=layer.slices,
        slice_bytes=layer.slice_bytes,
        room_bytes=store.capacity_bytes * spread_of(store, accelerator) if layer.slices and store else 0,
    )


def vector_cycles(work: VectorWork, accelerator: PeArray) -> Any:
    """One operation per lane and cycle; none where buffers alone set the pace."""
    return -(-work.ops // accelerator.vector_unit.lanes) if accelerator.vector_unit else 0


def spread_of(level: Level, accelerator: PeArray) -> int:
    """Instances that a tensor which no array reads is spread over: all of them."""
    return prod(accelerator.unrolled_axes[axis].size for axis in level.per)
