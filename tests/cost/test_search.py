"""The vectorised search against every candidate of its space priced one by one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from by_hand import assemble, price_mapping
from drawn import accelerators, layer_of, nests, residencies, with_level
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from whole_space import chains, mappings, register_tiles

from mensa_sim.arrays import distinct
from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.counts.tally import repeats_of
from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.search import LIMITS
from mensa_sim.cost.prices.layer import Pricer, resident_operands
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.units import BITS_PER_BYTE, PS_PER_S, leakage_pj
from mensa_sim.workload.layer import LoopNest

EDGE_TPU = load_system("edge_tpu")
MEMORY = EDGE_TPU.memory_of("edge_tpu")
PRECISION = Precision()


def placed(spec: PeArray) -> PlacedAccelerator:
    return PlacedAccelerator(spec=spec, technology=EDGE_TPU.accelerators[0].technology, memory="lpddr4")


def fits(nest: LoopNest, spec: PeArray, counts: NestCounts, residency: Residency, *, sram: bool = True) -> bool:
    """The half-buffer rule, operand by operand, straight from the counts; or the rule of registers alone."""
    need: dict[str, int] = {}
    room: dict[str, int] = {}
    kept = resident_operands(residency, weights_are_activations=False)
    for operand, count in counts.operands.items():
        for each in count.levels:
            level = each.level
            room[level.name] = level.capacity_bytes * 8
            copies = 2 if level.ported and spec.dataflow.overlap and level.double_buffered and not each.whole else 1
            tile = each.held_bits * copies
            if level.ported and operand in kept and each is count.levels[-1]:
                if operand == "output" and count.visits > 1:
                    return False
                tile = tile if operand == "output" and each.feed_bits else 0
                tile += -(-getattr(nest, f"{operand}_elements") * BITS_PER_BYTE // each.stop.spread)
            if sram or not level.ported:
                need[level.name] = need.get(level.name, 0) + tile
    return all(bits <= room[name] for name, bits in need.items())


def unrounded_ps(cost: LayerCost) -> float:
    """What the search minimises: the latency before its stages are rounded up to whole ps."""
    ps_per_byte = PS_PER_S / MEMORY.effective_bytes_per_s
    on_chip = max(cost.compute_cycles, cost.buffer_cycles) * PS_PER_S / cost.clock_hz
    body = cost.body_bytes * ps_per_byte
    middle = max(on_chip, body) if cost.overlap else on_chip + body
    return middle + (cost.head_bytes + cost.tail_bytes) * ps_per_byte


FIGURES: dict[str, Callable[[float, float], float]] = {
    "latency": lambda energy, latency: latency,
    "energy": lambda energy, latency: energy,
    "edp": lambda energy, latency: energy * latency,
    "ed2p": lambda energy, latency: energy * latency**2,
    "e2dp": lambda energy, latency: energy**2 * latency,
}


def figure(cost: LayerCost, energy: EnergyModel, objective: str) -> float:
    latency_ps = unrounded_ps(cost)
    assert abs(cost.latency_ps(MEMORY.effective_bytes_per_s) - latency_ps) < 4
    energy_pj = cost.energy_pj + leakage_pj(energy.leakage_mw, latency_ps)
    return FIGURES[objective](energy_pj, latency_ps)


@pytest.fixture(autouse=True, scope="module")
def bounds_of_few_too() -> Iterator[None]:
    """Bounds rule out what holds no winner, and rooms what does not fit, however few the entries are."""
    few = {"search._ALL": 0, "search._MANY": 2, "search._CHAINS": 4, "search._TURN": 3, "arrays.candidates._FEW": 0}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (few | {"tried_extents._FEW": 1, "tried_extents._MANY": 16}).items():
            patch.setattr(f"mensa_sim.cost.mapping.{name}", value)
        yield


MOST = 100
"""Chains of tiles of a space that is walked candidate by candidate: a choice."""


def every_candidate(pricer: Pricer, residency: Residency) -> list[NestCounts]:
    """The counts of all candidates that fit."""
    task, accelerator = pricer.task, pricer.accelerator
    assert task is not None

    def counts(mapping: NestMapping) -> NestCounts:
        return price_mapping(task.nest, accelerator, mapping, PRECISION, task.target.word_bits)

    def legal(mapping: NestMapping) -> bool:
        return fits(task.nest, accelerator, counts(mapping), residency, sram=False)

    some = [tiles for register in register_tiles(task, legal) for tiles in chains(task, (register,))]
    assume(len(some) <= MOST)
    found = [counts(mapping) for mapping in mappings(task, some)]
    return [each for each in found if fits(task.nest, accelerator, each, residency)]


@pytest.mark.usefixtures("added_objective")
@pytest.mark.parametrize("deep", [False, True])
@given(data=st.data())
@settings(max_examples=9, deadline=None)
def test_the_mapping_found_is_the_best_of_its_space(deep: bool, data: st.DataObject) -> None:
    spec, nest = data.draw(accelerators(deep=deep)), data.draw(nests(largest=2 if deep else 3))
    objective = data.draw(st.sampled_from(sorted(FIGURES)))
    some = (STREAMED, Residency(input=True), Residency(parameters=True, output=True))
    residency = data.draw(residencies(spec, some))
    energy = energy_model(placed(spec), MEMORY)
    steps = Steps(nest=nest, steps=1, resident=False)
    layer = layer_of(nest)
    memory = replace(MEMORY, word_bits=data.draw(st.sampled_from([1, 1, 64])))
    pricer = Pricer(layer, spec, memory, energy, steps, objective, dict.fromkeys(LIMITS, 2))
    best = pricer.cost(residency)
    repeats = repeats_of(layer, 1, residency, steps_resident=False)

    def cost(counts: NestCounts) -> LayerCost:
        return assemble(
            layer, spec, energy, residency, repeats, counts, pricer.work, spatial_utilization=1.0, mapping=""
        )

    candidates = every_candidate(pricer, residency)
    assert (best is None) == (not candidates)
    if best is None:
        return
    assert best.gap is not None
    assert best.gap >= 0
    found = pricer.found[residency]
    assert found is not None
    pairs = [(counts, cost(counts)) for counts in candidates]
    for rank in (objective, "latency", "energy"):
        least = min(figure(each, energy, rank) for _, each in pairs)
        assert figure(best, energy, rank) == pytest.approx(least, rel=1e-9)
        pairs = [(counts, each) for counts, each in pairs if figure(each, energy, rank) <= least * (1 + 1e-9)]
    assert found.counts.tiles == min(counts.tiles for counts, _ in pairs)


def found(spec: PeArray, nest: LoopNest, energy: EnergyModel, limits: Mapping[str, int]) -> LayerCost | None:
    """The cost that the search finds for a layer of that nest, for least energy."""
    steps = Steps(nest=nest, steps=1, resident=False)
    return Pricer(layer_of(nest), spec, MEMORY, energy, steps, "energy", limits).cost(STREAMED)


@given(spec=accelerators(), nest=nests(), data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_larger_buffer_never_needs_more_memory_traffic(spec: PeArray, nest: LoopNest, data: st.DataObject) -> None:
    srams = [level for level in spec.levels if level.ported]
    assume(srams)
    level = data.draw(st.sampled_from(srams))
    larger = with_level(spec, level.name, capacity_bytes=level.capacity_bytes * data.draw(st.integers(2, 9)))
    full = energy_model(placed(spec), MEMORY)
    free = replace(
        full,
        broadcast_pj_per_bit=0.0,
        hop_pj_per_bit=0.0,
        read_pj=dict.fromkeys(full.read_pj, 0.0),
        write_pj=dict.fromkeys(full.write_pj, 0.0),
        memory_read_pj_per_bit=1.0,
        memory_write_pj_per_bit=1.0,
        leakage_mw=0.0,
    )
    small = found(spec, nest, free, LIMITS)
    large = found(larger, nest, free, LIMITS)
    if small is not None:
        assert large is not None
        assert large.dynamic_pj["memory"] <= small.dynamic_pj["memory"] * (1 + 1e-9)


def test_rows_of_any_size_are_told_apart() -> None:
    """Their numbers together are beyond all whole numbers of an array."""
    rows = 2 * list(product((0, 2**62), repeat=4))
    first, kind = distinct([np.array(column) for column in zip(*rows, strict=True)])
    assert [rows[place] for place in first] == sorted(set(rows))
    assert [rows[first[each]] for each in kind] == rows


def test_the_floor_is_met_where_nothing_comes_twice_and_holds_all_that_must_move() -> None:
    """One pass of 64 products that all fit: only whole accesses and the pipeline stand between mapping and floor."""
    spec = load_system("pavlov").accelerators[0].array
    nest = LoopNest(K=64, C=8)
    energy = energy_model(load_system("pavlov").accelerators[0], MEMORY)
    cost = found(spec, nest, energy, LIMITS)
    assert cost is not None
    assert cost.floor is not None
    must_pj = nest.macs * energy.mac_pj(8, 8) + (64 * 8 + 8) * 8 * MEMORY.read_pj_per_bit
    must_pj += 64 * 8 * MEMORY.write_pj_per_bit
    assert must_pj / 1e12 < cost.floor
    assert cost.gap == pytest.approx(0, abs=0.02)


@given(spec=accelerators(), nest=nests())
@settings(max_examples=20, deadline=None)
def test_more_candidates_never_make_it_worse(spec: PeArray, nest: LoopNest) -> None:
    energy = replace(energy_model(placed(spec), MEMORY), leakage_mw=0.0)
    few = found(spec, nest, energy, dict.fromkeys(LIMITS, 2))
    many = found(spec, nest, energy, dict.fromkeys(LIMITS, 4))
    if few is not None:
        assert many is not None
        assert many.energy_pj <= few.energy_pj * (1 + 1e-9)


@pytest.mark.parametrize(
    ("nest", "bound"),
    [
        (LoopNest(K=32, C=16, OY=13, OX=13, FY=3, FX=3, input_height=15, input_width=15), "compute"),
        (LoopNest(K=256, C=16, OY=13, OX=13, input_height=13, input_width=13), "buffer"),
    ],
)
def test_the_search_counts_what_a_code_leaves_and_what_the_array_waits_for_as_the_cost_does(
    nest: LoopNest, bound: str
) -> None:
    """To the bytes that the cost rounds up to; half of the inputs are zeros, and three quarters of the outputs.

    Where ports set the pace, they stand still while the array waits for filters.
    """
    system = load_system("eyeriss_v1")
    energy = energy_model(system.accelerators[0], system.memory_of("eyeriss_v1"))
    layer = replace(layer_of(nest), parameter_bits=16, activation_bits=16, input_zeros=0.5, output_zeros=0.75)
    memory = system.memory_of("eyeriss_v1")
    steps = Steps(nest=nest, steps=1, resident=False)
    pricer = Pricer(layer, system.accelerators[0].array, memory, energy, steps, "energy")
    cost, mapped = pricer.cost(STREAMED), pricer.found[STREAMED]
    assert cost is not None
    assert mapped is not None
    assert cost.bound(memory.effective_bytes_per_s, moved_bytes=0) == bound
    latency_ps = cost.latency_ps(memory.effective_bytes_per_s)
    assert mapped.latency_ps == pytest.approx(latency_ps, abs=3 * PS_PER_S / memory.effective_bytes_per_s)
    assert mapped.energy_pj == pytest.approx(cost.energy_pj + leakage_pj(energy.leakage_mw, latency_ps), rel=1e-4)
    moved = {each.operand: each.read_bytes + each.write_bytes for each in cost.traffic if each.level == "memory"}
    assert moved["output"] == pytest.approx(2 * nest.output_elements / 3, rel=2e-4)
    waited_bytes = moved["input"] + moved["output"]
    assert waited_bytes <= cost.head_bytes + cost.tail_bytes < waited_bytes + moved["weight"]
