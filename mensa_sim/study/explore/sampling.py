"""Which point comes next: a sequence that depends on the space, the seed and, for adaptive samplers, on results.

The n-th point of `grid`, `random` and `quasi_random` follows from n alone. `tpe` and `nsga2` choose a batch, wait for
all of its results and learn them in the order of the points; the batch's random numbers follow from the seed and the
batch's number. So no sequence depends on how many workers there are, on which is fastest, or on when the search was
interrupted.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from mensa_sim.study.space.check import scattered
from mensa_sim.study.space.files import Direction, SamplerEntry, SamplerName
from mensa_sim.study.space.space import Point, Space, point_at

if TYPE_CHECKING:
    import optuna

State = Literal["done", "failed", "excluded", "repeat"]
BATCHES: Mapping[SamplerName, int] = {"tpe": 8, "nsga2": 24}
"""Designs of one batch of each adaptive sampler."""


class Points(Protocol):
    """A sequence of points."""

    @property
    def batch(self) -> int | None:
        """Points that must have results before the next is chosen; none where results do not matter."""

    def next(self) -> Point | None:
        """The next point; none after the last."""

    def learn(self, results: Sequence[tuple[State, Sequence[float]]]) -> None:
        """The results of a whole batch, in the order of its points: objectives where done or a repeat of one done."""


class GridSampler:
    """Every point of a space once, early ones far apart."""

    batch = None

    def __init__(self, space: Space) -> None:
        self._space = space
        self._number = 0

    def next(self) -> Point | None:
        if self._number >= self._space.size:
            return None
        self._number += 1
        return point_at(self._space, scattered(self._number - 1, self._space.size))

    def learn(self, results: Sequence[tuple[State, Sequence[float]]]) -> None:
        """A grid learns nothing."""


class Sampled:
    """Points of one of Optuna's samplers, each parameter an index: ordered values as numbers, others as categories."""

    def __init__(self, space: Space, directions: Sequence[Direction], entry: SamplerEntry) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution, IntDistribution

        self.batch = entry.batch or BATCHES[entry.name] if entry.name in BATCHES else None
        self._entry = entry
        self._names = [parameter.name for parameter in space.parameters]
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {}
        for parameter in space.parameters:
            count = len(parameter.shown)
            as_number = parameter.ordered or entry.name == "quasi_random"
            self._distributions[parameter.name] = (
                IntDistribution(0, count - 1) if as_number else CategoricalDistribution(range(count))
            )
        self._batches = 0
        self._open: list[optuna.Trial] = []
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(directions=list(directions), sampler=self._sampler())

    def _sampler(self) -> "optuna.samplers.BaseSampler":
        """A sampler for the coming batch; quasi-random points take their place in the sequence from the study."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls some of these experimental
            return _SAMPLERS[self._entry.name](self._entry, self._batches)

    def next(self) -> Point | None:
        from optuna.trial import TrialState

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask(self._distributions)
        if self.batch is not None:
            self._open.append(trial)
        else:
            self._study.tell(trial, state=TrialState.PRUNED)
        return tuple(int(trial.params[name]) for name in self._names)

    def learn(self, results: Sequence[tuple[State, Sequence[float]]]) -> None:
        from optuna.trial import TrialState

        for trial, (state, values) in zip(self._open, results, strict=True):
            if values:
                self._study.tell(trial, list(values))
            else:
                self._study.tell(trial, state=TrialState.PRUNED if state == "excluded" else TrialState.FAIL)
        self._open = []
        self._batches += 1
        self._study.sampler = self._sampler()


def _random(entry: SamplerEntry, batch: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=entry.seed)


def _quasi_random(entry: SamplerEntry, batch: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import QMCSampler, RandomSampler

    independent = RandomSampler(seed=entry.seed)
    return QMCSampler(scramble=True, seed=entry.seed, independent_sampler=independent, warn_independent_sampling=False)


def _tpe(entry: SamplerEntry, batch: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import TPESampler

    return TPESampler(seed=_batch_seed(entry.seed, batch), n_startup_trials=2 * (entry.batch or BATCHES["tpe"]))


def _nsga2(entry: SamplerEntry, batch: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import NSGAIISampler

    population = max(2, entry.batch or BATCHES["nsga2"])
    return NSGAIISampler(seed=_batch_seed(entry.seed, batch), population_size=population)


def _batch_seed(seed: int, batch: int) -> int:
    """Different for each batch of each seed; small enough for every random generator."""
    return (seed * 1_000_003 + batch) % 2**32


_SAMPLERS: Mapping[SamplerName, "Callable[[SamplerEntry, int], optuna.samplers.BaseSampler]"] = {
    "random": _random,
    "quasi_random": _quasi_random,
    "tpe": _tpe,
    "nsga2": _nsga2,
}


def sequence_of(space: Space, directions: Sequence[Direction]) -> Points:
    """The sequence that a space's file asks for."""
    entry = space.file.sampler
    return GridSampler(space) if entry.name == "grid" else Sampled(space, directions, entry)
