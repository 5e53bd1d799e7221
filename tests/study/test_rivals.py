"""A schedule called the best is simulated beside its rivals, with tensors at home."""

import random
from collections.abc import Sequence
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest

from mensa_sim.cost.prices.kept import FILE, KeptPrices
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.files import load_system
from mensa_sim.report.run.tables import optimality_text
from mensa_sim.schedule.evaluate import evaluate as predict
from mensa_sim.schedule.homes.placed import AtHomeSolver
from mensa_sim.schedule.policies import at_home
from mensa_sim.schedule.problem import Execution, Problem
from mensa_sim.schedule.schedule import unit_assignment
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.study.run import flows
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.run.tried import TriedPlan, best_of
from mensa_sim.workload.load import load_workload

KNOWN = ("greedy", "mensa", "heft", "single:pascal", "single:jacquard")
MEMO = PriceMemo()
FASTEST = Goal(scheduler="optimal", objective="latency")


@cache
def found_on(
    system: str,
    workload: str,
    objective: str = "edp",
    scheduler: str = "optimal",
    execution: Execution = "serial",
    on_chip: Options = FULL,
    pins: tuple[tuple[str, str], ...] = (),
    deadline_ps: int | None = None,
    explained: bool = True,
) -> SystemResult:
    goal = Goal(
        scheduler=scheduler,
        objective=objective,
        flow="homes",
        execution=execution,
        pins=dict(pins),
        deadline_ps=deadline_ps,
    )
    return evaluate(load_workload(workload), load_system(system), goal, on_chip=on_chip, memo=MEMO, explained=explained)


on_mensa = partial(found_on, "mensa_g")


def simulated(result: SystemResult) -> float:
    found = result.optimality.simulated
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("workload", "objective"), [("squeezenet", "edp"), ("small_cnn", "energy"), ("keyboard_cifg", "latency")]
)
def test_no_other_scheduler_is_better_when_simulated(workload: str, objective: str) -> None:
    best = simulated(on_mensa(workload, objective))
    for name in KNOWN:
        assert best <= simulated(on_mensa(workload, objective, name)) * (1 + 1e-9), name


@pytest.mark.parametrize("execution", ["serial", "parallel"])
@pytest.mark.parametrize(
    ("system", "workload", "objective"),
    [
        ("mensa_g", "residual_cnn", "edp"),
        ("simba_4", "residual_cnn", "edp"),
        ("simba_4", "residual_cnn", "latency"),
        ("simba_4", "blazeface", "energy"),
    ],
)
def test_no_schedule_near_it_is_better_when_simulated(
    system: str, workload: str, objective: str, execution: Execution
) -> None:
    best = found_on(system, workload, objective, execution=execution)
    names = [placed.name for placed in load_system(system).accelerators]
    draw = random.Random(5)
    for _ in range(8):
        pins = dict(best.schedule.assignment)
        for name in draw.sample(sorted(pins), 3):
            pins[name] = draw.choice(names)
        other = found_on(system, workload, objective, "greedy", pins=tuple(pins.items()), explained=False)
        assert simulated(best) <= simulated(other) * (1 + 1e-9)


def test_tensors_without_room_are_sought_a_place_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """On four chiplets of 64 KiB each, where predictions have room for each tensor by itself."""
    found = found_on("simba_4", "blazeface", "energy")
    for most in ("MOST_ROUNDS", "MOST_MOVES"):
        monkeypatch.setattr(flows, most, 0)
    near_alone = found_on.__wrapped__("simba_4", "blazeface", "energy")
    assert simulated(found) < 0.95 * simulated(near_alone)
    assert found.optimality.tried > near_alone.optimality.tried > 1
    assert f"the least of {found.optimality.tried} schedules near it" in optimality_text(found.optimality)
    assert on_mensa("residual_cnn", scheduler="greedy").optimality.tried == 0


def test_the_least_prediction_is_sought_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By those who look for rivals and by those who judge."""
    solvers = []

    class Counted(AtHomeSolver):
        def __init__(self, *given: Any) -> None:
            solvers.append(self)
            super().__init__(*given)

    monkeypatch.setattr(at_home, "AtHomeSolver", Counted)
    found_on.__wrapped__("mensa_g", "small_cnn")
    assert len(solvers) == 1


@pytest.mark.parametrize("objective", ["energy", "latency", "edp"])
def test_what_is_predicted_with_tensors_at_home_is_simulated_where_parameters_come_and_go(objective: str) -> None:
    result = on_mensa("small_cnn", objective, on_chip=Options(activations=True))
    found = result.optimality
    assert found.gap == 0
    assert found.simulated == pytest.approx(found.value, rel=1e-9)
    units = unit_assignment(result.problem, result.schedule)
    through_memory = predict(result.problem, units).value
    assert through_memory > 1.05 * found.value


@pytest.mark.parametrize("execution", ["serial", "parallel"])
def test_a_deadline_is_kept_that_no_prediction_through_memory_keeps(execution: Execution) -> None:
    """By schedules that are simulated, and is not said to be out of reach where it is not proved to be."""
    through_memory = evaluate(load_workload("mnist_cnn"), load_system("mensa_g"), FASTEST, memo=MEMO).schedule
    asked = partial(on_mensa, "mnist_cnn", "energy", execution=execution)
    deadline_ps = int(0.75 * through_memory.prediction.latency_ps)
    fastest_ps = asked(deadline_ps=deadline_ps).latency_ps
    assert fastest_ps <= deadline_ps < asked().latency_ps
    assert asked(deadline_ps=fastest_ps).latency_ps == fastest_ps
    with pytest.raises(InfeasibleError, match=r"is not met: the fastest schedule found takes .*; none below .* is"):
        asked(deadline_ps=fastest_ps - 1)
    with pytest.raises(InfeasibleError, match="cannot be met"):
        asked(deadline_ps=fastest_ps // 100)
    with pytest.raises(InfeasibleError, match=f"of greedy takes .* misses the deadline of {fastest_ps} ps by"):
        asked(scheduler="greedy", deadline_ps=fastest_ps)


def test_what_a_users_own_function_answers_stands_whatever_it_is_called() -> None:
    """No rival of it is asked for, where it is of the optimum's name too."""

    def optimal(problem: Problem) -> Sequence[str]:
        return ["pascal"] * len(problem.units)

    goal = Goal(scheduler=optimal, flow="homes")
    found = evaluate(load_workload("small_cnn"), load_system("mensa_g"), goal, memo=MEMO)
    assert found.scheduler == "optimal"
    assert set(found.schedule.assignment.values()) == {"pascal"}


def test_it_is_the_same_when_found_on_disk(tmp_path: Path) -> None:
    """Another schedule than the one of predictions through memory, and what is said of it."""
    goal = Goal(scheduler="optimal", flow="homes")
    graph, system = load_workload("small_cnn"), load_system("mensa_g")
    first, again = (evaluate(graph, system, goal, memo=PriceMemo(KeptPrices(tmp_path / FILE))) for _ in range(2))
    assert (again.schedule, again.optimality, again.layers) == (first.schedule, first.optimality, first.layers)
    assert first.optimality.gap == 0
    through_memory = evaluate(graph, system, Goal(scheduler="optimal"), memo=MEMO).schedule
    assert first.schedule.assignment != through_memory.assignment


@pytest.mark.parametrize("before", [False, True])
def test_a_plan_is_ruled_out_by_its_floor_just_where_one_that_reaches_it_would_not_be_chosen(before: bool) -> None:
    def of(values: tuple[float, float]) -> TriedPlan:
        plan = TriedPlan(placement=cast("Any", None), on_chip=FULL, plan=cast("Any", None))
        vars(plan).update(values=values, late_ps=0)
        return plan

    pairs = list(product((1.0, 2.0, 3.0), repeat=2))
    for own, least in product(pairs, repeat=2):
        this, other = of(own), of(least)
        chosen = best_of([this, other] if before else [other, this])
        assert this.rules_out(least, before=before) == (chosen is this)


def test_what_the_flow_foresees_is_what_a_schedule_is_judged_by() -> None:
    """With its tensors at home the paper's schedule is among the best, and said to be."""
    found = on_mensa("squeezenet", scheduler="mensa").optimality
    assert found.gap == 0
    assert found.value == pytest.approx(found.simulated, rel=0.06)
    through_memory = evaluate(load_workload("squeezenet"), load_system("mensa_g"), Goal(flow="layers"), memo=MEMO)
    assert through_memory.optimality.value > 1.3 * found.value
