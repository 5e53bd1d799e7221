"""Does the conclusion survive? Every constant and every stated choice varied, one at a time and all together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.paper import chosen_models
from mensa_sim.study.reproduce.reproduce import study_files
from mensa_sim.study.reproduce.table import MAIN, Runs
from mensa_sim.study.reproduce.taken import taken_of
from mensa_sim.study.reproduce.workers import FinishedModels, ModelTask, forget_systems, run_models, system_of
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.sensitivity.drawn import draw_swings, draw_tasks
from mensa_sim.study.sensitivity.joint import Draw, Interval, draws_of, joint_intervals
from mensa_sim.study.sensitivity.prices import Prices
from mensa_sim.study.sensitivity.request import SensitivityRequest
from mensa_sim.study.sensitivity.setting import RunChoice, price_choices, run_choices
from mensa_sim.study.sensitivity.swings import SEARCHED, Headline, Swing, Swings, headlines_of, search_label


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityResult(Provenance):
    """Headlines as taken, one choice at a time, and all together."""

    nominal: Mapping[Headline, float]
    """By headline, in their order."""
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

    @property
    def headlines(self) -> tuple[Headline, ...]:
        """What is asked of every choice."""
        return tuple(self.nominal)


def sensitivity(request: SensitivityRequest) -> SensitivityResult:
    """Run every choice; the same result for the same seed on any number of processes.

    With an output folder each model is kept there as soon as it is done, as `reproduce` keeps it.
    """
    forget_systems()
    models = tuple(map(str, request.workloads)) or chosen_models(tuple(request.models))
    systems = tuple(map(str, request.systems))
    taken = taken_of(request, systems)
    choices = run_choices(systems)
    prices = Prices(
        choices=price_choices([system_of(system, taken.on(system)) for system in systems]),
        taken={system: taken.on(system) for system in systems},
    )
    draws = draws_of(request.runs, request.seed, choices, systems)
    cases = tuple(replace(taken.case(each), first_only=each.label != MAIN) for each in _cases(draws, choices, prices))
    files = study_files(models, systems)
    finished = None if request.output is None else FinishedModels(Path(request.output), files)
    tasks = [ModelTask(model=model, cases=cases, allow_code=request.allow_code) for model in models]
    alone = [taken.case(Case(label=MAIN, system=each, first_only=True)) for each in systems]
    drawn = draw_tasks(request.drawn_populations, alone)
    all_ran = run_models([*tasks, *(task for _, task in drawn)], request.jobs, request.progress, finished)
    ran, ran_drawn = all_ran[: len(tasks)], all_ran[len(tasks) :]
    study = Swings(headlines=headlines_of(systems), runs=Runs(models=ran, taken=taken), prices=prices, choices=choices)
    settings = [setting for setting, _ in drawn]
    of_draws = draw_swings(study, list(zip(settings, ran_drawn, strict=True)), taken)
    swings = (*study.priced(), *study.run(), *study.free(), *of_draws)
    return SensitivityResult(
        nominal=study.nominal,
        swings=swings,
        intervals=joint_intervals(study.runs, draws, prices, study.headlines, request.prices, request.seed),
        draws=draws,
        prices=request.prices,
        models=tuple(task.name for task in tasks),
        simulated=sum(len(each.outcomes) for each in all_ran),
        repriced=2 * len(prices.choices) + request.runs * request.prices,
        searched=study.searched(),
        seed=request.seed,
        **made_of("sensitivity", request, files),
    )


def _cases(draws: Sequence[Draw], choices: Sequence[RunChoice], prices: Prices) -> tuple[Case, ...]:
    cases = [Case(label=MAIN, system=system) for system in prices.taken]
    for choice in choices:
        cases += setting_cases(choice, prices.taken)
    for price in (each for each in prices.choices if each.name in SEARCHED):
        cases += [
            Case(label=search_label(price), system=system, overrides=prices.changed(price, system, price.high))
            for system in prices.taken
        ]
    return (*cases, *(case for draw in draws for case in draw.cases))


def setting_cases(choice: RunChoice, systems: Iterable[str]) -> list[Case]:
    """The runs of every other way to decide a choice, on the systems that it touches."""
    return [
        Case(
            label=f"{choice.name}: {setting.label}",
            system=system,
            overrides=overrides,
            goal=setting.goal,
            on_chip=setting.on_chip,
            length=setting.length,
        )
        for setting in choice.settings
        for system in systems
        if (overrides := setting.on(system)) is not None
    ]
