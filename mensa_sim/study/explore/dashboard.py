"""The designs of an exploration as a study of Optuna's own, in a file that optuna-dashboard opens."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.errors import UsageError
from mensa_sim.io.shipped import is_file
from mensa_sim.study.explore.result import ExploreResult

if TYPE_CHECKING:
    import optuna

DASHBOARD = "optuna.db"
"""Its name among an exploration's results."""


def write_dashboard(result: ExploreResult, path: Path) -> None:
    """Every design that was run, with its parameters, objectives and metrics; `UsageError` where a file is already."""
    import optuna

    if is_file(path):
        raise UsageError(f"{path} is there already; choose another file")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = result.space.file.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    except Exception as error:  # of a database library behind Optuna, which names no others
        raise UsageError(f"{path}: cannot be written: {getattr(error, 'orig', error)}") from error
    directions = [objective.direction for objective in result.objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([objective.name for objective in result.objectives])
    study.add_trials([*_finished(result), *_failed(result)])
    storage.engine.dispose()


def _finished(result: ExploreResult) -> "list[optuna.trial.FrozenTrial]":
    from optuna.trial import create_trial

    kinds = _distributions(result)
    return [
        create_trial(
            params=dict(design.parameters),
            distributions=kinds,
            values=[design.objectives[objective.name] for objective in result.objectives],
            user_attrs={"design": design.number, **design.metrics},
        )
        for design in result.designs
    ]


def _failed(result: ExploreResult) -> "list[optuna.trial.FrozenTrial]":
    from optuna.trial import TrialState, create_trial

    return [
        create_trial(
            state=TrialState.FAIL,
            params=result.space.shown(outcome.point),
            distributions=_distributions(result),
            user_attrs={"design": outcome.number, "error": outcome.detail},
        )
        for outcome in result.outcomes
        if outcome.state == "failed"
    ]


def _distributions(result: ExploreResult) -> "dict[str, optuna.distributions.BaseDistribution]":
    from optuna.distributions import CategoricalDistribution

    return {each.name: CategoricalDistribution(each.shown) for each in result.space.parameters}
