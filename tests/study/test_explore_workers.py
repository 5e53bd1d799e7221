"""Workers may die: what they did is done again, and a design that kills them counts as failed."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from explorations import outcomes
from space_files import write_space

from mensa_sim.api.explore import explore
from mensa_sim.cost.prices import repriced, together
from mensa_sim.study.explore import workers as explore_workers
from mensa_sim.study.explore.evaluate import Setup, Task
from mensa_sim.study.explore.setup import setup_of
from mensa_sim.study.explore.study_file import DesignOutcome
from mensa_sim.study.explore.workers import Local
from mensa_sim.study.space.check import check_space
from mensa_sim.study.space.space import load_space


def test_killing_a_process_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    space = write_space(tmp_path)
    killed: list[int] = []

    def kill_one(done: int, wanted: int | None, last: str) -> None:
        children = multiprocessing.active_children()
        if done >= 3 and children and not killed:
            killed.append(children[0].pid or 0)
            children[0].kill()

    disturbed = explore(space, folder=tmp_path / "disturbed", jobs=2, progress=kill_one)
    assert killed
    assert outcomes(disturbed) == outcomes(explore(space, folder=tmp_path / "calm"))


def setup_with(folder: Path, **changes: Any) -> Setup:
    """Of a space of designs that differ in a clock."""
    clocks = {"accelerators.pascal.clock_hz": {"values": [10**6 * number for number in range(1, 6)]}}
    checked = check_space(load_space(write_space(folder, parameters=clocks, references=[], **changes)))
    return setup_of(checked, (), allow_code=False, cache=False)


def test_what_one_process_has_learned_of_the_first_designs_no_other_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = setup_with(tmp_path, conditions=["accelerators.pascal.clock_hz > 1e6"])
    tasks = [Task(number=number, point=(number,)) for number in range(5)]
    alone = explore_workers._evaluation(setup)
    expected = [alone(task) for task in tasks]
    assert [outcome.state for outcome, _ in expected] == ["excluded", *["done"] * 4]
    teaching = explore_workers._teaching(setup)
    taught = [teaching(task) for task in tasks]
    assert [outcome for outcome, _ in taught] == [outcome for outcome, _ in expected]
    assert [learned is not None for _, learned in taught] == [False, False, True, False, False]

    def searched(*_: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(repriced, "contenders", searched)
    monkeypatch.setattr(together, "price_layers", searched)
    pupil = explore_workers._evaluation(setup, taught[2][1])
    assert [pupil(task) for task in tasks[3:]] == expected[3:]


def naming(setup: Setup, learned: bytes | None = None) -> Callable[[Task], tuple[DesignOutcome, bytes | None]]:
    """Stands for an evaluation; tells which process it is of, and what that began with."""

    def evaluated(task: Task) -> tuple[DesignOutcome, bytes | None]:
        told = f"{os.getpid()} {learned!r}"
        return DesignOutcome(number=task.number, point=task.point, state="done", detail=told), b"0"

    return evaluated


def test_processes_begin_with_what_the_first_has_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_workers, "_teaching", naming)
    monkeypatch.setattr(explore_workers, "_evaluation", naming)
    with Local(setup_with(tmp_path), 3) as workers:
        assert workers.capacity == 4
        for number in range(4):
            workers.submit(Task(number=number, point=(number,)))
        found = [workers.wait().detail.split() for _ in range(4)]
    first, *_ = found
    assert first[1] == "None"
    assert {learned for process, learned in found if process != first[0]} == {"b'0'"}
    assert {learned for process, learned in found if process == first[0]} == {"None"}


def dying_on_two(setup: Setup) -> Callable[[Task], tuple[DesignOutcome, None]]:
    """Stands for an evaluation; it takes its process with it."""

    def evaluated(task: Task) -> tuple[DesignOutcome, None]:
        if task.number == 2:
            os._exit(9)
        return DesignOutcome(number=task.number, point=task.point, state="done"), None

    return evaluated


def test_a_design_that_kills_every_process_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_workers, "_teaching", dying_on_two)
    workers = Local(setup_with(tmp_path), 2)
    for number in range(5):
        workers.submit(Task(number=number, point=(number,)))
    found = {outcome.number: outcome for outcome in (workers.wait() for _ in range(5))}
    workers.close()
    assert {number: outcome.state for number, outcome in found.items()} == {
        0: "done",
        1: "done",
        2: "failed",
        3: "done",
        4: "done",
    }
    assert "died 3 times (exit code 9)" in found[2].detail
