"""Who evaluates designs: this process itself, or processes on this machine, of which any may die."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import Protocol

from mensa_sim.study.explore.evaluate import Evaluator, Setup, Task
from mensa_sim.study.explore.study_file import DesignOutcome

ATTEMPTS = 3
"""Times that a design may take its worker with it before it counts as failed."""


class Workers(Protocol):
    """Takes tasks and gives outcomes back in the order in which they are ready."""

    @property
    def capacity(self) -> int:
        """Tasks that may be under way at once."""

    def submit(self, task: Task) -> None:
        """Begin a task."""

    def wait(self) -> DesignOutcome:
        """The next outcome; only while a task is under way."""

    def close(self) -> None:
        """Stop; what is under way is lost."""


class Inline:
    """Evaluates in this process, one design at a time."""

    capacity = 1

    def __init__(self, setup: Setup) -> None:
        self._evaluator = Evaluator(setup)
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def wait(self) -> DesignOutcome:
        return self._evaluator.outcome(self._tasks.popleft())

    def close(self) -> None:
        self._tasks.clear()


class Processes:
    """Evaluates in processes on this machine.

    A process that dies takes the whole pool with it, and nobody knows which design killed it: each that was under
    way is then run alone, and one that kills its process `ATTEMPTS` times counts as failed.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup = setup
        self._jobs = jobs
        self.capacity = jobs + 1
        self._under_way: dict[Future[DesignOutcome], Task] = {}
        self._ready: deque[DesignOutcome] = deque()
        self._pool = self._new_pool(jobs)

    def _new_pool(self, jobs: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(jobs, mp_context=_context(), initializer=_begin, initargs=(self._setup,))

    def submit(self, task: Task) -> None:
        try:
            self._under_way[self._pool.submit(_evaluate, task)] = task
        except BrokenProcessPool:
            self._recover([task])

    def wait(self) -> DesignOutcome:
        while not self._ready:
            done, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
            broken: list[Task] = []
            for future in sorted(done, key=lambda future: self._under_way[future].number):
                task = self._under_way.pop(future)
                try:
                    self._ready.append(future.result())
                except BrokenProcessPool:
                    broken.append(task)
            if broken:
                self._recover(broken)
        return self._ready.popleft()

    def _recover(self, broken: list[Task]) -> None:
        """Settles what was under way when the pool broke, each task alone, and starts a new pool."""
        suspects = sorted((*broken, *self._under_way.values()), key=lambda task: task.number)
        self._under_way.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for task in suspects:
            self._ready.append(self._alone(task))
        self._pool = self._new_pool(self._jobs)

    def _alone(self, task: Task) -> DesignOutcome:
        for _ in range(ATTEMPTS):
            with self._new_pool(1) as pool:
                try:
                    return pool.submit(_evaluate, task).result()
                except BrokenProcessPool:
                    continue
        detail = f"its process died {ATTEMPTS} times"
        return DesignOutcome(number=task.number, point=task.point, state="failed", detail=detail)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _context() -> multiprocessing.context.BaseContext:
    """How processes begin: as copies of a fresh one that has imported all they need, where the system can do that."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


_evaluator: Evaluator | None = None
"""The evaluator of this process, where this process is a worker."""


def _begin(setup: Setup) -> None:
    """Readies a worker process: it leaves Ctrl-C to its parent and ends when its parent does."""
    global _evaluator
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait_for([sentinel]), os._exit(1)), daemon=True).start()
    _evaluator = Evaluator(setup)


def _evaluate(task: Task) -> DesignOutcome:
    if _evaluator is None:
        raise RuntimeError("a worker process was given a task before its setup")
    return _evaluator.outcome(task)
