"""The accelerator files that a conversion writes: the structure, and a technology that prices it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.technology.technology import Constant, MemoryEnergy, Technology
from mensa_sim.io.files import Raw, validate, write_yaml
from mensa_sim.io.shipped import find
from mensa_sim.study.convert.foreign import ForeignFile, commented
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import DIMS, OPERANDS, Operand

CLOCK_HZ = 10**9
"""A choice, for tools that count cycles."""
TECHNOLOGY = "cmos_22nm"
"""A choice, for tools whose files hold no energies: the shipped technology with the most memory kinds."""
MEMORY_KIND = "lpddr4"
"""A choice, for tools that name no kind that the technology has."""
AXIS_DIMS = ("K", "C", "OX", "OY", "FX", "FY", "G", "B")
"""A choice, where no file says what an axis unrolls: weights across, then pixels."""


def dims_of(index: int) -> list[str]:
    """What an axis unrolls where no file says it."""
    return [AXIS_DIMS[index % len(DIMS)]]


def stationary_of(
    file: ForeignFile, levels: Sequence[Raw], *, what: str = "", sum_bits: int = BITS_PER_BYTE
) -> Operand:
    """The operand whose registers hold the most, sums being so wide and all else 8 bits; outputs where several do."""
    held = dict.fromkeys(OPERANDS, 0.0)
    for level in levels:
        if "read_bits" not in level:
            for operand in level["serves"]:
                width = sum_bits if operand == "output" else BITS_PER_BYTE
                held[operand] = max(held[operand], level["capacity_bytes"] * BITS_PER_BYTE / width)
    best = max(reversed(OPERANDS), key=lambda operand: held[operand])
    file.notes.choose(f"stationary: {best}, whose registers hold the most{what}")
    return best


def accelerator_files(file: ForeignFile, data: Raw, technology: Raw | None, source: str) -> dict[str, str]:
    """An accelerator's file and its technology's, checked; without one of its own, a copy of a shipped one.

    Raises `FileError` where what was converted is no accelerator of ours.
    """
    shipped = find("technologies", TECHNOLOGY)
    beside = f"{technology['name']}_technology.yaml" if technology is not None else shipped.name
    data = {"name": data["name"], "placement": "converted", "technology": beside, **data}
    try:
        validate(data, PeArray, file.path)
        if technology is not None:
            validate(technology, Technology, file.path)
    except FileError as error:
        raise FileError(error.path, [f"as an accelerator of ours: {fault}" for fault in error.faults]) from error
    text = shipped.read_text(encoding="utf-8") if technology is None else commented(write_yaml(technology), source)
    return {f"{data['name']}.yaml": commented(write_yaml(data), source), beside: text}


def bare_technology(name: str, source: str, mac_pj: float, memories: Mapping[str, tuple[float, float]]) -> Raw:
    """A technology of a tool that prices MACs and accesses alone: energies per bit by memory kind, read and written.

    Levels state energies of their own; the one point of the sweep is there for what the form asks.
    """

    def constant(value: float) -> dict[str, Any]:
        return {"value": value, "source": source if value else f"{source}: prices none"}

    zeros = {field.name: constant(0.0) for field in dataclasses.fields(Technology) if field.type is Constant}
    kinds = {
        kind: {field.name: constant(figures.get(field.name, 0.0)) for field in dataclasses.fields(MemoryEnergy)}
        for kind, (read_pj, write_pj) in memories.items()
        for figures in [{"read_pj_per_bit": read_pj, "write_pj_per_bit": write_pj}]
    }
    point = {"capacity_bytes": 1, "access_bits": 1, "read_pj": 1.0, "write_pj": 1.0, "leakage_mw": 0.0, "area_mm2": 0.0}
    return {
        "name": name,
        "node_nm": 1.0,
        "vdd_v": 1.0,
        **zeros,
        "mac_pj_8_bit": constant(mac_pj),
        "memories": kinds,
        "sram_source": f"{source}: each level states its own",
        "sram_cell": "itrs-hp",
        "sram": {"itrs-hp": [point]},
    }
