"""The paper's figures on drawn populations: the same definitions, once for each seed, and an interval."""

import dataclasses
import statistics

import pytest

from mensa_sim.report.reproduce.files import reproduce_data
from mensa_sim.report.reproduce.page import REPRODUCTION
from mensa_sim.report.reproduce.tables import drawn_text
from mensa_sim.study.reproduce import workers
from mensa_sim.study.reproduce.paper import paper_figures
from mensa_sim.study.reproduce.populations import DrawnFigure, drawn_figures, drawn_tasks
from mensa_sim.study.reproduce.reproduce import ReproduceResult, reproduce
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.reproduce.table import Runs, row_of
from mensa_sim.study.reproduce.workers import ModelTask, run_model, system_of
from mensa_sim.workload.population.draw import DrawnModel, Population, RecurrentShape, stacked
from mensa_sim.workload.population.network import Network
from mensa_sim.workload.population.statistics import Choices

PAIR = "energy efficiency of mensa_g against edge_tpu, all"


def small_population(seed: int, choices: Choices | None = None) -> Population:
    """One LSTM and one convolution, larger with the seed."""
    recurrent = Network(f"population_{seed}.lstm_0")
    cells = 256 * (seed + 1)
    lstm = recurrent.graph(stacked(recurrent, recurrent.input(4, cells), RecurrentShape(layers=1, cells=cells)))
    plain = Network(f"population_{seed}.cnn_0")
    cnn = plain.graph(plain.convolution(plain.input(1, 32, 28, 28), 64 * (seed + 1), 3))
    return Population(seed=seed, models=(DrawnModel(kind="cnn", graph=cnn), DrawnModel(kind="lstm", graph=lstm)))


@pytest.fixture(scope="module")
def result() -> ReproduceResult:
    patch = pytest.MonkeyPatch()
    patch.setattr(workers, "draw_population", small_population)
    workers.population.cache_clear()
    try:
        return reproduce(ReproduceRequest(models=("keyboard_cifg",), populations=3))
    finally:
        patch.undo()
        workers.population.cache_clear()


def test_a_figure_of_a_population_is_the_one_of_its_models(
    result: ReproduceResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "draw_population", small_population)
    workers.population.cache_clear()
    tasks = [task for task in drawn_tasks(3) if task.seed == 1]
    assert [task.model for task in tasks] == ["population_1.cnn_0", "population_1.lstm_0"]
    runs = Runs(models=tuple(run_model(task) for task in tasks))
    figure = next(each for each in paper_figures() if each.name == PAIR)
    ours = row_of(figure, runs, lambda name: system_of(name, ())).ours
    workers.population.cache_clear()
    assert ours is not None
    assert result.drawn[PAIR].values[1] == ours.arithmetic
    assert len(set(result.drawn[PAIR].values)) == 3


def test_the_shipped_models_figures_are_those_without_populations(result: ReproduceResult) -> None:
    alone = reproduce(ReproduceRequest(models=("keyboard_cifg",)))
    assert alone.rows == result.rows
    assert alone.drawn == {}


def test_the_middle_and_the_ends_are_over_seeds() -> None:
    drawn = DrawnFigure(values=(2.0, 5.0, 3.0, 1.0))
    assert (drawn.low, drawn.middle, drawn.high) == (1.0, statistics.median([1, 2, 3, 5]), 5.0)
    assert drawn.holds(1.0)
    assert not drawn.holds(5.1)
    assert drawn_text(drawn) == "2.5 [1, 5]"


def test_a_figure_that_one_population_does_not_give_is_left_out() -> None:
    figure = next(each for each in paper_figures() if each.name == PAIR)
    assert drawn_figures([figure], {0: ()}, lambda name: system_of(name, ())) == {}


def test_populations_are_drawn_for_all_models_unless_told_otherwise() -> None:
    assert ReproduceRequest().drawn_populations == 5
    assert ReproduceRequest(models=("lstm",)).drawn_populations == 0
    assert ReproduceRequest(models=("lstm",), populations=2).drawn_populations == 2
    assert ReproduceRequest(populations=0).drawn_populations == 0


def test_results_say_the_interval_and_the_statistics(result: ReproduceResult) -> None:
    data = reproduce_data(result)
    rows = {f"{row['quantity']}/{row['system']}/{row['against']}/{row['models']}": row for row in data["rows"]}
    drawn = dict(rows["energy_efficiency/mensa_g/edge_tpu/model keyboard_cifg"]["drawn"])
    assert (drawn.pop("models"), drawn.pop("paper")) == ("all", 3.0)
    values = list(result.drawn[PAIR].values)
    assert drawn == {"median": sorted(values)[1], "low": min(values), "high": max(values), "values": values}
    assert [each["published"] for each in data["statistics"]] == [2.1e6, 0.119, 0.465, 0.97]
    page = REPRODUCTION.page(result)
    assert drawn_text(result.drawn[PAIR]) in page
    assert "3 populations of 24 models drawn" in page


def test_a_drawn_model_and_a_shipped_one_of_a_name_are_kept_apart() -> None:
    shipped = ModelTask(model="lstm", cases=())
    assert dataclasses.replace(shipped, seed=0) != shipped
