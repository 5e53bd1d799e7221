"""What an exploration gives: every design with its objectives, the front, and which parameters matter."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

from mensa_sim.arguments import checked
from mensa_sim.records import dataclass
from mensa_sim.study.explore.metrics import SearchObjective
from mensa_sim.study.explore.study_file import DesignOutcome
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.space.design import Base
from mensa_sim.study.space.space import Space

Shown = Mapping[str, int | float | bool | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignResult:
    """One design that was run to its end."""

    number: int
    parameters: Shown
    objectives: Mapping[str, float]
    metrics: Mapping[str, float]
    """Metrics over all workloads, and those of the hardware; what is not known is absent."""
    workloads: tuple[Mapping[str, float], ...]
    scenarios: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A system that stands beside the front."""

    name: str
    objectives: Mapping[str, float]
    metrics: Mapping[str, float]
    workloads: tuple[Mapping[str, float], ...]
    scenarios: tuple[Mapping[str, float], ...]
    dominated_by: tuple[int, ...]
    """Designs that are better in one objective, worse in none, and no larger in area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreResult(Provenance):
    """An exploration: designs in the order of their numbers."""

    space: Space
    base: Base
    objectives: tuple[SearchObjective, ...]
    designs: tuple[DesignResult, ...]
    front: tuple[DesignResult, ...]
    references: tuple[Reference, ...]
    outcomes: tuple[DesignOutcome, ...]
    """Of every design that was chosen, the failed, excluded and repeated ones too."""
    importance: Mapping[str, Mapping[str, float]]
    """By objective and parameter; see `importances`."""
    reference_failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def trials(self) -> int:
        """Designs that were run, failed ones included."""
        return sum(outcome.was_run for outcome in self.outcomes)

    @checked
    def count(self, state: str) -> int:
        """How many designs ended so."""
        return sum(outcome.state == state for outcome in self.outcomes)


def costs(objectives: Sequence[SearchObjective], values: Mapping[str, float]) -> tuple[float, ...]:
    """The objectives of a design, turned so that less is better."""
    return tuple(objective.cost(values[objective.name]) for objective in objectives)


def recommended(result: ExploreResult) -> DesignResult | None:
    """Of the front the design with the least product of how many times worse it is than the best in each objective.

    The first of equal ones; where a value is not positive, so that no ratio says anything, the first of the front.
    """
    front = result.front
    values = {each.name: [design.objectives[each.name] for design in front] for each in result.objectives}
    if not front or min(min(own) for own in values.values()) <= 0:
        return next(iter(front), None)

    def distance(design: DesignResult) -> float:
        return math.fsum(
            math.log(max(own) / design.objectives[each.name])
            if each.direction == "maximize"
            else math.log(design.objectives[each.name] / min(own))
            for each, own in zip(result.objectives, values.values(), strict=True)
        )

    return min(front, key=distance)


def importances(space: Space, designs: Sequence[DesignResult], objective: str) -> dict[str, float]:
    """For each parameter, the share of an objective's variance that it explains alone.

    The adjusted correlation ratio (epsilon squared; Kelley, PNAS 21:554, 1935) of the objective's logarithm, grouped by
    the parameter's values: 1 where the parameter decides alone, about 0 where it has no say. What parameters do
    together belongs to none of them, so shares add up to less than 1. Empty for too few designs or no variance.
    """
    values = [design.objectives[objective] for design in designs]
    ys = [math.log(value) for value in values] if values and min(values) > 0 else values
    if len(ys) < 3:
        return {}
    total = _squares(ys)
    if total <= 1e-18 * max(1.0, max(map(abs, ys)) ** 2):
        return {}
    found: dict[str, float] = {}
    for parameter in space.parameters:
        groups: dict[str, list[float]] = {}
        for design, y in zip(designs, ys, strict=True):
            groups.setdefault(repr(design.parameters[parameter.name]), []).append(y)
        free = len(ys) - len(groups)
        if len(groups) == 1:
            found[parameter.name] = 0.0
        elif free > 0:
            within = math.fsum(_squares(group) for group in groups.values())
            found[parameter.name] = max(0.0, 1 - (within / free) / (total / (len(ys) - 1)))
    return found


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)
