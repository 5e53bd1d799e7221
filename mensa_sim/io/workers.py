"""The one pool of worker processes: any of them may die, none outlives this process, and the tasks decide the results.

Each worker has one task at a time, so that it is known which task a worker died of: the task is given to a new worker,
and one that takes `ATTEMPTS` workers with it is named in an error.
"""

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from mensa_sim.errors import MensaError
from mensa_sim.io.at_hand import take_texts, texts_at_hand
from mensa_sim.records import dataclass

ATTEMPTS = 3
"""Workers that a task may take with it: a choice, so that one that an accident killed costs time only."""

Task = TypeVar("Task")
Result = TypeVar("Result")
Start = Callable[[], Callable[[Task], Result]]
"""Makes, once in each worker, the function that does tasks; to be pickled."""


class DeadWorkerError(MensaError):
    """A task that took every worker with it; `task` is that task."""

    def __init__(self, task: Any, exit_code: int | None) -> None:
        self.task = task
        how = f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
        super().__init__(f"its process died {ATTEMPTS} times ({how}); where memory is short, fewer --jobs need less")


class Pool(ABC, Generic[Task, Result]):
    """Takes tasks and gives results back in the order in which they are ready; closed when its block is left."""

    capacity: int
    """Tasks to have under way so that no worker waits for one."""

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Begin a task."""

    @abstractmethod
    def wait(self) -> Result:
        """The next result; raises what its task raised. Only while a task is under way."""

    def withdraw(self) -> list[Task]:
        """Take back the tasks that no worker has begun, as far as that is known."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Stop; what is under way is lost."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def pool_of(start: Start[Task, Result], jobs: int) -> Pool[Task, Result]:
    """So many workers; in place of one alone this process does the work itself."""
    return Inline(start) if jobs <= 1 else Processes(start, jobs)


class Inline(Pool[Task, Result]):
    """Does tasks in this process, one after another."""

    capacity = 1

    def __init__(self, start: Start[Task, Result]) -> None:
        self._work = start()
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def wait(self) -> Result:
        return self._work(self._tasks.popleft())

    def withdraw(self) -> list[Task]:
        tasks, self._tasks = list(self._tasks), deque()
        return tasks

    def close(self) -> None:
        self._tasks.clear()


@dataclass(slots=True)
class _Try(Generic[Task]):
    """A task and how many workers died of it."""

    task: Task
    deaths: int = 0


class Processes(Pool[Task, Result]):
    """Does tasks in processes on this machine, each with the pipe by which it gets tasks and gives results back."""

    def __init__(self, start: Start[Task, Result], jobs: int) -> None:
        self._start = start
        self._jobs = jobs
        self.capacity = jobs + 1
        self._waiting: deque[_Try[Task]] = deque()
        self._busy: dict[Connection, _Try[Task]] = {}
        self._idle: list[Connection] = []
        self._processes: dict[Connection, BaseProcess] = {}

    def submit(self, task: Task) -> None:
        self._waiting.append(_Try(task))
        self._hand_out()

    def wait(self) -> Result:
        while True:
            pipe = cast(Connection, wait_for(list(self._busy))[0])
            attempt = self._busy.pop(pipe)
            try:
                result, error = pipe.recv()
            except (EOFError, OSError):
                self._bury(pipe, attempt)
                continue
            self._idle.append(pipe)
            self._hand_out()
            if error is not None:
                raise error
            done: Result = result
            return done

    def grow(self, start: Start[Task, Result], jobs: int) -> None:
        """From now on so many workers; those that begin now make their function so."""
        self._start, self._jobs, self.capacity = start, jobs, jobs + 1
        self._hand_out()

    def withdraw(self) -> list[Task]:
        tasks = [attempt.task for attempt in self._waiting]
        self._waiting.clear()
        return tasks

    def close(self) -> None:
        for pipe, process in self._processes.items():
            pipe.close()  # an idle worker ends by itself
            if pipe in self._busy:
                process.kill()
        for process in self._processes.values():
            process.join()
        self._processes.clear()
        self._busy.clear()
        self._idle.clear()
        self._waiting.clear()

    def _hand_out(self) -> None:
        """Gives waiting tasks to workers that are idle or may still be begun."""
        while self._waiting and (self._idle or len(self._processes) < self._jobs):
            attempt = self._waiting.popleft()
            pipe = self._idle.pop() if self._idle else self._begin()
            self._busy[pipe] = attempt
            try:
                pipe.send(attempt.task)
            except OSError:  # it died idle: its pipe says so when it is waited for
                continue

    def _begin(self) -> Connection:
        """A new worker's pipe."""
        pipes: tuple[Connection, Connection] = multiprocessing.Pipe()
        ours, theirs = pipes
        given = (self._start, theirs, texts_at_hand(), dict(os.environ), gc.get_threshold())
        work: dict[str, Any] = {"target": _serve, "args": given, "daemon": True}
        with _interrupts_held(), _script_left_alone(self._start):
            try:
                process: BaseProcess = _context(self._start).Process(**work)
                process.start()
            except (EOFError, OSError):  # the fresh process was killed while it should have made a copy of itself
                process = multiprocessing.get_context("spawn").Process(**work)
                process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _bury(self, pipe: Connection, attempt: _Try[Task]) -> None:
        """Takes leave of a dead worker and has its task done by another, unless it was the last attempt."""
        process = self._processes.pop(pipe)
        pipe.close()
        process.join()
        if attempt.deaths + 1 == ATTEMPTS:
            self._hand_out()
            raise DeadWorkerError(attempt.task, process.exitcode)
        self._waiting.appendleft(_Try(attempt.task, attempt.deaths + 1))
        self._hand_out()


def _context(start: Callable[[], Any]) -> Any:
    """How processes begin: as copies of a fresh one that has imported all they need, where the system can do that."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    work = getattr(start, "func", start)
    context.set_forkserver_preload(["mensa_sim.io.fork_server", __name__, getattr(work, "__module__", __name__)])
    return context


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the end of the block; processes begun inside never get it: their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # begun by the first process, it would let Ctrl-C through to all that follow
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _script_left_alone(start: Callable[[], Any]) -> Iterator[None]:
    """Processes begun inside do not run the user's script again, unless the work is a function of that script."""
    script = sys.modules["__main__"]
    if script.__name__.encode() in pickle.dumps(start):
        yield
        return
    hidden = {name: vars(script)[name] for name in ("__file__", "__spec__") if name in vars(script)}
    try:
        for name in hidden:
            setattr(script, name, None)
        yield
    finally:
        for name, value in hidden.items():
            setattr(script, name, value)


def _serve(
    start: Start[Any, Any],
    pipe: Connection,
    texts: Mapping[str, str],
    around: Mapping[str, str],
    garbage_after: tuple[int, int, int],
) -> None:
    """A worker's life: it leaves Ctrl-C to its parent, does task after task, and ends when its parent does.

    Its environment is that of its parent now; the process that it is a copy of may have begun in another. It looks for
    garbage as seldom as its parent.
    """
    take_texts(texts)
    gc.set_threshold(*garbage_after)
    os.environ.clear()
    os.environ.update(around)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait_for([parent.sentinel]), os._exit(1)), daemon=True).start()
    work: Callable[[Any], Any] | None = None
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            work = work or start()
            pipe.send((work(task), None))
        except Exception as error:
            if not isinstance(error, MensaError):
                error.add_note(traceback.format_exc())
            with suppress(OSError):  # nobody may be left to read it: then the next look for a task says so
                pipe.send((None, _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error, or what it says where it does not survive the way between processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever another's class raises
        return RuntimeError("".join(traceback.format_exception_only(error)).strip())
    return error
