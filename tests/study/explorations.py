"""Explorations for tests, and what of them must be the same whoever worked and whenever it stopped."""

from pathlib import Path
from typing import Any

from mensa_sim.study.explore import explore as explore_module
from mensa_sim.study.explore.request import ExploreRequest
from mensa_sim.study.explore.result import ExploreResult


def searched(space: Path, folder: Path, **changes: Any) -> ExploreResult:
    """An exploration without its report and tables."""
    return explore_module.explore(ExploreRequest(space=str(space), folder=folder, **changes))


def outcomes(result: ExploreResult) -> list[tuple[object, ...]]:
    return [(o.number, o.point, o.state, o.workloads, dict(o.hardware), o.detail) for o in result.outcomes]


def front(result: ExploreResult) -> list[tuple[object, ...]]:
    return [(design.number, design.parameters, design.objectives) for design in result.front]
