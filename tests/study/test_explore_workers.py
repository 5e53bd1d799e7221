"""Workers may die: what they did is done again, and a design that kills them counts as failed."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from explorations import outcomes
from space_files import write_space

from mensa_sim.api.explore import explore
from mensa_sim.study.explore import workers as explore_workers
from mensa_sim.study.explore.evaluate import Setup, Task
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


def dying_on_two(setup: Setup) -> Callable[[Task], DesignOutcome]:
    """Stands for an evaluation; it takes its process with it."""

    def outcome(task: Task) -> DesignOutcome:
        if task.number == 2:
            os._exit(9)
        return DesignOutcome(number=task.number, point=task.point, state="done")

    return outcome


def test_a_design_that_kills_every_process_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = check_space(load_space(write_space(tmp_path)))
    setup = Setup(space=checked.space, base=checked.base, references=(), graphs=())
    monkeypatch.setattr(explore_workers, "_evaluation", dying_on_two)
    workers = Local(setup, 2)
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
