"""The paper's figures beside ours, row by row."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import field

from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.paper import PaperFigure, family_meant, kinds_meant
from mensa_sim.study.reproduce.quantities import ALONE, COMPARED, PAIRED, Means, means_of, paired_means
from mensa_sim.study.reproduce.taken import SHIPPED, Taken
from mensa_sim.study.reproduce.workers import ModelOutcomes
from mensa_sim.workload.families.paper import share_inside
from mensa_sim.workload.model_kinds import MODEL_KINDS

AGREEMENT_TOLERANCE = 0.15
"""A figure further off than this has its mechanism named."""

MAIN = "main"
"""The label of the headline's cases: first inference, default simulation options, the scheduler `mensa`."""

SystemNamed = Callable[[str], System]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """All outcomes of a study, by what they are for."""

    models: tuple[ModelOutcomes, ...]
    taken: Taken = SHIPPED
    """What every run has, beside what its case changes."""
    _index: dict[tuple[str, str], dict[str, Outcome]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[tuple[str, str], dict[str, Outcome]] = {}
        for each in self.models:
            for outcome in each.outcomes:
                index.setdefault((outcome.label, outcome.system), {})[each.model] = outcome
        object.__setattr__(self, "_index", index)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its models."""
        return tuple(dict.fromkeys(each.kind for each in self.models))

    def of(self, label: str, system: str, kinds: Sequence[str]) -> list[Outcome]:
        """The outcomes of a case over the models of some kinds, in the order of the study.

        Where a label has no case of a system or model, it does not touch it: the main case stands for it.
        """
        known = {**self._index.get((MAIN, system), {}), **self._index.get((label, system), {})}
        return [known[each.model] for each in self.models if each.kind in kinds and each.model in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of the paper beside ours; `reason` says why ours is not there."""

    figure: PaperFigure
    ours: Means | None = None
    steady: float | None = None
    """The same of an inference that finds what the one before it left on chip, planned for such."""
    plain: float | None = None
    """The same with every activation through memory, nothing prefetched and nothing kept."""
    optimal: float | None = None
    """The same with the optimal schedule in place of Mensa's, where that touches the figure."""
    homes: float | None = None
    """The same under the flow `homes`: tensors live on chip from their producer to their last reader."""
    stacks: float | None = None
    """The same under the flow `stacks`: consecutive layers run tile by tile."""
    models: int = 0
    """How many models, or layers, it is of."""
    reason: str = ""
    ran: str = ""
    """The models that were run, where those are not all that the paper's figure is of: then it is held against none."""

    @property
    def name(self) -> str:
        """The figure in words, of the models that were run."""
        return dataclasses.replace(self.figure, models=self.ran or self.figure.models).name

    @property
    def ratio(self) -> float | None:
        """Ours over the paper's; none where ours is of other models."""
        return None if self.ours is None or self.ran else self.ours.arithmetic / self.figure.value

    @property
    def agrees(self) -> bool | None:
        """Whether ours is within the tolerance, or keeps the bound that the paper states."""
        ratio = self.ratio
        if ratio is None:
            return None
        if self.figure.unit == "fraction_at_most":
            return ratio <= 1 + AGREEMENT_TOLERANCE
        if self.figure.unit == "fraction_at_least":
            return ratio >= 1 - AGREEMENT_TOLERANCE
        return within_tolerance(ratio)


def within_tolerance(ratio: float) -> bool:
    """Whether ours over the paper's is near enough to 1, on either side."""
    return 1 - AGREEMENT_TOLERANCE <= ratio <= 1 / (1 - AGREEMENT_TOLERANCE)


def row_of(figure: PaperFigure, runs: Runs, system_named: SystemNamed, label: str = MAIN) -> Row:
    """Our value of a figure in the cases of a label."""
    if figure.quantity == "layers_inside_families":
        members = [member for each in runs.models for member in each.members]
        share = share_inside(members)
        if share is None:
            return Row(figure=figure, reason="no layer has a family")
        return Row(figure=figure, ours=Means(arithmetic=share), models=len(members))
    family = family_meant(figure.models)
    if family is not None:
        return _family_row(figure, runs, family, label)
    kinds = kinds_meant(figure.models)
    ours = runs.of(label, figure.system, kinds)
    if not ours:
        return Row(figure=figure, reason=f"no model of {figure.models} was run on {figure.system}")
    if not figure.against:
        if figure.quantity not in ALONE:
            return Row(figure=figure, reason="this program does not compute it")
        system = system_named(figure.system)
        values = [ALONE[figure.quantity](outcome, system) for outcome in ours]
        return Row(figure=figure, ours=means_of(values), models=len(values))
    if figure.quantity not in PAIRED:
        return Row(figure=figure, reason="this program does not compute it")
    theirs = runs.of(label, figure.against, kinds)
    if [outcome.model for outcome in ours] != [outcome.model for outcome in theirs]:
        return Row(figure=figure, reason=f"not every model of {figure.models} was run on {figure.against}")
    steady = None
    if figure.quantity in COMPARED:
        pairs = zip(ours, theirs, strict=True)
        steady = means_of([COMPARED[figure.quantity](ours.steady, theirs.steady) for ours, theirs in pairs]).arithmetic
    means = paired_means(figure.quantity, ours, theirs)
    return Row(figure=figure, ours=means, steady=steady, models=len(ours))


NAMED = 3
"""Models that a figure is labelled with by name; of more, their number."""


def as_ran(row: Row, models: Sequence[str]) -> Row:
    """A row labelled with the models that were run, where the paper's figure is of more."""
    kinds = kinds_meant(row.figure.models) or tuple(MODEL_KINDS)
    meant = [model for kind in kinds for model in MODEL_KINDS[kind]]
    ran = [model for model in meant if model in models]
    if len(ran) == len(meant) or row.ours is None:
        return row
    label = f"{len(ran)} of {len(meant)} models"
    if len(ran) <= NAMED:
        label = f"{'model' if len(ran) == 1 else 'models'} {', '.join(ran)}"
    family = f"{row.figure.models} of " if family_meant(row.figure.models) is not None else ""
    return dataclasses.replace(row, ran=f"{family}{label}")


def _family_row(figure: PaperFigure, runs: Runs, family: int, label: str) -> Row:
    """Utilization of a family's layers, pooled over all models."""
    outcomes = runs.of(label, figure.system, tuple(MODEL_KINDS))
    work = [outcome.families[family] for outcome in outcomes if family in outcome.families]
    possible = math.fsum(each.possible_macs for each in work)
    if not possible:
        return Row(figure=figure, reason=f"no layer of family {family} was run on {figure.system}")
    share = sum(each.macs for each in work) / possible
    return Row(figure=figure, ours=Means(arithmetic=share), models=sum(each.layers for each in work))
