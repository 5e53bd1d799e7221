"""Which point comes next: a sequence that depends on the space, the seed and, for adaptive samplers, on results.

The n-th point of `grid`, `random` and `quasi_random` follows from n alone. `tpe` and `nsga2` choose a batch, wait for
all of its results and learn them in the order of the points; the batch's random numbers follow from the seed and the
batch's number, and of many designs they know few. So no sequence depends on how many workers there are, on which is
fastest, or on when the search was interrupted.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mensa_sim.study.explore.front import best_first
from mensa_sim.study.space.files import Direction, SamplerEntry, SamplerName
from mensa_sim.study.space.space import Point, Space, point_at, scattered

if TYPE_CHECKING:
    import optuna

State = Literal["done", "failed", "excluded", "repeat"]
BATCHES: Mapping[SamplerName, int] = {"tpe": 8, "nsga2": 24}
"""Designs of one batch of each adaptive sampler."""
MOST_KNOWN = 256
"""Designs that an adaptive sampler is told of at most, unless four batches are more: a choice."""


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


class QuasiRandomSampler:
    """Points of a scrambled Sobol sequence (Sobol, USSR Computational Mathematics 7(4):86, 1967; Owen, 1998)."""

    batch = None

    def __init__(self, space: Space, seed: int) -> None:
        from scipy.stats.qmc import Sobol

        self._counts = [len(parameter.shown) for parameter in space.parameters]
        self._sequence = Sobol(len(self._counts), scramble=True, seed=seed)

    def next(self) -> Point | None:
        shares = self._sequence.random(1)[0]
        return tuple(int(share * count) for share, count in zip(shares, self._counts, strict=True))

    def learn(self, results: Sequence[tuple[State, Sequence[float]]]) -> None:
        """The sequence is what it is."""


class Sampled:
    """Points of one of Optuna's samplers, each parameter an index: ordered values as numbers, others as categories.

    What an adaptive one takes for a point grows with the points it knows, so it is told of the best and some others.
    """

    def __init__(self, space: Space, directions: Sequence[Direction], entry: SamplerEntry) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        self.batch = entry.batch or BATCHES[entry.name] if entry.name in BATCHES else None
        self._entry = entry
        self._directions = directions
        self._names = [parameter.name for parameter in space.parameters]
        self._most = [len(parameter.shown) - 1 for parameter in space.parameters]

        def ordered(most: int) -> optuna.distributions.BaseDistribution:
            """For `tpe` an index is a part of a line: it takes twice as long over whole numbers."""
            return FloatDistribution(0, most + 1) if entry.name == "tpe" else IntDistribution(0, most)

        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            each.name: ordered(most) if each.ordered else CategoricalDistribution(range(most + 1))
            for each, most in zip(space.parameters, self._most, strict=True)
        }
        self._batches = 0
        self._open: list[optuna.Trial] = []
        self._known: list[tuple[Mapping[str, Any], State, Sequence[float]]] = []
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = self._study_by(self._sampler())

    def _study_by(self, sampler: "optuna.samplers.BaseSampler") -> "optuna.Study":
        import optuna

        return optuna.create_study(directions=list(self._directions), sampler=sampler)

    def _sampler(self) -> "optuna.samplers.BaseSampler":
        """A sampler for the coming batch."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls some of these experimental
            return _SAMPLERS[self._entry.name](self._entry, self._batches)

    def next(self) -> Point | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask(self._distributions)
        if self.batch is not None:
            self._open.append(trial)
        else:
            self._tell(trial, "excluded", ())
        return tuple(min(int(trial.params[name]), most) for name, most in zip(self._names, self._most, strict=True))

    def learn(self, results: Sequence[tuple[State, Sequence[float]]]) -> None:
        for trial, (state, values) in zip(self._open, results, strict=True):
            self._tell(trial, state, values)
            self._known.append((trial.params, state, values))
        self._open = []
        self._batches += 1
        if self.batch is not None and len(self._known) > max(MOST_KNOWN, 4 * self.batch):
            self._begin_anew(self.batch)
        self._study.sampler = self._sampler()

    def _tell(self, trial: "optuna.Trial", state: State, values: Sequence[float]) -> None:
        from optuna.trial import TrialState

        if values:
            self._study.tell(trial, list(values))
        else:
            self._study.tell(trial, state=TrialState.PRUNED if state == "excluded" else TrialState.FAIL)

    def _begin_anew(self, batch: int) -> None:
        """In a study that knows the best, and for `tpe`, which also asks where others are, as many of all others."""
        tpe = self._entry.name == "tpe"
        signs = [1 if direction == "minimize" else -1 for direction in self._directions]
        done = [place for place, (_, _, values) in enumerate(self._known) if values]
        costs = [[sign * value for sign, value in zip(signs, self._known[place][2], strict=True)] for place in done]
        count = len(self._known) * 3 // 8 if tpe else max(2, batch)
        best = {done[place] for place in best_first(costs, count)}
        others = [place for place in range(len(self._known)) if place not in best]
        spread = {others[number * len(others) // count] for number in range(count)} if tpe and others else set()
        self._known = [self._known[place] for place in sorted(best | spread)]
        self._study = self._study_by(_nsga2(self._entry, 0))  # which takes them for a generation; `tpe` does not look
        for point, state, values in self._known:
            self._study.enqueue_trial(dict(point))
            self._tell(self._study.ask(self._distributions), state, values)


def _random(entry: SamplerEntry, batch: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=entry.seed)


def _tpe(entry: SamplerEntry, batch: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import TPESampler

    startup = 2 * (entry.batch or BATCHES["tpe"])
    return TPESampler(seed=_batch_seed(entry.seed, batch), n_startup_trials=startup, multivariate=True)


def _nsga2(entry: SamplerEntry, batch: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import NSGAIISampler

    population = max(2, entry.batch or BATCHES["nsga2"])
    return NSGAIISampler(seed=_batch_seed(entry.seed, batch), population_size=population)


def _batch_seed(seed: int, batch: int) -> int:
    """Different for each batch of each seed; small enough for every random generator."""
    return (seed * 1_000_003 + batch) % 2**32


_SAMPLERS: Mapping[SamplerName, "Callable[[SamplerEntry, int], optuna.samplers.BaseSampler]"] = {
    "random": _random,
    "tpe": _tpe,
    "nsga2": _nsga2,
}


def sequence_of(space: Space, directions: Sequence[Direction]) -> Points:
    """The sequence that a space's file asks for."""
    entry = space.file.sampler
    match entry.name:
        case "grid":
            return GridSampler(space)
        case "quasi_random":
            return QuasiRandomSampler(space, entry.seed)
        case _:
            return Sampled(space, directions, entry)
