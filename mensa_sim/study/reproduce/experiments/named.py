"""All experiments by name, one change or several at once, as `experiments.yaml` states them.

None of them enters the headline. A deviation is explained by the runs that close it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from mensa_sim.io.files import Raw, read_mapping, validate
from mensa_sim.study.reproduce.experiments.experiment import LARGE_BUFFER, RECURRENT_KINDS, Experiment, together
from mensa_sim.study.reproduce.outcome import Case, Outcome
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.reproduce.scaling import Factors, at_prices, price_factors
from mensa_sim.study.reproduce.table import MAIN
from mensa_sim.study.reproduce.taken import SHIPPED, Taken
from mensa_sim.study.reproduce.workers import ModelOutcomes, system_of

_FILE = Path(__file__).with_name("experiments.yaml")
_DATA = read_mapping(_FILE)


def _single(data: Raw) -> Experiment:
    """A change as the file states it: `every` stands for all systems."""
    by_system = {
        field: dict.fromkeys((*SYSTEMS, LARGE_BUFFER), values["every"]) if "every" in values else values
        for field in ("overrides", "multiples")
        if (values := data.get(field)) is not None
    }
    return validate({**data, **by_system}, Experiment, _FILE)


def _with_joint(single: Iterable[Experiment]) -> dict[str, Experiment]:
    """Single changes and those together, which may stand on a joint one before them."""
    found = {experiment.name: experiment for experiment in single}
    for data in _DATA["joint"]:
        parts = [found[name] for name in data["parts"]]
        change = " and ".join(part.change for part in parts)
        found[data["name"]] = together(data["name"], change, data["mechanism"], parts)
    return found


SINGLE_CHANGES: tuple[Experiment, ...] = tuple(map(_single, _DATA["single"]))
EXPERIMENT_NAMED: Mapping[str, Experiment] = _with_joint(SINGLE_CHANGES)
EXPERIMENTS: tuple[Experiment, ...] = tuple(EXPERIMENT_NAMED.values())


def main_cases(taken: Taken = SHIPPED) -> tuple[Case, ...]:
    """The headline's runs, and the baseline with eight times the buffer on the models that the paper shows it for."""
    systems = tuple(Case(label=MAIN, system=system, closed_loop=True) for system in SYSTEMS)
    return tuple(map(taken.case, (*systems, Case(label=MAIN, system=LARGE_BUFFER, kinds=RECURRENT_KINDS))))


def with_prices(models: tuple[ModelOutcomes, ...], taken: Taken = SHIPPED) -> tuple[ModelOutcomes, ...]:
    """The outcomes with those that need no run of their own: of prices, and of systems that another run stands for."""
    factors = cache(_factors)
    return tuple(
        dataclasses.replace(each, outcomes=(*each.outcomes, *_derived(each.outcomes, taken, factors)))
        for each in models
    )


def _derived(outcomes: tuple[Outcome, ...], taken: Taken, factors: Callable[..., Factors]) -> list[Outcome]:
    known = {(outcome.label, outcome.system): outcome for outcome in outcomes}
    found: dict[tuple[str, str], Outcome] = {}
    for experiment in EXPERIMENTS:
        for system in (*SYSTEMS, LARGE_BUFFER):
            name = experiment.same_as.get(system)
            if name is not None and (name, system) in known:
                found[experiment.name, system] = dataclasses.replace(known[name, system], label=experiment.name)
    known |= found
    for experiment in EXPERIMENTS:
        for system in (*SYSTEMS, LARGE_BUFFER):
            base = "" if experiment.base is None else experiment.base.name
            outcome = known.get((base, system)) or known.get((MAIN, system))
            if experiment.prices_only and system in experiment.touched and outcome is not None:
                change = factors(experiment.name, system, taken.on(system), based=outcome.label == base)
                priced = at_prices(outcome, change)
                found[experiment.name, system] = dataclasses.replace(priced, label=experiment.name)
    return list(found.values())


def _factors(name: str, system: str, given: tuple[str, ...], *, based: bool) -> Factors:
    """What an experiment's own prices multiply: on the runs of its base, or of the headline where a model has none."""
    experiment = EXPERIMENT_NAMED[name]
    if not based:
        experiment = dataclasses.replace(experiment, base=None)
    taken = Taken(overrides={system: given})
    before = given if experiment.base is None else experiment.base.settings(system, taken)
    return price_factors(system_of(system, before), system_of(system, experiment.settings(system, taken)))
