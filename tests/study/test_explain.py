"""Explanations of a schedule on a shipped system, each figure checked against the problem itself."""

from dataclasses import replace
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UnknownNameError
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.report.explain.page import said_of
from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.policies.registry import schedule
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import unit_assignment
from mensa_sim.study.explain.explain import _least_factor, explain, moves
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


@pytest.fixture(scope="module")
def costs() -> CostTable:
    """A convolution, a large matrix without reuse, and a small one, priced on the paper's system."""
    nests = {
        "conv": LoopNest(K=64, C=32, OY=28, OX=28, FY=3, FX=3, input_height=28, input_width=28),
        "gate": LoopNest(K=1024, C=2048),
        "head": LoopNest(K=100, C=1024),
    }
    layers = tuple(
        Layer(
            name=name,
            operator="conv2d" if name == "conv" else "linear",
            nest=nest,
            parameters=(Parameter(name=f"{name}.weight", size_bytes=nest.weight_elements),),
            input_bytes=nest.input_elements,
            output_bytes=nest.output_elements,
        )
        for name, nest in nests.items()
    )
    edges = (
        Edge(producer="conv", consumer="gate", size_bytes=2048),
        Edge(producer="gate", consumer="head", size_bytes=1024),
    )
    return price(LayerGraph(name="three", layers=layers, edges=edges), load_system("mensa_g"))


@pytest.fixture(scope="module")
def problem(costs: CostTable) -> Problem:
    static_mw = static_power(costs.system).total_mw
    return problem_of(costs.graph, costs.system, costs, "latency", static_mw=static_mw)


def test_each_place_has_the_value_of_the_schedule_with_the_layer_there(problem: Problem, costs: CostTable) -> None:
    best = schedule(problem, "optimal")
    for unit, layer in enumerate(("conv", "gate", "head")):
        for number, place in enumerate(explain(problem, costs, best, layer).places):
            moved = unit_assignment(problem, best)
            moved[unit] = number
            assert place.value == pytest.approx(evaluate(problem, moved).value)
            assert place.bound in ("compute", "buffer", "memory")


def test_in_the_optimum_every_runner_up_is_no_better_and_its_margin_is_the_least(
    problem: Problem, costs: CostTable
) -> None:
    best = schedule(problem, "optimal")
    for layer in best.assignment:
        found = explain(problem, costs, best, layer)
        others = [place.value for place in found.places if place.accelerator != found.accelerator]
        assert found.margin == pytest.approx(min(v for v in others if v is not None) / best.value - 1)
        assert found.margin >= 0


def test_the_improvement_named_is_enough_and_hardly_more_than_enough(problem: Problem, costs: CostTable) -> None:
    best = schedule(problem, "optimal")
    found = explain(problem, costs, best, "conv")
    factor = float(found.to_change.split(" would win with ")[1].split(" or with ")[-1].split()[0])
    assert found.to_change.endswith("times the speed of array and buffers")
    option = next(n for n, place in enumerate(found.places) if place.accelerator == found.runner_up)
    cost = costs.cost("conv", problem.accelerators[option])
    bandwidth = costs.system.memory_of(problem.accelerators[option]).effective_bytes_per_s
    values = []
    for change in (0.98, 1.02):
        faster = replace(cost, clock_hz=round(cost.clock_hz * factor * change)).latency_ps(bandwidth)
        place = found.places[option]
        values.append((place.value or 0.0) - place.latency_ps + faster)
    assert values[1] < best.value < values[0]


@pytest.mark.parametrize(("least", "named"), [(1.0002, 1.01), (1.474, 1.48), (12.72, 12.8), (556.1, 557.0)])
def test_a_factor_that_is_named_wins_however_it_is_rounded(least: float, named: float) -> None:
    assert _least_factor(lambda factor: factor > least) == pytest.approx(named)


def test_a_schedule_that_one_move_would_better_says_so(problem: Problem, costs: CostTable) -> None:
    best = schedule(problem, "optimal")
    places = unit_assignment(problem, best)
    worse = replace(best, assignment={**best.assignment, "conv": problem.accelerators[(places[0] + 1) % 3]})
    found = explain(problem, costs, worse, "conv")
    assert found.margin is not None
    assert found.margin < 0
    assert "would be better by itself" in found.to_change


def test_moves_are_the_tensors_that_change_accelerators(problem: Problem) -> None:
    assert moves(problem, schedule(problem, "single:jacquard")) == ()
    found = schedule(problem, "mensa")
    expected = [(a, b) for a, b in (("conv", "gate"), ("gate", "head")) if found.assignment[a] != found.assignment[b]]
    assert [(move.producer, move.consumer) for move in moves(problem, found)] == expected
    assert expected


def test_a_layer_that_only_one_accelerator_runs_has_no_runner_up(problem: Problem, costs: CostTable) -> None:
    pinned = replace(problem, units=(replace(problem.units[0], pin=0), *problem.units[1:]))
    found = explain(pinned, costs, schedule(pinned, "optimal"), "conv")
    assert (found.runner_up, found.margin) == (None, None)
    assert found.to_change == "no other accelerator may run it"


def test_the_widths_that_a_layer_is_priced_at_are_said_layer_by_layer() -> None:
    """Convolutions of eight bits, attention of sixteen, weights of four: each as its own layer has it."""

    def layer(name: str, **widths: int) -> Layer:
        nest = LoopNest(K=16, C=16, OX=4, input_width=4)
        weights = (Parameter(name=f"{name}.weight", size_bytes=128),) if name != "scores" else ()
        sizes = {"input_bytes": 64, "output_bytes": 64}
        return Layer(name=name, operator="linear", nest=nest, parameters=weights, **sizes, **widths)

    said = {
        "conv": {"weight_bits": 8, "input_bits": 8, "output_bits": 8},
        "scores": {"input_bits": 16, "output_bits": 16, "weight_bits": 16},
        "feed": {"weight_bits": 4, "input_bits": 16, "output_bits": 16, "accumulator_bits": 24},
    }
    pool = Layer(name="pool", operator="pooling", vector_ops=64, input_bytes=64, output_bytes=64)
    layers = (*(layer(name, **widths) for name, widths in said.items()), pool)
    priced = price(LayerGraph(name="mixed", layers=layers, edges=()), load_system("mensa_g"))
    mixed = problem_of(priced.graph, priced.system, priced, "latency", static_mw=static_power(priced.system).total_mw)
    chosen = schedule(mixed, "greedy")
    for name, widths in said.items():
        found = explain(mixed, priced, chosen, name)
        of_sums = {"accumulator_bits": "sum"}
        assert found.widths == {of_sums.get(key, key.removesuffix("_bits")): bits for key, bits in widths.items()}
    last = explain(mixed, priced, chosen, "feed")
    assert said_of(last)[-1] == "bits of an element: weight 4, input 16, output 16, sum 24"
    assert explain(mixed, priced, chosen, "pool").widths == {"input": 8, "output": 8}


def test_an_unknown_layer_is_an_error_that_lists_the_layers(problem: Problem, costs: CostTable) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'conv'"):
        explain(problem, costs, schedule(problem, "greedy"), "convv")


def test_a_workload_is_explained_as_it_is_placed_with_the_same_choices() -> None:
    choices: dict[str, Any] = {"system": "mensa_g", "scheduler": "single:pascal"}
    placed = ms.place("small_cnn", **choices)
    found = ms.explain("small_cnn", "head.linear", **choices)
    assert found.files() == ms.explain(placed, "head.linear").files()
    assert found.accelerator == "pascal"
    assert ms.moves("small_cnn", **choices) == ms.moves(placed) == ()
    with pytest.raises(ms.UsageError, match="scheduler: it is placed already; give the choices to `place`"):
        ms.explain(placed, "head.linear", scheduler="greedy")
    with pytest.raises(ms.UsageError, match="did you mean 'small_cnn'"):
        ms.explain("smal_cnn", "head.linear")
    with pytest.raises(ms.UsageError, match="scheduler: 3 is a whole number"):
        ms.explain("small_cnn", "head.linear", scheduler=3)
