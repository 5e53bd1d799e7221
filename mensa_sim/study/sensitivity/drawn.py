"""What drawn populations leave open, each choice of the draw decided otherwise.

The paper publishes statistics of its models, and `workload.population` draws models that have them; depths, lengths and
shares that they do not say are ranges that it chooses. Here each of these ranges is moved to either side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.table import Runs
from mensa_sim.study.reproduce.taken import Taken
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask, population
from mensa_sim.study.sensitivity.swings import Headline, Swing, Swings, flipped
from mensa_sim.workload.population.statistics import Choices

Drawn = tuple[int, int] | float

OTHERWISE: Mapping[str, tuple[Drawn, Drawn]] = {
    "steps": ((16, 64), (64, 256)),
    "labels_per_step": (0.125, 0.5),
    "prediction_share": (0.125, 0.5),
    "first_depth": ((1, 2), (2, 6)),
    "middle_depth": ((3, 7), (8, 16)),
    "last_depth": ((1, 3), (4, 9)),
    "expansion": ((1, 3), (4, 8)),
    "recurrent_layers": ((1, 2), (2, 4)),
}
"""By choice of the draw, below and above what is taken: about half and twice (a choice)."""

_SOURCE = "a choice of the draw: the paper's statistics leave it open"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawSetting:
    """A way to draw populations: as taken, or with one choice decided otherwise."""

    choice: str = ""
    value: Drawn = 0.0

    @property
    def choices(self) -> Choices:
        """What is drawn from."""
        changed: dict[str, Any] = {self.choice: self.value} if self.choice else {}
        return replace(Choices(), **changed)


SETTINGS: tuple[DrawSetting, ...] = (
    DrawSetting(),
    *(DrawSetting(choice=name, value=value) for name, values in OTHERWISE.items() for value in values),
)
"""As taken first, then every choice to either side."""


def draw_tasks(populations: int, cases: Sequence[Case]) -> list[tuple[DrawSetting, ModelTask]]:
    """Every model of so many populations (seeds from 0 on) under every setting."""
    return [
        (setting, ModelTask(model=model.graph.name, cases=tuple(cases), seed=seed, draw=setting.choices))
        for setting in SETTINGS[: len(SETTINGS) if populations else 0]
        for seed in range(populations)
        for model in population(seed, setting.choices).models
    ]


def draw_swings(study: Swings, ran: Sequence[tuple[DrawSetting, ModelOutcomes]], taken: Taken) -> list[Swing]:
    """The headlines of drawn models beside those of the published ones, and of other draws beside the draw as taken."""
    found: dict[DrawSetting, list[ModelOutcomes]] = {}
    for setting, outcomes in ran:
        found.setdefault(setting, []).append(outcomes)
    values = {
        setting: replace(study, runs=Runs(models=tuple(models), taken=taken)).nominal
        for setting, models in found.items()
    }
    return [_swing(setting, each, values[SETTINGS[0]], study.nominal) for setting, each in values.items()]


def _swing(
    setting: DrawSetting,
    values: Mapping[Headline, float],
    as_taken: Mapping[Headline, float],
    published: Mapping[Headline, float],
) -> Swing:
    before = as_taken if setting.choice else published
    name, taken, said = "models", "the published ones", "drawn with the paper's statistics"
    if setting.choice:
        name = f"drawn models: {setting.choice.replace('_', ' ')}"
        taken, said = _text(getattr(Choices(), setting.choice)), _text(setting.value)
    flips = {each: f"between {taken} and {said}" for each in values if flipped(before[each], values[each])}
    return Swing(choice=name, taken=taken, setting=said, source=_SOURCE, values=values, flips=flips)


def _text(value: Drawn) -> str:
    return f"{value[0]} to {value[1]}" if isinstance(value, tuple) else f"{value:g}"
