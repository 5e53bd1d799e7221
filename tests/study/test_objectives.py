"""An objective is one entry of a dictionary: every command, file and page knows it from there."""

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.errors import UnknownNameError
from mensa_sim.hardware.files import FILE_KINDS
from mensa_sim.io.files import json_schema
from mensa_sim.objective import OBJECTIVES, Objective, objective_named
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.space.files import SpaceFile

README = Path(__file__).resolve().parents[2] / "mensa_sim" / "README.md"
SHIPPED = list(OBJECTIVES)
"""Before a test adds one."""
JOULE_SECONDS = {"edp": (1, 1), "ed2p": (1, 2), "e2dp": (2, 1)}
"""Powers of energy and latency."""


@pytest.mark.usefixtures("added_objective")
@pytest.mark.parametrize("objective", ["ed2p", "e2dp"])
def test_a_run_minimises_it_simulates_it_and_shows_it_in_its_unit(objective: str) -> None:
    result = ms.run("mnist_cnn", scheduler="optimal", objective=objective)
    main, found = result.main, result.main.optimality
    of_energy, of_latency = JOULE_SECONDS[objective]
    predicted = main.schedule.prediction
    assert found.objective == objective
    assert found.value == pytest.approx(predicted.energy_pj**of_energy * float(predicted.latency_ps) ** of_latency)
    assert found.gap == 0
    assert found.simulated == pytest.approx(main.energy_pj**of_energy * float(main.latency_ps) ** of_latency)
    named, figure = objective_named(objective), {"ed2p": "ed2p_j_s2", "e2dp": "e2dp_j2_s"}[objective]
    joules, seconds = main.energy_pj / 1e12, main.latency_ps / 1e12
    assert result.summary()[figure] == pytest.approx(joules**of_energy * seconds**of_latency)
    assert named.title in str(result)
    assert f"{named.unit}," in str(result)
    assert named.title in result.files()["report.html"]


@pytest.mark.usefixtures("added_objective")
def test_systems_are_compared_by_the_objective_asked_for() -> None:
    result = ms.compare("mnist_cnn", ["edge_tpu", "mensa_g"], scheduler="greedy", objective="e2dp")
    rows = result.summary()["systems"]
    for row in rows:
        assert row["e2dp_j2_s"] == pytest.approx((row["energy_pj"] / 1e12) ** 2 * row["latency_ps"] / 1e12)
    assert "least energy² x delay" in result.files()["report.html"]


def test_a_schedule_for_energy_times_delay_squared_is_at_least_as_fast_as_one_for_the_product() -> None:
    fast, even = (ms.run("mnist_cnn", scheduler="optimal", objective=name).main for name in ("ed2p", "edp"))
    assert fast.schedule.prediction.latency_ps <= even.schedule.prediction.latency_ps


@pytest.mark.parametrize(("energy", "latency"), [(-1, 1), (0, 0)])
def test_powers_that_do_not_grow_are_refused(energy: int, latency: int) -> None:
    with pytest.raises(ValueError, match="powers"):
        Objective(title="t", energy_power=energy, latency_power=latency)


def test_a_miss_lists_the_choices() -> None:
    for ask in (objective_named, lambda name: Goal(objective=name)):
        with pytest.raises(UnknownNameError, match="ed2p, edp, energy, latency"):
            ask("speed")


@pytest.mark.parametrize("command", ["run", "compare", "explain", "families"])
def test_help_names_every_objective(command: str) -> None:
    told = re.sub(r"[^\w,.²]+", " ", CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output)
    assert "edp, latency, energy or ed2p" in told


def test_files_schemas_and_the_readme_know_every_objective() -> None:
    system = json.dumps(json_schema(FILE_KINDS["system"]))
    for schema in (system, json.dumps(json_schema(SpaceFile))):
        assert json.dumps(SHIPPED) in schema
    (line,) = [line for line in README.read_text().splitlines() if line.startswith("objectives `")]
    assert re.findall(r"`(\w+)`", line.split("(")[0]) == SHIPPED


@given(
    powers=st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any),
    before=st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)),
    after=st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)),
)
def test_energy_and_latency_together_make_the_whole_difference_of_a_value(
    powers: tuple[int, int], before: tuple[float, float], after: tuple[float, float]
) -> None:
    objective = Objective(title="t", energy_power=powers[0], latency_power=powers[1])
    of_energy, of_latency = objective.rates(before, after)
    parts = of_energy * (after[0] - before[0]) + of_latency * (after[1] - before[1])
    values = objective.value(*after), objective.value(*before)
    assert math.isclose(parts, values[0] - values[1], rel_tol=1e-9, abs_tol=1e-9 * max(1.0, *values))
