"""What the search believes of its winner is what counting the winner says: time and energy, in every residency."""

from dataclasses import replace

import pytest
from drawn import accelerators, nests
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.price import RESIDENCIES, Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.search import Priced, Search
from mensa_sim.cost.sides import Case
from mensa_sim.hardware.accelerator import VectorUnit
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.units import PS_PER_S, leakage_pj
from mensa_sim.workload.layer import Layer, Parameter

EDGE_TPU = load_system("edge_tpu")
MEMORY = EDGE_TPU.memory_of("edge_tpu")


class Watched:
    """A search that remembers what it found."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.found: list[Priced | None] = []

    def best(self, case: Case) -> Priced | None:
        self.found.append(self._search.best(case))
        return self.found[-1]


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_winners_time_and_energy_are_those_of_its_exact_counts(data: st.DataObject) -> None:
    spec, nest = data.draw(accelerators()), data.draw(nests(largest=4))
    spec = replace(spec, vector_unit=data.draw(st.sampled_from([None, VectorUnit(lanes=2)])))
    residency = data.draw(st.sampled_from(RESIDENCIES))
    assume("activation" in spec.buffers or not (residency.input or residency.output))
    assume("parameter" in spec.buffers or not residency.parameters)
    memory = replace(MEMORY, word_bits=data.draw(st.sampled_from([1, 64])))
    many = data.draw(st.sampled_from([1, 3]))
    steps = Steps(nest=nest, steps=many, resident=many > 1 and "parameter" in spec.buffers and data.draw(st.booleans()))
    bias = data.draw(st.integers(0, 20))
    layer = Layer(
        name="layer",
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name="w", size_bytes=nest.weight_elements + bias),),
        input_bytes=many * nest.input_elements + data.draw(st.integers(0, 20)),
        output_bytes=many * nest.output_elements,
        vector_ops=data.draw(st.integers(0, 100)),
        steps=many,
        recurrent=many > 1,
        group="cell" if many > 1 else None,
    )
    energy = energy_model(
        PlacedAccelerator(spec=spec, technology=EDGE_TPU.accelerators[0].technology, memory="lpddr4"), memory
    )
    pricer = Pricer(layer, spec, memory, energy, steps, data.draw(st.sampled_from(["latency", "energy", "edp"])))
    assert pricer.search is not None
    watched = Watched(pricer.search)
    pricer.search = watched  # type: ignore[assignment]
    cost = pricer.cost(residency)
    assume(cost is not None)
    (found,) = watched.found
    assert found is not None
    assert cost is not None
    ps_per_byte = PS_PER_S / memory.effective_bytes_per_s
    on_chip_ps = max(cost.compute_cycles, cost.buffer_cycles) * PS_PER_S / cost.clock_hz
    body_ps = cost.body_bytes * ps_per_byte
    middle_ps = max(on_chip_ps, body_ps) if cost.overlap else on_chip_ps + body_ps
    latency_ps = middle_ps + (cost.head_bytes + cost.tail_bytes) * ps_per_byte
    assert found.latency_ps == pytest.approx(latency_ps, rel=1e-9)
    leaked_pj = leakage_pj(energy.leakage_mw, latency_ps)
    assert found.energy_pj == pytest.approx(cost.energy_pj + leaked_pj, rel=1e-9)
