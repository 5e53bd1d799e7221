"""The paper's figures on drawn populations: what of the claim holds for models with the published statistics.

The shipped models stand for the paper's one by one; a population stands for their statistics. Every figure is computed
as on the shipped models, in the headline's case alone, once for each seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.experiments.named import main_cases
from mensa_sim.study.reproduce.paper import PaperFigure
from mensa_sim.study.reproduce.table import Runs, row_of
from mensa_sim.study.reproduce.taken import SHIPPED, Taken
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask, population
from mensa_sim.units import MIB
from mensa_sim.workload.population.statistics import Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """One figure over several populations."""

    values: tuple[float, ...]
    """One for each seed, in their order."""

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a drawn figure: no population was drawn")

    @property
    def middle(self) -> float:
        """The median over seeds."""
        return median(self.values)

    @property
    def low(self) -> float:
        """The least over seeds."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest over seeds."""
        return max(self.values)

    def holds(self, value: float) -> bool:
        """Whether a value lies between the least and the largest.

        >>> DrawnFigure(values=(1.0, 3.0)).holds(2.0)
        True
        """
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnStatistic:
    """A published statistic that populations were drawn to have, and what they have of it."""

    name: str
    published: float
    drawn: DrawnFigure


def drawn_tasks(populations: int, taken: Taken = SHIPPED) -> list[ModelTask]:
    """Every model of so many populations, seeds from 0 on, on the systems of the headline, a first inference each."""
    cases = tuple(replace(case, closed_loop=False, first_only=True) for case in main_cases(taken))
    return [
        ModelTask(model=model.graph.name, cases=cases, seed=seed)
        for seed in range(populations)
        for model in population(seed).models
    ]


def drawn_figures(
    figures: Sequence[PaperFigure], ran: Mapping[int, Sequence[ModelOutcomes]], system_named: Callable[[str], System]
) -> dict[str, DrawnFigure]:
    """The figures by name that every population gives; `ran` holds the outcomes of each seed's models."""
    found: dict[str, list[float]] = {figure.name: [] for figure in figures}
    for seed in sorted(ran):
        runs = Runs(models=tuple(ran[seed]))
        for figure in figures:
            ours = row_of(figure, runs, system_named).ours
            if ours is not None:
                found[figure.name].append(ours.arithmetic)
    return {name: DrawnFigure(values=tuple(values)) for name, values in found.items() if len(values) == len(ran) > 0}


def drawn_statistics(populations: int) -> tuple[DrawnStatistic, ...]:
    """The published statistics beside those of so many populations."""
    if not populations:
        return ()
    published, drawn = Statistics(), [population(seed) for seed in range(populations)]
    return (
        DrawnStatistic(
            name="mean parameters of a gate",
            published=published.gate_parameters,
            drawn=DrawnFigure(values=tuple(each.gate_parameters for each in drawn)),
        ),
        *(
            DrawnStatistic(
                name=f"share of the parameter bytes of LSTMs and transducers that {buffer_bytes / MIB:g} MiB hold",
                published=share,
                drawn=DrawnFigure(values=tuple(each.held(buffer_bytes) for each in drawn)),
            )
            for buffer_bytes, share in sorted(published.held.items())
        ),
        DrawnStatistic(
            name="share of the layers inside the families' ranges",
            published=published.inside_families,
            drawn=DrawnFigure(values=tuple(each.inside_families for each in drawn)),
        ),
    )
