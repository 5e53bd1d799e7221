"""What the Mensa paper reports, figure by figure, with how sure each is.

Boroumand et al., "Google Neural Network Models for Edge Devices", PACT 2021, arXiv 2109.14320. Only figures tagged A
are the authors' words; all others are shown with their tag. Nothing here enters a cost, a schedule or a simulation.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from mensa_sim.errors import UnknownNameError, UsageError
from mensa_sim.lookup import unknown_name
from mensa_sim.records import dataclass
from mensa_sim.workload.model_kinds import MODEL_KINDS, MODELS

SOURCE = "Boroumand et al., PACT 2021 (arXiv 2109.14320)"

TAGS: Mapping[str, str] = {
    "A": "the authors' abstract",
    "T": "a third party's text about the paper, may be rounded",
    "H": "recalled without the text at hand, confidence high",
    "M": "recalled without the text at hand, confidence medium",
    "L": "recalled without the text at hand, confidence low",
    "D": "derived from the paper's other figures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """One figure of the paper: a quantity of a system, alone or against another, over some models."""

    quantity: str
    system: str
    against: str
    models: str
    """`all`, kinds joined by `+`, or `family N`."""
    value: float
    unit: str
    tag: str

    def __post_init__(self) -> None:
        if self.tag not in TAGS:
            raise ValueError(f"{self.quantity}: unknown tag {self.tag!r}")

    @property
    def name(self) -> str:
        """The figure in words, e.g. `throughput of mensa_g against edge_tpu, all`."""
        against = f" against {self.against}" if self.against else ""
        system = f" of {self.system}" if self.system else ""
        return f"{self.quantity.replace('_', ' ')}{system}{against}, {self.models}"


def paper_figures() -> tuple[PaperFigure, ...]:
    """Every figure of the paper that is known, in the order of the shipped file."""
    with Path(__file__).with_name("paper_figures.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return tuple(PaperFigure(**{**row, "value": float(row["value"])}) for row in rows)  # type: ignore[arg-type]


def kind_of(model: str) -> str:
    """The kind of one of the 24 models; a miss lists them."""
    kinds = {name: kind for kind, names in MODEL_KINDS.items() for name in names}
    if model not in kinds:
        raise unknown_name(model, kinds, "model of the study")
    return kinds[model]


OWN_KIND = "own"
"""The kind of a workload that is none of the 24."""


KIND = "kind:"
"""Before a name that means all models of a kind, whatever a model is called."""


def chosen_models(names: tuple[str, ...]) -> tuple[str, ...]:
    """Models by name or by kind, in the order of the study, each once; all where none is named.

    A model has its name first: `lstm` is the model, `kind:lstm` all LSTMs, and `cnn`, which no model is called, is all
    CNNs.
    """
    wanted: set[str] = set()
    for name in names:
        kind = name.removeprefix(KIND)
        if name not in MODELS and kind in MODEL_KINDS:
            wanted.update(MODEL_KINDS[kind])
        elif name.startswith(KIND):
            raise unknown_name(kind, MODEL_KINDS, "kind of model")
        else:
            kind_of(name)
            wanted.add(name)
    return tuple(model for model in MODELS if model in wanted) if names else MODELS


def kinds_meant(models: str) -> tuple[str, ...]:
    """The kinds that the `models` of a figure mean; none for a family."""
    if models == "all":
        return tuple(MODEL_KINDS)
    if family_meant(models) is not None:
        return ()
    kinds = tuple(models.split("+"))
    for kind in kinds:
        if kind not in MODEL_KINDS:
            raise UnknownNameError(f"unknown kind of model {kind!r}; choose from {', '.join(MODEL_KINDS)}")
    return kinds


def family_meant(models: str) -> int | None:
    """The family that the `models` of a figure mean, if it is one."""
    prefix, _, number = models.partition(" ")
    if prefix != "family":
        return None
    if not number.isdecimal():
        raise UsageError(f"{models!r} names no family")
    return int(number)
