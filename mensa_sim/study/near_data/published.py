"""Gains that are published of units in the memory, what they were measured against, and what stands for both here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mensa_sim.io.files import read_record

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
