"""What only some compared systems can is named, with what it is worth to the others; the lead stands on top."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.io.files import write_yaml
from mensa_sim.report.compare.compare import difference_texts
from mensa_sim.study.run import run as running
from mensa_sim.study.run.run import evaluate

GATES = {"name": "gates", "operator": "linear", "steps": 64, "dims": {"K": 1024, "C": 4096}}


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gate whose parameters do not fit on chip: sharing a fetch among steps decides."""
    path = tmp_path_factory.mktemp("flags") / "gates.yaml"
    path.write_text(write_yaml({"name": "gates", "layers": [GATES]}))
    return path


@pytest.fixture(scope="module")
def compared(workload: Path) -> ms.Comparison:
    return ms.compare(workload, ["edge_tpu", "mensa_g"])


def test_an_ability_of_one_side_is_worth_what_a_run_with_it_says(compared: ms.Comparison, workload: Path) -> None:
    (found,) = (each for each in compared.differences if each.name == "dataflow.batch_steps")
    assert "pavlov" in found.having["mensa_g"]
    able = ms.load_system("edge_tpu", overrides=["accelerators.edge_tpu.dataflow.batch_steps=true"])
    again = ms.run(workload, system=able, baseline="edge_tpu").main
    assert found.given == {"edge_tpu": compared.systems["edge_tpu"].products["edp_j_s"] / again.products["edp_j_s"]}
    assert found.given["edge_tpu"] > 1
    assert "dataflow.batch_steps: pavlov" in str(compared)


@pytest.mark.parametrize(("left", "turned"), [(0.9, True), (1.5, False)])
def test_an_ability_turns_a_comparison_where_whoever_lacks_it_would_lead_with_it(
    compared: ms.Comparison, left: float, turned: bool
) -> None:
    behind = compared.systems["edge_tpu"].products["edp_j_s"] / compared.systems["mensa_g"].products["edp_j_s"]
    (found,) = (each for each in compared.differences if each.name == "dataflow.batch_steps")
    assert behind > 2
    (text,) = difference_texts(replace(compared, differences=(replace(found, given={"edge_tpu": behind / left}),)))
    assert (", which turns it" in text) == turned


def test_an_ability_that_no_layer_asks_for_is_worth_nothing_and_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def counted(graph: Any, system: Any, *given: Any, **more: Any) -> Any:
        ran.append(system.name)
        return evaluate(graph, system, *given, **more)

    monkeypatch.setattr(running, "evaluate", counted)
    once = {**GATES, "steps": 1}
    (found,) = ms.compare({"name": "once", "layers": [once]}, ["edge_tpu", "mensa_g"]).differences
    assert found.given == {"edge_tpu": 1.0}
    assert ran == ["edge_tpu", "mensa_g"]


def test_systems_that_can_the_same_differ_in_nothing(workload: Path) -> None:
    assert ms.compare(workload, ["edge_tpu", "base_hb"]).differences == ()


def test_the_lead_is_the_first_line_and_layers_stand_side_by_side(compared: ms.Comparison) -> None:
    products = {name: system.products["edp_j_s"] for name, system in compared.systems.items()}
    best, second = sorted(products, key=lambda name: products[name])
    lead = f"{best} is the best for gates: {products[second] / products[best]:.2f}x less energy x delay than {second}"
    assert str(compared).startswith(lead)
    page = compared.files()["report.html"]
    assert lead in page
    assert '<table id="layers">' in page
