"""A technology: energy, leakage and area of each component as functions of capacity, width and node."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SramFigures:
    """What one SRAM of a given capacity and access width costs."""

    read_pj: float
    """Energy of one access of the full width."""
    write_pj: float
    leakage_mw: float
    area_mm2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SramPoint:
    """One row of the SRAM sweep."""

    capacity_bytes: int
    access_bits: int
    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A number and the publication that says it."""

    value: float
    source: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(f"value is {self.value}, must be finite and not negative")
        if not self.source.strip():
            raise ValueError("source is empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEnergy:
    """What a DRAM kind's bits and background cost."""

    read_pj_per_bit: Constant
    write_pj_per_bit: Constant
    background_mw: Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """Energy, leakage and area of the components of an accelerator, each constant with its source."""

    name: str
    node_nm: int
    mac_pj_8_bit: Constant
    register_pj_per_bit: Constant
    wire_pj_per_bit_mm: Constant
    vector_op_pj: Constant
    memories: Mapping[str, MemoryEnergy]
    sram_source: str
    sram: tuple[SramPoint, ...]
