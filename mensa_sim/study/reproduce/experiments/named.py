"""All experiments by name, one change or several at once. A deviation is explained by the runs that close it."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache

from mensa_sim.study.reproduce.experiments.experiment import LARGE_BUFFER, RECURRENT_KINDS, Experiment, together
from mensa_sim.study.reproduce.experiments.single import OPTIMAL, PLAIN_READING, SINGLE_CHANGES
from mensa_sim.study.reproduce.outcome import Case, Outcome
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.reproduce.scaling import Factors, at_prices, price_factors
from mensa_sim.study.reproduce.table import MAIN
from mensa_sim.study.reproduce.taken import SHIPPED, Taken
from mensa_sim.study.reproduce.workers import ModelOutcomes, system_of

_SINGLE: Mapping[str, Experiment] = {experiment.name: experiment for experiment in SINGLE_CHANGES}


def _join(name: str, mechanism: str, *parts: str, base: Experiment | None = None) -> Experiment:
    """Single changes together, on top of another joint experiment where one is named."""
    found = [*([] if base is None else [base]), *(_SINGLE[part] for part in parts)]
    return together(name, " and ".join(part.change for part in found), mechanism, found)


_PLAIN_FAST_EYERISS = _join(
    "plain_and_eyeriss_2_ghz",
    "with neither larger buffers for activations nor a faster clock, the Edge TPU's advantage over Eyeriss v2 shrinks",
    PLAIN_READING,
    "eyeriss_2_ghz",
)
_NO_GATES_OPTIMAL = _join(
    "no_gates_kept_and_optimal",
    "the baseline fetches gates in each step, and Mensa-G's layers go where they cost least",
    "no_gates_kept",
    OPTIMAL,
)
_DEAR_BUFFERS = "then buffers, of which the Edge TPU has 32 times as much, cost as much as memory"

JOINT_CHANGES: tuple[Experiment, ...] = (
    _join(
        "wide_ports",
        "no layer waits for a port of a buffer any more: the array or the memory sets its time",
        "wide_parameter_ports",
        "wide_activation_ports",
    ),
    _join(
        "single_buffered_no_gates_kept",
        "every step of a gate waits for its parameters from memory",
        "no_gates_kept",
        "single_buffered",
    ),
    _join("no_gates_kept_and_leaky", _DEAR_BUFFERS, "no_gates_kept", "leaky_sram"),
    _NO_GATES_OPTIMAL,
    _join("no_gates_kept_optimal_and_leaky", _DEAR_BUFFERS, "leaky_sram", base=_NO_GATES_OPTIMAL),
    _join("no_gates_kept_optimal_and_dear_sram", _DEAR_BUFFERS, "leaky_sram", "sram_5.8x", base=_NO_GATES_OPTIMAL),
    _join("plain_and_leaky", _DEAR_BUFFERS, PLAIN_READING, "leaky_sram"),
    _PLAIN_FAST_EYERISS,
    _join("plain_fast_eyeriss_and_leaky", _DEAR_BUFFERS, "leaky_sram", base=_PLAIN_FAST_EYERISS),
    _join("plain_fast_eyeriss_and_dear_sram", _DEAR_BUFFERS, "leaky_sram", "sram_5.8x", base=_PLAIN_FAST_EYERISS),
    _join(
        "plain_fast_eyeriss_dear_sram_and_zeros",
        f"{_DEAR_BUFFERS}, and Eyeriss v2 skips what is zero",
        "leaky_sram",
        "sram_5.8x",
        "eyeriss_skips_zeros",
        base=_PLAIN_FAST_EYERISS,
    ),
    _join(
        "plain_fast_eyeriss_dear_sram_zeros_and_cheap_dram",
        f"{_DEAR_BUFFERS}, Eyeriss v2 skips what is zero, and its memory traffic counts less",
        "leaky_sram",
        "sram_5.8x",
        "eyeriss_skips_zeros",
        "cheap_dram",
        base=_PLAIN_FAST_EYERISS,
    ),
)
"""Changes that, each alone, close part of a distance; together they say how far all of them go."""

EXPERIMENTS: tuple[Experiment, ...] = (*SINGLE_CHANGES, *JOINT_CHANGES)
EXPERIMENT_NAMED: Mapping[str, Experiment] = {experiment.name: experiment for experiment in EXPERIMENTS}


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
