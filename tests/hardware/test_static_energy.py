"""Static power: every part of a system that draws it, over the time that it does."""

import pytest

from mensa_sim.hardware.accelerator import PowerGating
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.static_energy import StaticPower, component_leakage_mw, idle_mw_of, static_power, under_limit
from mensa_sim.io.shipped import shipped_files

POWER = StaticPower(
    leakage_mw={"near": {"mac": 2.0, "register": 1.0}, "far": {"mac": 4.0}},
    background_mw={"dram": 30.0, "stack": 5.0},
    board_mw=700.0,
    gating={"far": PowerGating(residual=0.25, wake_up_ps=10, source="a test")},
)


def test_every_part_draws_its_power_for_the_whole_time() -> None:
    """1 mW for 1 ns is 1 pJ."""
    energy = POWER.over(2000)
    assert energy.leakage_pj == {"near": {"mac": 4.0, "register": 2.0}, "far": {"mac": 8.0}}
    assert energy.background_pj == {"dram": 60.0, "stack": 10.0}
    assert energy.by_component_pj == {"leakage": 14.0, "background": 70.0, "board": 1400.0}


def test_the_energy_of_a_time_is_the_total_power_over_it() -> None:
    assert POWER.total_mw == 2 + 1 + 4 + 30 + 5 + 700
    assert sum(POWER.over(1000).by_component_pj.values()) == POWER.total_mw


def test_while_the_supply_is_cut_only_the_residual_leaks_and_nothing_else_changes() -> None:
    """Of 2 ns, 1.6 without supply: 0.4 whole and 0.4 of residue."""
    cut, whole = POWER.over(2000, {"far": 1600}), POWER.over(2000)
    assert cut.leakage_pj == {"near": whole.leakage_pj["near"], "far": {"mac": 4.0 * (0.4 + 0.25 * 1.6)}}
    assert (cut.background_pj, cut.board_pj) == (whole.background_pj, whole.board_pj)


def test_a_system_without_a_board_has_no_such_component() -> None:
    assert list(StaticPower(leakage_mw={}, background_mw={}).over(1).by_component_pj) == ["leakage", "background"]


@pytest.mark.parametrize("name", shipped_files("systems"))
def test_the_static_power_of_a_system_is_that_of_all_its_parts(name: str) -> None:
    system = load_system(name)
    power = static_power(system)
    assert power.leakage_mw == {placed.name: component_leakage_mw(placed) for placed in system.accelerators}
    assert power.background_mw == {each: memory.background_mw for each, memory in system.memories.items()}
    assert power.board_mw == (system.host.board_mw if system.host else 0.0)


def test_units_on_a_way_into_a_memory_share_equally_what_its_limit_leaves() -> None:
    system = load_system("mensa_g")
    memory = system.memories["stacked"]
    idle_mw = idle_mw_of("stacked", memory, system.accelerators)
    assert under_limit("stacked", memory, idle_mw + 10, system.accelerators).unit_power_mw == pytest.approx(10 / 2)
    with pytest.raises(ValueError, match="and idle it draws"):
        under_limit("stacked", memory, idle_mw, system.accelerators)
