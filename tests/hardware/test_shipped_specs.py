"""Contracts that every shipped accelerator, technology and system keeps."""

import dataclasses
from pathlib import Path

import pytest

from mensa_sim.errors import FileError
from mensa_sim.hardware.accelerator import Device
from mensa_sim.hardware.area import area_mm2
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import (
    FILE_KINDS,
    kind_of,
    load_accelerator,
    load_system,
    load_technology,
)
from mensa_sim.hardware.static_energy import component_leakage_mw
from mensa_sim.hardware.technology.sram import sram_of
from mensa_sim.io.files import json_schema, read_mapping
from mensa_sim.io.shipped import shipped_files

ACCELERATORS = tuple(shipped_files("accelerators"))
SYSTEMS = tuple(shipped_files("systems"))
TECHNOLOGIES = tuple(shipped_files("technologies"))
DYNAMIC_ONLY = {"zigzag_tpu_like"}
COMPONENTS = {"mac", "register", "parameter_buffer", "activation_buffer", "shared_buffer", "vector"}


@pytest.mark.parametrize("name", TECHNOLOGIES)
def test_every_constant_cites_a_publication_or_says_that_it_is_a_choice(name: str) -> None:
    technology = load_technology(name)
    assert technology.name == name
    for field, constant in technology.constants().items():
        assert len(constant.source.split()) >= 3, field
        assert "shared" not in constant.source, field
    assert technology.sram_source.strip()


@pytest.mark.parametrize("name", TECHNOLOGIES)
def test_only_a_source_that_says_so_makes_a_constant_zero(name: str) -> None:
    for field, constant in load_technology(name).constants().items():
        if constant.value == 0:
            assert "none" in constant.source or "not the accelerator's" in constant.source, field


@pytest.mark.parametrize("name", ACCELERATORS)
def test_an_accelerator_is_named_as_its_file_and_has_sources(name: str) -> None:
    spec = load_accelerator(name)
    assert spec.name == name
    assert spec.source.strip()
    assert Path(spec.technology).is_file()


@pytest.mark.parametrize("name", [*SYSTEMS, *ACCELERATORS])
def test_a_system_loads_and_its_components_leak_and_take_area(name: str) -> None:
    system = load_system(name)
    assert system.name == name
    assert system.source.strip()
    for placed in system.accelerators:
        leakage, area = component_leakage_mw(placed), area_mm2(placed)
        if isinstance(placed.spec, Device):
            assert (set(leakage) <= {"device"}, area) == (True, {})
            continue
        assert set(leakage) - {"clock"} == set(area) <= COMPONENTS
        if isinstance(placed.spec, PeArray) and placed.technology.name not in DYNAMIC_ONLY:
            assert min(leakage.values()) > 0
            assert min(area.values()) > 0
    for memory in system.memories.values():
        assert memory.read_pj_per_bit > 0


@pytest.mark.parametrize(
    ("name", "macs_per_s"),
    [
        ("edge_tpu", 1.97e12),  # 2 T/s, Boroumand et al. 2021
        ("pascal", 2.05e12),
        ("pavlov", 128e9),
        ("jacquard", 512e9),
        ("coral", 2.0e12 * 1.024),  # 4 TOPS, Coral datasheet
        ("eyeriss_v1", 168 * 200e6),  # 168 PEs at 200 MHz, Chen et al. 2017
    ],
)
def test_peak_rate_is_the_quoted_one(name: str, macs_per_s: float) -> None:
    assert load_accelerator(name).peak_macs_per_s == pytest.approx(macs_per_s, rel=0.005)


def test_the_comparisons_eyeriss_v2_has_384_macs_and_192_kilobytes() -> None:
    spec = load_accelerator("eyeriss_v2")
    assert spec.pes == 192
    assert spec.pes * spec.macs_per_pe == 384
    assert spec.buffer_bytes["activation"] == 192 * 1024


def test_configurations_differ_from_the_baseline_in_what_they_are_named_for() -> None:
    plain, fast, large = (load_system(name) for name in ("edge_tpu", "base_hb", "edge_tpu_8x_buffer"))
    back = [f"accelerators.edge_tpu.levels.{buffer}_buffer" for buffer in ("parameter", "activation")]
    narrow = [f"{level}.{side}_bits=512" for level in back for side in ("read", "write")]
    assert load_system("base_hb", narrow).accelerators == plain.accelerators
    assert fast.memories["lpddr4"] == dataclasses.replace(plain.memories["lpddr4"], bandwidth_bytes_per_s=256 * 10**9)
    assert large.memories == plain.memories
    assert large.accelerators[0].spec.buffer_bytes["parameter"] == 8 * 4 * 2**20


@pytest.mark.parametrize("name", ["edge_tpu", "base_hb", "edge_tpu_8x_buffer", "eyeriss_v2"])
def test_no_port_of_a_buffer_is_narrower_than_its_memory_asks_for(name: str) -> None:
    """The paper states no ports: none may be the bottleneck by accident."""
    system = load_system(name)
    for placed in system.accelerators:
        bytes_per_cycle = system.memory_of(placed.name).effective_bytes_per_s / placed.spec.clock_hz
        for level in placed.array.levels:
            if level.ported:
                assert min(level.read_width, level.write_width) / 8 >= bytes_per_cycle, level.name


def test_the_compilers_array_has_a_quarter_of_the_silicons_macs() -> None:
    silicon, estimate = load_accelerator("coral"), load_accelerator("coral_compiler")
    assert silicon.pes * silicon.macs_per_pe == 4 * estimate.pes * estimate.macs_per_pe == 4096
    assert [axis.dims for axis in silicon.unrolled_axes][-1] == ("K", "OX*OY")


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_a_files_kind_is_told_by_its_keys(kind: str) -> None:
    folder = "accelerators" if kind.endswith("_device") else {"technology": "technologies"}.get(kind, f"{kind}s")
    kinds = {kind_of(read_mapping(path)) for path in shipped_files(folder).values()}
    assert kinds == ({"accelerator", "measured_device", "datasheet_device"} if folder == "accelerators" else {kind})
    assert kind_of({"name": "x", "model": "y"}) is None


def test_a_default_memory_that_the_technology_does_not_know_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    technology = shipped_files("technologies")["cmos_22nm"]
    text = shipped_files("accelerators")["pascal"].read_text()
    path.write_text(
        text.replace("../technology/cmos_22nm.yaml", str(technology)).replace("kind: lpddr4", "kind: lpddr44")
    )
    with pytest.raises(FileError, match="unknown memory kind 'lpddr44'; did you mean 'lpddr4'"):
        load_accelerator(path)
    with pytest.raises(FileError, match="unknown memory kind 'lpddr44'"):
        load_system(path)


def test_energies_at_65_nm_keep_the_published_hierarchy_within_a_factor_of_two() -> None:
    """Table IV of Chen et al., ISCA 2016, in units of a 16-bit MAC, on CACTI's and Aladdin's figures here."""
    (placed,) = load_system("eyeriss_v1").accelerators
    technology = placed.technology
    mac_pj = technology.mac_pj(16)
    levels = {level.name: level for level in placed.array.levels}
    buffer = levels["activation_buffer"]
    published = {
        1: technology.register_pj(16, levels["filter_scratchpad"].capacity_bytes),
        6: sram_of(technology, buffer).read_pj * 16 / buffer.read_width,
        200: 16 * technology.memories["eyeriss_dram"].read_pj_per_bit.value,
    }
    for macs, energy_pj in published.items():
        assert macs / 2 <= energy_pj / mac_pj <= macs * 2


def test_schemas_name_the_fields_and_forbid_others() -> None:
    schemas = {kind: json_schema(record) for kind, record in FILE_KINDS.items()}
    for schema in schemas.values():
        assert schema["additionalProperties"] is False
    assert "clock_hz" in schemas["accelerator"]["required"]
    assert "mac_pj_8_bit" in schemas["technology"]["required"]
    assert "host" in schemas["system"]["properties"]


def test_a_level_holds_the_next_tile_too_only_where_it_is_double_buffered_and_moving_overlaps_computing() -> None:
    spec = load_accelerator("edge_tpu")
    assert isinstance(spec, PeArray)
    level = spec.buffer("activation")
    assert level is not None
    single = dataclasses.replace(level, double_buffered=False)
    in_turn = dataclasses.replace(spec, dataflow=dataclasses.replace(spec.dataflow, overlap=False))
    assert (spec.copies(level), spec.copies(single), in_turn.copies(level)) == (2, 1, 1)
