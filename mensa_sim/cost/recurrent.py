"""Layers of several time steps: which steps become one matrix product, and which parameters stay over them."""

from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph, unique_parameter_bytes
from mensa_sim.workload.layer import Layer, LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The nest that an accelerator runs for a layer, how often, and whether the parameters stay over all steps."""

    nest: LoopNest | None
    steps: int
    resident: bool


def footprints(graph: LayerGraph) -> Mapping[str, int]:
    """Bytes of parameters that must stay on chip for a layer's to stay: those of its whole recurrent group."""
    groups = {name: unique_parameter_bytes(members) for name, members in graph.groups.items()}
    return {
        layer.name: groups[layer.group] if layer.group is not None else layer.parameter_bytes for layer in graph.layers
    }


def steps_of(layer: Layer, accelerator: PeArray, footprint_bytes: int) -> Steps:
    """Independent steps become rows of one matrix product where the dataflow says so; others run one by one.

    Step by step, parameters are fetched again each time unless the footprint fits the parameter buffer.
    """
    nest = layer.nest
    if layer.steps > 1 and not layer.recurrent and accelerator.dataflow.batch_steps and nest is not None:
        return Steps(nest=batched(nest, layer.steps), steps=1, resident=False)
    buffer = accelerator.buffer("parameter")
    stays = buffer is not None and footprint_bytes <= buffer.capacity_bytes and not layer.weights_are_activations
    return Steps(nest=nest, steps=layer.steps, resident=stays and layer.steps > 1)


def batched(nest: LoopNest, steps: int) -> LoopNest:
    """One nest for all steps: rows of a matrix product, batches of anything else.

    >>> batched(LoopNest(K=8, C=4), 3).OX
    3
    """
    if (nest.OY, nest.FY, nest.FX, nest.input_height, nest.stride_x) == (1, 1, 1, 1, 1) and nest.input_width == nest.OX:
        return replace(nest, OX=nest.OX * steps, input_width=nest.OX * steps)
    return replace(nest, B=nest.B * steps)
