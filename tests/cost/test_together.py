"""Layers searched in the same arrays cost what each costs alone, and counts are exact however large they are."""

from dataclasses import replace

import pytest
from drawn import accelerators, nests
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.counts.nest import count_nest
from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.mapping import search
from mensa_sim.cost.mapping.arrays import candidates
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.together import price_layers
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SYSTEM = load_system("edge_tpu")
MEMORY = SYSTEM.memory_of("edge_tpu")


def layer_of(nest: LoopNest, bits: int = 8) -> Layer:
    return Layer(
        name="layer",
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name="w", size_bytes=nest.weight_elements * bits // 8),),
        parameter_bits=bits,
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )


def energy_of(spec: PeArray) -> EnergyModel:
    return energy_model(replace(SYSTEM.accelerators[0], spec=spec), MEMORY)


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_layers_searched_together_cost_what_each_costs_alone(data: st.DataObject) -> None:
    """Whatever the others are: other shapes, widths, numbers of steps and room, on two levels or up to five.

    Those together are told by bounds once four of each are priced, in small pieces; few alone are all priced.
    """
    spec = data.draw(accelerators(deep=data.draw(st.booleans())))
    jobs = []
    for _ in range(data.draw(st.integers(2, 4))):
        layer = layer_of(data.draw(nests(largest=4)), data.draw(st.sampled_from([8, 8, 16])))
        steps = data.draw(st.sampled_from([1, 3]))
        part = data.draw(st.sampled_from([1, 2, 5]))
        levels = [replace(level, capacity_bytes=max(1, level.capacity_bytes // part)) for level in spec.levels]
        jobs.append((layer, Steps(nest=layer.nest, steps=steps, resident=False), replace(spec, levels=tuple(levels))))
    target = (MEMORY, energy_of(spec), data.draw(st.sampled_from(["latency", "energy", "edp"])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_ALL", data.draw(st.sampled_from([0, search._ALL])))
        patch.setattr(candidates, "_FEW", 0)
        patch.setattr(search, "_WHOLE", data.draw(st.sampled_from([0, search._WHOLE])))
        patch.setattr(candidates, "_FIRST", 4)
        patch.setattr(candidates, "_PIECE", 50)
        together = price_layers(jobs, *target)
    assert together == [priced for job in jobs for priced in price_layers([job], *target)]


def test_counts_beyond_what_floating_point_holds_are_exact() -> None:
    nest = LoopNest(K=2**24 + 1, C=2**24 + 3, OX=2**12 + 1, input_width=2**12 + 1)
    spec = SYSTEM.accelerators[0].array
    pricer = Pricer(layer_of(nest), spec, MEMORY, energy_of(spec), Steps(nest=nest, steps=1, resident=False), "energy")
    cost = pricer.cost(STREAMED)
    found = pricer.found[STREAMED]
    assert cost is not None
    assert found is not None
    assert pricer.task is not None
    assert found.counts == count_nest(nest, spec, found.mapping, pricer.task.ways)
    assert found.counts.operands["output"].accumulations % 2 == 1
    assert found.counts.operands["output"].accumulations > 2**53
