"""Who evaluates designs: this process itself, or processes on this machine, of which any may die."""

from collections.abc import Callable
from functools import partial

from mensa_sim.io.workers import DeadWorkerError, Pool, pool_of
from mensa_sim.study.explore.evaluate import Evaluator, Setup, Task
from mensa_sim.study.explore.study_file import DesignOutcome

Workers = Pool[Task, DesignOutcome]


class Local(Workers):
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

    def withdraw(self) -> list[Task]:
        return self._pool.withdraw()

    def close(self) -> None:
        self._pool.close()


def _evaluation(setup: Setup) -> Callable[[Task], DesignOutcome]:
    return Evaluator(setup).outcome
