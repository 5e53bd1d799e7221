"""Energies of an accelerator's accesses, from the figures of its technology."""

from dataclasses import replace

import pytest
from drawn import with_level

from mensa_sim.cost.counts.ways import MAC_ACCUMULATOR
from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.layer_cost import MEMORY
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.sram import sram_of
from mensa_sim.io.shipped import shipped_files
from mensa_sim.workload.load import load_workload

PLACED = [
    (placed, system.memory_of(placed.name))
    for system in map(load_system, sorted(shipped_files("systems")))
    for placed in system.accelerators
    if isinstance(placed.spec, PeArray) and placed.spec.working_pj_per_cycle is None
]


@pytest.fixture(params=PLACED, ids=lambda pair: pair[0].name)
def modelled(request: pytest.FixtureRequest) -> tuple[PlacedAccelerator, EnergyModel]:
    placed, memory = request.param
    return placed, energy_model(placed, memory)


def test_a_port_word_costs_its_share_of_a_full_access(modelled: tuple[PlacedAccelerator, EnergyModel]) -> None:
    placed, energy = modelled
    for level in placed.array.levels:
        if level.ported:
            figures, accesses = sram_of(placed.technology, level), level.read_width / level.access_bits
            assert energy.read_pj[level.name] * accesses == pytest.approx(figures.read_pj)
            accesses = level.write_width / level.access_bits
            assert energy.write_pj[level.name] * accesses == pytest.approx(figures.write_pj)


def test_a_product_of_unequal_widths_costs_the_geometric_mean_of_products_of_equal_ones(
    modelled: tuple[PlacedAccelerator, EnergyModel],
) -> None:
    placed, energy = modelled
    for bits in (4, 8, 16):
        assert energy.mac_pj(bits, bits) == pytest.approx(placed.technology.mac_pj(bits))
    assert energy.mac_pj(4, 16) ** 2 == pytest.approx(energy.mac_pj(4, 4) * energy.mac_pj(16, 16))
    assert energy.mac_pj(4, 16) == energy.mac_pj(16, 4)


def test_registers_cost_what_their_size_does_and_every_accelerator_has_an_accumulator(
    modelled: tuple[PlacedAccelerator, EnergyModel],
) -> None:
    placed, energy = modelled
    assert energy.read_pj[MAC_ACCUMULATOR] > 0
    for level in placed.array.levels:
        if not level.ported:
            expected = placed.technology.register_pj(1, level.capacity_bytes)
            assert energy.read_pj[level.name] == energy.write_pj[level.name] == expected


@pytest.mark.parametrize("objective", ["latency", "energy"])
def test_where_a_maker_states_what_all_of_it_draws_no_part_draws_more(objective: str) -> None:
    system = load_system("coral_pcie")
    working, table = system.accelerators[0].array.working_pj_per_cycle, price(load_workload("lstm"), system, objective)
    assert working is not None
    for layer in table.graph.layers:
        cost = table.cost(layer.name, "coral")
        assert set(cost.dynamic_pj) <= {"device", MEMORY}
        assert cost.dynamic_pj["device"] == working.value * max(cost.compute_cycles, cost.buffer_cycles)


def test_a_level_that_states_its_energies_costs_them() -> None:
    placed = load_system("edge_tpu").accelerators[0]
    own = {"read_pj_per_bit": 0.5, "write_pj_per_bit": 0.75, "source": "a test"}
    for name in ("accumulator", "parameter_buffer"):
        changed = replace(placed, spec=with_level(placed.array, name, **own))
        energy = energy_model(changed, load_system("edge_tpu").memory_of("edge_tpu"))
        (level,) = (level for level in changed.array.levels if level.name == name)
        assert energy.read_pj[name] == pytest.approx(0.5 * level.access_bits)
        assert energy.write_pj[name] == pytest.approx(0.75 * level.access_bits)
