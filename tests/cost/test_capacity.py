"""What levels must hold, on a nest walked pass by pass: each capacity of an inner SRAM finds the best that it holds."""

from dataclasses import replace

import pytest
from by_hand import assemble, price_mapping
from drawn import layer_of
from interpreter import interpret
from whole_space import chains, mappings, register_tiles

from mensa_sim.cost.counts.tally import repeats_of
from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.search import LIMITS
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis, Dataflow, PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import LoopNest

SYSTEM = load_system("edge_tpu")
MEMORY = SYSTEM.memory_of("edge_tpu")
FEW = dict.fromkeys(LIMITS, 2)


def array(
    *inner: tuple[Operand, ...],
    dim: str = "K",
    lanes: int = 1,
    per: tuple[int, ...] = (),
    stationary: Operand = "weight",
) -> PeArray:
    """One or two lanes, an inner SRAM for each of some groups of operands, and a buffer that holds all."""
    ports = {"read_bits": 8, "write_bits": 8}
    own = [Level(name="_".join(serves), serves=serves, capacity_bytes=1, per=per, **ports) for serves in inner]
    buffer = Level(name="buffer", serves=("weight", "input", "output"), capacity_bytes=512, **ports)
    return PeArray(
        name="tiny",
        placement="cpu_die",
        technology="none",
        clock_hz=10**9,
        dataflow=Dataflow(axes=(Axis(size=lanes, dims=(dim,)),), stationary=stationary),
        accumulator_bits=32,
        levels=(*own, buffer),
        source="made up",
    )


def with_inner(spec: PeArray, capacity_bytes: int) -> PeArray:
    levels = (replace(level, capacity_bytes=capacity_bytes) for level in spec.levels[:-1])
    return replace(spec, levels=(*levels, spec.levels[-1]))


def inner_bytes(nest: LoopNest, spec: PeArray, mapping: NestMapping) -> int:
    """The most that any inner SRAM holds at once: of each operand its largest tile in the instance that is fullest,
    and as much again if another tile ever takes its place."""
    held: dict[str, int] = {}
    for operand, seen in interpret(nest, spec, mapping, Precision()).items():
        levels = [level for level in spec.levels if operand in level.serves]
        for level, counts in zip(reversed(levels), reversed(seen["levels"]), strict=False):
            bits = counts["held_bits"] * (1 if counts["whole"] else 2)
            held[level.name] = held.get(level.name, 0) + bits
    return max(-(-bits // BITS_PER_BYTE) for name, bits in held.items() if name != "buffer")


CASES = {
    "padded rows, of which a tile at the border holds fewer": (
        array(("input",)),
        LoopNest(K=2, OX=4, FX=3, input_width=4),
        2 * 1,
    ),
    "sums that are final as soon as they come": (
        array(("output",), stationary="output"),
        LoopNest(C=2, OX=4, input_width=4),
        2 * 1,
    ),
    "weights that are loaded once, as two passes of two would take more": (
        array(("weight",), lanes=2),
        LoopNest(K=3, OX=4, input_width=4),
        3,
    ),
    "one room for all": (array(("weight", "input", "output")), LoopNest(K=2, C=2, OX=2, input_width=2), 2 * 3),
    "an SRAM in each lane": (
        array(("input", "output"), dim="OX", lanes=2, per=(0,)),
        LoopNest(K=2, OX=3, input_width=3),
        2 * 2,
    ),
}
"""An array, a nest, and the bytes of the inner SRAM below which it holds not even one pass."""


@pytest.mark.parametrize("case", CASES)
def test_the_winner_is_the_best_of_all_mappings_that_the_inner_levels_hold(case: str) -> None:
    spec, nest, smallest_bytes = CASES[case]
    layer = layer_of(nest)
    energy = replace(energy_model(replace(SYSTEM.accelerators[0], spec=spec), MEMORY), leakage_mw=0.0)
    steps = Steps(nest=nest, steps=1, resident=False)

    def pricer(capacity_bytes: int) -> Pricer:
        return Pricer(layer, with_inner(spec, capacity_bytes), MEMORY, energy, steps, "energy", FEW)

    roomy = pricer(1024)
    assert roomy.task is not None
    repeats = repeats_of(layer, 1, STREAMED, steps_resident=False)
    some = [tiles for first in register_tiles(roomy.task, lambda _: True) for tiles in chains(roomy.task, (first,))]
    least: dict[int, float] = {}
    for mapping in mappings(roomy.task, some):
        counts = price_mapping(nest, spec, mapping)
        figures = {"spatial_utilization": 1.0, "mapping": ""}
        cost = assemble(layer, spec, energy, STREAMED, repeats, counts, roomy.work, **figures)
        needed = inner_bytes(nest, spec, mapping)
        least[needed] = min(least.get(needed, cost.energy_pj), cost.energy_pj)
    best = float("inf")
    for capacity in range(1, max(least) + 1):
        best = min(best, least.get(capacity, best))
        found = pricer(capacity).cost(STREAMED)
        assert (found is None) == (capacity < smallest_bytes)
        assert (found.energy_pj if found else float("inf")) == pytest.approx(best, rel=1e-12), capacity
