"""Systems of small equal Edge TPUs on one memory, with what they share on the chip."""

from collections.abc import Sequence
from dataclasses import replace

from homes_problems import KIB, small_system

from mensa_sim.hardware.memory import SRAM, Link, Memory
from mensa_sim.hardware.system import System

GB = 10**9


def pool(
    count: int,
    *,
    activation_kib: int = 2048,
    shared_kib: int = 0,
    bandwidth: int = 32 * GB,
    links: Sequence[tuple[int, int]] = (),
) -> System:
    """`core0`, `core1`, ... on one DRAM, a shared memory of so much, and links between numbered cores."""
    alone = small_system(activation_kib)
    (placed,), (dram,) = alone.accelerators, alone.memories.values()
    names = [f"core{number}" for number in range(count)]
    memories = {"dram": replace(dram, bandwidth_bytes_per_s=bandwidth)}
    if shared_kib:
        memories["slc"] = Memory(
            kind=SRAM,
            bandwidth_bytes_per_s=64 * GB,
            efficiency=1.0,
            read_pj_per_bit=0.25,
            write_pj_per_bit=0.5,
            background_mw=0.0,
            capacity_bytes=shared_kib * KIB,
            reached_by=tuple(names),
        )
    return System(
        name="pool",
        memories=memories,
        accelerators=tuple(replace(placed, spec=replace(placed.spec, name=name), memory="dram") for name in names),
        links=tuple(
            Link(
                between=(names[one], names[other]),
                bandwidth_bytes_per_s=16 * GB,
                energy_pj_per_bit=0.125,
                latency_ps=1000,
            )
            for one, other in links
        ),
    )
