"""Published gains of units in the memory beside ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from mensa_sim.cost.prices.memo import PriceMemo, shared_memo
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.files import load_system
from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
from mensa_sim.io.csv_text import csv_text
from mensa_sim.lookup import lookup
from mensa_sim.study.generation.generation import Answered, answer_on
from mensa_sim.study.near_data.published import PUBLISHED, GainFigure, GainSide, PublishedGain
from mensa_sim.study.near_data.request import ReproducePimRequest
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.run.scheduling import goal_on
from mensa_sim.workload.load import load_generation, load_workload

LINE_WIDTH = 118
"""Characters of a line of the report: a choice."""


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
        low, high = self.gain.published
        return self.ours / min(max(self.ours, low), high)


@dataclass(frozen=True, slots=True, kw_only=True)
class PimStudy:
    """Every gain that was asked for."""

    rows: tuple[RecomputedGain, ...]

    @property
    def report(self) -> str:
        """What the command prints."""
        lines = [f"{'work':12}{'gain in':20}{'ours':>8}{'published':>13}{'ours/publ.':>12}  tag  against"]
        for row in self.rows:
            gain = row.gain
            low, high = gain.published
            published = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            figures = f"{row.ours:8.2f}{published:>13}{row.times_published:12.2f}"
            lines.append(f"{gain.work:12}{gain.figure:20}{figures}  {gain.tag:3}  {gain.against}")
            workload = gain.workload if isinstance(gain.workload, str) else gain.workload["name"]
            sides = f"{workload} on {_said(gain.ours)} against {_said(gain.baseline)}"
            lines += wrap(f"{sides}: {gain.reason}", LINE_WIDTH, initial_indent=" " * 12, subsequent_indent=" " * 12)
        lines.append("tags: R, read in the publication or its data; S, as others quote it")
        lines += [
            line
            for name, reason in PUBLISHED.not_recomputed.items()
            for line in wrap(f"not recomputed: {name}: {reason}", LINE_WIDTH, subsequent_indent="    ")
        ]
        return "\n".join(lines)


def _said(side: GainSide) -> str:
    own = side.system if side.scheduler is None else f"{side.system} ({side.scheduler})"
    return f"{own} with {len(side.overrides)} fields changed" if side.overrides else own


def reproduce_pim(request: ReproducePimRequest) -> PimStudy:
    """Every gain of the works that are named; an unknown one is an error."""
    if request.output is not None:
        refuse_unwritable_file(Path(request.output))
    by_work: dict[str, list[PublishedGain]] = {}
    for gain in PUBLISHED.gains:
        by_work.setdefault(gain.work, []).append(gain)
    asked = [gain for work in request.works or by_work for gain in lookup(by_work, work, "publication")]
    study = PimStudy(rows=recomputed(asked, shared_memo(cache=request.cache)))
    if request.output is not None:
        write_atomically(Path(request.output), gains_csv(study.rows).encode())
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
    generation = load_generation(gain.workload)
    if generation is not None:
        return answer_on(generation, system, goal, evaluate, memo, explained=False)
    return Answered(answer=None, step=evaluate(load_workload(gain.workload), system, goal, memo=memo, explained=False))


def gains_csv(rows: Sequence[RecomputedGain]) -> str:
    """A row for each gain."""
    header = ("work", "figure", "ours", "published_low", "published_high", "tag", "against", "source", "reason")
    return csv_text(
        header,
        (
            (
                row.gain.work,
                row.gain.figure,
                row.ours,
                *row.gain.published,
                row.gain.tag,
                row.gain.against,
                row.gain.source,
                row.gain.reason,
            )
            for row in rows
        ),
    )
