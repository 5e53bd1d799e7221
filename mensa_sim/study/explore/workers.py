"""Who evaluates designs: this process itself, or processes on this machine, of which any may die."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from mensa_sim.io.workers import DeadWorkerError, pool_of
from mensa_sim.study.explore.evaluate import Evaluator, Setup, Task
from mensa_sim.study.explore.study_file import DesignOutcome


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


class Local:
    """Evaluates on this machine; a design that takes every process with it counts as failed."""

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._pool = pool_of(partial(_evaluation, setup), jobs)
        self.capacity = self._pool.capacity

    def submit(self, task: Task) -> None:
        self._pool.submit(task)

    def wait(self) -> DesignOutcome:
        try:
            return self._pool.wait()
        except DeadWorkerError as death:
            task: Task = death.task
            return DesignOutcome(number=task.number, point=task.point, state="failed", detail=str(death))

    def close(self) -> None:
        self._pool.close()


def _evaluation(setup: Setup) -> Callable[[Task], DesignOutcome]:
    return Evaluator(setup).outcome
