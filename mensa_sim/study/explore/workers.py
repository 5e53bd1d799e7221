"""Who evaluates designs: this process itself, or processes on this machine, of which any may die."""

import pickle
from collections.abc import Callable
from functools import partial

from mensa_sim.io.workers import DeadWorkerError, Inline, Pool, Processes
from mensa_sim.study.explore.evaluate import Evaluator, Setup, Task
from mensa_sim.study.explore.study_file import DesignOutcome

Workers = Pool[Task, DesignOutcome]

Evaluated = tuple[DesignOutcome, bytes | None]
"""An outcome, and with one of a process that is alone what it has learned, for those that come."""

LEARNED_AFTER = 2
"""Designs after which a process knows what comes again in others: those to find are the ones that came twice."""


class Local(Workers):
    """Evaluates on this machine; a design that takes every process with it counts as failed.

    Several processes begin as one, which evaluates the first designs and finds what all have in common: the others take
    that from it, which costs less than to find it in each.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup, self._jobs = setup, jobs
        self._alone: Processes[Task, Evaluated] | None = None
        """The processes while they are one."""
        self._pool: Pool[Task, Evaluated]
        if jobs > 1:
            self._pool = self._alone = Processes(partial(_teaching, setup), 1)
        else:
            self._pool = Inline(partial(_evaluation, setup))
        self.capacity = jobs + 1 if jobs > 1 else 1

    def submit(self, task: Task) -> None:
        self._pool.submit(task)

    def wait(self) -> DesignOutcome:
        try:
            outcome, learned = self._pool.wait()
        except DeadWorkerError as death:
            task: Task = death.task
            return DesignOutcome(number=task.number, point=task.point, state="failed", detail=str(death))
        if learned is not None and self._alone is not None:
            self._alone.grow(partial(_evaluation, self._setup, learned), self._jobs)
            self._alone = None
        return outcome

    def withdraw(self) -> list[Task]:
        return self._pool.withdraw()

    def close(self) -> None:
        self._pool.close()


def _evaluation(setup: Setup, learned: bytes | None = None) -> Callable[[Task], Evaluated]:
    """What evaluates designs; begins with what another process has learned."""
    evaluator = Evaluator(setup, None if learned is None else pickle.loads(learned))
    return lambda task: (evaluator.outcome(task), None)


def _teaching(setup: Setup) -> Callable[[Task], Evaluated]:
    """What evaluates designs, and after the first that were run tells what it has learned."""
    evaluator, left = Evaluator(setup), LEARNED_AFTER

    def evaluated(task: Task) -> Evaluated:
        nonlocal left
        outcome = evaluator.outcome(task)
        if task.number < 0 or not outcome.was_run:
            return outcome, None
        left -= 1
        return outcome, None if left else pickle.dumps(evaluator.learned)

    return evaluated
