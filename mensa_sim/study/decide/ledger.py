"""The runs of a decision: asked for round after round, each kept as soon as it is done, scored over the workloads."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mensa_sim.objective import Objective, objective_named
from mensa_sim.study.decide.request import DecideRequest
from mensa_sim.study.reproduce.outcome import Case, Outcome
from mensa_sim.study.reproduce.scaling import Factors, at_prices
from mensa_sim.study.reproduce.table import MAIN, Runs
from mensa_sim.study.reproduce.workers import FinishedModels, ModelOutcomes, ModelTask, run_models

CHUNK = 12
"""Cases of a task: few, so that a run that is killed loses little and its progress moves; a choice."""


class Ledger:
    """Outcomes by what they are for."""

    def __init__(self, request: DecideRequest, files: Sequence[Path]) -> None:
        """`files` are those that the outcomes depend on."""
        self._request = request
        self._finished = None if request.output is None else FinishedModels(Path(request.output), files)
        self._known: set[tuple[str, str]] = set()
        self._ran: dict[str, list[ModelOutcomes]] = {each: [] for each in map(str, request.workloads)}
        self._tasks = 0
        self.failures: dict[tuple[str, str], str] = {}
        """By label and system, why a case cannot run."""
        self.mistakes: set[tuple[str, str]] = set()
        """Those of them that come of what the user wrote."""

    def run(self, cases: Iterable[Case]) -> Runs:
        """All outcomes so far, those of cases that nobody asked for before among them."""
        asked = {(case.label, case.system): case for case in cases}
        new = sorted((case for key, case in asked.items() if key not in self._known), key=lambda case: case.system)
        self._known |= set(asked)
        code = self._request.allow_code
        tasks = [
            ModelTask(model=workload, cases=tuple(new[first : first + CHUNK]), allow_code=code, lenient=True)
            for workload in map(str, self._request.workloads)
            for first in range(0, len(new), CHUNK)
        ]
        before, self._tasks = self._tasks, self._tasks + len(tasks)

        def progress(done: int, total: int | None, last: str) -> None:
            self._request.progress(before + done, None if total is None else before + total, last)

        for task, outcomes in zip(tasks, run_models(tasks, self._request.jobs, progress, self._finished), strict=True):
            self._ran[task.model].append(outcomes)
            for where, reason in outcomes.failures.items():
                label, _, system = where.rpartition(" on ")
                self.failures[label, system] = f"{task.name}: {reason}"
                self.mistakes |= {(label, system)} if where in outcomes.mistakes else set()
        return self.runs

    @property
    def runs(self) -> Runs:
        """All outcomes so far, workload by workload."""
        return Runs(models=tuple(_joined(parts) for parts in self._ran.values() if parts))

    @property
    def simulated(self) -> int:
        """How many runs of a workload on a system there were."""
        return sum(len(part.outcomes) for parts in self._ran.values() for part in parts)


def _joined(parts: Sequence[ModelOutcomes]) -> ModelOutcomes:
    return replace(parts[0], outcomes=tuple(outcome for part in parts for outcome in part.outcomes))


class Scores:
    """How little a system needs of an objective: the mean over workloads, by their shares, of its logarithm."""

    def __init__(
        self, ledger: Ledger, objective: Objective, shares: Mapping[str, float], systems: Sequence[str]
    ) -> None:
        self._ledger, self._objective = ledger, objective
        self._shares, self._systems = list(shares.values()), tuple(systems)

    def at(self, label: str, factors: Mapping[str, Factors] | None = None) -> dict[str, float] | None:
        """By system; none where a system cannot run the case. `factors` by system price its outcomes anew."""
        if any((label, system) in self._ledger.failures for system in self._systems):
            return None
        runs = self._ledger.runs
        found = {}
        for system in self._systems:
            outcomes = runs.of(label, system, runs.kinds)
            priced = outcomes if factors is None else [at_prices(each, factors[system]) for each in outcomes]
            found[system] = self._mean([_log(self._objective, each) for each in priced])
        return found

    def of(self, name: str, system: str) -> float:
        """The same mean of the objective of that name, as taken."""
        runs = self._ledger.runs
        objective = objective_named(name)
        return self._mean([_log(objective, each) for each in runs.of(MAIN, system, runs.kinds)])

    def _mean(self, logarithms: Sequence[float]) -> float:
        return math.fsum(share * each for share, each in zip(self._shares, logarithms, strict=True))


def _log(objective: Objective, outcome: Outcome) -> float:
    return math.log(objective.value(outcome.energy_pj, float(outcome.latency_ps)))


def lead(scores: Mapping[str, float], system: str) -> float:
    """How many times less of the objective a system needs than the best of the others.

    >>> round(lead({"a": 0.0, "b": math.log(3.0), "c": math.log(2.0)}, "a"), 6)
    2.0
    """
    return math.exp(min(score for name, score in scores.items() if name != system) - scores[system])


def best_of(scores: Mapping[str, float]) -> str:
    """The system that needs least; the first of equal ones."""
    return min(scores, key=lambda name: scores[name])
