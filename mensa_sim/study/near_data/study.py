"""Published gains of units in the memory, what stands for both sides here, and ours beside them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mensa_sim.cost.prices.memo import PriceMemo, shared_memo
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.files import load_system, system_files
from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
from mensa_sim.io.csv_text import csv_of
from mensa_sim.io.files import read_record
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.study.generation.generation import Answered
from mensa_sim.study.near_data.request import ReproducePimRequest
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.placement import goal_on
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.run.run import answered
from mensa_sim.workload.load import load_generation, load_workload

GainFigure = Literal["time", "energy", "time of a token", "energy of a token"]
"""Of the whole inference or answer, or of a decoding step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GainSide:
    """A system of ours, and how it is scheduled."""

    system: str
    scheduler: str | None = None
    """None: as the system's file says."""
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGain:
    """By how many times something is better than a baseline; several figures where a range is published."""

    work: str
    figure: GainFigure
    published: tuple[float, float]
    tag: Literal["R", "S"]
    source: str
    against: str
    """The publication's baseline and workload."""
    workload: str | Mapping[str, Any]
    """What stands for its workload here."""
    ours: GainSide
    baseline: GainSide
    reason: str
    """Why ours is another."""

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise ValueError(f"{self.work}: published from {self.low} to {self.high}")

    @property
    def low(self) -> float:
        """The least that is published."""
        return self.published[0]

    @property
    def high(self) -> float:
        """The most."""
        return self.published[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class GainsFile:
    """What `published.yaml` holds."""

    workloads: tuple[Mapping[str, Any], ...]
    sides: tuple[GainSide, ...]
    """What gains name."""
    gains: tuple[PublishedGain, ...]
    not_recomputed: Mapping[str, str]
    """Published gains that have no counterpart here, and why."""


PUBLISHED = read_record(Path(__file__).with_name("published.yaml"), GainsFile)
ROW_PRODUCT, LLAMA_2_7B = PUBLISHED.workloads


def _of_step(answered: Answered) -> tuple[float, float]:
    """Time in ps and energy in pJ of a decoding step."""
    if answered.answer is None or answered.answer.time_per_token_ps is None:
        raise InfeasibleError("has no decoding steps")
    return answered.answer.time_per_token_ps, answered.answer.energy_per_token_pj or 0.0


def _of_whole(answered: Answered) -> tuple[float, float]:
    """Of the whole inference or answer."""
    whole = answered.whole
    return whole.latency_ps, whole.energy_pj


FIGURES_OF: Mapping[GainFigure, Callable[[Answered], float]] = {
    "time": lambda answered: _of_whole(answered)[0],
    "energy": lambda answered: _of_whole(answered)[1],
    "time of a token": lambda answered: _of_step(answered)[0],
    "energy of a token": lambda answered: _of_step(answered)[1],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecomputedGain:
    """A published gain, and the same of our systems: the baseline's figure over ours."""

    gain: PublishedGain
    ours: float

    @property
    def times_published(self) -> float:
        """Ours over the nearest end of what is published."""
        return self.ours / min(max(self.ours, self.gain.low), self.gain.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class PimStudy(Provenance):
    """Every gain that was asked for."""

    rows: tuple[RecomputedGain, ...]


def reproduce_pim(request: ReproducePimRequest) -> PimStudy:
    """Every gain of the works that are named; an unknown one is an error."""
    refuse_unwritable_file(request.output)
    by_work: dict[str, list[PublishedGain]] = {}
    for gain in PUBLISHED.gains:
        by_work.setdefault(gain.work, []).append(gain)
    asked = [gain for work in request.works or by_work for gain in lookup(by_work, work, "publication")]
    sides = dict.fromkeys(side.system for gain in asked for side in (gain.ours, gain.baseline))
    files = [file for system in sides for file in system_files(system)]
    study = PimStudy(
        rows=recomputed(asked, shared_memo(cache=request.cache)), **made_of("reproduce-pim", request, files)
    )
    if request.output is not None:
        write_atomically(Path(request.output), csv_of(GAIN_FIELDS, study.rows))
    return study


def recomputed(gains: Sequence[PublishedGain], memo: PriceMemo) -> tuple[RecomputedGain, ...]:
    """The gains on our systems; each workload runs once on each side."""
    known: dict[tuple[str, GainSide], Answered] = {}

    def on(gain: PublishedGain, side: GainSide) -> float:
        key = (str(gain.workload), side)
        if key not in known:
            known[key] = _answered(gain, side, memo)
        return FIGURES_OF[gain.figure](known[key])

    return tuple(RecomputedGain(gain=gain, ours=on(gain, gain.baseline) / on(gain, gain.ours)) for gain in gains)


def _answered(gain: PublishedGain, side: GainSide, memo: PriceMemo) -> Answered:
    system = load_system(side.system, side.overrides)
    goal = goal_on(system, scheduler=side.scheduler)
    work = load_generation(gain.workload) or load_workload(gain.workload)
    return answered(work, system, goal, memo, explained=False)


GAIN_FIELDS = (
    *("gain.work", "gain.figure", "ours", "published_low=gain.low", "published_high=gain.high"),
    *("gain.tag", "gain.against", "gain.source", "gain.reason"),
)
"""Of a gain, what tables have of it."""
