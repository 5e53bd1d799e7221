"""The report of an exploration: every design can be hovered and clicked, and no text of a file becomes markup."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from in_this_process import mensa_sim
from space_files import GRID, write_space

from mensa_sim.api.explore import explore
from mensa_sim.report.explore.files import explore_summary
from mensa_sim.report.explore.page import EXPLORATION, front_figure
from mensa_sim.report.explore.parallel import parallel_figure
from mensa_sim.report.explore.tables import explore_tables
from mensa_sim.report.page.notebook import text_of
from mensa_sim.study.explore.result import ExploreResult, recommended

HOSTILE = "<script>alert(1)</script>"
NANOJOULE = 1e3
"""In pJ: the unit of these designs' axis."""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ExploreResult:
    folder = tmp_path_factory.mktemp("report")
    parameters = {**GRID["parameters"], HOSTILE: {"options": {"</script>": {}}}}
    return explore(write_space(folder, parameters=parameters), folder=folder / "out")


def test_every_design_and_reference_is_a_point_of_the_figure(result: ExploreResult) -> None:
    drawn = front_figure(result, "energy_pj", "latency_ps")
    traces: list[Any] = drawn["data"]
    assert drawn["layout"]["yaxis"]["title"]["text"] == "energy (nJ)"
    assert drawn["layout"]["title"]["text"].startswith("Best energy on the front: ")
    assert sum(len(trace["x"]) for trace in traces) == len(result.designs) + len(result.references)
    shown = {trace["name"]: trace for trace in traces}
    energies = [design.objectives["energy_pj"] / NANOJOULE for design in result.front]
    assert list(shown["front"]["y"]) == pytest.approx(energies)
    assert sorted(place for trace in traces for place in trace["customdata"]) == list(range(len(result.designs) + 1))


def test_the_recommended_design_has_the_least_product_of_distances_and_its_parameters_are_shown(
    result: ExploreResult,
) -> None:
    names = [each.name for each in result.objectives]
    best = {name: min(design.objectives[name] for design in result.front) for name in names}
    products = {
        design.number: math.prod(design.objectives[name] / best[name] for name in names) for design in result.front
    }
    chosen = recommended(result)
    assert chosen is not None
    assert products[chosen.number] == min(products.values())
    shown = text_of(explore_tables(result))
    assert f"Recommended: design {chosen.number}" in shown
    assert all(name in shown for name in GRID["parameters"])


@pytest.mark.parametrize("unseen", [0, 1])
def test_designs_of_the_front_beyond_those_shown_are_counted(
    unseen: int, result: ExploreResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mensa_sim.report.explore.tables.SHOWN_DESIGNS", len(result.front) - unseen)
    assert ("... and 1 more designs" in text_of(explore_tables(result))) == bool(unseen)
    assert ("more designs" in text_of(explore_tables(result))) == bool(unseen)


def test_a_reference_far_off_stands_at_the_edge_as_an_arrow_with_its_figures(result: ExploreResult) -> None:
    designs = [design.objectives["energy_pj"] / NANOJOULE for design in result.designs]
    (reference,) = result.references
    far = {**reference.metrics, **reference.objectives, "energy_pj": NANOJOULE * 50 * max(designs)}
    moved = replace(result, references=(replace(reference, metrics=far, objectives=far),))
    trace = front_figure(moved, "energy_pj", "latency_ps")["data"][-1]
    assert trace["y"] == pytest.approx([2 * max(designs) - min(designs)])
    assert trace["marker"]["symbol"] in {"triangle-up", "triangle-ne", "triangle-nw"}
    assert f"{50 * max(designs):.4g}" in trace["hovertemplate"]
    assert "nJ" in trace["text"][0] or "µJ" in trace["text"][0]


@pytest.mark.parametrize(("times", "side"), [(50, "top left"), (1 / 50, "top right")])
def test_the_name_of_a_reference_stands_inwards_of_it(times: float, side: str, result: ExploreResult) -> None:
    (reference,) = result.references
    energies = [design.objectives["energy_pj"] for design in result.designs]
    far = {**reference.metrics, **reference.objectives, "energy_pj": times * max(energies)}
    moved = replace(result, references=(replace(reference, metrics=far, objectives=far),))
    assert front_figure(moved, "latency_ps", "energy_pj")["data"][-1]["textposition"] == side


def test_a_click_finds_the_parameters_of_its_design(result: ExploreResult) -> None:
    html = EXPLORATION.page(result)
    found = re.search(r"const designs = (\[.*\]);", html)
    assert found is not None
    designs = json.loads(found.group(1).replace("<\\/", "</"))
    assert len(designs) == len(result.designs) + len(result.references)
    for design, shown in zip(result.designs, designs, strict=False):
        pairs = dict(shown)
        assert pairs["design"] == str(design.number)
        assert all(pairs[name] == str(value) for name, value in design.parameters.items())


def test_parallel_axes_hold_every_design_between_their_ends(result: ExploreResult) -> None:
    traces: list[Any] = parallel_figure(result)["data"]
    axes = len(result.space.parameters) + len(result.objectives)
    heights = [y for trace in traces for y in trace["y"] if y is not None]
    assert len(heights) == axes * len(result.designs)
    assert min(heights) >= 0
    assert max(heights) <= 1


def test_no_text_of_a_file_becomes_markup(result: ExploreResult) -> None:
    assert HOSTILE not in EXPLORATION.page(result)


def test_the_command_prints_the_summary_that_it_writes(tmp_path: Path) -> None:
    write_space(tmp_path, references=[])
    command = ("explore", "small_grid.yaml", "--jobs", "1", "--trials", "3")
    done = mensa_sim(tmp_path, *command, "--json")
    folder = tmp_path / "results" / "explore-small_grid"
    assert json.loads(done.stdout) == json.loads((folder / "summary.json").read_text())
    assert json.loads(done.stdout)["trials"] == 3
    assert not done.stderr
    again = mensa_sim(tmp_path, *command, "--resume")
    assert "3 designs run of 12 points" in again.stdout
    assert max(len(line) for line in again.stdout.splitlines() if "results in" not in line) <= 80


def test_the_summary_says_what_was_found_and_from_what(result: ExploreResult) -> None:
    summary: dict[str, Any] = explore_summary(result)
    assert summary["trials"] == len(result.designs) == 12
    assert {tuple(sorted(entry)) for entry in summary["front"]} == {
        ("design", "flow", "metrics", "objective", "parameters", "scheduler", "system")
    }
    assert "small_grid.yaml" in summary["inputs"]
    assert "mensa-sim" in summary["versions"]
