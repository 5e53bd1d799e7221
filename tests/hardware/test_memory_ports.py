"""Memories with several ways in: one content, a bandwidth and an energy for each way, nothing copied between them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.errors import FileError
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.memory import Link, Memory, MemoryEntry
from mensa_sim.hardware.static_energy import STATIC, static_power
from mensa_sim.simulate.plan.options import PLAIN
from mensa_sim.study.near_data.study import ROW_PRODUCT
from mensa_sim.study.run.result import SystemResult
from mensa_sim.units import leakage_pj
from mensa_sim.workload.load import load_workload

SPECS = Path(ms.__file__).parents[1] / "accelerator_specs/accelerators"
SYSTEM = f"""
name: two_ways
memories:
  lpddr5:
    kind: lpddr5
    bandwidth_bytes_per_s: 50000000000
    efficiency: 0.75
    channels: 4
    capacity_bytes: 1000000000
    ports:
      bank: {{kind: lpddr5_bank, bandwidth_bytes_per_s: 400000000000, efficiency: 0.75}}
accelerators:
  - {{spec: {SPECS}/phone_npu.yaml, memory: lpddr5}}
  - {{spec: {SPECS}/lpddr5_pim.yaml, memory: lpddr5.bank}}
"""


@pytest.fixture
def two_ways(tmp_path: Path) -> Path:
    file = tmp_path / "two_ways.yaml"
    file.write_text(SYSTEM)
    return file


def test_each_way_in_has_its_bandwidth_and_energy_and_one_of_them_the_background(two_ways: Path) -> None:
    system = load_system(two_ways)
    outside, inside = system.memory_of("phone_npu"), system.memory_of("lpddr5_pim")
    assert (outside.effective_bytes_per_s, inside.effective_bytes_per_s) == (37.5e9, 300e9)
    assert inside.read_pj_per_bit < outside.read_pj_per_bit / 5
    assert (outside.background_mw > 0, inside.background_mw) == (True, 0)
    assert system.home_of("phone_npu") == system.home_of("lpddr5_pim") == "lpddr5"


def test_what_one_way_in_has_written_another_reads_without_a_copy(two_ways: Path) -> None:
    pins = {"layers.0.gate": "lpddr5_pim", "layers.0.up": "phone_npu"}
    on: dict[str, Any] = {"system": str(two_ways), "baseline": str(two_ways), "scheduler": "greedy", "pins": pins}
    shape = {"layers": 2, "hidden": 64, "intermediate": 96, "heads": 4, "kv_heads": 2, "head_dim": 32, "vocab": 500}
    lengths = {"prompt_tokens": 64, "new_tokens": 2}
    model = {"model": "mensa_sim.workload.models.decoder:Decoder", "arguments": shape, "generate": lengths}
    result = ms.run({"name": "small", **model, "weight_bits": 4}, **on)
    assert result.main.handoffs > 0
    assert not any(span.kind == "transfer" for span in result.main.timeline.spans)
    assert result.answer is not None
    assert list(result.answer.weights_held_bytes) == ["lpddr5"]
    assert result.answer.moved_bytes == 0
    assert result.main.traffic_bytes["lpddr5.bank"] > 0


def test_an_unknown_way_in_is_answered_with_those_that_there_are(two_ways: Path) -> None:
    two_ways.write_text(SYSTEM.replace("lpddr5.bank", "lpddr5.banks"))
    with pytest.raises(FileError, match=r"accelerators\[1\].memory: unknown memory 'lpddr5.banks'; did you mean"):
        load_system(two_ways)


LIMIT = "memories.lpddr5.ports.bank.power_limit_mw"
PRODUCTS = """
name: products
layers:
  - {name: outside, operator: linear, dims: {K: 2048, C: 2048}}
  - {name: inside, operator: linear, dims: {K: 2048, C: 2048}}
parameter_bits: 8
activation_bits: 8
"""


@pytest.fixture
def alone(two_ways: Path) -> SystemResult:
    return ms.run(ROW_PRODUCT, system=str(two_ways), scheduler="single:lpddr5_pim").main


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_under_a_limit_of_power_work_takes_as_long_as_its_energy_needs(
    two_ways: Path, alone: SystemResult, share: float
) -> None:
    """The closed form: energy over what the limit leaves beside leakage; no joule more or less for the work itself."""
    work_pj = sum(alone.energy_by_component_pj[name] for name in alone.energy_by_component_pj if name not in STATIC)
    idle_mw = sum(static_power(load_system(two_ways)).leakage_mw["lpddr5_pim"].values())
    limit_mw = idle_mw + share * 1000 * work_pj / alone.latency_ps
    slowed = ms.run(
        ROW_PRODUCT, system=str(two_ways), scheduler="single:lpddr5_pim", overrides=[f"{LIMIT}={limit_mw}"]
    ).main
    assert slowed.layers[0].bound == "power"
    assert slowed.latency_ps == pytest.approx(1000 * work_pj / (limit_mw - idle_mw), rel=0.02)
    drawn_pj = work_pj + leakage_pj(idle_mw, slowed.latency_ps)
    assert drawn_pj <= leakage_pj(limit_mw, slowed.latency_ps)
    assert slowed.optimality.value == pytest.approx(slowed.optimality.simulated), "the scheduler saw the same"
    for name, energy_pj in alone.energy_by_component_pj.items():
        if name not in STATIC:
            assert slowed.energy_by_component_pj[name] == energy_pj


def test_a_limit_that_is_not_reached_changes_nothing_and_prices_nothing_anew(
    two_ways: Path, alone: SystemResult
) -> None:
    loose = load_system(two_ways, [f"{LIMIT}=1e6"])
    memo, graph = PriceMemo(), load_workload(ROW_PRODUCT)
    price(graph, load_system(two_ways), memo=memo)
    found = memo.priced
    price(graph, loose, memo=memo)
    assert memo.priced == found
    assert ms.run(ROW_PRODUCT, system=loose, scheduler="single:lpddr5_pim").main.latency_ps == alone.latency_ps


def test_a_limit_below_what_is_drawn_idle_is_a_fault_that_says_how_much_that_is(two_ways: Path) -> None:
    with pytest.raises(FileError, match=r"lpddr5\.bank\.power_limit_mw: is 0\.001 mW, and idle it draws [0-9.]+"):
        load_system(two_ways, [f"{LIMIT}=0.001"])


def test_ways_that_exclude_each_other_take_turns_in_prediction_and_simulation(two_ways: Path, tmp_path: Path) -> None:
    """Two products that only read, one over each way: beside each other, or one waits for the other's bytes."""
    workload = tmp_path / "products.yaml"
    workload.write_text(PRODUCTS)
    took = {}
    for exclusive in ("false", "true"):
        result = ms.run(
            workload,
            system=str(two_ways),
            pins={"outside": "phone_npu", "inside": "lpddr5_pim"},
            overrides=[f"memories.lpddr5.exclusive={exclusive}", "accelerators.lpddr5_pim.clock_hz=2000000000"],
            parallel=True,
            objective="latency",
            on_chip=PLAIN,
        ).main
        predicted = result.schedule.prediction.latency_ps
        assert predicted == pytest.approx(result.latency_ps, rel=1e-6)
        took[exclusive] = result.latency_ps
    longest_ps, other_ps = 2048 * 2048 / 37.5e-3, 2048 * 2048 / 300e-3
    assert took["false"] == pytest.approx(longest_ps, rel=0.02)
    assert took["true"] == pytest.approx(longest_ps + other_ps, rel=0.02)


def test_a_link_charges_each_bit() -> None:
    link = Link(between=("a", "b"), bandwidth_bytes_per_s=1, energy_pj_per_bit=0.5, latency_ps=0)
    assert [link.transfer_pj(size_bytes) for size_bytes in (0, 1, 3)] == [0, 4, 12]


def test_an_axis_before_the_first_is_none() -> None:
    spec = load_system("pascal").accelerators[0].spec
    levels = (*spec.levels[:-1], replace(spec.levels[-1], per=(-1, 0), multicasts_along=()))
    with pytest.raises(ValueError, match="per has an axis beyond 0 to 1"):
        replace(spec, levels=levels)


def test_a_memory_may_hold_one_byte_and_not_none() -> None:
    assert MemoryEntry(kind="lpddr4", bandwidth_bytes_per_s=1, efficiency=1.0, capacity_bytes=1).capacity_bytes == 1
    with pytest.raises(ValueError, match="capacity_bytes"):
        MemoryEntry(kind="lpddr4", bandwidth_bytes_per_s=1, efficiency=1.0, capacity_bytes=0)


def test_a_memory_whose_writes_cost_more_than_its_reads_charges_each_by_its_own_price() -> None:
    prices = {"read_pj_per_bit": 2.0, "write_pj_per_bit": 5.0, "background_mw": 0.0}
    memory = Memory(kind="nvm", bandwidth_bytes_per_s=1, efficiency=1.0, **prices)
    assert memory.transfer_pj(read_bytes=3, write_bytes=7) == 8 * (3 * 2 + 7 * 5)
    with pytest.raises(ValueError, match="say capacity_bytes"):
        Memory(kind="sram", bandwidth_bytes_per_s=1, efficiency=1.0, **prices)


def test_what_runs_in_stacks_draws_no_more_than_a_limit_of_power_leaves() -> None:
    limit_mw = 200.0  # without one it draws 553
    small = ["accelerators.pascal.buffers.activation.capacity_bytes=8192", f"memories.lpddr4.power_limit_mw={limit_mw}"]
    found = ms.run("small_cnn", system="pascal", flow="stacks", baseline=None, overrides=small).main
    assert found.stacks
    assert leakage_pj(0.8 * limit_mw, found.latency_ps) < found.energy_pj <= leakage_pj(limit_mw, found.latency_ps)
