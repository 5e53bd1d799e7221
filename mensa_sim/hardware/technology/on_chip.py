"""Memories on the chip that several accelerators share: what they cost, and who reaches them."""

from collections.abc import Mapping, Sequence

from mensa_sim.hardware.memory import SRAM_ACCESS_BITS, Memory, MemoryEntry
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.sram import sram_figures
from mensa_sim.lookup import unknown_name


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
