"""Other tools' files become ours: the same nests, arrays and levels, and what has no equivalent is listed by name."""

import json
import re
from pathlib import Path

import pytest
from foreign_files import (
    SCALE_SIM_CONFIGURATION,
    SCALE_SIM_CONVOLUTIONS,
    SCALE_SIM_DEPTHWISE,
    SCALE_SIM_PRODUCTS,
    SCALE_SIM_VERSION_1,
    TIMELOOP,
    TIMELOOP_FIRST,
    TIMELOOP_OLDER,
    ZIGZAG_ACCELERATOR,
    ZIGZAG_MAPPING,
    ZIGZAG_OLDER,
    ZIGZAG_WORKLOAD,
)
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system, load_technology
from mensa_sim.hardware.technology.sram import sram_figures
from mensa_sim.study.convert.convert import convert
from mensa_sim.study.convert.foreign import Conversion
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.load import load_workload


def converted(folder: Path, **files: str) -> Conversion:
    """Files by name, `stem_suffix`, converted together."""
    paths = []
    for name, text in files.items():
        paths.append(folder / re.sub(r"_(yaml|csv|cfg)$", r".\1", name))
        paths[-1].write_text(text, encoding="utf-8")
    return ms.convert(paths, output=folder / "out")


def graph(folder: Path, name: str) -> LayerGraph:
    return load_workload(folder / "out" / f"{name}.yaml")


def nests(found: LayerGraph) -> dict[str, LoopNest | None]:
    return {layer.name: layer.nest for layer in found.layers}


def test_layers_of_zigzag_are_the_same_nests_and_read_each_other(tmp_path: Path) -> None:
    converted(tmp_path, net_yaml=ZIGZAG_WORKLOAD)
    found = graph(tmp_path, "net")
    by_name = nests(found)
    assert by_name["stem"] == LoopNest(
        K=16,
        C=3,
        OY=10,
        OX=12,
        FY=5,
        FX=3,
        stride_y=2,
        stride_x=2,
        dilation_y=3,
        input_height=30,
        input_width=24,
    )
    assert by_name["depthwise"] == LoopNest(G=16, OY=10, OX=12, FY=3, FX=3, input_height=10, input_width=12)
    assert by_name["head"] == LoopNest(K=10, C=480)
    assert by_name["product"] == LoopNest(B=1, G=24, K=32, C=64, OX=128, input_width=128)
    assert {(edge.producer, edge.consumer) for edge in found.edges} == {
        ("stem", "depthwise"),
        ("stem", "layer_8"),
        ("depthwise", "layer_8"),
        ("layer_8", "pool"),
        ("pool", "head"),
    }
    assert {name: found[name].vector_ops for name in ("layer_8", "pool")} == {"layer_8": 1920, "pool": 16 * 30 * 4}


def test_windows_along_columns_alone_keep_their_stride_and_their_input(tmp_path: Path) -> None:
    text = """
- {id: 0, name: taps, operator_type: Conv, equation: "O[b][k][ox]+=W[k][c][fx]*I[b][c][ix]",
   loop_dims: [B, K, C, OX, FX], loop_sizes: [1, 8, 4, 20, 3], dimension_relations: [ix=2*ox+1*fx],
   operand_precision: {O: 16, W: 8, I: 8, O_final: 8}, pr_loop_dims: [IX], pr_loop_sizes: [40]}
- {id: 1, name: point, operator_type: Conv, equation: "O[b][k][ox]+=W[k][c][fx]*I[b][c][ix]",
   loop_dims: [B, K, C, OX, FX], loop_sizes: [1, 8, 4, 20, 1], dimension_relations: [ix=1*fx+3*ox],
   operand_precision: {O: 16, W: 8, I: 8, O_final: 8}, pr_loop_dims: [IX], pr_loop_sizes: [58]}
"""
    converted(tmp_path, net_yaml=text)
    assert nests(graph(tmp_path, "net")) == {
        "taps": LoopNest(K=8, C=4, OX=20, FX=3, stride_y=1, stride_x=2, input_height=1, input_width=40),
        "point": LoopNest(K=8, C=4, OX=20, stride_y=1, stride_x=3, input_height=1, input_width=58),
    }


def test_widths_that_all_layers_share_stand_once_above_them(tmp_path: Path) -> None:
    text = converted(tmp_path, net_yaml=ZIGZAG_WORKLOAD).files["net.yaml"]
    assert text.count("weight_bits: 4") == text.count("accumulator_bits: 16") == 1
    stem = graph(tmp_path, "net")["stem"]
    assert (stem.weight_bits, stem.input_bits, stem.output_bits, stem.accumulator_bits) == (4, 8, 8, 16)
    assert stem.parameter_bytes == 16 * 3 * 5 * 3 // 2


def array(folder: Path, name: str) -> PeArray:
    return load_system(folder / "out" / f"{name}.yaml").accelerators[0].array


def test_an_accelerator_of_zigzag_keeps_its_levels_their_energies_and_what_its_mapping_fills(tmp_path: Path) -> None:
    made = converted(tmp_path, core_yaml=ZIGZAG_ACCELERATOR, mapping_yaml=ZIGZAG_MAPPING)
    spec = array(tmp_path, "core")
    # the mapping gives C two lanes of D2's four and FX the others, whatever a layer has of either
    assert [(axis.size, axis.dims) for axis in spec.dataflow.axes] == [(8, ("K",)), (2, ("C",)), (2, ("FX",))]
    register, sram = spec.levels
    assert (register.per, register.capacity_bytes, register.ported) == ((0,), 2, False)
    assert (register.read_pj_per_bit, register.write_pj_per_bit) == (0.02 / 16, 0.03 / 16)
    assert sram.serves == ("weight", "input", "output")
    assert (sram.capacity_bytes, sram.read_bits, sram.min_bits, sram.ports) == (1024, 64, 32, "rw")
    assert (sram.read_pj_per_bit, sram.write_pj_per_bit, sram.double_buffered) == (0.1, 0.2, False)
    system = load_system(tmp_path / "out" / "core.yaml")
    memory = system.memory_of("core")
    assert (memory.read_pj_per_bit, memory.write_pj_per_bit, memory.word_bits) == (10, 5, 64)
    assert system.accelerators[0].technology.mac_pj(8) == system.accelerators[0].technology.mac_pj(16) == 0.5
    assert made.left_out == ("memories.*.area", "memories.*.latency", "operational_array.unit_area")


def test_without_a_mapping_what_the_axes_unroll_is_said_to_be_a_choice(tmp_path: Path) -> None:
    made = converted(tmp_path, core_yaml=ZIGZAG_ACCELERATOR)
    assert "axis D2 unrolls C, as no mapping file says what" in made.chosen


def test_what_a_mapping_hints_at_fills_the_axes_as_far_as_a_layer_goes(tmp_path: Path) -> None:
    hints = "- name: default\n  spatial_mapping_hint: {D1: [K], D2: [OX, OY]}\n"
    made = converted(tmp_path, core_yaml=ZIGZAG_ACCELERATOR, mapping_yaml=hints)
    axes = array(tmp_path, "core").dataflow.axes
    assert [(axis.size, axis.dims) for axis in axes] == [(8, ("K",)), (4, ("OX", "OY"))]
    assert not any("no mapping file" in line for line in made.chosen)


def test_an_axis_whose_dims_have_one_lane_each_is_one_lane_wide(tmp_path: Path) -> None:
    single = "- name: default\n  spatial_mapping: {D1: ['K, 8'], D2: ['C, 1', 'FX, 1']}\n"
    converted(tmp_path, core_yaml=ZIGZAG_ACCELERATOR, mapping_yaml=single)
    axes = array(tmp_path, "core").dataflow.axes
    assert [(axis.size, axis.dims) for axis in axes] == [(8, ("K",)), (1, ("C",))]


def test_what_a_mapping_says_of_no_axis_or_twice_of_one_is_told(tmp_path: Path) -> None:
    said = """- name: default
  spatial_mapping: {D1: ['K, 8'], D9: ['C, 2']}
  spatial_mapping_hint: {D1: [OX], D2: [C], D7: [OY]}
"""
    made = converted(tmp_path, core_yaml=ZIGZAG_ACCELERATOR, mapping_yaml=said)
    told = [name for name in made.left_out if name.startswith("[default]")]
    assert told == [
        f"[default].{name}" for name in ("spatial_mapping.D9", "spatial_mapping_hint.D1", "spatial_mapping_hint.D7")
    ]


def test_an_accelerator_in_zigzags_older_words_is_the_one_in_its_newer_words(tmp_path: Path) -> None:
    for name, text in (("new", ZIGZAG_ACCELERATOR), ("old", ZIGZAG_OLDER)):
        (tmp_path / name).mkdir()
        converted(tmp_path / name, core_yaml=text, mapping_yaml=ZIGZAG_MAPPING)
    for file in ("core.yaml", "core_technology.yaml"):
        assert (tmp_path / "old" / "out" / file).read_bytes() == (tmp_path / "new" / "out" / file).read_bytes()


def test_what_zigzags_older_words_do_not_say_or_say_twice_is_told(tmp_path: Path) -> None:
    other = ZIGZAG_OLDER.replace("rw_port: 1, r_bw: 64, w_bw: 64", "rw_port: 0, r_bw: 64, w_bw: 48")
    made = converted(tmp_path, core_yaml=other)
    assert "sram: one port that reads and writes, as the file counts none" in made.chosen
    assert "sram: a port that reads and writes has the widths of its reads both ways" in made.chosen
    assert array(tmp_path, "core").levels[1].ports == "rw"
    array_of_both = (
        "operational_array: {dimensions: [D1, D2], sizes: [5, 3], unit_energy: 0.7, multiplier_energy: 0.3}\n"
    )
    made = converted(tmp_path, both_yaml=ZIGZAG_OLDER.replace("name: core", "name: both") + array_of_both)
    assert {"multipliers", "operational_array.multiplier_energy"} <= set(made.left_out)
    assert [axis.size for axis in array(tmp_path, "both").dataflow.axes] == [5, 3]
    assert load_system(tmp_path / "out" / "both.yaml").accelerators[0].technology.mac_pj(8) == 0.7


def test_ports_that_become_one_are_told(tmp_path: Path) -> None:
    second = ZIGZAG_OLDER.replace("rw_port: 1, r_bw: 64, w_bw: 64, min", "rw_port: 2, r_bw: 64, w_bw: 64, min")
    made = converted(tmp_path, core_yaml=second)
    assert "sram: one port reads and one writes, 64 bits and 64 bits, though one of them does either" in made.chosen
    assert array(tmp_path, "core").levels[1].ports == "separate"
    third = second.replace("r_port: 0, w_port: 0, rw_port: 2", "r_port: 0, w_port: 1, rw_port: 2")
    made = converted(tmp_path, third_yaml=third.replace("name: core", "name: third"))
    assert "sram: of its 3 ports the widest that reads and writes counts, 64 bits and 64 bits" in made.chosen


def test_a_memory_with_ports_for_each_operand_has_them_in_both_forms(tmp_path: Path) -> None:
    operands = ("I1", "I2", "O")
    older = ZIGZAG_OLDER.replace("r_port: 0, w_port: 0, rw_port: 1", "r_port: 3, w_port: 3, rw_port: 0").replace(
        "ports: [{fh: rw_port_1, tl: rw_port_1}, {fh: rw_port_1, tl: rw_port_1}, {fh: rw_port_1, tl: rw_port_1}]",
        f"ports: [{', '.join(f'{{fh: w_port_{n}, tl: r_port_{n}}}' for n in (1, 2, 3))}]",
    )
    ports = ", ".join(
        f"{{name: {way}_{n}, type: {way}, bandwidth_min: 32, bandwidth_max: 64, allocation: ['{operand}, {to}']}}"
        for n, operand in enumerate(operands)
        for way, to in (("read", "tl"), ("write", "fh"))
    )
    newer = re.sub(
        r"ports: \[\{name: rw_port_1, type: read_write, bandwidth_min: 32.*", f"ports: [{ports}]}}", ZIGZAG_ACCELERATOR
    )
    shared = newer.replace("['O, tl']", "['O, tl', 'I1, tl']")
    for name, text, kind in (
        ("old", older, "per_operand"),
        ("new", newer, "per_operand"),
        ("shared", shared, "separate"),
    ):
        made = converted(tmp_path, **{f"{name}_yaml": text.replace("name: core", f"name: {name}")})
        assert array(tmp_path, name).levels[1].ports == kind
        assert any("ports the widest" in line for line in made.chosen) == (kind == "separate")


def test_a_register_file_moves_an_element_for_each_lane_at_its_share_of_the_width(tmp_path: Path) -> None:
    """As `calc_memory_word_access` of the tool: whole smallest accesses, each at its share of the full width."""
    wide = ZIGZAG_ACCELERATOR.replace(
        "r_port_1, type: read, bandwidth_min: 16, bandwidth_max: 16",
        "r_port_1, type: read, bandwidth_min: 8, bandwidth_max: 64",
    )
    converted(tmp_path, core_yaml=wide, mapping_yaml=ZIGZAG_MAPPING)
    register = array(tmp_path, "core").levels[0]
    assert (register.read_pj_per_bit, register.write_pj_per_bit) == (0.02 / 64, 0.03 / 16)
    # along D1, which unrolls K, each of 8 lanes has a sum of its own: 128 bits, in accesses of 192
    columns = wide.replace("bandwidth_min: 8, bandwidth_max: 64", "bandwidth_min: 192, bandwidth_max: 192").replace(
        "operands: [O], served_dimensions: [D2]", "operands: [O], served_dimensions: [D1]"
    )
    made = converted(tmp_path, columns_yaml=columns.replace("name: core", "name: columns"), mapping_yaml=ZIGZAG_MAPPING)
    assert array(tmp_path, "columns").levels[0].read_pj_per_bit == 0.02 / 128
    assert "rf: an access moves 128 bits, at the cost of 192" in made.chosen


def test_what_a_core_of_stream_says_of_its_axes_is_its_mapping_and_its_last_memory_is_told(tmp_path: Path) -> None:
    core = ZIGZAG_ACCELERATOR + "dataflows: {D1: ['D, 8'], D2: ['C, 4']}\n"
    made = converted(tmp_path, core_yaml=core)
    axes = array(tmp_path, "core").dataflow.axes
    assert [(axis.size, axis.dims) for axis in axes] == [(8, ("OX",)), (4, ("C",))]
    assert "dram, the last of the file, is the system's memory, which holds more than its 1000000 bits" in made.chosen
    both = converted(tmp_path, both_yaml=core.replace("name: core", "name: both"), mapping_yaml=ZIGZAG_MAPPING)
    assert "dataflows" in both.left_out
    assert array(tmp_path, "both").dataflow.axes[0].dims == ("K",)


def test_memories_whose_costs_zigzag_has_worked_out_are_priced_by_the_technology(tmp_path: Path) -> None:
    auto = ZIGZAG_ACCELERATOR.replace("r_cost: 6.4, w_cost: 12.8", "auto_cost_extraction: true")
    made = converted(tmp_path, core_yaml=auto)
    spec = array(tmp_path, "core")
    assert [level.read_pj_per_bit for level in spec.levels] == [0.02 / 16, None]
    assert "technology: cmos_22nm prices MACs and sram, where the tool asks CACTI" in made.chosen
    assert {"operational_array.unit_energy", "memories.dram.r_cost", "memories.dram.w_cost"} <= set(made.left_out)
    assert load_system(tmp_path / "out" / "core.yaml").memory_of("core").kind == "lpddr4"
    free = ZIGZAG_ACCELERATOR.replace("r_cost: 6.4, w_cost: 12.8", "r_cost: 0, w_cost: 0, auto_cost_extraction: true")
    made = converted(tmp_path, free_yaml=free.replace("name: core", "name: free"))
    assert array(tmp_path, "free").levels[1].read_pj_per_bit is None
    unpriced = free.replace("unit_energy: 0.5", "unit_energy: 0").replace("name: core", "name: unpriced")
    assert "operational_array.unit_energy" not in converted(tmp_path, unpriced_yaml=unpriced).left_out
    assert {"memories.sram.r_cost", "memories.sram.w_cost", "memories.dram.r_cost"} <= set(made.left_out)
    given = ZIGZAG_ACCELERATOR.replace(
        "r_cost: 6.4, w_cost: 12.8", "r_cost: 6.4, w_cost: 12.8, auto_cost_extraction: false"
    )
    converted(tmp_path, both_yaml=given.replace("name: core", "name: both"))
    assert array(tmp_path, "both").levels[1].read_pj_per_bit == 0.1


def test_the_widest_ports_of_both_directions_are_told_by_their_widths(tmp_path: Path) -> None:
    ports = """ports: [{name: r1, type: read, bandwidth_min: 8, bandwidth_max: 64},
      {name: r2, type: read, bandwidth_min: 8, bandwidth_max: 32},
      {name: w1, type: write, bandwidth_min: 8, bandwidth_max: 16}]}
  dram"""
    text = re.sub(
        r"ports: \[\{name: rw_port_1, type: read_write, bandwidth_min: 32[^\n]*\n  dram", ports, ZIGZAG_ACCELERATOR
    )
    assert text != ZIGZAG_ACCELERATOR
    told = converted(tmp_path, core_yaml=text).chosen
    assert "sram: of its 3 ports the widest that reads and writes counts, 64 bits and 16 bits" in told


def test_the_last_of_two_equal_keys_counts_in_files_of_others_and_is_told(tmp_path: Path) -> None:
    twice = ZIGZAG_ACCELERATOR.replace("name: core", "name: first\nname: core")
    made = converted(tmp_path, core_yaml=twice)
    assert array(tmp_path, "core").name == "core"
    assert any("occurs twice (first in line 2)" in line for line in made.chosen)


def test_an_architecture_of_timeloop_is_the_same_array_from_inside_out(tmp_path: Path) -> None:
    made = converted(tmp_path, eyeriss_yaml=TIMELOOP)
    spec = array(tmp_path, "eyeriss")
    assert [(axis.size, axis.dims) for axis in spec.dataflow.axes] == [(14, ("OY", "K")), (12, ("FY", "C", "K"))]
    assert [(level.name, level.serves, level.capacity_bytes, level.per) for level in spec.levels] == [
        ("sums", ("output",), 32, (0, 1)),
        ("weights", ("weight",), 384, (0, 1)),
        ("inputs", ("input",), 24, (0, 1)),
        ("global_buffer", ("input", "output"), 131072, ()),
    ]
    assert (spec.levels[3].read_bits, spec.levels[3].write_bits, spec.levels[3].min_bits) == (128, 64, 64)
    assert [level.ported for level in spec.levels] == [False, False, False, True]
    assert (spec.clock_hz, spec.operand_bits, spec.accumulator_bits) == (500_000_000, 8, 24)
    assert load_system(tmp_path / "out" / "eyeriss.yaml").memory_of("eyeriss").bandwidth_bytes_per_s == 4_000_000_000
    assert {"mapper", "architecture.nodes[*].constraints.temporal", "problem.instance.densities"} <= set(made.left_out)


def test_an_older_tree_of_timeloop_is_the_same_array_and_problem_as_its_nodes(tmp_path: Path) -> None:
    """Which may also spell out a shape, with dashes in its keys."""
    problem = TIMELOOP.partition("problem:")[2].partition("mapper:")[0].replace("ta_s", "ta-s").replace("d_w", "d-w")
    spelled = f"{TIMELOOP_OLDER.partition('problem:')[0]}problem:{problem}"
    read: list[tuple[str, LoopNest | None]] = []
    for version, text in (("new", TIMELOOP), ("old", TIMELOOP_OLDER), ("spelled", spelled)):
        (tmp_path / version).mkdir()
        converted(tmp_path / version, eyeriss_yaml=text)
        (layer,) = graph(tmp_path / version, "eyeriss_problem").layers
        read.append(((tmp_path / version / "out" / "eyeriss.yaml").read_text(), layer.nest))
    assert read[0] == read[1] == read[2]


def test_what_surrounds_an_architecture_of_timeloop_counts_or_is_told(tmp_path: Path) -> None:
    text = (
        TIMELOOP.replace(", global_cycle_seconds: 2e-9", "")
        .replace("- !Component\n    name: DRAM", "- !Element\n    name: DRAM")
        .replace(
            "permutation: [N, C, P, R, S, Q, M], factors: [N=1, C=1, P=1, R=1, S=1], split: 7", "factors: [M=7, Q=2]"
        )
        .replace(
            "permutation: [N, P, Q, R, S, C, M], factors: [N=1, P=1, Q=1, R=1], split: 4", "maximize_dims: [[C, S]]"
        )
        .replace("keep: [Inputs, Outputs], bypass", "no_coalesce: [Outputs], keep: [Inputs, Outputs], bypass")
        .replace(
            "  - !Parallel\n    nodes:\n",
            "  - !Parallel\n    nodes:\n    - !Nothing\n    - !Nothing {constraints: {}}\n",
        )
    )
    made = converted(
        tmp_path, eyeriss_yaml=text + "variables: {version: 0.4, global_cycle_seconds: 4e-9, technology: 45nm}\n"
    )
    spec = array(tmp_path, "eyeriss")
    assert spec.clock_hz == 250_000_000
    assert [(axis.size, axis.dims) for axis in spec.dataflow.axes] == [(7, ("K",)), (2, ("OY",)), (12, ("C", "FY"))]
    assert [level.per for level in spec.levels] == [(0, 1, 2), (0, 1, 2), (0, 1, 2), ()]
    told = {"variables.technology", "architecture.nodes[*].constraints.dataspace.no_coalesce"}
    assert told <= set(made.left_out)
    assert not any("leave it open" in line or "clock_hz" in line for line in made.chosen)


BUFFER = "depth: 16384, width: 64, datawidth: 8, read_bandwidth: 16, write_bandwidth: 8"


@pytest.mark.parametrize(
    ("stated", "capacity", "read_bits", "chosen"),
    [
        ("entries: 1024, word-bits: 16", 2048, 16, {"width is 16 bits"}),  # words, where a depth counts rows
        ("entries: 1000, width: 64, word_width: 8", 1000, 64, set()),
        ("depth: 300", 600, 16, {"datawidth is 16 bits", "width is 16 bits"}),
        ("memory_depth: 300, word_bits: 12, block-size: 4", 1800, 48, {"width is 48 bits"}),
        ("depth: 300, n_words: 8, read_bandwidth: 3", 4800, 48, {"datawidth is 16 bits", "width is 128 bits"}),
        ("sizeKB: 3, datawidth: 8, block_size: 4", 3072, 32, {"width is 32 bits"}),
        ("depth: 100, width: 512, datawidth: 8, cluster_size: 64", 100, 8, set()),  # one of 64 in a row
        ("depth: 100, width: 512, datawidth: 8, block_size: 8", 800, 64, set()),
        ("depth: 128, width: 24, datawidth: 24, cluster-size: 16", 384, 24, set()),  # older files: the row of one
        ("depth: 8, datawidth: 8, cluster_size: 4, read_bandwidth: 0.5", 8, 4, {"width is 32 bits"}),
    ],
)
def test_a_buffer_of_timeloop_holds_the_words_that_the_tool_counts(
    stated: str, capacity: int, read_bits: int, chosen: set[str], tmp_path: Path
) -> None:
    made = converted(tmp_path, buffer_yaml=TIMELOOP.replace(BUFFER, stated + ", multiple-buffering: 2"))
    level = array(tmp_path, "buffer").levels[-1]
    assert (level.capacity_bytes, level.read_bits, level.double_buffered) == (capacity, read_bits, True)
    told = {line.removeprefix("global_buffer: ") for line in made.chosen if line.startswith("global_buffer: ")}
    assert {line.partition(",")[0] for line in told if "default" in line} == chosen
    read = ("architecture.nodes[*].attributes.w", "architecture.nodes[*].attributes.m", "global_buffer")
    assert not any(line.startswith(read) for line in made.left_out)


def test_ports_and_energies_of_a_buffer_of_timeloop_are_a_levels(tmp_path: Path) -> None:
    stated = "depth: 64, sizeKB: 2, width: 64, datawidth: 8, block_size: 4, vector-access-energy: 3.2"
    for name, bandwidth in (("shared", "shared_bandwidth: 6"), ("halves", "bandwidth: 6"), ("odd", "bandwidth: 5.3")):
        made = converted(tmp_path, **{f"{name}_yaml": TIMELOOP.replace(BUFFER, f"{stated}, {bandwidth}")})
    shared, halves, odd = (array(tmp_path, name).levels[-1] for name in ("shared", "halves", "odd"))
    assert (shared.ports, shared.read_bits, shared.write_bits) == ("rw", 48, 48)
    assert (halves.ports, halves.read_bits, halves.write_bits, odd.read_bits) == ("separate", 24, 24, 21)
    assert "global_buffer: bandwidth is 21 bits, the whole ones of 21.2" in made.chosen
    assert (shared.read_pj_per_bit, shared.write_pj_per_bit) == (0.1, 0.1)  # of a block: four words
    assert "shared.yaml" in shared.source
    assert "global_buffer.attributes.sizeKB" in made.left_out  # beside a depth


def test_what_registers_of_timeloop_say_of_ports_is_told_and_large_ones_cost_what_an_sram_does(tmp_path: Path) -> None:
    made = converted(tmp_path, core_yaml=TIMELOOP.replace("depth: 192, width: 16", "depth: 4096, width: 64"))
    assert {"inputs.attributes.read_bandwidth", "inputs.attributes.write_bandwidth"} <= set(made.left_out)
    assert not any(line.startswith(("weights: read", "sums: read")) for line in made.chosen)
    weights = array(tmp_path, "core").levels[1]
    figures = sram_figures(load_technology("cmos_22nm"), weights.capacity_bytes, 64)
    assert (weights.capacity_bytes, weights.ported) == (32768, False)
    assert weights.read_pj_per_bit == pytest.approx(figures.read_pj / 64)
    assert "weights: the energy of an SRAM, as it holds more than 512 bytes" in made.chosen


@pytest.mark.parametrize(
    ("factors", "axes", "told"),
    [
        ("[M=12, C=1, P=1, N=1, R=1]", [(12, "K")], None),  # S and Q are free, but no lane is left
        ("[M=3, C=1, P=1, N=1, R=1]", [(3, "K"), (4, "FY")], None),
        ("[M=5, C=1, P=1, N=1, R=1]", [(5, "K"), (2, "FY")], "PE, meshY: the 10 lanes that its factors fill, of 12"),
    ],
)
def test_lanes_that_no_factor_of_timeloop_fixes_are_for_what_is_free(
    factors: str, axes: list[tuple[int, str]], told: str | None, tmp_path: Path
) -> None:
    given = "permutation: [N, P, Q, R, S, C, M], factors: [N=1, P=1, Q=1, R=1], split: 4"
    made = converted(tmp_path, core_yaml=TIMELOOP.replace(given, f"permutation: [S, M], factors: {factors}, split: 0"))
    assert [(axis.size, axis.dims[0]) for axis in array(tmp_path, "core").dataflow.axes[1:]] == axes
    assert not any("factors" in line for line in made.left_out)
    assert [line for line in made.chosen if line.startswith("PE, ")] == ([] if told is None else [told])


def test_a_factor_of_timeloop_beyond_the_instances_is_left_out(tmp_path: Path) -> None:
    given = "permutation: [N, P, Q, R, S, C, M], factors: [N=1, P=1, Q=1, R=1], split: 4"
    made = converted(tmp_path, core_yaml=TIMELOOP.replace(given, "permutation: [S, M], factors: [M=24], split: 0"))
    assert [(axis.size, axis.dims) for axis in array(tmp_path, "core").dataflow.axes[1:]] == [(12, ("FY", "K"))]
    assert "PE.constraints.spatial.factors.M=24" in made.left_out


def test_an_architecture_of_timeloop_for_matrix_products_keeps_their_three_tensors(tmp_path: Path) -> None:
    text = TIMELOOP
    for convolution, product in (
        ("Inputs", "A"),
        ("Weights", "B"),
        ("Outputs", "Z"),
        ("factors: [N=1, C=1, P=1, R=1, S=1]", "factors: [M=7, N=2]"),
    ):
        text = text.replace(convolution, product)
    made = converted(tmp_path, core_yaml=text)
    spec = array(tmp_path, "core")
    assert [level.serves for level in spec.levels] == [("output",), ("weight",), ("input",), ("input", "output")]
    assert [(axis.size, axis.dims) for axis in spec.dataflow.axes] == [(2, ("K",)), (7, ("OX",)), (12, ("OX",))]
    assert "A, B and Z are the input, the weights and the output of a matrix product" in made.chosen


def test_what_a_mapping_takes_over_by_a_merge_key_is_read_as_if_it_said_it(tmp_path: Path) -> None:
    weights = """    - !Component
      name: weights
      class: storage
      subclass: regfile
      attributes: {depth: 192, width: 16, datawidth: 8}
"""
    kept = "      constraints: {dataspace: {keep: [Weights]}}\n"
    assert weights + kept in TIMELOOP
    anchored = weights.replace("!Component", "!Component &scratchpad") + kept
    outer = """  - !Component
    <<: *scratchpad
    name: weights_buffer
    class: SRAM
"""
    shared = TIMELOOP.replace(weights + kept, anchored).replace(
        "  - !Component\n    name: mac", outer + "  - !Component\n    name: mac"
    )
    converted(tmp_path, core_yaml=shared)
    inner = array(tmp_path, "core").levels[0]
    assert (inner.name, inner.serves, inner.capacity_bytes) == ("weights_buffer", ("weight",), 384)


def test_the_first_form_of_timeloop_is_read_from_the_inside_out(tmp_path: Path) -> None:
    made = converted(tmp_path, first_yaml=TIMELOOP_FIRST)
    spec = array(tmp_path, "first")
    assert [(axis.size, axis.dims) for axis in spec.dataflow.axes] == [(8, ("K",)), (8, ("C",))]
    assert spec.dataflow.stationary == "weight"  # the one with registers
    assert [(level.name, level.serves, level.capacity_bytes, level.per) for level in spec.levels] == [
        ("Registers", ("weight",), 1, (0, 1)),
        ("SumBuffer", ("output",), 384, (0,)),
        ("Buffer", ("input",), 98304, ()),
    ]
    assert [(level.read_bits, level.min_bits) for level in spec.levels] == [(None, None), (24, 24), (256, 128)]
    assert spec.levels[1].read_pj_per_bit == pytest.approx(1.2 / 24)
    assert (spec.operand_bits, spec.accumulator_bits) == (8, 24)  # of a MAC's words, and of those that keep outputs
    assert load_system(tmp_path / "out" / "first.yaml").memory_of("first").bandwidth_bytes_per_s == 10_500_000_000
    assert any(line.startswith("accumulator_bits: 24, the widest word that keeps outputs") for line in made.chosen)
    assert any(line.startswith("SumBuffer: 24 bits of a row, as 8 instances share one of 192") for line in made.chosen)
    told = {"Dummy (dummy)", "architecture.nodes[*].attributes.num-ports"}
    assert told | {"architecture.nodes[*].constraints.utilization"} <= set(made.left_out)
    (layer,) = graph(tmp_path, "first_problem").layers  # of the shape that the tool takes where none is named
    assert layer.nest is not None
    assert (layer.nest.K, layer.nest.OX, layer.nest.OY, layer.nest.FX) == (16, 48, 32, 3)


def test_constraints_of_timeloop_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    whole, _, rest = TIMELOOP_OLDER.partition("architecture_constraints:")
    constraints, _, problem = rest.partition("problem:")
    apart = {"apart_yaml": f"{whole}problem:{problem}", "rows_yaml": f"architecture_constraints:{constraints}"}
    made = converted(tmp_path, together_yaml=TIMELOOP_OLDER), converted(tmp_path, **apart)
    assert array(tmp_path, "apart").levels == array(tmp_path, "together").levels
    assert array(tmp_path, "apart").dataflow == array(tmp_path, "together").dataflow
    assert made[0].left_out == made[1].left_out
    first, second = constraints.split("  - ", 2)[1:]
    parts = {"first_yaml": f"architecture_constraints:\n  targets:\n  - {first}"}
    parts["second_yaml"] = f"mapspace_constraints:\n  targets:\n  - {second}"
    converted(tmp_path, thirds_yaml=apart["apart_yaml"], **parts)
    assert array(tmp_path, "thirds").levels == array(tmp_path, "together").levels
    assert array(tmp_path, "thirds").dataflow == array(tmp_path, "together").dataflow
    nested = """mapspace: {targets: [{name: global_buffer, constraints: [
      {type: bypassing, attributes: {keep: [Inputs], bypass: [Weights, Outputs]}}]}]}
    """
    nest = converted(tmp_path, nest_yaml=apart["apart_yaml"], rows_yaml=nested)
    assert array(tmp_path, "nest").levels[-1].serves == ("input",)
    assert "weights keeps all operands, as no constraint says which" in nest.chosen


def test_what_a_file_of_constraints_of_timeloop_says_in_vain_is_told(tmp_path: Path) -> None:
    rows = "mapper: {threads: 4}\narchitecture_constraints: {targets: [{target: PE, type: bypass, keep: [Inputs]}]}\n"
    newer = converted(tmp_path, newer_yaml=TIMELOOP, rows_yaml=rows)
    assert {"mapper", "architecture_constraints"} <= set(newer.left_out)
    whole, _, rest = TIMELOOP_OLDER.partition("architecture_constraints:")
    apart = {"apart_yaml": whole, "rows_yaml": f"mapper: 3\narchitecture_constraints:{rest.partition('problem:')[0]}"}
    assert "mapper" in converted(tmp_path, **apart).left_out


def test_networks_of_timeloop_and_what_keeps_nothing_are_told_and_its_memory_is_of_its_kind(tmp_path: Path) -> None:
    text = TIMELOOP_OLDER.replace(
        "      - {name: between,",
        "      - {name: mesh, class: XY_NoC, attributes: {datawidth: 64}}\n"
        "      - {name: empty, class: regfile, attributes: {depth: 4, width: 8}}\n      - {name: between,",
    ).replace("  targets:\n", "  targets:\n  - {target: empty, type: bypass, bypass: [Inputs, Weights, Outputs]}\n")
    made = converted(
        tmp_path, mesh_yaml=text.replace("class: DRAM, attributes: {", "class: DRAM, attributes: {type: HBM2, ")
    )
    assert {"mesh (XY_NoC)", "empty (keeps nothing)"} <= set(made.left_out)
    assert len(array(tmp_path, "mesh").levels) == 4
    assert load_system(tmp_path / "out" / "mesh.yaml").memory_of("mesh").kind == "hbm2"
    made = converted(tmp_path, odd_yaml=TIMELOOP.replace("type: LPDDR4", "type: FeRAM"))
    assert "DRAM.attributes.type.feram" in made.left_out
    assert "memory: lpddr4" in made.chosen


def test_a_memory_of_timeloop_without_widths_has_the_words_of_the_tool(tmp_path: Path) -> None:
    made = converted(tmp_path, bare_yaml=TIMELOOP.replace("LPDDR4, width: 64, datawidth: 8", "LPDDR4"))
    assert load_system(tmp_path / "out" / "bare.yaml").memory_of("bare").bandwidth_bytes_per_s == 1_000_000_000
    assert "DRAM: datawidth is 16 bits, the tool's default, as none is given" in made.chosen


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TIMELOOP + "mapspace_constraints: {targets: [{target: PE, type: spatial}]}\n", "mapspace_constraints"),
        (TIMELOOP_OLDER.replace("  targets:\n", "  mapper: 3\n  targets:\n"), "architecture_constraints.mapper"),
        (TIMELOOP_OLDER.replace("target: between", "target: betwixt"), "targets.betwixt.spatial"),
        (TIMELOOP_OLDER.replace("target: between", "target: weights"), "targets.weights.spatial"),
        (TIMELOOP_OLDER.replace("class: storage,", "class: storage, ports: 3,"), "subtree[*].ports"),
        (TIMELOOP_OLDER.replace("- name: chip\n", "- name: chip\n      noc: mesh\n"), "subtree[*].noc"),
        (TIMELOOP.replace("S=1], split: 7", "S=1, Z=3], split: 7"), "column.constraints.spatial.factors.Z=3"),
        (TIMELOOP.replace("N=1, P=1, Q=1, R=1]", "N=1, P=5, Q=1, R=1]"), "PE.constraints.spatial.factors.P=5"),
    ],
)
def test_what_no_node_of_timeloop_takes_is_told(text: str, told: str, tmp_path: Path) -> None:
    assert any(line.endswith(told) for line in converted(tmp_path, odd_yaml=text).left_out)


def test_constraints_of_one_target_of_timeloop_count_together(tmp_path: Path) -> None:
    apart = TIMELOOP_OLDER.replace(
        "type: bypass, keep: [Inputs, Outputs], bypass: [Weights]}",
        "type: bypass, keep: [Inputs, Outputs]}\n  - {target: global_buffer, type: bypass, bypass: [Weights]}",
    )
    assert apart != TIMELOOP_OLDER
    converted(tmp_path, apart_yaml=apart)
    assert array(tmp_path, "apart").levels[-1].serves == ("input", "output")


def test_without_a_dram_the_outermost_memory_of_timeloop_is_the_systems(tmp_path: Path) -> None:
    made = converted(tmp_path, two_yaml=TIMELOOP.replace("class: DRAM", "class: SRAM"))
    assert load_system(tmp_path / "out" / "two.yaml").memory_of("two").bandwidth_bytes_per_s == 4_000_000_000
    assert "DRAM is the memory: the outermost, as no class names DRAM" in made.chosen


def test_a_problem_of_timeloop_is_the_same_nest(tmp_path: Path) -> None:
    """Steps along a dim alone leave elements out that nobody reads."""
    made = converted(tmp_path, eyeriss_yaml=TIMELOOP.replace("[[N]], [[C]], [[R", "[[N]], [[C, Wstride]], [[R"))
    assert "Inputs holds those elements along C alone that are used, one of 2" in made.chosen
    (nest,) = nests(graph(tmp_path, "eyeriss_problem")).values()
    assert nest == LoopNest(
        B=2,
        K=32,
        C=3,
        OY=12,
        OX=11,
        FY=3,
        FX=5,
        stride_x=2,
        dilation_y=2,
        input_height=12 - 1 + 2 * 2 + 1,
        input_width=2 * 10 + 5,
    )


def test_a_systolic_array_of_scale_sim_takes_the_cycles_of_its_closed_form(tmp_path: Path) -> None:
    """Samajdar et al., ISPASS 2020: each fold of weights takes its pixels, and 2 R + C - 2 cycles to load and drain."""
    converted(tmp_path, systolic_cfg=SCALE_SIM_CONFIGURATION, net_csv=SCALE_SIM_CONVOLUTIONS)
    placed = ms.place(tmp_path / "out" / "net.yaml", system=tmp_path / "out" / "systolic.yaml", objective="latency")
    point = placed.costs.cost("point", "systolic")
    assert point.compute_cycles == (64 // 64) * (128 // 32) * (28 * 28 + 2 * 64 + 32 - 2)
    spec = array(tmp_path, "systolic")
    assert (spec.levels[1].per, spec.levels[1].reduces_along) == ((0, 1), (0, 1))
    assert {level.name: level.capacity_bytes // 1024 for level in spec.levels if level.ported} == {
        "input_sram": 6144,
        "weight_sram": 4096,
        "output_sram": 2048,
    }
    # 10 words a cycle for each of the three, at 1 GHz
    assert load_system(tmp_path / "out" / "systolic.yaml").memory_of("systolic").bandwidth_bytes_per_s == 3 * 10**10


@pytest.mark.parametrize("flow", ["os", "ws", "is"])
def test_folds_of_scale_sim_are_those_of_channels_and_taps_together(flow: str, tmp_path: Path) -> None:
    """Folds of `systolic_compute_*.py`: 17 channels of 3 x 3 taps are 153 rows in 13 folds of 12; rows are products."""
    text = SCALE_SIM_CONFIGURATION.replace("64\nArrayWidth:     32", "12\nArrayWidth:     14")
    rows = {"conv": (34, 34, 3, 3, 17, 32, 1), "product": (50, 2560, 1, 2560, 1, 30, 1)}
    table = "".join(f"{name},{','.join(map(str, row))},\n" for name, row in rows.items())
    header = "Layer, IFMAP Width, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
    made = converted(tmp_path, core_cfg=text.replace("Dataflow : ws", f"Dataflow : {flow}"), net_csv=header + table)
    assert any(line.startswith("columns by their place") for line in made.chosen)
    assert nests(graph(tmp_path, "net"))["product"] == LoopNest(K=30, C=2560, OX=50, input_height=1, input_width=50)
    placed = ms.place(tmp_path / "out" / "net.yaml", system=tmp_path / "out" / "core.yaml", objective="latency")
    for name, (height, width, taps_y, taps_x, channels, filters, stride) in rows.items():
        pixels = ((height - taps_y) // stride + 1) * ((width - taps_x) // stride + 1)
        window = taps_y * taps_x * channels
        down, across, cycles = {
            "os": (pixels, filters, window + 12 + 14 - 2),
            "ws": (window, filters, pixels + 12 + 12 + 14 - 2),
            "is": (window, pixels, filters + 12 + 12 + 14 - 2),
        }[flow]
        closed = -(-down // 12) * -(-across // 14) * cycles
        assert placed.costs.cost(name, "core").compute_cycles == closed


def test_topologies_of_scale_sim_are_nests_whose_inputs_hold_their_padding(tmp_path: Path) -> None:
    made = converted(tmp_path, net_csv=SCALE_SIM_CONVOLUTIONS, llm_csv=SCALE_SIM_PRODUCTS)
    # ceil((226 - 7 + 2) / 2) rows and ceil((224 - 5 + 2) / 2) columns, as the tool counts them
    assert nests(graph(tmp_path, "net"))["stem"] == LoopNest(
        K=64, C=3, OY=111, OX=111, FY=7, FX=5, stride_y=2, stride_x=2, input_height=226, input_width=224
    )
    assert nests(graph(tmp_path, "llm"))["qkv"] == LoopNest(K=1536, C=512, OX=128, input_width=128)
    assert made.left_out == ("column 9", "target")


def test_layers_that_scale_sim_runs_channel_by_channel_are_depthwise(tmp_path: Path) -> None:
    made = converted(tmp_path, net_csv=SCALE_SIM_DEPTHWISE)
    found = {layer.name: layer for layer in graph(tmp_path, "net").layers}
    assert found["block_DP"].nest == LoopNest(G=32, OY=112, OX=112, FY=3, FX=3, input_height=114, input_width=114)
    assert found["block_DP"].macs == 32 * 112 * 112 * 9
    assert found["stem"].macs == 112 * 112 * 27 * 32
    assert made.left_out == ("column 9",)  # which has no title, and holds a sparsity


def test_a_configuration_of_scale_sims_first_version_has_the_same_three_srams(tmp_path: Path) -> None:
    converted(tmp_path, edge_cfg=SCALE_SIM_VERSION_1)
    held = {level.name: level.capacity_bytes for level in array(tmp_path, "edge").levels if level.ported}
    assert held == {"input_sram": 108 * 1024, "weight_sram": 64 * 1024, "output_sram": 32 * 1024}


def test_an_sram_of_scale_sim_in_both_versions_words_is_the_newer_and_the_other_is_told(tmp_path: Path) -> None:
    made = converted(tmp_path, edge_cfg=SCALE_SIM_VERSION_1 + "IfmapSramSzkB: 96\n")
    held = {level.name: level.capacity_bytes for level in array(tmp_path, "edge").levels}
    assert held["input_sram"] == 96 * 1024
    assert "architecture_presets.ifmapsramsz" in made.left_out


def test_layers_of_one_name_are_numbered(tmp_path: Path) -> None:
    row = SCALE_SIM_PRODUCTS.splitlines()[1]
    converted(tmp_path, llm_csv=SCALE_SIM_PRODUCTS + row)
    assert list(nests(graph(tmp_path, "llm"))) == ["qkv", "qkv_1"]


def test_the_command_writes_files_that_run_and_says_what_it_left_out(tmp_path: Path) -> None:
    for name, text in (
        ("core.yaml", ZIGZAG_ACCELERATOR),
        ("mapping.yaml", ZIGZAG_MAPPING),
        ("net.yaml", ZIGZAG_WORKLOAD),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    out = tmp_path / "ours"
    given = [str(tmp_path / name) for name in ("core.yaml", "mapping.yaml", "net.yaml")]
    done = CliRunner().invoke(app, ["convert", *given, "--output", str(out), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["files"] == ["core.yaml", "core_technology.yaml", "net.yaml"]
    assert "memories.*.latency" in told["left_out"]
    assert ms.check([out / name for name in told["files"]]) == []
    result = ms.run(out / "net.yaml", system=out / "core.yaml", baseline=out / "core.yaml")
    assert result.main.energy_pj > 0


def test_a_file_that_stands_in_the_way_is_replaced_by_force_alone(tmp_path: Path) -> None:
    source = tmp_path / "llm.csv"
    source.write_text(SCALE_SIM_PRODUCTS)
    ms.convert([source], output=tmp_path / "out")
    ms.convert([source], output=tmp_path / "out")
    (tmp_path / "out" / "llm.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"llm\.yaml is there already"):
        ms.convert([source], output=tmp_path / "out")
    ms.convert([source], output=tmp_path / "out", force=True)
    assert (tmp_path / "out" / "llm.yaml").read_text() != "mine"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yaml", ZIGZAG_ACCELERATOR.replace("size: 16,", "size: 3,"), "memories.rf: size is 3 bits"),
        ("a.yaml", ZIGZAG_ACCELERATOR.replace("[D1, D2], sizes", "[D1, D1], sizes"), "dimensions names D1 twice"),
        (
            "a.yaml",
            ZIGZAG_ACCELERATOR.replace("r_cost: 6.4, ", ""),
            "memories.sram: r_cost: is required without auto_cost",
        ),
        ("a.yaml", ZIGZAG_ACCELERATOR.replace("r_cost: 6.4", "r_cost: -6.4"), "r_cost and w_cost must not be negative"),
        (
            "a.yaml",
            ZIGZAG_ACCELERATOR.replace("r_cost: 6.4", "r_cost: .nan"),
            "memories.sram.r_cost: .nan is not a fin",
        ),
        ("a.yaml", ZIGZAG_ACCELERATOR.replace("[D2]", "[D9]"), "memories.rf.served_dimensions: no axis is called D9"),
        *(
            ("a.yaml", ZIGZAG_OLDER.replace("rw_port: 1", f"rw_port: {count}"), "rw_port: must be a whole number from")
            for count in ("'1'", "1.0", "-1", "65", "true", "null")
        ),
        ("a.yaml", ZIGZAG_ACCELERATOR.replace("sizes: [8, 4]", "sizes: [8, 0]"), "operational_array: sizes"),
        ("a.yaml", ZIGZAG_ACCELERATOR.replace("name: core", "name: ../core"), "cannot name a results folder"),
        ("a.yaml", ZIGZAG_ACCELERATOR.replace("type: read,", "type: raed,"), "memories.rf.ports[0].type: must be"),
        (
            "w.yaml",
            ZIGZAG_WORKLOAD.replace("{I: 8, W: 9}", "{I: 80, W: 9}"),
            "[3].operand_source.I: no layer has the id",
        ),
        ("w.yaml", ZIGZAG_WORKLOAD.replace("id: 7", "id: 0"), "[1].id: 0 is taken"),
        ("w.yaml", ZIGZAG_WORKLOAD.replace("[1, 16, 3, 10", "[1, 16, 0, 10"), "[0]: loop_sizes"),
        ("w.yaml", ZIGZAG_WORKLOAD.replace("iy=2*oy+3*fy", "iy=2oy"), "[0].dimension_relations[1]: 'iy=2oy'"),
        ("w.yaml", ZIGZAG_WORKLOAD.replace("Pooling", "Softmax"), "operator_type 'Softmax' has no equivalent"),
        (
            "w.yaml",
            ZIGZAG_WORKLOAD.replace("I[b][d][c]*W[c][k]", "I[b][d][k]*W[c][k]"),
            "[4].equation: C indexes weight",
        ),
        ("t.yaml", TIMELOOP.replace("class: DRAM\n", "class: toll\n"), "architecture.nodes: holds no memory"),
        (
            "t.yaml",
            TIMELOOP.replace("name: DRAM\n", "name: DRAM\n    spatial: {meshX: 2}\n"),
            "nodes[1]: DRAM becomes the system's memory: outermost, and there once",
        ),
        (
            "t.yaml",
            TIMELOOP.replace("depth: 16384", "depth: 8 * 2048"),
            "nodes[2].attributes.depth: '8 * 2048' is not a",
        ),
        (
            "t.yaml",
            TIMELOOP.replace("depth: 16384", "depth: {{rows}}"),
            "if it is Timeloop's, convert what that tool made of them, parsed-proc",
        ),
        ("t.yaml", "{{add_to_path('.')}}\n" + TIMELOOP, "holds templates; if it is Timeloop's, convert what"),
        ("t.yaml", TIMELOOP.replace("meshX: 14", "meshZ: 14"), "architecture.nodes[3].spatial.meshZ"),
        ("t.yaml", TIMELOOP.replace("keep: [Weights]", "keep: [Wheights]"), "'Wheights' is none of Weights"),
        ("t.yaml", TIMELOOP.replace("name: PE\n", "name: PE\n    <<<: [defaults]\n"), "inherits from elsewhere"),
        (
            "t.yaml",
            re.sub(r"spatial: \{perm.*split: 4\}", "spatial: [M=4]", TIMELOOP),
            "nodes[4].constraints.spatial: must be a mapping",
        ),
        (
            "t.yaml",
            TIMELOOP.replace("width: 64, datawidth: 8,", "width: 64, memory_width: 32,"),
            "attributes.memory_width: is width a second time, with another value",
        ),
        (
            "t.yaml",
            TIMELOOP.replace("class: smartbuffer_SRAM", "class: DRAM"),
            "nodes[2]: global_buffer is a second memory, after DRAM",
        ),
        (
            "t.yaml",
            TIMELOOP.replace("class: storage\n", "class: intmultiplier\n"),
            "mac is a second component that computes, after weights",
        ),
        (
            "t.yaml",
            TIMELOOP_OLDER.replace("attributes: {global_cycle_seconds: 2e-9}", "attributes: [1]"),
            "architecture.system.attributes: must be a mapping",
        ),
        (
            "t.yaml",
            TIMELOOP_OLDER.replace("{width: 64, word-bits: 8}", "[1]"),
            "architecture.system.DRAM.attributes: must be a mapping",
        ),
        (
            "t.yaml",
            TIMELOOP_OLDER.replace("    - {name: DRAM, class: DRAM, attributes: {width: 64, word-bits: 8}}", "      5"),
            "architecture.system.local: must be a list of mappings",
        ),
        (
            "t.yaml",
            TIMELOOP.replace("width: 64, datawidth: 8, read", "width: 24, read"),
            "nodes[2].attributes.width: 24 bits are no whole number of blocks of 1 x 16 bits",
        ),
        (
            "t.yaml",
            TIMELOOP.replace("width: 64, datawidth: 8, read", "width: 64, datawidth: 8, block_size: 3, read"),
            "nodes[2].attributes.width: 64 bits are no whole number of blocks of 3 x 8 bits",
        ),
        ("t.yaml", "arch: {storage: 3, arithmetic: {}}", "arch.storage: is required: a list of mappings"),
        ("t.yaml", "arch: {storage: []}", "arch.arithmetic: is required: a mapping"),
        (
            "t.yaml",
            TIMELOOP_FIRST.replace("instances: 64, meshX: 8, word-bits: 8}", "instances: 6.5}"),
            "not a number of",
        ),
        (
            "t.yaml",
            TIMELOOP_FIRST.replace("energy: 1.2", "energy: -1"),
            "vector_access_energy: '-1' is no energy in pJ",
        ),
        ("t.yaml", TIMELOOP_FIRST.replace("bandwidth: 64", "bandwidth: fast"), "'fast' is not a number of words in a"),
        ("t.yaml", TIMELOOP_FIRST.replace("chosen:\n", "chosen: 4\n").partition("  - {target")[0], "a list of targets"),
        ("t.yaml", "mapspace_constraints: {targets: []}", "constraints of Timeloop says nothing alone"),
        ("t.yaml", TIMELOOP_OLDER.replace("PE[0..167]", "PE[7..2]"), "PE[7..2]: ends before it begins"),
        ("t.yaml", TIMELOOP_OLDER.replace("meshY: 1}", "meshY: 2}"), "meshY: 14 x 2 are not its 14 instances"),
        ("t.yaml", TIMELOOP_OLDER.replace("meshY: 1}", 'meshY: "inf"}'), "meshY: 'inf' does not divide 14 instances"),
        (
            "t.yaml",
            TIMELOOP_OLDER.replace("type: temporal, permutation: N", "type: bypass, keep: [Outputs]"),
            "architecture_constraints.inputs.dataspace.keep: is stated twice, in two ways",
        ),
        ("t.yaml", TIMELOOP.replace("M: 32", "M: 0"), "problem.instance.M: must be a whole number from 1, not 0"),
        ("t.yaml", TIMELOOP.replace("[P, Wstride]", "[P, Wstrid]"), "projection[2]: ['P', 'Wstrid'] is no dim"),
        ("t.yaml", TIMELOOP.replace("[[M]], [[Q]]", "[[M]], [[Q], [R]]"), "Outputs slides, which has no equivalent"),
        ("t.yaml", TIMELOOP.replace("[[N]], [[C]], [[R", "[[N]], [[C]], [[P]], [[R"), "Inputs is indexed twice by P"),
        (
            "t.yaml",
            TIMELOOP.replace("name: inputs\n", "name: inputs\n      spatial: {meshX: 2}\n"),
            "nodes[5].nodes[0].spatial: a branch of a !Parallel has several instances",
        ),
        ("w.yaml", ZIGZAG_WORKLOAD.replace("ix=2*ox+1*fx, iy=2*oy+3*fy", "ix=2*c+1*fx"), "C and FX index the input"),
        ("w.yaml", ZIGZAG_WORKLOAD.replace("fx, iy=2*oy+3*fy", "fx, ix=ox+fx"), "says what ix is a second time"),
        ("w.yaml", ZIGZAG_WORKLOAD.replace("[C, D, K, B]", "[C, D, K, k]"), "[4]: loop_dims names K twice"),
        (
            "s.cfg",
            SCALE_SIM_CONFIGURATION.replace("ws", "xs"),
            "architecture_presets.Dataflow: 'xs' is none of os, ws, is",
        ),
        ("s.cfg", SCALE_SIM_CONFIGURATION.replace("64\n", "6.5\n"), "ArrayHeight: '6.5' is not a whole number"),
        (
            "s.cfg",
            SCALE_SIM_CONFIGURATION.replace("ArrayWidth", "Width"),
            "architecture_presets.ArrayWidth: is required",
        ),
        ("s.cfg", "ArrayHeight: 3", "not a configuration"),
        ("n.csv", SCALE_SIM_CONVOLUTIONS.replace("226", "2"), "row 2: a filter of 7 x 5 does not fit"),
        ("n.csv", SCALE_SIM_CONVOLUTIONS.replace("226", "-2"), "row 2: ifmap height: '-2' is not a whole number"),
        ("n.csv", SCALE_SIM_CONVOLUTIONS.replace("stem,226", "stem"), "row 2:"),
        ("n.csv", "a,b\n1,2\n", "line 1: the columns are"),
        ("x.yaml", "a: 1", "is none of what can be converted"),
        ("x.txt", "a: 1", "is none of what can be converted"),
        ("m.yaml", ZIGZAG_MAPPING, "a mapping of ZigZag says nothing alone"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_file_and_field(
    name: str, text: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as refused:
        ms.convert([path], output=tmp_path / "out")
    assert str(refused.value).startswith(f"{path}: ")
    assert told in str(refused.value)
    assert not (tmp_path / "out").exists()


def damaged(text: str) -> list[str]:
    """A text with every third of its plain values replaced by something else, one at a time."""
    places = [(m.start(1), m.end(1)) for m in re.finditer(r"[:\[,]\s*([A-Za-z0-9_.]+)", text)]
    odd = ("{}", "[]", "-1", "null", "99999999999999999999", '""', "1")
    return [text[:start] + odd[index % len(odd)] + text[end:] for index, (start, end) in enumerate(places[::3])]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".yaml", ZIGZAG_ACCELERATOR),
        (".yaml", ZIGZAG_WORKLOAD),
        (".yaml", TIMELOOP),
        (".yaml", TIMELOOP_FIRST),
        (".yaml", TIMELOOP_OLDER),
        (".cfg", SCALE_SIM_CONFIGURATION),
        (".csv", SCALE_SIM_CONVOLUTIONS),
    ],
    ids=[
        "zigzag accelerator",
        "zigzag workload",
        "timeloop",
        "first timeloop",
        "older timeloop",
        "scale-sim configuration",
        "scale-sim topology",
    ],
)
def test_a_damaged_file_is_refused_by_its_name_or_makes_files(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    outcomes = set()
    for each in damaged(text):
        path.write_text(each, encoding="utf-8")
        try:
            outcomes.add(bool(convert([path]).files))
        except FileError as error:
            outcomes.add(error.path)
    assert str(path) in outcomes
    assert outcomes <= {True, str(path)}
