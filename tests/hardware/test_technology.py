"""SRAM interpolation, node scaling, leakage and area."""

import dataclasses
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.area import area_mm2, array_wires, instances, register_bits
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.files import load_accelerator, load_system, load_technology
from mensa_sim.hardware.static_energy import component_leakage_mw
from mensa_sim.hardware.technology.node_scaling import NODES_NM, TABLES, area_factor, energy_factor, leakage_factor
from mensa_sim.hardware.technology.sram import sram_figures, sram_of
from mensa_sim.hardware.technology.technology import SramPoint
from mensa_sim.io.shipped import shipped_files

TECHNOLOGY = load_technology("cmos_22nm")
CELLS = ("itrs-hp", "itrs-lop", "itrs-lstp")
FIGURES = ("read_pj", "write_pj", "leakage_mw", "area_mm2")


def with_cell(cell: str):
    return dataclasses.replace(TECHNOLOGY, sram_cell=cell)


@pytest.mark.parametrize("cell", CELLS)
def test_interpolation_equals_the_sweep_at_its_points(cell: str) -> None:
    technology = with_cell(cell)
    for point in technology.sram[technology.sram_cell]:
        figures = sram_figures(technology, point.capacity_bytes, point.access_bits)
        for name in FIGURES:
            assert getattr(figures, name) == getattr(point, name)


@pytest.mark.parametrize("cell", CELLS)
@given(
    low=st.integers(min_value=1024, max_value=64 * 2**20),
    high=st.integers(min_value=1024, max_value=64 * 2**20),
    bits=st.integers(min_value=8, max_value=4096),
)
def test_a_larger_sram_never_costs_less(cell: str, low: int, high: int, bits: int) -> None:
    technology = with_cell(cell)
    low, high = sorted((low, high))
    smaller, larger = (sram_figures(technology, capacity, bits) for capacity in (low, high))
    for name in FIGURES:
        assert getattr(larger, name) >= getattr(smaller, name) * (1 - 1e-12)


@given(
    narrow=st.integers(min_value=8, max_value=4096),
    wide=st.integers(min_value=8, max_value=4096),
    capacity=st.integers(min_value=2048, max_value=32 * 2**20),
)
def test_a_wider_access_never_costs_less(narrow: int, wide: int, capacity: int) -> None:
    narrow, wide = sorted((narrow, wide))
    first, second = (sram_figures(TECHNOLOGY, capacity, bits) for bits in (narrow, wide))
    assert second.read_pj >= first.read_pj * (1 - 1e-12)
    assert second.write_pj >= first.write_pj * (1 - 1e-12)


def test_halfway_between_two_points_lies_their_geometric_mean() -> None:
    corners = [sram_figures(TECHNOLOGY, capacity, 512) for capacity in (2 * 2**20, 8 * 2**20)]
    middle = sram_figures(TECHNOLOGY, 4 * 2**20, 512)
    assert middle.read_pj == pytest.approx((corners[0].read_pj * corners[1].read_pj) ** 0.5)


def test_from_a_point_that_leaks_nothing_leakage_goes_up_evenly() -> None:
    """As 0 has no logarithm."""
    rest = {"access_bits": 64, "read_pj": 1.0, "write_pj": 1.0, "area_mm2": 1.0}
    points = tuple(SramPoint(capacity_bytes=size, leakage_mw=mw, **rest) for size, mw in ((1000, 0.0), (3000, 4.0)))
    technology = dataclasses.replace(TECHNOLOGY, sram={TECHNOLOGY.sram_cell: points})
    found = [sram_figures(technology, size, 64).leakage_mw for size in (1000, 1500, 5000)]
    assert found == [mw * TECHNOLOGY.sram_leakage_factor for mw in (0, 1, 8)]


def test_above_the_widest_access_several_run_in_parallel() -> None:
    wide, wider = (sram_figures(TECHNOLOGY, 131072, bits) for bits in (512, 2048))
    assert wider.read_pj == pytest.approx(4 * wide.read_pj)
    assert wider.leakage_mw == wide.leakage_mw


@pytest.mark.parametrize("capacity", [65536, 1048576, 4194304])
@pytest.mark.parametrize("cell", CELLS)
def test_capacities_left_out_of_the_file_come_back_within_a_fifth(reference: Path, cell: str, capacity: int) -> None:
    sweep = (reference / "energy" / "cacti7_sram_sweep.csv").read_text().splitlines()
    rows = [dict(zip(sweep[0].split(","), line.split(","), strict=True)) for line in sweep[1:]]
    for row in rows:
        if (row["tech_nm"], row["cell_type"], row["size_bytes"]) == ("22", cell, str(capacity)):
            figures = sram_figures(with_cell(cell), capacity, 8 * int(row["access_bytes"]))
            assert figures.read_pj == pytest.approx(1000 * float(row["read_nJ"]), rel=0.2)
            assert figures.leakage_mw == pytest.approx(float(row["leakage_mW"]), rel=0.2)
            assert figures.area_mm2 == pytest.approx(float(row["area_mm2"]), rel=0.25)


def test_sensitivity_factors_multiply_sram_energy_and_leakage_alone() -> None:
    changed = dataclasses.replace(TECHNOLOGY, sram_energy_factor=1.5, sram_leakage_factor=0.5)
    before, after = (sram_figures(technology, 131072, 512) for technology in (TECHNOLOGY, changed))
    assert after.read_pj == 1.5 * before.read_pj
    assert after.write_pj == 1.5 * before.write_pj
    assert after.leakage_mw == 0.5 * before.leakage_mw
    assert after.area_mm2 == before.area_mm2


def test_a_buffer_reads_at_its_read_width_and_writes_at_its_write_width() -> None:
    level = Level(name="l", serves=("input",), capacity_bytes=131072, read_bits=512, write_bits=64, min_bits=64)
    figures = sram_of(TECHNOLOGY, level)
    assert figures.read_pj == sram_figures(TECHNOLOGY, 131072, 512).read_pj
    assert figures.write_pj == sram_figures(TECHNOLOGY, 131072, 64).write_pj


def test_area_scales_as_published_between_published_nodes(reference: Path) -> None:
    published = json.loads((reference / "energy" / "node_scaling.json").read_text())
    nodes = [round(node * 1e9) for node in published["TECH_NODES"]]
    for (i, start), (j, end) in itertools.product(enumerate(nodes), enumerate(nodes)):
        assert area_factor(start, end) == published["AREA_SCALING"][i][j]
    for node, coefficients in zip(nodes, published["ENERGY_SCALING"], strict=True):
        assert TABLES.energy[node] == tuple(coefficients)


def test_energy_factors_are_ratios_of_the_published_polynomials() -> None:
    at_45 = 1.103 * 0.9**2 - 0.362 * 0.9 + 0.2767
    at_32 = 0.9559 * 0.9**2 - 0.7823 * 0.9 + 0.471
    assert energy_factor(45, 0.9, 32, 0.9) == pytest.approx(at_32 / at_45, rel=1e-12)
    assert energy_factor(45, 0.9, 45, 0.9) == 1.0


@given(
    start=st.floats(min_value=7, max_value=130),
    middle=st.floats(min_value=7, max_value=130),
    end=st.floats(min_value=7, max_value=130),
)
def test_scaling_in_two_steps_is_scaling_in_one(start: float, middle: float, end: float) -> None:
    two = energy_factor(start, 0.9, middle, 0.8) * energy_factor(middle, 0.8, end, 0.9)
    assert two == pytest.approx(energy_factor(start, 0.9, end, 0.9))
    two = leakage_factor(start, 0.9, middle, 0.8) * leakage_factor(middle, 0.8, end, 0.9)
    assert two == pytest.approx(leakage_factor(start, 0.9, end, 0.9))


def test_leakage_goes_with_the_feature_size_and_the_voltage() -> None:
    assert leakage_factor(44, 1.0, 22, 1.0) == 0.5
    assert leakage_factor(22, 1.0, 22, 0.75) == 0.75


def test_a_buffer_leaks_and_takes_area_by_the_wider_of_its_ports() -> None:
    for read_bits, write_bits in ((64, 512), (512, 64)):
        level = Level(
            name="b", serves=("weight",), capacity_bytes=131072, read_bits=read_bits, write_bits=write_bits, min_bits=64
        )
        each = [sram_figures(TECHNOLOGY, 131072, bits) for bits in (64, 512)]
        assert each[0].leakage_mw != each[1].leakage_mw
        assert sram_of(TECHNOLOGY, level).leakage_mw == max(figures.leakage_mw for figures in each)
        assert sram_of(TECHNOLOGY, level).area_mm2 == max(figures.area_mm2 for figures in each)


def test_lanes_share_a_level_only_where_nothing_that_it_serves_differs_between_them() -> None:
    """Along the output channels of an axis inputs are the same, and weights are not."""
    spec = load_accelerator("edge_tpu")
    assert spec.dataflow.axes[0].dims[0] == "K"
    for serves, expected in ((("input",), 1), (("weight", "input"), spec.dataflow.axes[0].size)):
        level = Level(name="r", serves=serves, capacity_bytes=4, per=(0,), multicasts_along=(0,))
        assert instances(dataclasses.replace(spec, levels=(level,)), level) == expected


@given(nodes=st.lists(st.floats(min_value=7, max_value=130), min_size=2, max_size=2))
@example(nodes=[38.4, 38.5])  # near each other, where the rounding of the published factors shows most
@example(nodes=[11.9, 12.0])
def test_a_smaller_node_never_takes_more_area(nodes: list[float]) -> None:
    small, large = sorted(nodes)
    assert area_factor(large, small) <= 1.0 + 1e-9


def test_every_node_has_a_factor_to_every_other() -> None:
    assert set(TABLES.area) == set(TABLES.energy) == set(NODES_NM)
    assert {len(row) for row in TABLES.area.values()} == {len(NODES_NM)}


def test_a_node_outside_the_published_ones_is_refused() -> None:
    with pytest.raises(UsageError, match="7 to 130 nm"):
        area_factor(45, 180)


def test_constants_come_at_the_technologys_node_and_say_how() -> None:
    area = TECHNOLOGY.mac_area_mm2
    assert area.node_nm is None
    assert area.value == pytest.approx(0.000419 * area_factor(45, 22))
    assert "at 45 nm" in area.source


def test_a_constant_that_does_not_scale_refuses_a_node(tmp_path: Path) -> None:
    text = shipped_files("technologies")["cmos_22nm"].read_text()
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace("  value: 1.98\n", "  value: 1.98\n  node_nm: 45.0\n  vdd_v: 0.9\n"))
    with pytest.raises(FileError, match="mac_width_exponent: does not scale"):
        load_technology(path)


@pytest.mark.parametrize(("source", "expected"), [("''", "source is empty"), ("3", "put it in quotes")])
def test_a_constant_without_a_source_is_refused(tmp_path: Path, source: str, expected: str) -> None:
    text = shipped_files("technologies")["cmos_22nm"].read_text()
    path = tmp_path / "changed.yaml"
    old = "source: O'Connor et al., MICRO-50 (2017), the same for both directions"
    assert old in text
    path.write_text(text.replace(old, f"source: {source}"))
    with pytest.raises(FileError, match=expected) as caught:
        load_technology(path)
    assert len(caught.value.faults) == 2, "hbm2 and hbm_internal"


def test_mac_energy_grows_with_the_operands_and_is_the_constant_at_8_bits() -> None:
    assert TECHNOLOGY.mac_pj() == TECHNOLOGY.mac_pj_8_bit.value
    assert TECHNOLOGY.mac_pj(4) < TECHNOLOGY.mac_pj(8) < TECHNOLOGY.mac_pj(16)
    assert TECHNOLOGY.mac_pj(32) / TECHNOLOGY.mac_pj(8) == pytest.approx(15.5, rel=0.01)


def test_a_large_register_file_costs_more_per_bit_than_a_register() -> None:
    single, small, large = (TECHNOLOGY.register_pj(8, capacity) for capacity in (1, 2, 512))
    assert single == small < large
    assert TECHNOLOGY.register_pj(16, 512) == 2 * large


def test_registers_shared_along_an_axis_are_counted_once_along_it() -> None:
    spec = load_system("edge_tpu").accelerators[0].spec
    assert register_bits(spec) == 64 * 8 + 64 * 64 * 32


def test_leakage_and_area_have_the_same_components() -> None:
    for placed in load_system("mensa_g").accelerators:
        assert set(component_leakage_mw(placed)) == set(area_mm2(placed))


def test_each_lane_of_the_vector_unit_leaks_and_takes_area() -> None:
    (placed,) = load_system("edge_tpu").accelerators
    technology = placed.technology
    assert area_mm2(placed)["vector"] == 64 * technology.vector_lane_area_mm2.value
    assert component_leakage_mw(placed)["vector"] == 64 * technology.vector_lane_leakage_mw.value


def test_leakage_grows_with_the_buffer_and_the_array() -> None:
    plain, bigger = (load_system(name).accelerators[0] for name in ("edge_tpu", "edge_tpu_8x_buffer"))
    assert component_leakage_mw(bigger)["parameter_buffer"] > 7 * component_leakage_mw(plain)["parameter_buffer"]
    assert component_leakage_mw(bigger)["mac"] == component_leakage_mw(plain)["mac"]
    halved = load_system("edge_tpu", ["accelerators.edge_tpu.dataflow.axes.0.size=32"]).accelerators[0]
    assert component_leakage_mw(halved)["mac"] == pytest.approx(component_leakage_mw(plain)["mac"] / 2)


def test_a_broadcast_runs_the_length_of_all_its_hops() -> None:
    wires = array_wires(load_system("edge_tpu").accelerators[0])
    assert wires.broadcast_pj_per_bit == pytest.approx(64 * wires.hop_pj_per_bit)
    assert 0.1 < wires.side_mm < 10
