"""Finished models survive a kill, and nothing stale is taken for them."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from killed import killed_after
from typer.testing import CliRunner

from mensa_sim.cli.main import app
from mensa_sim.errors import MensaError
from mensa_sim.study.reproduce import workers
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.workers import (
    FOLDER,
    FinishedModels,
    ModelOutcomes,
    ModelTask,
    NumberedTask,
    run_model,
    run_models,
)

TASK = ModelTask(model="keyboard_cifg", cases=(Case(label="main", system="edge_tpu", closed_loop=True),))
MODELS = "speech_lstmp,keyboard_cifg"


def test_a_finished_model_reads_back_equal(tmp_path: Path) -> None:
    store = FinishedModels(tmp_path, ())
    assert store.get(TASK) is None
    outcomes = run_model(TASK)
    store.put(TASK, outcomes)
    assert FinishedModels(tmp_path, ()).get(TASK) == outcomes


def test_another_task_or_other_inputs_are_not_taken_for_it(tmp_path: Path) -> None:
    file = tmp_path / "system.yaml"
    file.write_text("one")
    FinishedModels(tmp_path, [file]).put(TASK, run_model(TASK))
    assert FinishedModels(tmp_path, [file]).get(TASK) is not None
    assert FinishedModels(tmp_path, [file]).get(replace(TASK, cases=(replace(TASK.cases[0], length=2.0),))) is None
    file.write_text("two")
    assert FinishedModels(tmp_path, [file]).get(TASK) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b"\xff", b'{"model": "keyboard_cifg"}'])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: bytes) -> None:
    store = FinishedModels(tmp_path, ())
    store.put(TASK, run_model(TASK))
    (path,) = (tmp_path / FOLDER).iterdir()
    path.write_bytes(damage)
    assert store.get(TASK) is None


def test_what_is_known_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FinishedModels(tmp_path, ())
    first = run_models([TASK], 1, finished=store)
    monkeypatch.setattr("mensa_sim.study.reproduce.workers.run_model", lambda task: pytest.fail("ran again"))
    seen: list[tuple[int, int, str]] = []
    again = run_models([TASK], 1, lambda *progress: seen.append(progress), finished=store)
    assert again == first
    assert seen == [(1, 1, "keyboard_cifg")]
    store.clear()
    assert not (tmp_path / FOLDER).exists()


def killed_runner(once: Path | None = None) -> Callable[[NumberedTask], tuple[int, ModelOutcomes]]:
    """Runs models; one kills its process, or only the first, which leaves a mark."""

    def work(placed: NumberedTask) -> tuple[int, ModelOutcomes]:
        place, task = placed
        if task.model == "mobilenet_v1" and not (once and once.exists()):
            if once:
                once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return place, run_model(task)

    return work


def test_a_model_that_kills_its_processes_is_named_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mensa_sim.study.reproduce.workers._runner", killed_runner)
    store = FinishedModels(tmp_path, ())
    deadly = replace(TASK, model="mobilenet_v1")
    with pytest.raises(MensaError, match=r"^mobilenet_v1: its process died 3 times \(signal 9\)"):
        run_models([TASK, deadly], 2, finished=store)
    assert store.get(deadly) is None
    assert store.get(TASK) == run_model(TASK)


def test_a_process_that_is_killed_once_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [TASK, replace(TASK, model="mobilenet_v1")]
    calm = run_models(tasks, 1)
    monkeypatch.setattr("mensa_sim.study.reproduce.workers._runner", partial(killed_runner, tmp_path / "killed"))
    assert run_models(tasks, 2) == calm
    assert (tmp_path / "killed").exists()


@pytest.mark.parametrize(
    ("command", "last", "written"),
    [
        (f"reproduce --models {MODELS}", "keyboard_cifg", ["models.csv", "report.html", "summary.json"]),
        (
            "sensitivity --runs 1 --prices 5 --workloads small.yaml,small_too.yaml",
            "small.yaml",
            ["report.html", "summary.json", "swings.csv"],
        ),
    ],
)
def test_a_killed_run_goes_on_from_the_models_that_it_had_finished(
    command: str, last: str, written: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    for name in ("small", "small_too"):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nlayers: [{{name: a, operator: linear, dims: {{K: 8}}}}]\n"
        )
    arguments = [*command.split(), "--jobs", "1", "--quiet", "--output", str(folder)]
    killed_after(1, *arguments)
    assert not (folder / "summary.json").exists()
    ran: list[str] = []

    def seen(task: ModelTask) -> ModelOutcomes:
        ran.append(task.model)
        return run_model(task)

    monkeypatch.setattr(workers, "run_model", seen)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.exception
    assert ran == [last]  # the other had been run before: models are run from the end of the list
    assert sorted(path.name for path in folder.iterdir()) == written
