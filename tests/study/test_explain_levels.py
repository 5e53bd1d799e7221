"""Explaining a layer's mapping: what each level holds and moves adds up, and the gap is that to the floor."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.cost.layer_cost import MEMORY
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.report.explain.levels import gap_text, levels_figure
from mensa_sim.study.explain.levels import MappingUse
from mensa_sim.study.run.placement import Placement

TEXT = """
name: two
layers:
  - {name: conv, operator: conv2d, dims: {K: 64, C: 48, OY: 28, OX: 28, FY: 3, FX: 3}}
  - {name: act, operator: activation, elements: 50176, inputs: [conv]}
"""


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explained") / "two.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def placement(workload: Path) -> Placement:
    return ms.place(workload, system="edge_tpu", objective="energy")


@pytest.fixture(scope="module")
def use(placement: Placement) -> MappingUse:
    found = ms.explain(placement, "conv").use
    assert found is not None
    return found


def test_every_byte_of_the_cost_stands_at_its_level_from_memory_inwards(placement: Placement, use: MappingUse) -> None:
    cost = placement.costs.cost("conv", "edge_tpu")
    spec = placement.costs.system.accelerators[0].spec
    assert isinstance(spec, PeArray)
    assert list(dict.fromkeys(each.level for each in use.levels)) == [
        MEMORY,
        *reversed([level.name for level in spec.levels]),
    ]
    assert sum(each.moved_bytes for each in use.levels if each.level == MEMORY) == cost.memory_bytes
    assert {(each.operand, each.level): each.moved_bytes for each in use.levels} == {
        (each.operand, each.level): each.read_bytes + each.write_bytes for each in cost.traffic
    }


def test_what_a_level_holds_fits_it_and_is_a_tile_of_the_mapping(placement: Placement, use: MappingUse) -> None:
    held: dict[str, int] = {}
    for each in use.levels:
        assert (each.held_bytes is None) == (each.level == MEMORY)
        if each.held_bytes is not None and each.capacity_bytes is not None:
            held[each.level] = held.get(each.level, 0) + each.held_bytes
            assert held[each.level] <= each.capacity_bytes
    whole = {"weight": 64 * 48 * 9, "input": 48 * 28 * 28, "output": 64 * 28 * 28}
    stores = [each for each in use.levels if each.level.endswith("_buffer")]
    assert len(stores) == 3
    assert all(0 < (each.held_bytes or 0) <= whole[each.operand] for each in stores)
    registers = {each.level: each.instances for each in use.levels if each.level in ("weight_register", "accumulator")}
    assert registers == {"weight_register": 64, "accumulator": 64 * 64}  # a column of PEs is fed by one register


def test_the_value_is_the_floor_and_the_gap_above_it(placement: Placement, use: MappingUse) -> None:
    cost = placement.costs.cost("conv", "edge_tpu")
    assert (use.floor, use.gap) == (cost.floor, cost.gap)
    assert use.value == pytest.approx(use.floor * (1 + use.gap))  # type: ignore[operator]
    assert use.value >= cost.energy_pj * 1e-12
    text = gap_text(use)
    assert "no mapping" in text
    assert text.startswith("energy ")
    assert gap_text(replace(use, gap=0.0)).endswith(": no mapping has less")


def test_a_layer_without_products_and_a_measured_accelerator_have_no_levels_to_show(
    placement: Placement, workload: Path
) -> None:
    assert ms.explain(placement, "act").use is None
    gpu = ms.place(workload, system="gpu_a100")
    assert ms.explain(gpu, "conv").use is None


def test_the_figure_has_each_operand_at_each_level_once(use: MappingUse) -> None:
    figure = levels_figure(use)
    drawn = [(trace["name"], level) for trace in figure["data"] for level in trace["y"]]
    assert sorted(drawn) == sorted((each.operand, each.level) for each in use.levels)
    assert figure["layout"]["barmode"] == "group"  # on an axis of decades nothing can be stacked


def test_the_command_shows_levels_and_gap_and_writes_the_page_of_a_layer(workload: Path, tmp_path: Path) -> None:
    page = tmp_path / "conv.html"
    given = ["explain", str(workload), "--system", "edge_tpu", "--layer", "conv", "--report", str(page)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert "parameter_buffer" in done.stdout
    assert "no mapping" in done.stdout
    assert "What each level holds and moves" in page.read_text(encoding="utf-8")
    found = json.loads(CliRunner().invoke(app, [*given, "--json"]).stdout)
    assert found["use"]["gap"] >= 0
    assert {each["level"] for each in found["use"]["levels"]} >= {"memory", "parameter_buffer", "activation_buffer"}


def test_a_page_without_a_layer_is_refused(workload: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(workload), "--report", str(tmp_path / "page.html")])
    assert done.exit_code == 1
    assert "--report: is the page of one layer" in str(done.exception)
