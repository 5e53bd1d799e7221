"""The pool: real kills of workers and of their parent; results are those of one process, in any number of them."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from killed import HANGS_S, ROOT

from mensa_sim.errors import FileError, MensaError, UnknownNameError
from mensa_sim.io.workers import ATTEMPTS, DeadWorkerError, Pool, Processes, pool_of

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds descendants in /proc")


def squaring() -> Callable[[int], int]:
    return lambda number: number * number


def killed_first(folder: Path) -> Callable[[int], int]:
    """Squares; each number is killed the first time it is tried."""

    def work(number: int) -> int:
        mark = folder / str(number)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    return work


def deadly(number: int) -> Callable[[int], int]:
    """Squares; one number kills whoever tries it."""

    def work(given: int) -> int:
        if given == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return given * given

    return work


def refusing(error: Exception) -> Callable[[int], int]:
    """Squares even numbers, refuses odd ones."""

    def work(number: int) -> int:
        if number % 2:
            raise error
        return number * number

    return work


def identity() -> Callable[[object], tuple[int, object]]:
    return lambda given: (os.getpid(), given)


def results(pool: Pool[int, int], numbers: range) -> list[int]:
    with pool:
        for number in numbers:
            pool.submit(number)
        return sorted(pool.wait() for _ in numbers)


SCRIPT = """
from functools import partial
from operator import mul
from mensa_sim.io.workers import pool_of
print("read")
with pool_of(partial(partial, mul, 2), 2) as pool:
    for number in range(3):
        pool.submit(number)
    print(sorted(pool.wait() for _ in range(3)))
"""
GUARDED = """
from mensa_sim.io.workers import pool_of
def start():
    return lambda number: number * 3
if __name__ == "__main__":
    with pool_of(start, 2) as pool:
        pool.submit(5)
        print(pool.wait())
"""


@pytest.mark.parametrize(("script", "said"), [(SCRIPT, "read\n[0, 2, 4]\n"), (GUARDED, "15\n")])
def test_a_script_runs_once_though_it_guards_nothing(tmp_path: Path, script: str, said: str) -> None:
    """Only a worker whose work is a function of the script reads the script."""
    file = tmp_path / "mine.py"
    file.write_text(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


@pytest.mark.parametrize("jobs", [0, 1, 2, 5])
def test_any_number_of_workers_gives_the_results_of_one(jobs: int) -> None:
    assert results(pool_of(squaring, jobs), range(12)) == [number * number for number in range(12)]


def test_one_job_is_this_process_and_several_are_others() -> None:
    with pool_of(identity, 1) as alone, pool_of(identity, 2) as several:
        for pool in (alone, several):
            pool.submit("a")
        assert alone.wait()[0] == os.getpid()
        assert several.wait()[0] != os.getpid()


def test_a_task_larger_than_any_pipe_holds_comes_back_whole() -> None:
    large = b"x" * 5_000_000
    with pool_of(identity, 2) as pool:
        for _ in range(4):
            pool.submit(large)
        assert [pool.wait()[1] == large for _ in range(4)] == [True] * 4


def test_workers_that_are_killed_at_their_task_are_replaced_and_no_result_is_missing(tmp_path: Path) -> None:
    assert results(pool_of(partial(killed_first, tmp_path), 3), range(6)) == [number * number for number in range(6)]


def test_workers_that_are_killed_from_outside_are_replaced_and_no_result_is_missing() -> None:
    with pool_of(squaring, 2) as pool:
        for number in range(20):
            pool.submit(number)
            for child in multiprocessing.active_children():
                if number in (5, 11):
                    child.kill()
        assert sorted(pool.wait() for _ in range(20)) == [number * number for number in range(20)]


def test_a_task_that_kills_every_worker_is_named_and_the_others_are_done() -> None:
    with pool_of(partial(deadly, 3), 2) as pool:
        for number in range(6):
            pool.submit(number)
        found: list[int] = []
        blamed: list[tuple[object, str]] = []
        for _ in range(6):
            try:
                found.append(pool.wait())
            except DeadWorkerError as death:
                blamed.append((death.task, str(death)))
    assert sorted(found) == [0, 1, 4, 16, 25]
    ((task, why),) = blamed
    assert task == 3
    assert f"died {ATTEMPTS} times (signal {signal.SIGKILL:d})" in why


@pytest.mark.parametrize(
    "error", [FileError("a.yaml", ["one", "two"]), UnknownNameError("no such name"), MensaError("why"), ValueError("x")]
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_task_raises_is_raised_where_its_result_is_awaited(error: Exception, jobs: int) -> None:
    with pool_of(partial(refusing, error), jobs) as pool:
        pool.submit(1)
        with pytest.raises(type(error)) as raised:
            pool.wait()
        assert str(raised.value) == str(error)
        pool.submit(4)
        assert pool.wait() == 16


def test_an_error_of_ours_survives_the_way_between_processes() -> None:
    back = pickle.loads(pickle.dumps(FileError("a.yaml", ["one", "two"])))
    assert (back.path, back.faults, str(back)) == ("a.yaml", ("one", "two"), "a.yaml: one\na.yaml: two")


BEREFT = """
import multiprocessing
from mensa_sim.io import workers
ours, theirs = multiprocessing.Pipe()
def start():
    def work(task):
        ours.close()
        if task == "refused":
            raise ValueError(task)
    return work
ours.send({task!r})
workers._serve(start, theirs, {{}})
"""
"""A worker's life whose parent's end of the pipe closes while it is at its task."""


@pytest.mark.parametrize("task", ["done", "refused"])
def test_a_worker_whose_parent_dies_during_its_task_says_nothing(task: str) -> None:
    script = BEREFT.format(task=task)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_what_is_under_way_when_a_pool_closes_is_lost_and_its_workers_are_gone() -> None:
    before = set(multiprocessing.active_children())
    pool: Processes[int, int] = Processes(sleeping, 2)
    for number in range(4):
        pool.submit(number)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    pool.close()
    assert not set(multiprocessing.active_children()) - before
    assert not any(worker.is_alive() for worker in workers)


def sleeping() -> Callable[[int], int]:
    def work(number: int) -> int:
        time.sleep(3600)
        return number

    return work


def parents() -> dict[int, int]:
    """The parent of every process that has not ended, as /proc has it."""
    found: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(entry.parent.name)] = int(parent)
    return found


def descendants(process: int) -> set[int]:
    above = parents()
    found, new = {process}, {process}
    while new:
        new = {child for child, parent in above.items() if parent in new} - found
        found |= new
    return found - {process}


def alive(processes: set[int]) -> set[int]:
    return processes & set(parents())


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from test_workers import sleeping
from mensa_sim.io.workers import pool_of
if __name__ == "__main__":
    with pool_of(sleeping, 2) as pool:
        for number in range(3):
            pool.submit(number)
        print("begun", flush=True)
        pool.wait()
"""


SLOW = """
import sys, time
if __name__ == "__main__":
    sys.path.insert(0, {folder!r})
    from slow import start
    from mensa_sim.io.workers import pool_of
    with pool_of(start, 2) as pool:
        pool.submit(1)
        pool.wait()
"""


def test_ctrl_c_while_workers_are_being_made_ready_is_the_parents_alone(tmp_path: Path) -> None:
    """The module of their work is read until the interrupt has been sent."""
    (tmp_path / "slow.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        "here, parent = Path(__file__).parent, os.getppid()\n"
        "(here / f'{os.getpid()}.pid').touch()\n"
        "while len(list(here.glob('*.pid'))) == 2 and os.getppid() == parent and not (here / 'go').exists():\n"
        "    time.sleep(0.01)\n"
        "def start(): return lambda number: number\n"
    )
    (tmp_path / "program.py").write_text(SLOW.format(folder=str(tmp_path)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        while len(list(tmp_path.glob("*.pid"))) < 2:
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        (tmp_path / "go").touch()
        _, errors = process.communicate(timeout=HANGS_S)
    assert errors.count("Traceback") == 1, errors


@LINUX
@pytest.mark.parametrize("how", ["the parent is killed", "Ctrl-C", "the parent is terminated"])
def test_no_worker_outlives_its_parent(how: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        below = descendants(process.pid)
        assert len(below) >= 2
        if how == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGKILL if how == "the parent is killed" else signal.SIGTERM)
        _, errors = process.communicate(timeout=HANGS_S)
    assert errors.count("Traceback") == (how == "Ctrl-C"), errors
    end = time.monotonic() + HANGS_S
    while alive(below) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(below)
