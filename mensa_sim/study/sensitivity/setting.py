"""What is varied, over which range, and what that sets on a system, whichever system that is.

These are every constant of the technology that a run uses, and every stated choice. A constant whose publications agree
is varied by a half to either side; where they do not, over what they say. Prices alone need no new run
(`reproduce/scaling.py`); what changes times or mappings is run again, mappings searched anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path

from mensa_sim.hardware.fields import holds_place, parse_override, place_of
from mensa_sim.hardware.system import System
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.io.files import Raw, read_record
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.study.reproduce.scaling import multiplied
from mensa_sim.study.reproduce.workers import data_of_system, system_of
from mensa_sim.study.run.placement import Goal

EVERY = "*"
"""In a setting's field, every memory or accelerator of a system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChoice:
    """A constant, or constants that go together, at a low and a high multiple of the shipped value."""

    name: str
    fields: tuple[str, ...]
    """Names as `Technology.constants()` has them, or another number of the technology."""
    low: float = 0.5
    high: float = 1.5
    source: str = "a half to either side"

    @property
    def memory_kind(self) -> str | None:
        """The kind of memory that it prices; none for what an accelerator consists of."""
        owner, _, rest = self.fields[0].partition(".")
        return rest.partition(".")[0] if owner == "memories" else None

    def overrides(self, system: System, multiple: float) -> tuple[str, ...]:
        """The settings that multiply a system's values, each accelerator's own where their technologies differ."""
        first = system.accelerators[0].technology
        if all(placed.technology == first for placed in system.accelerators):
            return self._multiplied(first, multiple)
        return tuple(
            f"accelerators.{placed.name}.{text}"
            for placed in system.accelerators
            for text in self._multiplied(placed.technology, multiple)
        )

    def _multiplied(self, technology: Technology, multiple: float) -> tuple[str, ...]:
        """Of a technology that prices other memories too, or fewer, what it has."""
        priced = {f"memories.{kind}" for kind in technology.memories}
        had = (name for name in self.fields if not name.startswith("memories.") or name.rpartition(".")[0] in priced)
        return multiplied(technology, dict.fromkeys(had, multiple))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One other way to decide a choice."""

    label: str
    overrides: tuple[str, ...] = ()
    """`FIELD=VALUE` on every system that has the field; none for what is no field of a system."""
    only: tuple[str, ...] = ()
    """The systems that it is about; none means all."""
    places: bool = False
    """Whether it says how layers are placed, which touches systems with a choice alone."""
    goal: Goal = field(default_factory=Goal)
    on_chip: Options = FULL
    length: float = 1.0

    def on(self, system: str) -> tuple[str, ...] | None:
        """What it sets on a system; none where it touches nothing there."""
        if self.only and system not in self.only:
            return None
        if self.places and len(system_of(system, ()).accelerators) == 1:
            return None
        return (settings_on(system, self.overrides) or None) if self.overrides else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoice:
    """A stated choice: what was taken, and what else could have been."""

    name: str
    taken: str
    settings: tuple[Setting, ...]
    source: str
    joint: bool = False
    """Whether it is drawn in the joint runs."""

    def touches(self, system: str) -> bool:
        """Whether a setting of it changes anything on a system."""
        return any(setting.on(system) is not None for setting in self.settings)


def settings_on(system: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Of `FIELD=VALUE` texts those whose field a system has, once for each memory or accelerator that `*` stands for.

    >>> settings_on("mensa_g", ["memories.*.efficiency=0.6", "accelerators.edge_tpu.clock_hz=1"])
    ('memories.lpddr4.efficiency=0.6', 'memories.stacked.efficiency=0.6')
    """
    raw, accelerators = data_of_system(system)
    found = (each for text in texts for each in _expanded(raw, accelerators, text))
    return tuple(text for text in found if holds_place(raw, accelerators, text) and _has_level(accelerators, text))


def _expanded(raw: Raw, accelerators: dict[str, Raw], text: str) -> Iterator[str]:
    kind, star, rest = text.partition(f".{EVERY}.")
    if not star:
        yield text
    elif kind == "accelerators":
        yield from (f"{kind}.{name}.{rest}" for name in accelerators)
    else:
        for name, memory in raw["memories"].items():
            yield f"{kind}.{name}.{rest}"
            yield from (f"{kind}.{name}.ports.{port}.{rest}" for port in memory.get("ports") or {})


def _has_level(accelerators: dict[str, Raw], text: str) -> bool:
    """Whether an accelerator has the level that a text speaks of, if it speaks of one."""
    place = place_of(parse_override(text)[0], f"--set {text}")
    if place.owner != "accelerator" or place.inside[0] != "levels":
        return True
    levels = accelerators[str(place.accelerator)].get("levels") or ()
    return any(level.get("name") == place.inside[1] for level in levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesFile:
    """What `choices.yaml` holds."""

    prices: tuple[PriceChoice, ...]
    runs: tuple[RunChoice, ...]


_SHIPPED = read_record(Path(__file__).with_name("choices.yaml"), ChoicesFile)
PRICE_CHOICES = _SHIPPED.prices
RUN_CHOICES = _SHIPPED.runs


def price_choices(systems: Sequence[System]) -> tuple[PriceChoice, ...]:
    """The choices of prices that systems use: of memories those of the kinds that they have.

    A kind of memory that stands in no system of the paper is varied by a half to either side.
    """
    kinds = dict.fromkeys(memory.kind for system in systems for memory in system.memories.values())
    found = [choice for choice in PRICE_CHOICES if choice.memory_kind is None or choice.memory_kind in kinds]
    known = {choice.memory_kind for choice in found}
    for kind in kinds:
        if kind not in known:
            bits = (f"memories.{kind}.read_pj_per_bit", f"memories.{kind}.write_pj_per_bit")
            for name, fields in (("energy per bit", bits), ("background", (f"memories.{kind}.background_mw",))):
                found.append(PriceChoice(name=f"{name} of {kind}", fields=fields))
    return tuple(found)


def run_choices(systems: Sequence[str]) -> tuple[RunChoice, ...]:
    """The choices that change anything on one of some systems."""
    return tuple(choice for choice in RUN_CHOICES if any(choice.touches(system) for system in systems))
