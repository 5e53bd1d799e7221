"""What moving one unit alone would change, against schedules predicted anew."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_problems import problems

from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.margins import runner_up
from mensa_sim.schedule.problem import Problem


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems(max_units=5, executions=("serial",)), data=st.data())
def test_the_runner_up_is_the_best_of_all_schedules_with_one_unit_elsewhere(
    problem: Problem, data: st.DataObject
) -> None:
    assignment = [data.draw(st.sampled_from(sorted(unit.allowed))) for unit in problem.units]
    prediction = evaluate(problem, assignment)
    for unit, here in enumerate(assignment):
        others = [place for place in problem.units[unit].allowed if place != here]
        values = [evaluate(problem, [*assignment[:unit], place, *assignment[unit + 1 :]]).value for place in others]
        found = runner_up(problem, assignment, prediction, unit)
        assert (found is None) == (not others)
        if found is not None:
            assert found.value == pytest.approx(min(values))
            assert values[others.index(found.accelerator)] == pytest.approx(min(values))
