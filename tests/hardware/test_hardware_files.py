"""Accelerators, technologies and systems come through the gate whole, or not at all with every fault named."""

import json
from pathlib import Path

import pytest

from mensa_sim.errors import FileError, UnknownNameError, UsageError
from mensa_sim.hardware.area import area_mm2
from mensa_sim.hardware.fields import parse_override
from mensa_sim.hardware.files import load_accelerator, load_system, load_technology
from mensa_sim.hardware.static_energy import component_leakage_mw
from mensa_sim.io.shipped import shipped_files, shipped_root

MENSA_G = "mensa_g"


def copied(tmp_path: Path, old: str, new: str, system: str = MENSA_G) -> Path:
    """A shipped system's text with one change, beside links to what it names."""
    for folder in ("accelerators", "technology"):
        (tmp_path / folder).symlink_to(shipped_root() / "accelerator_specs" / folder)
    text = shipped_files("systems")[system].read_text()
    assert old in text
    path = tmp_path / "systems" / "changed.yaml"
    path.parent.mkdir()
    path.write_text(text.replace(old, new))
    return path


def test_a_system_holds_its_accelerators_memories_links_and_families() -> None:
    system = load_system(MENSA_G)
    assert [placed.name for placed in system.accelerators] == ["pascal", "pavlov", "jacquard"]
    assert system.memory_of("pavlov") is system.memory_of("jacquard")
    assert system.link_between("stacked", "lpddr4") is not None
    assert system.families == {1: "pascal", 2: "pascal", 3: "pavlov", 4: "jacquard", 5: "jacquard"}


def test_an_accelerators_name_is_a_system_of_it_alone() -> None:
    system = load_system("pavlov")
    assert system.name == "pavlov"
    assert [placed.name for placed in system.accelerators] == ["pavlov"]
    assert system.memory_of("pavlov").kind == "hbm_internal"


def test_a_path_to_a_system_is_read_from_where_it_lies(tmp_path: Path) -> None:
    path = copied(tmp_path, "name: mensa_g", "name: mine")
    assert load_system(path).name == "mine"


def test_memories_take_their_energy_from_the_technology() -> None:
    technology = load_technology("cmos_22nm")
    memory = load_system("edge_tpu").memories["lpddr4"]
    assert memory.read_pj_per_bit == technology.memories["lpddr4"].read_pj_per_bit.value
    assert memory.background_mw == 4 * technology.memories["lpddr4"].background_mw.value


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("memory: lpddr4}", "memory: lpdr4}", "accelerators[0].memory: unknown memory 'lpdr4'; did you mean 'lpddr4'?"),
        ("{1: pascal", "{1: pascall", "families.1: unknown accelerator 'pascall'; did you mean 'pascal'?"),
        ("[lpddr4, stacked]", "[lpddr4, stack]", "links[0].between: unknown memory or accelerator 'stack'"),
        ("kind: hbm_internal", "kind: hbm_inside", "memories.stacked.kind: unknown memory kind 'hbm_inside'"),
        ("accelerators/pavlov.yaml", "accelerators/pavlova.yaml", "accelerators[1].spec: no such file"),
        ("accelerators/pavlov.yaml", "accelerators/pascal.yaml", "accelerators[1]: a second pascal"),
        ("efficiency: 0.75, channels: 8", "efficiency: 1.5, channels: 8", "efficiency is 1.5"),
        ("latency_ps: 100000", "latency_ps: -1", "latency_ps is -1, must be at least 0"),
        ("efficiency: 0.75, channels: 8", "efficiency: .nan, channels: 8", "not a finite number"),
        ("bandwidth_bytes_per_s: 256000000000", "bandwidth_bytes_per_s: 256e9", "write 256000000000"),
    ],
)
def test_a_fault_names_file_and_field(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = copied(tmp_path, old, new)
    with pytest.raises(FileError) as caught:
        load_system(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_every_dangling_reference_is_in_one_error(tmp_path: Path) -> None:
    path = copied(tmp_path, "memory: stacked}", "memory: nowhere}")
    path.write_text(path.read_text().replace("3: pavlov", "3: nobody"))
    with pytest.raises(FileError) as caught:
        load_system(path)
    assert len(caught.value.faults) == 3


def test_an_unknown_system_lists_systems_and_accelerators() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown system 'mensa_h'; did you mean 'mensa_g'\?.*pavlov"):
        load_system("mensa_h")


def test_an_unknown_dim_is_a_fault_of_the_accelerators_file(tmp_path: Path) -> None:
    text = shipped_files("accelerators")["pavlov"].read_text()
    path = tmp_path / "bad.yaml"
    path.write_text(text.replace("dims: [K]", "dims: [Q]").replace("clock_hz: 2000000000", "clock_hz: 0"))
    with pytest.raises(FileError) as caught:
        load_accelerator(path)
    assert "unknown dim 'Q'" in str(caught.value)


def test_overrides_reach_systems_accelerators_and_technologies() -> None:
    system = load_system(
        MENSA_G,
        [
            "accelerators.pascal.clock_hz=1000000000",
            "accelerators.jacquard.levels.parameter_buffer.capacity_bytes=262144",
            *("accelerators.pavlov.dataflow.axes.0.size=16", "accelerators.jacquard.memory=lpddr4"),
            *("memories.lpddr4.bandwidth_bytes_per_s=64000000000", "links.0.energy_pj_per_bit=1.5"),
            *("families.4=pascal", "technology.sram_cell=itrs-hp"),
            "accelerators.pascal.technology.mac_pj_8_bit=1.6",
        ],
    )
    assert system.accelerator("pascal").spec.clock_hz == 10**9
    assert system.accelerator("jacquard").spec.buffer_bytes["parameter"] == 262144
    assert system.accelerator("pavlov").spec.pes == 128
    assert system.accelerator("jacquard").memory == "lpddr4"
    assert system.memories["lpddr4"].bandwidth_bytes_per_s == 64 * 10**9
    assert system.links[0].energy_pj_per_bit == 1.5
    assert system.families[4] == "pascal"
    assert {placed.technology.sram_cell for placed in system.accelerators} == {"itrs-hp"}
    assert system.accelerator("pascal").technology.mac_pj() == 1.6
    assert system.accelerator("pavlov").technology.mac_pj() == 0.2


@pytest.mark.parametrize("field", ["technology.wire_pj_per_bit_mm", "technology.wire_pj_per_bit_mm.value"])
def test_a_constant_set_by_the_user_no_longer_cites_its_publication(field: str) -> None:
    constant = load_system("edge_tpu", [f"{field}=0.2"]).accelerators[0].technology.wire_pj_per_bit_mm
    assert constant.source.startswith(f"set by the user: --set {field}=0.2")
    assert constant.value == (0.2 if field.endswith("mm") else pytest.approx(0.2 * (0.8 / 0.9) ** 2))


def test_every_constant_of_a_technology_can_be_set_by_its_name() -> None:
    technology = load_technology("cmos_22nm")
    for name, constant in technology.constants().items():
        changed = load_system("edge_tpu", [f"technology.{name}={constant.value * 1.5}"])
        assert changed.accelerators[0].technology.constants()[name].value == constant.value * 1.5


def test_a_systems_host_can_be_set() -> None:
    system = load_system("coral_usb3", ["host.overhead_ps=1", "accelerators.coral.clock_hz=250000000"])
    assert system.host is not None
    assert system.host.overhead_ps == 1
    assert system.accelerators[0].spec.clock_hz == 250 * 10**6


@pytest.mark.parametrize("levels", [65, 300, 900, 2000, 100_000])
def test_a_value_nested_deeper_than_a_file_may_be_is_refused(levels: int) -> None:
    for value in ("[" * levels + "]" * levels, '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)):
        with pytest.raises(UsageError, match=r"--set: .* is nested (deeper than 64 levels|too deep)"):
            parse_override(f"accelerators.pascal.clock_hz={value}")
    honest = "[" * 64 + "]" * 64
    assert parse_override(f"accelerators.pascal.clock_hz={honest}")[1] == json.loads(honest)


def test_overrides_that_change_nothing_give_the_same_system() -> None:
    assert load_system(MENSA_G, ["accelerators.pascal.clock_hz=2000000000"]) == load_system(MENSA_G)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("accelerators.pascal.clck_hz=1", "clck_hz: unknown key; did you mean clock_hz?"),
        ("accelerators.pascl.clock_hz=1", "unknown accelerator 'pascl'; did you mean 'pascal'?"),
        ("technology.mac_pj_8_bt=1", "mac_pj_8_bt: unknown key; did you mean mac_pj_8_bit?"),
        ("memory.lpddr4.efficiency=1", "memory: unknown key; did you mean memories?"),
        ("accelerators.pascal.clock_hz", "write FIELD=VALUE"),
        ("accelerators.pascal=1", "name one field"),
        ("accelerators.pascal.clock_hz.deep=1", "has no fields"),
        ("links.7.latency_ps=1", "not one of the places"),
        ("accelerators.pascal.clock_hz=-5", "clock_hz is -5"),
        ("memories.sram.efficiency=1", "unknown memory 'sram'; choose from lpddr4, stacked"),
        ("memories.lpddr5.kind=lpddr5", "unknown memory 'lpddr5'; did you mean 'lpddr4'?"),
        ("memories.lpddr4.efficiency=NaN", "not a finite number"),
        ("accelerators.pascal.clock_hz=" + "9" * 400, "999... is not a finite number"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(override: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_system(MENSA_G, [override])
    assert expected in str(caught.value)


def test_an_override_within_what_another_one_replaced_is_refused() -> None:
    with pytest.raises(UsageError, match=r"memories.lpddr4.efficiency=1: memories has no fields"):
        load_system(MENSA_G, ["memories=3", "memories.lpddr4.efficiency=1"])


def test_the_smallest_files_that_a_user_would_write_are_enough(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        f"""
name: mine
placement: memory_logic_layer
technology: {shipped_files("technologies")["cmos_22nm"]}
clock_hz: 2000000000
dataflow: {{axes: [{{size: 8, dims: [K]}}, {{size: 8, dims: [K]}}], stationary: weight, batch_steps: true}}
macs_per_pe: 1
accumulator_bits: 32
levels:
  - {{name: weights, serves: [weight], capacity_bytes: 512, per: [0, 1]}}
  - {{name: store, serves: [input, output], capacity_bytes: 131072, read_bits: 512, write_bits: 512}}
vector_unit: {{lanes: 8}}
"""
    )
    (tmp_path / "system.yaml").write_text(
        """
name: two
memories:
  far: {kind: lpddr4, bandwidth_bytes_per_s: 32000000000, efficiency: 0.75}
  near: {kind: hbm_internal, bandwidth_bytes_per_s: 256000000000, efficiency: 0.75}
accelerators:
  - {spec: mine.yaml, memory: near}
  - {spec: mine.yaml, memory: far, set: {name: other, clock_hz: 1000000000}}
links: [{between: [far, near], bandwidth_bytes_per_s: 32000000000, energy_pj_per_bit: 2.0, latency_ps: 100000}]
families: {3: mine}
"""
    )
    system = load_system(tmp_path / "system.yaml")
    assert [(placed.name, placed.spec.peak_macs_per_s) for placed in system.accelerators] == [
        ("mine", 128 * 10**9),
        ("other", 64 * 10**9),
    ]
    assert load_accelerator(tmp_path / "mine.yaml").default_memory is None
    with pytest.raises(FileError, match="default_memory: is required"):
        load_system(tmp_path / "mine.yaml")


def test_a_path_to_an_accelerator_is_a_system_of_it_alone() -> None:
    assert load_system(shipped_files("accelerators")["pascal"]) == load_system("pascal")


MEASURED = """
name: my_gpu
placement: board
technology: {technology}
clock_hz: 1590000000
timings: table.csv
macs_per_s: 4000000000000
power_mw: {{value: 70000.0, source: board power limit in the vendor's datasheet}}
idle_mw: {{value: 10000.0, source: measured with the vendor's tool}}
default_memory: {{kind: lpddr4, bandwidth_bytes_per_s: 32000000000, efficiency: 0.75}}
"""


def test_a_measured_accelerator_has_a_table_and_no_array(tmp_path: Path) -> None:
    path = tmp_path / "my_gpu.yaml"
    path.write_text(MEASURED.format(technology=shipped_files("technologies")["cmos_22nm"]))
    with pytest.raises(FileError, match=r"timings: no such file: .*table\.csv"):
        load_accelerator(path)
    (tmp_path / "table.csv").write_text("")
    (placed,) = load_system(path).accelerators
    assert placed.spec.timings == str(tmp_path / "table.csv")
    assert placed.spec.peak_macs_per_s == 4 * 10**12
    assert component_leakage_mw(placed) == {"device": 10000.0}
    assert area_mm2(placed) == {}
    with pytest.raises(UsageError, match="my_gpu: is measured, so it has no PE array"):
        assert placed.array


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("timings: table.csv\nmacs_per_s: 4000000000000\n", "", "dataflow: is required"),
        ("macs_per_s: 4000000000000\n", "", "macs_per_s: is required"),
        ("macs_per_s: 4000000000000\n", "macs_per_s: 0\n", "macs_per_s is 0, must be at least 1"),
        ("clock_hz", "dataflow: {{axes: [{{size: 2, dims: [K]}}], stationary: weight}}\nclock_hz", "dataflow: unknown"),
        ("70000.0", "0.0", "power_mw must be above 0"),
        ("70000.0", "9000.0", "above idle_mw"),
    ],
)
def test_contradictions_in_a_measured_accelerator_are_refused(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    path = tmp_path / "my_gpu.yaml"
    assert old in MEASURED
    path.write_text(MEASURED.replace(old, new, 1).format(technology=shipped_files("technologies")["cmos_22nm"]))
    with pytest.raises(FileError, match=expected):
        load_accelerator(path)


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        ("[K*C]", r"K\*C cannot be flattened; only OX\*OY, OY\*OX, FX\*FY, FY\*FX, C\*FX\*FY, C\*FY\*FX can"),
        ("[FX*FY*C]", r"FX\*FY\*C cannot be flattened"),
        ("[OX*OY, OX]", "a dim stands twice"),
        ("[Q]", "unknown dim 'Q' in 'Q'; choose from B, G, K"),
        ("[]", "dims is empty"),
    ],
)
def test_an_axis_that_no_array_can_have_is_a_fault(tmp_path: Path, dims: str, expected: str) -> None:
    path = tmp_path / "bad.yaml"
    text = shipped_files("accelerators")["pascal"].read_text()
    assert "[OX*OY, C]" in text
    path.write_text(text.replace("[OX*OY, C]", dims))
    with pytest.raises(FileError, match=expected):
        load_accelerator(path)


def test_a_dim_that_one_axis_flattens_and_another_takes_alone_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(shipped_files("accelerators")["pascal"].read_text().replace("[K, G]", "[K, OY]"))
    with pytest.raises(FileError, match=r"OY stands both in OY and in OX\*OY"):
        load_accelerator(path)
