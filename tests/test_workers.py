"""The pool: real kills of workers and of their parent; results are those of one process, in any number of them."""

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from functools import partial
from operator import add
from pathlib import Path

import pytest
from killed import HANGS_S, ROOT, around, ended
from pool_work import deadly, far, identity, killed_first, refusing, sleeping, squaring

from mensa_sim.errors import FileError, MensaError, UnknownNameError
from mensa_sim.io.workers import ATTEMPTS, DeadWorkerError, Pool, Processes, pool_of

FORKS = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="no process is copied from another here"
)


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
    assert ended(str(file)) == (0, said, "")


@pytest.mark.parametrize("jobs", [0, 1, 2, 5])
def test_any_number_of_workers_gives_the_results_of_one(jobs: int) -> None:
    assert results(pool_of(squaring, jobs), range(12)) == [number * number for number in range(12)]


def test_one_job_is_this_process_and_several_are_others() -> None:
    with pool_of(identity, 1) as alone, pool_of(identity, 2) as several:
        for pool in (alone, several):
            pool.submit("a")
        assert alone.wait()[0] == os.getpid()
        assert several.wait()[0] != os.getpid()


def test_workers_find_what_the_environment_says_when_their_pool_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("here", "there"):
        monkeypatch.setenv("MENSA_SIM_CACHE", place)
        with pool_of(partial(partial, os.getenv), 2) as pool:
            pool.submit("MENSA_SIM_CACHE")
            assert pool.wait() == place


def test_workers_look_for_garbage_as_seldom_as_their_parent() -> None:
    before = gc.get_threshold()
    gc.set_threshold(123_456, 7, 8)
    try:
        with pool_of(partial(eval, "lambda _: __import__('gc').get_threshold()"), 2) as pool:
            pool.submit(None)
            assert pool.wait() == (123_456, 7, 8)
    finally:
        gc.set_threshold(*before)


def test_a_pool_that_grows_begins_its_new_workers_otherwise_and_keeps_its_old_ones() -> None:
    with Processes(partial(partial, add, 1), 1) as pool:
        for number in range(4):
            pool.submit(number)
        assert len(pool.withdraw()) == 3
        assert pool.wait() == 1
        pool.grow(partial(partial, add, 100), 2)
        assert pool.capacity == 3
        for number in range(2):
            pool.submit(number)
        assert sorted([pool.wait(), pool.wait()]) == [1, 101]


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


def test_an_error_that_cannot_be_sent_is_told_in_words_by_a_worker_that_lives_on() -> None:
    with pool_of(far, 2) as pool:
        for number in range(3):
            pool.submit(number)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="LocalError: far"):
                pool.wait()


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
workers._serve(start, theirs, {{}}, {{}}, (700, 10, 10))
"""
"""A worker's life whose parent's end of the pipe closes while it is at its task."""


@pytest.mark.parametrize("task", ["done", "refused"])
def test_a_worker_whose_parent_dies_during_its_task_says_nothing(task: str) -> None:
    assert ended("-c", BEREFT.format(task=task)) == (0, "", "")


CUT_OFF = """
import os, signal
from functools import partial
from multiprocessing import popen_forkserver, reduction
from operator import neg
from mensa_sim.io.workers import pool_of
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
with pool_of(partial(partial, neg), 2) as pool:
    pool.submit(1)
    {change}
    pool.submit(2)
"""


@FORKS
@pytest.mark.parametrize(
    "change",
    [
        "reduction.sendfds = kill",
        "popen_forkserver.open = kill",
        "popen_forkserver.open = lambda pipe, *_, **__: kill(os.write(pipe, b'\\x80\\x04'))",
    ],
    ids=["before it is asked for", "before it is told its work", "while it is told its work"],
)
def test_a_command_that_is_killed_while_it_begins_a_worker_ends_in_silence(change: str) -> None:
    assert ended("-c", CUT_OFF.format(change=change)) == (-signal.SIGKILL, "", "")


MORTAL = """
import os, signal
from pathlib import Path
here, parent = Path(__file__).parent, os.environ.pop("PARENT", None)
if parent == str(os.getppid()) and not (here / "killed").exists():
    (here / "killed").touch()
    os.kill(os.getpid(), signal.SIGKILL)
def start():
    return lambda number: -number
"""
"""Work that kills the first process that reads it, but for the parent of all."""
USING = """
import os
from mortal import start
from mensa_sim.io.workers import pool_of
os.environ["PARENT"] = str(os.getpid())
with pool_of(start, 2) as pool:
    pool.submit(1)
    print(pool.wait())
"""


@FORKS
def test_killing_the_process_of_which_workers_are_copies_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    said = ended("-c", USING, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert said == (0, "-1\n", "")
    assert (tmp_path / "killed").exists()


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


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from pool_work import sleeping
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
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=around(),
        start_new_session=True,
    ) as process:
        while len(list(tmp_path.glob("*.pid"))) < 2:
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        (tmp_path / "go").touch()
        _, errors = process.communicate(timeout=HANGS_S)
    assert errors.count("Traceback") == 1, errors


@pytest.mark.parametrize("how", ["the parent is killed", "Ctrl-C", "the parent is terminated"])
def test_no_worker_outlives_its_parent(how: str, tmp_path: Path) -> None:
    """What the parent writes errors to, its workers hold too: it ends with the last of them."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent)))
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=around(),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if how == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGKILL if how == "the parent is killed" else signal.SIGTERM)
        _, errors = process.communicate(timeout=HANGS_S)
    assert errors.count("Traceback") == (how == "Ctrl-C"), errors


@pytest.mark.parametrize(("jobs", "begun"), [(1, 0), (2, 2)])
def test_what_no_worker_has_begun_can_be_taken_back(jobs: int, begun: int) -> None:
    with pool_of(squaring, jobs) as pool:
        for number in range(5):
            pool.submit(number)
        assert pool.withdraw() == list(range(begun, 5))
        assert sorted(pool.wait() for _ in range(begun)) == [number * number for number in range(begun)]
        assert pool.withdraw() == []
