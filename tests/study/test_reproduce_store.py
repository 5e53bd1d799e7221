"""Finished models survive a kill, and nothing stale is taken for them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mensa_sim.errors import MensaError
from mensa_sim.io.store import Store
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.store import FOLDER, FinishedModels
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask, run_model, run_models

TASK = ModelTask(model="keyboard_cifg", cases=(Case(label="main", system="edge_tpu", closed_loop=True),))
MODELS = "mobilenet_v1,keyboard_cifg"


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


def killed_runner() -> Callable[[ModelTask], ModelOutcomes]:
    """Runs models; one kills its process."""

    def work(task: ModelTask) -> ModelOutcomes:
        if task.model == "mobilenet_v1":
            os.kill(os.getpid(), signal.SIGKILL)
        return run_model(task)

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


def test_a_process_killed_from_outside_costs_time_only(tmp_path: Path) -> None:
    tasks = [TASK, replace(TASK, model="mobilenet_v1")]
    before = set(multiprocessing.active_children())
    killed: list[int] = []

    def kill_one() -> None:
        while not killed:
            for child in set(multiprocessing.active_children()) - before:
                child.kill()
                killed.append(child.pid or 0)
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    ran = run_models(tasks, 2)
    killer.join()
    assert killed
    assert ran == run_models(tasks, 1)


@pytest.mark.parametrize("command", [["reproduce"], ["sensitivity", "--runs", "1", "--prices", "5"]])
def test_a_killed_run_goes_on_from_the_models_that_it_had_finished(tmp_path: Path, command: list[str]) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"

    def arguments(folder: Path) -> list[str]:
        own = [sys.executable, "-m", "mensa_sim", *command, "--models", MODELS, "--jobs", "1"]
        return [*own, "--quiet", "--output", str(folder)]

    with subprocess.Popen(arguments(killed)) as process:
        while process.poll() is None and not list(killed.glob(f"{FOLDER}/*.entry")):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    kept = min(killed.glob(f"{FOLDER}/*.entry"))
    assert not (killed / "summary.json").exists()
    store = Store(kept.parent)
    content = store.get_data(kept.stem)
    content["outcomes"][0]["latency_ps"] += 1
    store.put_data(kept.stem, content)  # a mark: only a run that takes this model from here shows it
    subprocess.run(arguments(killed), check=True)
    subprocess.run(arguments(whole), check=True)
    assert not (killed / FOLDER).exists()
    assert (killed / "summary.json").read_text() != (whole / "summary.json").read_text()
    assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in whole.iterdir())
