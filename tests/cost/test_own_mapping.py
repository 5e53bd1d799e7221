"""A user's own mapping, whole or in part, in an accelerator's or a workload's file: checked, used, and told."""

import re
from math import prod
from pathlib import Path

import pytest
from interpreter import cycles, interpret

import mensa_sim as ms
from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.layer_cost import MEMORY, LayerCost
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.io.shipped import shipped_root
from mensa_sim.report.explain.levels import use_tables
from mensa_sim.units import PJ_PER_J, bits_to_bytes
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import LoopNest

ARRAY = f"""
name: small
placement: test
technology: {shipped_root()}/accelerator_specs/technology/cmos_22nm.yaml
clock_hz: 1000000000
dataflow:
  axes: [{{size: 4, dims: [K]}}, {{size: 2, dims: [OX]}}]
  stationary: output
levels:
  - {{name: register, serves: [weight], capacity_bytes: 1, per: [0]}}
  - {{name: sums, serves: [output], capacity_bytes: 8, per: [0, 1]}}
  - {{name: inner, serves: [input], capacity_bytes: 64, read_bits: 32, write_bits: 32}}
  - {{name: weights, serves: [weight], capacity_bytes: 512, read_bits: 32, write_bits: 32, double_buffered: false}}
  - {{name: buffer, serves: [input, output], capacity_bytes: 2048, read_bits: 64, write_bits: 64, min_bits: 16}}
default_memory: {{kind: lpddr4, bandwidth_bytes_per_s: 1000000000, efficiency: 1.0}}
source: a sketch
"""
LAYERS = """
name: two
layers:
  - {name: conv, operator: conv2d, dims: {K: 8, C: 4, OY: 4, OX: 6, FY: 3, FX: 3}}
  - {name: head, operator: conv2d, dims: {K: 8, C: 8, OY: 4, OX: 6}, inputs: [conv]}
"""
WHOLE = """
    loops: [[FX, 3], [C, 4], [OX, 3], [FY, 3], [K, 2], [OY, 4]]
    holds: {register: 0, sums: 2, inner: 2, weights: {weight: 5}, buffer: {input: 4, output: 5}}
"""
NEST = LoopNest(K=8, C=4, OY=4, OX=6, FY=3, FX=3, input_height=4, input_width=6)


def placed(
    folder: Path, *, layers: str = LAYERS, workload: str = "", array: str = "", objective: str = "energy"
) -> LayerCost:
    """The cost of the convolution with mappings in either file."""
    files = {"w.yaml": layers + workload, "small.yaml": ARRAY + array}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    found = ms.place(folder / "w.yaml", system=folder / "small.yaml", objective=objective)
    return found.costs.cost("conv", "small")


def spec(folder: Path) -> PeArray:
    return load_system(folder / "small.yaml").accelerators[0].array


def traffic(cost: LayerCost) -> dict[tuple[str, str], tuple[int, int]]:
    return {(t.operand, t.level): (t.read_bytes, t.write_bytes) for t in cost.traffic}


def expected(accelerator: PeArray) -> dict[tuple[str, str], tuple[int, int]]:
    """What the interpreter sees of the whole mapping above, written out by hand."""
    holds: dict[Operand, tuple[int, ...]] = {"weight": (0, 5), "input": (2, 4), "output": (2, 5)}
    loops = (Loop("FX", 3), Loop("C", 4), Loop("OX", 3), Loop("FY", 3), Loop("K", 2), Loop("OY", 4))
    mapping = NestMapping(unrolling=unroll(NEST, accelerator), loops=loops, cuts=(0, 4), holds=holds)
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for operand, seen in interpret(NEST, accelerator, mapping, Precision(), 1).items():
        found[operand, MEMORY] = (bits_to_bytes(seen["memory_read_bits"]), bits_to_bytes(seen["memory_write_bits"]))
        for level, counts in zip(accelerator.levels_of(operand), seen["levels"], strict=True):
            found[operand, level.name] = (
                bits_to_bytes(counts["feed_bits"] + counts["drain_bits"]),
                bits_to_bytes(counts["collect_bits"] + counts["fill_bits"]),
            )
    assert cycles(NEST, accelerator, mapping, Precision()) > 0
    return found


@pytest.mark.parametrize("where", ["workload", "array"])
def test_a_whole_mapping_moves_what_the_interpreter_sees_of_it(where: str, tmp_path: Path) -> None:
    named = {"workload": "\n  - accelerator: small\n    layers: conv", "array": "\n  - layers: conv"}[where]
    cost = placed(tmp_path, **{where: f"mappings:{named}{WHOLE}"})
    assert traffic(cost) == expected(spec(tmp_path))
    assert cost.mapping_from.startswith("mappings[0] of ")
    assert cost.mapping_from.endswith({"workload": "w.yaml", "array": "small.yaml"}[where])


def leaked_pj_per_ps(cost: LayerCost) -> float:
    """What is left of the energy that the gap is told of, less that of the layer itself, for its time."""
    assert cost.floor is not None
    assert cost.gap is not None
    return (cost.floor * (1 + cost.gap) * PJ_PER_J - cost.energy_pj) / cost.latency_ps(1_000_000_000)


def test_a_whole_mapping_is_no_better_than_the_searched_one_and_says_how_far_it_is_from_the_floor(
    tmp_path: Path,
) -> None:
    searched = placed(tmp_path)
    own = placed(tmp_path, workload=f"mappings:\n  - accelerator: small\n    layers: conv{WHOLE}")
    assert searched.mapping_from == ""
    assert own.floor == searched.floor
    assert own.gap is not None
    assert searched.gap is not None
    assert own.gap > searched.gap
    assert own.mapping != searched.mapping
    assert leaked_pj_per_ps(own) == pytest.approx(leaked_pj_per_ps(searched), rel=1e-6)


def test_the_workloads_file_goes_before_the_accelerators_and_the_first_pattern_counts(tmp_path: Path) -> None:
    array = "mappings:\n  - {layers: 'con*', unroll: {K: 2}}\n  - {layers: conv, unroll: {K: 1}}"
    assert placed(tmp_path, array=array).mapping.startswith("unrolled K 2 ")
    workload = "mappings: [{layers: conv, accelerator: small, unroll: {K: 3}}]"
    assert placed(tmp_path, array=array, workload=workload).mapping.startswith("unrolled K 3 ")
    elsewhere = "mappings: [{layers: conv, accelerator: other, unroll: {K: 3}}]"
    assert placed(tmp_path, array=array, workload=elsewhere).mapping.startswith("unrolled K 2 ")


def test_layers_that_are_alike_and_have_other_names_are_priced_apart(tmp_path: Path) -> None:
    twins = LAYERS.replace("C: 8, OY", "C: 8, FY: 3, FX: 3, OY").replace("C: 4, OY", "C: 8, OY")
    (tmp_path / "w.yaml").write_text(twins)
    (tmp_path / "small.yaml").write_text(f"{ARRAY}mappings: [{{layers: head, unroll: {{K: 2}}}}]")
    costs = ms.place(tmp_path / "w.yaml", system=tmp_path / "small.yaml").costs
    assert costs.cost("conv", "small").mapping.startswith("unrolled K 4 ")
    assert costs.cost("head", "small").mapping.startswith("unrolled K 2 ")


def test_fewer_lanes_take_more_cycles_and_the_same_products(tmp_path: Path) -> None:
    free = placed(tmp_path, objective="latency")
    half = placed(tmp_path, objective="latency", array="mappings: [{unroll: {K: 2}}]")
    assert half.macs == free.macs
    assert half.spatial_utilization == free.spatial_utilization / 2
    assert half.compute_cycles > 1.9 * free.compute_cycles


def test_a_tile_that_is_fixed_is_the_tile(tmp_path: Path) -> None:
    cost = placed(tmp_path, array="mappings: [{tile: {K: 8, C: 4, OY: 1, OX: 6, FY: 3, FX: 3}}]")
    memory = cost.mapping.split(" | ")[1]
    assert memory == "memory OY 4"
    held = {t.operand: t.held_bytes for t in cost.traffic if t.level == "buffer"}
    assert held["output"] == 8 * 6


def test_a_tile_that_is_fixed_is_made_of_whole_tiles_inside(tmp_path: Path) -> None:
    """Two times four channels would be eight."""
    layers = LAYERS.replace("C: 4, OY: 4, OX: 6, FY: 3", "C: 24, OY: 4, OX: 8, FY: 3").replace("OX: 6}", "OX: 8}")
    cost = placed(tmp_path, layers=layers, array="mappings: [{tile: {C: 6, OX: 6}}]", objective="latency")
    within = cost.mapping.split(" | ", 2)[2]
    assert prod(int(trips) for trips in re.findall(r"C (\d+)", within)) == 6


def test_no_more_is_held_than_a_tile_that_is_fixed(tmp_path: Path) -> None:
    """Channels inside filters inside rows: each of four rows fetches all filters again, each filter all inputs."""
    tile = "{K: 4, C: 1, OY: 1, OX: 6, FY: 3, FX: 3}"
    cost = placed(tmp_path, array=f"mappings: [{{tile: {tile}, order: [C, K, OY]}}]")
    held = {t.operand: t.held_bytes for t in cost.traffic if t.level in ("weights", "buffer")}
    assert held == {"weight": 4 * 3 * 3, "input": 3 * 6, "output": 4 * 6 * 4}
    assert traffic(cost)["weight", MEMORY] == (4 * 8 * 4 * 3 * 3, 0)
    assert traffic(cost)["input", MEMORY] == (2 * 4 * 6 * (2 + 3 + 3 + 2), 0)


@pytest.mark.parametrize(("order", "innermost"), [("[OX, K]", "OY"), ("[K, OX]", "K")])
def test_loops_over_tiles_come_in_the_order_that_is_fixed(order: str, innermost: str, tmp_path: Path) -> None:
    tile = "{K: 4, C: 4, OY: 1, OX: 6, FY: 3, FX: 3}"
    cost = placed(tmp_path, array=f"mappings: [{{tile: {tile}, order: {order}}}]")
    outer_to_inner = cost.mapping.split(" | ")[1].removeprefix("memory ").split()[::2]
    assert sorted(outer_to_inner) == ["K", "OY"]
    assert outer_to_inner[-1] == innermost


def test_a_constraint_is_never_better_than_the_free_search_and_one_that_it_meets_costs_nothing(tmp_path: Path) -> None:
    free = placed(tmp_path)
    for own in ("{unroll: {OX: 1}}", "{tile: {C: 2}}", "{order: [K, C, OX]}", "{order: [OX, C, K]}"):
        assert placed(tmp_path, array=f"mappings: [{own}]").energy_pj >= free.energy_pj * (1 - 1e-12), own
    assert placed(tmp_path, array="mappings: [{unroll: {K: 4}}]").energy_pj == free.energy_pj


def test_explain_says_where_a_mapping_was_fixed(tmp_path: Path) -> None:
    placed(tmp_path, array="mappings: [{layers: conv, unroll: {K: 2}}]")
    found = ms.place(tmp_path / "w.yaml", system=tmp_path / "small.yaml")
    use = ms.explain(found, "conv").use
    assert use is not None
    assert use.fixed_in == f"mappings[0] of {tmp_path / 'small.yaml'}"
    assert any("fixed, whole or in part, by mappings[0] of" in str(line) for line in use_tables(use))
    free = ms.explain(found, "head").use
    assert free is not None
    assert free.fixed_in == ""


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("{unroll: {K: 5}}", "mappings[0].unroll.K: the axes that unroll it take 4 lanes, not 5 (conv on small)"),
        ("{unroll: {C: 2}}", "mappings[0].unroll.C: the axes that unroll it take 1 lanes, not 2 (conv on small)"),
        ("{unroll: {KK: 2}}", "mappings[0]: unroll: no dim 'KK'"),
        ("{unroll: {'OX*OY': 2}}", "mappings[0].unroll.OX*OY: is no loop of this array"),
        ("{tile: {K: 2}}", "mappings[0].tile.K: is 2, no multiple of the 4 lanes of one pass (conv on small)"),
        ("{tile: {K: 0}}", "mappings[0]: tile: K is 0, must be at least 1"),
        ("{order: [C, K, FX]}", "mappings[0].order: parts dims that go together"),
        ("{order: [G, K]}", "mappings[0].order: G is outermost in any case"),
        ("{order: [C, C]}", "order names a dim twice"),
        ("{layers: conv}", "mappings[0]: says nothing"),
        ("{accelerator: small, unroll: {K: 2}}", "mappings[0].accelerator: is this one"),
        ("{loops: [[K, 2]]}", "loops and holds go together"),
        ("{loops: [[K, 2]], holds: {sums: 0}, tile: {K: 4}}", "loops say all of a mapping"),
        ("{layers: conv, loops: [[K, 2]], holds: {summs: 0}}", "mappings[0].holds: no level is called summs"),
        ("{layers: conv, loops: [[K, 2]], holds: {sums: 0}}", "mappings[0].holds.register: is required"),
        (WHOLE.replace("[OY, 4]", "[OY, 2]"), "mappings[0].loops: the loops do not cover OY (conv on small)"),
        (WHOLE.replace("weights: {weight: 5}", "weights: 9"), "mappings[0].holds: weight: [0, 9] loops held of 6"),
        (WHOLE.replace("output: 5}", "output: 1}"), "mappings[0].holds: a level inside another holds more loops"),
        (
            WHOLE.replace("buffer: {input: 4, output: 5}", "buffer: {output: 5}"),
            "mappings[0].holds.buffer: is required",
        ),
        (
            WHOLE.replace("sums: 2", "sums: 3"),
            "mappings[0].holds.sums: takes 12 bytes of it, which has 8 (conv on small)",
        ),
        (WHOLE.replace("inner: 2", "inner: 4"), "mappings[0].holds.inner: takes 144 bytes of it, which has 64"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_with_file_and_field(own: str, told: str, tmp_path: Path) -> None:
    text = f"mappings: [{own}]" if own.startswith("{") else f"mappings:\n  - layers: conv{own}"
    with pytest.raises(FileError) as refused:
        placed(tmp_path, array=text)
    assert str(tmp_path / "small.yaml") in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("{layers: conv, unroll: {K: 2}}", "mappings[0].accelerator: is required"),
        (
            "{layers: convv, accelerator: small, unroll: {K: 2}}",
            "mappings[0].layers: unknown layer",
        ),
        ("{accelerator: small, layers: conv, unrol: {K: 2}}", "mappings[0].unrol: unknown key; did you mean unroll?"),
    ],
)
def test_a_workloads_mapping_names_a_layer_and_an_accelerator(own: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(FileError) as refused:
        placed(tmp_path, workload=f"mappings: [{own}]")
    assert str(tmp_path / "w.yaml") in str(refused.value)
    assert told in str(refused.value)


def test_a_run_with_an_own_mapping_simulates_it(tmp_path: Path) -> None:
    own = placed(tmp_path, array="mappings: [{unroll: {K: 1, OX: 1}}]")
    result = ms.run(tmp_path / "w.yaml", system=tmp_path / "small.yaml", baseline=tmp_path / "small.yaml")
    conv = next(layer for layer in result.main.layers if layer.name == "conv")
    assert conv.cycles == own.compute_cycles
