"""Which system is the better one? Every system with its best schedule, as taken and in worlds drawn at random."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.overrides import held_overrides
from mensa_sim.lookup import lookup
from mensa_sim.objective import objective_named
from mensa_sim.schedule.policies.registry import SCHEDULERS
from mensa_sim.study.decide.fields import fields_of
from mensa_sim.study.decide.ledger import Ledger, Scores, lead
from mensa_sim.study.decide.request import DecideRequest, name_of_file
from mensa_sim.study.decide.result import DecideResult, SingleRun, Standing, share_interval
from mensa_sim.study.decide.tries import Tries
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.reproduce import study_files
from mensa_sim.study.reproduce.table import MAIN
from mensa_sim.study.reproduce.workers import forget_systems, system_of
from mensa_sim.study.request.command import made_of, override_texts
from mensa_sim.study.run.placement import Goal, baseline_goal, goal_on
from mensa_sim.study.run.result import objective_of
from mensa_sim.study.sensitivity.joint import Draw, draws_of, interval_of
from mensa_sim.study.sensitivity.prices import Prices
from mensa_sim.study.sensitivity.sensitivity import setting_cases
from mensa_sim.study.sensitivity.setting import RunChoice, price_choices, run_choices


def decide(request: DecideRequest) -> DecideResult:
    """Run every system as taken, with each choice otherwise and with all; the same on any number of processes.

    With an output folder what is done is kept there: a run that was killed goes on where it was.
    """
    forget_systems()
    systems = tuple(map(str, request.systems))
    held = held_overrides(override_texts(request.overrides), systems)
    on = dict(zip(systems, held, strict=True))
    prices = Prices(choices=price_choices([system_of(name, texts) for name, texts in on.items()]), taken=on)
    choices = [choice for choice in run_choices(systems) if _is_of_hardware(choice)]
    draws = draws_of(request.runs, request.seed, choices, systems)
    files = study_files(tuple(map(str, request.workloads)), systems)
    goals = {name: _goal(request, name, prices.taken[name]) for name in systems}

    def taken(case: Case) -> Case:
        settings, first = (*prices.taken[case.system], *case.overrides), case.label != MAIN
        return replace(case, overrides=settings, goal=goals[case.system], first_only=first)

    ledger = Ledger(request, files)
    scores = Scores(ledger, objective_named(request.objective), request.shares, systems)
    ledger.run(taken(Case(label=MAIN, system=name)) for name in systems)
    for (label, system), reason in ledger.failures.items():
        kind = UsageError if (label, system) in ledger.mistakes else InfeasibleError
        raise kind(f"{system} cannot run {reason}")
    loaded = {name: system_of(name, prices.taken[name]) for name in systems}
    fields = fields_of(loaded) if request.fields else ()
    tries = Tries(ledger=ledger, scores=scores, prices=prices, choices=choices, fields=fields, taken=taken)
    settings = (case for choice in choices for case in setting_cases(choice, systems))
    drawn = (case for draw in draws for case in draw.cases)
    ledger.run(map(taken, (*settings, *drawn, *tries.end_cases())))
    found = (*tries.priced(), *tries.chosen(), *tries.in_fields())
    able = tuple(draw for draw in draws if scores.at(draw.label) is not None)
    if not able:
        raise InfeasibleError(f"no draw of the choices can run on all systems: {next(iter(ledger.failures.values()))}")
    nominal = tries.nominal
    worlds = _worlds(request, ledger, able, prices)
    others = np.delete(worlds, systems.index(tries.best), axis=0)
    leads: Floats = others.min(axis=0) - worlds[systems.index(tries.best)]
    ranked = sorted(systems, key=lambda name: nominal[name])
    return DecideResult(
        objective=request.objective,
        shares={name_of_file(name): share for name, share in request.shares.items()},
        measured=_measured(ledger, request),
        standings=_standings(scores, nominal, worlds, len(able)),
        best=name_of_file(tries.best),
        runner_up=name_of_file(next(name for name in ranked if name != tries.best)),
        lead=lead(nominal, tries.best),
        interval=interval_of(np.exp(leads)),
        histogram=_histogram(leads),
        tried=found,
        left_out=tuple(dict.fromkeys((*tries.left_out, *_failed(ledger)))),
        draws=able,
        prices=request.prices,
        simulated=ledger.simulated,
        seed=request.seed,
        **made_of("decide", request, files),
    )


def _is_of_hardware(choice: RunChoice) -> bool:
    """Whether it leaves open how systems are, and not how layers are placed: here each has its best schedule."""
    return not any(setting.places or setting.goal != Goal() for setting in choice.settings)


def _goal(request: DecideRequest, name: str, texts: Sequence[str]) -> Goal:
    lookup(SCHEDULERS, request.scheduler, "scheduler")
    system = system_of(name, tuple(texts))
    goal = goal_on(system, scheduler=request.scheduler, objective=request.objective, flow=request.flow)
    return baseline_goal(system, replace(goal, options={}))


def _measured(ledger: Ledger, request: DecideRequest) -> tuple[SingleRun, ...]:
    runs, found = ledger.runs, []
    for system in map(str, request.systems):
        for workload, outcome in zip(map(str, request.workloads), runs.of(MAIN, system, runs.kinds), strict=True):
            gap = None if outcome.bound is None or not outcome.bound else outcome.value / outcome.bound - 1
            found.append(
                SingleRun(
                    workload=name_of_file(workload),
                    system=name_of_file(system),
                    latency_ps=outcome.latency_ps,
                    energy_pj=outcome.energy_pj,
                    value=objective_of(outcome, request.objective),
                    gap=gap,
                )
            )
    return tuple(found)


def _worlds(request: DecideRequest, ledger: Ledger, draws: Sequence[Draw], prices: Prices) -> Floats:
    """The score of each system (rows) in each world (columns)."""
    objective, runs = objective_named(request.objective), ledger.runs
    shares = np.array(list(request.shares.values()))
    generator = np.random.default_rng(request.seed)
    columns = []
    for energies, times in prices.drawn(runs, [draw.label for draw in draws], request.prices, generator):
        columns.append(
            [np.log(objective.value(energies[name], times[name])) @ shares for name in map(str, request.systems)]
        )
    return np.concatenate([np.array(each) for each in columns], axis=1)


BINS = 24
"""Of the figure of the worlds: a choice."""


def _histogram(leads: Floats) -> tuple[tuple[float, float, int], ...]:
    """The worlds by their lead, which is given as a logarithm: ends of a bin, and how many are in it; 1 is an end."""
    step = float(leads.max() - leads.min()) / BINS or 0.01
    first, last = math.floor(float(leads.min()) / step), math.floor(float(leads.max()) / step) + 1
    edges = np.arange(first, last + 1) * step
    counts, _ = np.histogram(leads, edges)
    pairs = zip(edges, edges[1:], counts, strict=False)
    return tuple((math.exp(low), math.exp(high), int(count)) for low, high, count in pairs)


def _standings(scores: Scores, nominal: dict[str, float], worlds: Floats, draws: int) -> tuple[Standing, ...]:
    first = next(iter(nominal))
    winners = worlds.argmin(axis=0)
    found = []
    for place, name in enumerate(nominal):
        share = float((winners == place).mean())
        low, high = share_interval(share, draws)
        found.append(
            Standing(
                system=name_of_file(name),
                ratio=math.exp(nominal[first] - nominal[name]),
                energy_efficiency=math.exp(scores.of("energy", first) - scores.of("energy", name)),
                speed=math.exp(scores.of("latency", first) - scores.of("latency", name)),
                share=share,
                share_low=low,
                share_high=high,
            )
        )
    return tuple(found)


def _failed(ledger: Ledger) -> list[str]:
    return [f"{label} on {name_of_file(system)}: {reason}" for (label, system), reason in ledger.failures.items()]
