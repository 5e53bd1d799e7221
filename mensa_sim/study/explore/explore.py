"""Exploring a design space: check everything, choose designs, have them evaluated, keep each as it finishes."""

import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io.shipped import find
from mensa_sim.io.store import digest_of
from mensa_sim.study.explore.evaluate import Setup, Task
from mensa_sim.study.explore.front import dominates, pareto_front
from mensa_sim.study.explore.metrics import summary_metrics
from mensa_sim.study.explore.request import ExploreRequest
from mensa_sim.study.explore.result import DesignResult, ExploreResult, Reference, costs, importances
from mensa_sim.study.explore.sampling import Points, sequence_of
from mensa_sim.study.explore.setup import files_of, identity_of, setup_of
from mensa_sim.study.explore.study_file import DesignOutcome, StudyFile, open_study
from mensa_sim.study.explore.workers import Local, Workers
from mensa_sim.study.request.command import choices_of, command_of, override_texts
from mensa_sim.study.run.provenance import input_hashes, versions
from mensa_sim.study.space.check import CheckedSpace, check_space
from mensa_sim.study.space.files import read_space
from mensa_sim.study.space.space import Point, load_space

STUDY = "study.db"
BARREN = 2000
"""Points in a row that are excluded or repeat another, after which the space counts as used up."""


def explore(request: ExploreRequest) -> ExploreResult:
    """The designs of a space and their front.

    Whatever can be wrong with the space, its workloads, the study file or the cluster raises `UsageError` before any
    design is run. A design that fails is part of the result.
    """
    end = time.monotonic() + (request.timeout_s or math.inf)
    space = load_space(find("spaces", request.space))
    folder, overrides = folder_of(request), override_texts(request.overrides)
    checked = check_space(space, overrides)
    setup = setup_of(checked, overrides, allow_code=request.allow_code, cache=request.cache)
    identity = identity_of(setup, overrides)
    with closing(open_study(folder / STUDY, identity, resume=request.resume, fresh=request.force)) as study:
        with _workers(setup, request) as workers:
            _search(checked, study, workers, request, end)
        return replace(_result(checked, study), choices=choices_of(request), command=command_of("explore", request))


def folder_of(request: ExploreRequest) -> Path:
    """Where the study and its results lie."""
    if request.folder is not None:
        return Path(request.folder)
    return explore_folder(read_space(find("spaces", request.space)).name)


def explore_folder(space: str) -> Path:
    """Where the results of a space go unless told otherwise."""
    return Path("results") / f"explore-{space}"


def _workers(setup: Setup, request: ExploreRequest) -> Workers:
    if request.cluster is not None:
        from mensa_sim.study.explore.cluster import DaskCluster

        return DaskCluster(setup, request.cluster)
    return Local(setup, request.jobs)


class _Search:
    """The state of one search: what was chosen, what is under way, what is settled."""

    def __init__(self, checked: CheckedSpace, study: StudyFile, workers: Workers) -> None:
        self.checked, self.study, self.workers = checked, study, workers
        self.space = checked.space
        self.settled: dict[int, DesignOutcome] = {}
        self.under_way: dict[int, Point] = {}
        self.first_of: dict[str, int] = {}
        self.chosen: set[Point] = set()
        self.run_count = 0
        self.last_run = -1

    def begin(self, number: int, point: Point) -> None:
        """Settles a point that the study knows or that makes a design chosen before; has any other evaluated."""
        self.chosen.add(point)
        known = self.study.known.get(number)
        if known is not None and known.point != point:
            raise UsageError(f"{self.study.path}: was made by another sampler; start anew with --force")
        first = self.first_of.setdefault(self._identity(point), number)
        if known is not None:
            self.settle(known)
        elif first != number:
            self.keep(DesignOutcome(number=number, point=point, state="repeat", detail=str(first)))
        else:
            self.under_way[number] = point
            self.workers.submit(Task(number=number, point=point))

    def _identity(self, point: Point) -> str:
        """Text that points of one design share; a design that cannot be made is its point."""
        try:
            text = self.checked.base.design(self.space.assignments(point)).identity()
        except UsageError:
            text = repr(point)
        return digest_of(text)

    def withdraw(self) -> None:
        """Gives up what nobody has begun to evaluate."""
        for task in self.workers.withdraw():
            del self.under_way[task.number]

    def wait(self) -> None:
        """Keeps the next outcome."""
        outcome = self.workers.wait()
        del self.under_way[outcome.number]
        self.keep(outcome)

    def keep(self, outcome: DesignOutcome) -> None:
        self.study.add(outcome, self.space.shown(outcome.point) if outcome.number >= 0 else {})
        self.settle(outcome)

    def settle(self, outcome: DesignOutcome) -> None:
        self.settled[outcome.number] = outcome
        if outcome.was_run and outcome.number >= 0:
            self.run_count += 1
            self.last_run = max(self.last_run, outcome.number)

    def values(self, number: int) -> list[float]:
        """The objectives of a settled design; empty where it has none."""
        outcome = self.settled[number]
        if outcome.state == "repeat":
            outcome = self.settled[int(outcome.detail)]
        return list(objectives_of_outcome(self.checked, outcome).values()) if outcome.state == "done" else []


def objectives_of_outcome(checked: CheckedSpace, outcome: DesignOutcome) -> dict[str, float]:
    """The objectives of a design that was run to its end, by name."""
    return {
        each.name: each.value(outcome.hardware, outcome.workloads, outcome.scenarios) for each in checked.objectives
    }


def _search(checked: CheckedSpace, study: StudyFile, workers: Workers, request: ExploreRequest, end: float) -> None:
    """Chooses points and has them evaluated until enough designs are run, none are left, or the clock shows its end.

    Then no further one is begun, and those that are go on to their end.
    """
    space = checked.space
    wanted = request.trials or (None if space.file.sampler.name == "grid" else space.file.trials)
    search = _Search(checked, study, workers)
    for number in range(-len(space.file.references), 0):
        if number in study.known:
            search.settle(study.known[number])
        else:
            search.under_way[number] = ()
            workers.submit(Task(number=number, point=()))
    points = sequence_of(space, [objective.direction for objective in checked.objectives])
    number = batch_start = 0
    while True:
        request.progress(search.run_count, wanted, "")
        late = time.monotonic() >= end
        if late:
            search.withdraw()
        going = sum(n >= 0 for n in search.under_way)
        enough = wanted is not None and search.run_count + going >= wanted
        barren = number > search.last_run + BARREN and space.file.sampler.name != "grid"
        used_up = barren or len(search.chosen) == space.size
        full = points.batch is not None and number - batch_start >= points.batch
        if not (late or enough or full) and len(search.under_way) < workers.capacity and not used_up:
            point = points.next()
            if point is not None:
                search.begin(number, point)
                number += 1
                continue
        if search.under_way:
            search.wait()
        elif full and not (late or enough):
            _learn(points, search, range(batch_start, number))
            batch_start = number
        else:
            break
    request.progress(search.run_count, wanted, "")


def _learn(points: Points, search: _Search, numbers: range) -> None:
    points.learn([(search.settled[number].state, search.values(number)) for number in numbers])


def _result(checked: CheckedSpace, study: StudyFile) -> ExploreResult:
    space = checked.space
    outcomes = tuple(study.known[number] for number in sorted(study.known) if number >= 0)
    designs = tuple(_design(checked, outcome) for outcome in outcomes if outcome.state == "done")
    if not designs:
        failed = [outcome for outcome in outcomes if outcome.state == "failed"]
        why = f"the first of {len(failed)} errors: {failed[0].detail}" if failed else "give more --trials or --timeout"
        kind = UsageError if failed and failed[0].mistaken else MensaError
        raise kind(f"{study.path}: no design was run to its end; {why}")
    names = [objective.name for objective in checked.objectives]
    front = pareto_front([costs(checked.objectives, design.objectives) for design in designs])
    found: list[Reference] = []
    failures: dict[str, str] = {}
    for place, name in enumerate(space.file.references):
        outcome = study.known.get(-place - 1)
        if outcome is not None and outcome.state == "done":
            found.append(_reference(checked, name, outcome, designs))
        else:
            failures[name] = outcome.detail if outcome else "not run"
    return ExploreResult(
        space=space,
        base=checked.base,
        objectives=checked.objectives,
        designs=designs,
        front=tuple(designs[place] for place in front),
        references=tuple(found),
        outcomes=outcomes,
        importance={name: importances(space, designs, name) for name in names},
        reference_failures=failures,
        versions=versions(),
        inputs=input_hashes(files_of(checked)),
    )


def _design(checked: CheckedSpace, outcome: DesignOutcome) -> DesignResult:
    return DesignResult(
        number=outcome.number,
        parameters=checked.space.shown(outcome.point),
        objectives=objectives_of_outcome(checked, outcome),
        metrics=summary_metrics(checked.space.file.over, outcome.hardware, outcome.workloads, outcome.scenarios),
        workloads=outcome.workloads,
        scenarios=outcome.scenarios,
    )


def _reference(checked: CheckedSpace, name: str, outcome: DesignOutcome, designs: Sequence[DesignResult]) -> Reference:
    """A reference with the designs that dominate it at no more area."""
    objectives = objectives_of_outcome(checked, outcome)
    area = outcome.hardware.get("area_mm2")
    own = costs(checked.objectives, objectives)
    better = [
        design.number
        for design in designs
        if dominates(costs(checked.objectives, design.objectives), own)
        and (area is None or design.metrics.get("area_mm2", area) <= area)
    ]
    return Reference(
        name=Path(name).stem,
        objectives=objectives,
        metrics=summary_metrics(checked.space.file.over, outcome.hardware, outcome.workloads, outcome.scenarios),
        workloads=outcome.workloads,
        scenarios=outcome.scenarios,
        dominated_by=tuple(better),
    )
