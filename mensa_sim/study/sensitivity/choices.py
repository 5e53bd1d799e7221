"""What is varied, and over which range: every constant of the technology that a run uses, and every stated choice.

A constant whose publications agree is varied by a half to either side; where they do not, over what they say. Prices
alone need no new run (`reproduce_scaling`); what changes times or mappings is run again, mappings searched anew.
"""

from collections.abc import Sequence
from pathlib import Path

from mensa_sim.hardware.system import System
from mensa_sim.io.files import read_record
from mensa_sim.records import dataclass
from mensa_sim.study.sensitivity.setting import PriceChoice, RunChoice


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
