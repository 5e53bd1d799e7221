"""Energies of an accelerator's accesses, from the figures of its technology."""

import pytest

from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.pe_array import PeArray
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.sram import buffer_figures
from mensa_sim.io.shipped import shipped_files

PLACED = [
    (placed, system.memory_of(placed.name))
    for system in map(load_system, sorted(shipped_files("systems")))
    for placed in system.accelerators
    if isinstance(placed.spec, PeArray)
]


@pytest.fixture(params=PLACED, ids=lambda pair: pair[0].name)
def modelled(request: pytest.FixtureRequest) -> tuple[PlacedAccelerator, EnergyModel]:
    placed, memory = request.param
    return placed, energy_model(placed, memory)


def test_a_port_word_costs_its_share_of_a_full_access(modelled: tuple[PlacedAccelerator, EnergyModel]) -> None:
    placed, energy = modelled
    for name, buffer in placed.spec.buffers.items():
        figures = buffer_figures(placed.technology, buffer)
        assert energy.buffer_read_pj[name] * buffer.read_bits / buffer.min_bits == pytest.approx(figures.read_pj)
        assert energy.buffer_write_pj[name] * buffer.write_bits / buffer.min_bits == pytest.approx(figures.write_pj)


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
    assert energy.register_pj_per_bit["output"] > 0
    for operand, register in placed.spec.registers.items():
        assert energy.register_pj_per_bit[operand] == placed.technology.register_pj(1, register.bytes)
