"""Does the conclusion survive? Every constant and every stated choice varied, one at a time and all together."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mensa_sim.study.reproduce.experiments.experiment import RECURRENT_KINDS, SYSTEMS
from mensa_sim.study.reproduce.outcome import Case, Outcome
from mensa_sim.study.reproduce.paper import chosen_models
from mensa_sim.study.reproduce.quantities import PAIRED, STEADY, means_of
from mensa_sim.study.reproduce.reproduce import study_files
from mensa_sim.study.reproduce.scaling import Factors, at_prices, price_factors
from mensa_sim.study.reproduce.store import FinishedModels
from mensa_sim.study.reproduce.table import MAIN, Runs
from mensa_sim.study.reproduce.taken import Taken, taken_of
from mensa_sim.study.reproduce.workers import ModelTask, run_models, system_of
from mensa_sim.study.request.command import choices_of, command_of
from mensa_sim.study.run.provenance import Provenance, input_hashes, versions
from mensa_sim.study.sensitivity.choices import PRICE_CHOICES, RUN_CHOICES, PriceChoice
from mensa_sim.study.sensitivity.joint import RECURRENT_SHARE, Draw, Interval, draws_of, joint_intervals
from mensa_sim.study.sensitivity.request import SensitivityRequest
from mensa_sim.workload.model_kinds import MODEL_KINDS

Headline = tuple[str, str, str]

HEADLINES: tuple[Headline, ...] = (
    ("energy_efficiency", "mensa_g", "edge_tpu"),
    ("energy_efficiency", "mensa_g", "base_hb"),
    ("energy_efficiency", "mensa_g", "eyeriss_v2"),
    ("throughput", "mensa_g", "edge_tpu"),
    ("throughput", "mensa_g", "base_hb"),
    ("throughput", "mensa_g", "eyeriss_v2"),
)
"""Quantity, system, against; the mean over models of the models' own ratios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """A headline where one choice is decided otherwise."""

    choice: str
    taken: str
    setting: str
    source: str
    values: Mapping[Headline, float]
    flips: Mapping[Headline, str]
    """Headlines whose better system changes, and at which value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityResult(Provenance):
    """Headlines as taken, one choice at a time, and all together."""

    nominal: Mapping[Headline, float]
    swings: tuple[Swing, ...]
    intervals: Mapping[Headline, Interval]
    draws: tuple[Draw, ...]
    prices: int
    models: tuple[str, ...]
    simulated: int
    """Runs of a model on a system."""
    repriced: int
    """Headline evaluations by price alone."""
    searched: Mapping[str, float]
    """The largest relative change of a headline when mappings are searched anew at an end of a price range."""
    seed: int


SEARCHED = ("MAC energy", "SRAM access energy")
"""Price choices whose high end is also run with mappings searched anew, to see what keeping them hides."""


def sensitivity(request: SensitivityRequest) -> SensitivityResult:
    """Run every choice; the same result for the same seed on any number of processes.

    With an output folder each model is kept there as soon as it is done, as `reproduce` keeps it.
    """
    models = chosen_models(tuple(request.models))
    taken = taken_of(request, SYSTEMS)
    draws = draws_of(request.runs, request.seed)
    cases = tuple(map(taken.case, _cases(draws, taken)))
    files = study_files(models, SYSTEMS)
    finished = None if request.output is None else FinishedModels(Path(request.output), files)
    tasks = [ModelTask(model=model, cases=cases) for model in models]
    ran = run_models(tasks, request.jobs, request.progress, finished)
    runs = Runs(models=ran, taken=taken)
    nominal = {headline: _headline(runs, headline, MAIN) for headline in HEADLINES}
    swings = [*_priced_swings(runs, nominal), *_run_swings(runs, nominal), *_free_swings(runs, nominal)]
    table = {
        (choice.name, system): (
            _factors(choice, system, choice.low, taken),
            _factors(choice, system, choice.high, taken),
        )
        for choice in PRICE_CHOICES
        for system in SYSTEMS
    }
    return SensitivityResult(
        nominal=nominal,
        swings=tuple(swings),
        intervals=joint_intervals(runs, draws, table, HEADLINES, request.prices, request.seed),
        draws=draws,
        prices=request.prices,
        models=models,
        simulated=sum(len(each.outcomes) for each in ran),
        repriced=2 * len(PRICE_CHOICES) + request.runs * request.prices,
        searched=_searched(runs),
        seed=request.seed,
        versions=versions(),
        inputs=input_hashes(files),
        choices=choices_of(request),
        command=command_of("sensitivity", request),
    )


def _cases(draws: Sequence[Draw], taken: Taken) -> tuple[Case, ...]:
    cases = [Case(label=MAIN, system=system) for system in SYSTEMS]
    for choice in RUN_CHOICES:
        for setting in choice.settings:
            cases += [
                Case(
                    label=f"{choice.name}: {setting.label}",
                    system=system,
                    overrides=overrides,
                    goal=setting.goal,
                    on_chip=setting.on_chip,
                    length=setting.length,
                )
                for system, overrides in setting.overrides.items()
            ]
    for price in _searched_choices():
        cases += [
            Case(label=_search_label(price), system=system, overrides=_changed(price, system, price.high, taken))
            for system in SYSTEMS
        ]
    return (*cases, *(case for draw in draws for case in draw.cases))


def _searched_choices() -> list[PriceChoice]:
    return [choice for choice in PRICE_CHOICES if choice.name in SEARCHED]


def _search_label(choice: PriceChoice) -> str:
    return f"searched anew: {choice.name}"


def _changed(choice: PriceChoice, system: str, multiple: float, taken: Taken) -> tuple[str, ...]:
    """The settings of a choice of prices, on top of what is taken."""
    return choice.overrides(system_of(system, taken.on(system)).accelerators[0].technology, multiple)


def _factors(choice: PriceChoice, system: str, multiple: float, taken: Taken) -> Factors:
    before = taken.on(system)
    after = (*before, *_changed(choice, system, multiple, taken))
    return price_factors(system_of(system, before), system_of(system, after))


def _pairs(runs: Runs, headline: Headline, label: str) -> list[tuple[Outcome, Outcome]]:
    _, system, against = headline
    kinds = tuple(MODEL_KINDS)
    return list(zip(runs.of(label, system, kinds), runs.of(label, against, kinds), strict=True))


def _headline(runs: Runs, headline: Headline, label: str) -> float:
    return means_of([PAIRED[headline[0]](*pair) for pair in _pairs(runs, headline, label)]).arithmetic


def _at_multiple(runs: Runs, headline: Headline, choice: PriceChoice, multiple: float) -> float:
    quantity, system, against = headline
    factors = [_factors(choice, name, multiple, runs.taken) for name in (system, against)]
    pairs = [
        (at_prices(ours, factors[0]), at_prices(theirs, factors[1])) for ours, theirs in _pairs(runs, headline, MAIN)
    ]
    return means_of([PAIRED[quantity](*pair) for pair in pairs]).arithmetic


def _priced_swings(runs: Runs, nominal: Mapping[Headline, float]) -> list[Swing]:
    found = []
    for choice in PRICE_CHOICES:
        for multiple in (choice.low, choice.high):
            values = {
                headline: nominal[headline]
                if headline[0] == "throughput"
                else _at_multiple(runs, headline, choice, multiple)
                for headline in HEADLINES
            }
            flips = {
                headline: f"at {_crossing(runs, headline, choice, multiple):.3g} times the shipped value"
                for headline in HEADLINES
                if _flipped(nominal[headline], values[headline])
            }
            label = f"{multiple:.3g} times"
            found.append(
                Swing(
                    choice=choice.name,
                    taken="1 times",
                    setting=label,
                    source=choice.source,
                    values=values,
                    flips=flips,
                )
            )
    return found


def _flipped(before: float, after: float) -> bool:
    return (before - 1) * (after - 1) < 0


def _crossing(runs: Runs, headline: Headline, choice: PriceChoice, end: float) -> float:
    """The multiple between 1 and the end at which the headline is 1, by halving."""
    near, far = 1.0, end
    side = _at_multiple(runs, headline, choice, near) > 1
    for _ in range(12):
        middle = math.sqrt(near * far)
        if (_at_multiple(runs, headline, choice, middle) > 1) == side:
            near = middle
        else:
            far = middle
    return math.sqrt(near * far)


def _run_swings(runs: Runs, nominal: Mapping[Headline, float]) -> list[Swing]:
    found = []
    for choice in RUN_CHOICES:
        for setting in choice.settings:
            values = {h: _headline(runs, h, f"{choice.name}: {setting.label}") for h in HEADLINES}
            found.append(_swing(choice.name, choice.taken, setting.label, choice.source, values, nominal))
    return found


def _swing(
    choice: str, taken: str, setting: str, source: str, values: dict[Headline, float], nominal: Mapping[Headline, float]
) -> Swing:
    flips = {
        headline: f"between {taken} and {setting}"
        for headline, value in values.items()
        if _flipped(nominal[headline], value)
    }
    return Swing(choice=choice, taken=taken, setting=setting, source=source, values=values, flips=flips)


def _free_swings(runs: Runs, nominal: Mapping[Headline, float]) -> list[Swing]:
    """Choices of what is counted, which need no run: the steady state, the mix of models, the kind of mean."""
    steady = {h: means_of([STEADY[h[0]](*pair) for pair in _pairs(runs, h, MAIN)]).arithmetic for h in HEADLINES}
    source = "a choice: the paper does not say"
    found = [_swing("which inference", "the first", "the steady state", source, steady, nominal)]
    for share in RECURRENT_SHARE:
        mixed = {headline: _mix(runs, headline, share) for headline in HEADLINES}
        count = f"{round(share * 24)} LSTMs and transducers of 24"
        found.append(_swing("mix of models", "8 of 24", count, "the mix is inferred from the results", mixed, nominal))
    means: tuple[tuple[str, Callable[[Headline], float | None]], ...] = (
        ("geometric", lambda h: means_of([PAIRED[h[0]](*pair) for pair in _pairs(runs, h, MAIN)]).geometric),
        ("harmonic", lambda h: means_of([PAIRED[h[0]](*pair) for pair in _pairs(runs, h, MAIN)]).harmonic),
    )
    for name, mean in means:
        values = {headline: mean(headline) or nominal[headline] for headline in HEADLINES}
        found.append(_swing("kind of mean", "arithmetic", name, "the paper says average", values, nominal))
    return found


def _mix(runs: Runs, headline: Headline, share: float) -> float:
    """The mean with LSTMs and transducers weighing so much; the plain one where only one sort was run."""
    pairs = _pairs(runs, headline, MAIN)
    sorts = [
        [PAIRED[headline[0]](*pair) for pair in pairs if (pair[0].kind in RECURRENT_KINDS) == recurrent]
        for recurrent in (True, False)
    ]
    if not all(sorts):
        return _headline(runs, headline, MAIN)
    return share * means_of(sorts[0]).arithmetic + (1 - share) * means_of(sorts[1]).arithmetic


def _searched(runs: Runs) -> dict[str, float]:
    found = {}
    for choice in _searched_choices():
        changes = [
            abs(_headline(runs, h, _search_label(choice)) / _at_multiple(runs, h, choice, choice.high) - 1)
            for h in HEADLINES
            if h[0] == "energy_efficiency"
        ]
        found[choice.name] = max(changes)
    return found
