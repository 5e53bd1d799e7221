"""SRAM at any capacity and access width, interpolated between the points of a sweep: levels, and shared memories."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.memory import SRAM_ACCESS_BITS, Memory, MemoryEntry
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.technology import SramFigures, SramPoint, Technology
from mensa_sim.lookup import unknown_name


def sram_figures(technology: Technology, capacity_bytes: int, access_bits: int) -> SramFigures:
    """What an SRAM of that capacity costs, with accesses of that width.

    Log-log along capacity at each width of the sweep, then log-log along width. Above the largest capacity the
    last slope goes on; below the smallest one, and below the narrowest width, the end point holds (a narrower
    access still opens a whole word); above the widest, accesses are as many of the widest in parallel.
    """
    points = tuple(sorted(technology.sram[technology.sram_cell], key=lambda p: (p.access_bits, p.capacity_bytes)))
    read, write, leakage, area = _interpolated(points, capacity_bytes, access_bits)
    return SramFigures(
        read_pj=read * technology.sram_energy_factor,
        write_pj=write * technology.sram_energy_factor,
        leakage_mw=leakage * technology.sram_leakage_factor,
        area_mm2=area,
    )


def sram_of(technology: Technology, level: Level) -> SramFigures:
    """What one instance of an SRAM level costs: reads of its read width, writes of its write width.

    Energies that the level states itself take the place of the technology's.
    """
    reading = sram_figures(technology, level.capacity_bytes, level.read_width)
    writing = sram_figures(technology, level.capacity_bytes, level.write_width)
    own_read, own_write = level.read_pj_per_bit, level.write_pj_per_bit
    return SramFigures(
        read_pj=reading.read_pj if own_read is None else own_read * level.read_width,
        write_pj=writing.write_pj if own_write is None else own_write * level.write_width,
        leakage_mw=max(reading.leakage_mw, writing.leakage_mw),
        area_mm2=max(reading.area_mm2, writing.area_mm2),
    )


def access_pj(placed: PlacedAccelerator, level: Level) -> tuple[float, float]:
    """Energy of the smallest read and the smallest write of a level."""
    if placed.array.working_pj_per_cycle is not None:
        return 0.0, 0.0
    technology = placed.technology
    if level.ported:
        figures = sram_of(technology, level)
        read_pj = figures.read_pj * level.access_bits / level.read_width
        return read_pj, figures.write_pj * level.access_bits / level.write_width
    each_pj = technology.register_pj(1, level.capacity_bytes)
    own_read, own_write = level.read_pj_per_bit, level.write_pj_per_bit
    return each_pj if own_read is None else own_read, each_pj if own_write is None else own_write


@lru_cache(maxsize=4096)
def _interpolated(
    points: tuple[SramPoint, ...], capacity_bytes: int, access_bits: int
) -> tuple[float, float, float, float]:
    """Read energy, write energy, leakage and area."""
    widths = sorted({point.access_bits for point in points})
    inside = min(max(access_bits, widths[0]), widths[-1])
    parallel = max(access_bits / widths[-1], 1.0)

    def figure(name: str) -> float:
        along_width: list[tuple[int, float]] = []
        for width in widths:
            curve = tuple((p.capacity_bytes, float(getattr(p, name))) for p in points if p.access_bits == width)
            along_width.append((width, _at(curve, capacity_bytes)))
        return _at(tuple(along_width), inside)

    return figure("read_pj") * parallel, figure("write_pj") * parallel, figure("leakage_mw"), figure("area_mm2")


def _at(curve: Sequence[tuple[int, float]], x: int) -> float:
    """The curve at x: its points exactly, log-log between them, the last slope beyond the last."""
    if x <= curve[0][0] or len(curve) == 1:
        return curve[0][1]
    for point in curve:
        if point[0] == x:
            return point[1]
    left, right = next((pair for pair in pairwise(curve) if pair[0][0] < x < pair[1][0]), (curve[-2], curve[-1]))
    if left[1] <= 0 or right[1] <= 0:
        return left[1] + (right[1] - left[1]) * (x - left[0]) / (right[0] - left[0])
    slope = math.log(right[1] / left[1]) / math.log(right[0] / left[0])
    return left[1] * math.pow(x / left[0], slope)


def on_chip_memory(entry: MemoryEntry, accelerators: Sequence[PlacedAccelerator]) -> Memory:
    """A memory on the chip, in the technology of the first accelerator that reaches it where it says no figures."""
    names = [placed.name for placed in accelerators] if entry.reached_by is None else entry.reached_by
    first = next((placed for placed in accelerators if placed.name in names), accelerators[0])
    width = entry.access_bits or SRAM_ACCESS_BITS
    figures = sram_figures(first.technology, entry.capacity_bytes or 0, width)
    read_pj, write_pj = figures.read_pj / width, figures.write_pj / width
    return Memory(
        kind=entry.kind,
        bandwidth_bytes_per_s=entry.bandwidth_bytes_per_s,
        efficiency=entry.efficiency,
        read_pj_per_bit=read_pj if entry.read_pj_per_bit is None else entry.read_pj_per_bit,
        write_pj_per_bit=write_pj if entry.write_pj_per_bit is None else entry.write_pj_per_bit,
        background_mw=figures.leakage_mw if entry.leakage_mw is None else entry.leakage_mw,
        word_bits=entry.word_bits,
        capacity_bytes=entry.capacity_bytes,
        reached_by=tuple(names),
        area_mm2=figures.area_mm2,
    )


def reach_faults(on_chip: Mapping[str, MemoryEntry], names: Sequence[str]) -> list[str]:
    """Accelerators that a file says to reach a memory and that there are not."""
    faults: list[str] = []
    for memory, entry in on_chip.items():
        unknown = [name for name in entry.reached_by or () if name not in names]
        faults += [f"memories.{memory}.reached_by: {unknown_name(name, names, 'accelerator')}" for name in unknown]
    return faults
