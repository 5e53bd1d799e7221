"""A better machine is never worse: a bigger level, a wider port, a faster memory; and traffic is never too little."""

from dataclasses import replace

import pytest
from drawn import accelerators, layer_of, nests, with_level
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.layer_cost import STREAMED, LayerCost
from mensa_sim.cost.mapping import search
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis, PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.memory import Memory
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import LoopNest

SYSTEM = load_system("edge_tpu")
MEMORY = SYSTEM.memory_of("edge_tpu")


def model_of(spec: PeArray) -> EnergyModel:
    return energy_model(replace(SYSTEM.accelerators[0], spec=spec), MEMORY)


def best(nest: LoopNest, spec: PeArray, memory: Memory, energy: EnergyModel, objective: str) -> LayerCost | None:
    layer = layer_of(nest)
    steps = Steps(nest=nest, steps=1, resident=False)
    return Pricer(layer, spec, memory, energy, steps, objective).cost(STREAMED)


def figure(cost: LayerCost) -> float:
    """The objective that the search minimised."""
    assert cost.floor is not None
    assert cost.gap is not None
    return cost.floor * (1 + cost.gap)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_bigger_levels_a_wider_port_and_a_faster_memory_never_make_the_objective_worse(data: st.DataObject) -> None:
    """At the same energy of each access: what a size costs is the technology's affair."""
    spec = data.draw(accelerators(deep=data.draw(st.booleans())))
    nest = data.draw(nests(largest=3))
    objective = data.draw(st.sampled_from(["latency", "energy", "edp"]))
    whole_bytes = nest.weight_elements + nest.input_elements + nest.output_elements
    sizes = [64, whole_bytes // 3 + 1, whole_bytes, 4096]
    spec = replace(
        spec,
        levels=tuple(
            replace(level, capacity_bytes=data.draw(st.sampled_from(sizes if level.ported else [4, 16, 64])))
            for level in spec.levels
        ),
    )
    srams = [level for level in spec.levels if level.ported]
    energy = model_of(spec)
    plain = best(nest, spec, MEMORY, energy, objective)
    assume(plain is not None)
    assert plain is not None
    better: list[tuple[PeArray, Memory]] = []
    faster = replace(MEMORY, bandwidth_bytes_per_s=MEMORY.bandwidth_bytes_per_s * data.draw(st.integers(2, 9)))
    better.append((spec, faster))
    if srams:
        level = data.draw(st.sampled_from(srams))
        wider = {"read_bits": level.read_width * 2, "write_bits": level.write_width * 2}
        better.append((with_level(spec, level.name, **wider), MEMORY))
    if spec.levels:
        level = data.draw(st.sampled_from(spec.levels))
        more = data.draw(st.integers(level.capacity_bytes + 1, 9 * level.capacity_bytes))
        better.append((with_level(spec, level.name, capacity_bytes=more), MEMORY))
    for machine, memory in better:
        cost = best(nest, machine, memory, energy, objective)
        assert cost is not None
        assert figure(cost) <= figure(plain) * (1 + 1e-9)


def test_larger_registers_try_no_tile_that_the_sram_around_them_cannot_hold() -> None:
    spec = load_system("edge_tpu").accelerators[0].array
    axes = (Axis(size=5, dims=("B", "FX*FY")), Axis(size=4, dims=("B", "K")))
    sums = Level(name="sums", serves=("output",), capacity_bytes=64)
    sram = Level(name="sram", serves=("input", "output"), capacity_bytes=79, read_bits=64, write_bits=64, min_bits=16)
    weights = Level(name="weights", serves=("weight",), capacity_bytes=64)
    small = replace(
        spec, dataflow=replace(spec.dataflow, axes=axes), levels=(weights, sums, sram), macs_per_pe=1, rates={}
    )
    large = with_level(small, "sums", capacity_bytes=151)
    nest = LoopNest(B=3, K=4, C=4, OY=3, FY=2, stride_y=2, input_height=7, input_width=1)
    for objective in ("latency", "energy", "edp"):
        costs = [best(nest, machine, MEMORY, model_of(small), objective) for machine in (small, large)]
        small_cost, large_cost = (cost for cost in costs if cost is not None)
        assert figure(large_cost) <= figure(small_cost) * (1 + 1e-9)


def larger_registers_over_smaller(spec: PeArray, srams: tuple[Level, ...], nest: LoopNest, size: int) -> float:
    """The energy x delay with shared registers of so many bytes, over that with registers of 64 bytes."""
    small = replace(spec, levels=(Level(name="registers", serves=OPERANDS, capacity_bytes=64), *srams), rates={})
    large = with_level(small, "registers", capacity_bytes=size)
    costs = [best(nest, machine, MEMORY, model_of(small), "edp") for machine in (small, large)]
    small_cost, large_cost = (cost for cost in costs if cost is not None)
    return figure(large_cost) / figure(small_cost)


def test_larger_shared_registers_try_the_tiles_that_smaller_ones_hold() -> None:
    """A larger tile of one operand in them leaves less room for the others in the SRAM around."""
    spec = load_system("edge_tpu").accelerators[0].array
    axes = (Axis(size=1, dims=("FX*FY", "B", "C")), Axis(size=3, dims=("B",)), Axis(size=1, dims=("G",)))
    dataflow = replace(spec.dataflow, axes=axes, stationary="weight", pipeline_cycles=3, pipeline_cycles_per="pass")
    sram = Level(name="sram", serves=OPERANDS, capacity_bytes=179, read_bits=64, write_bits=128, min_bits=16)
    nest = LoopNest(B=2, G=3, C=2, OY=3, OX=5, FX=2, stride_y=3, dilation_y=2, input_height=6, input_width=6)
    spec = replace(spec, dataflow=dataflow, macs_per_pe=1)
    assert larger_registers_over_smaller(spec, (sram,), nest, 286) <= 1 + 1e-9


def test_a_level_that_holds_tiles_of_two_stages_has_room_for_smaller_ones_of_the_registers() -> None:
    """The outputs pass one SRAM more, so that they lie in the others a stage further in than what else these hold."""
    spec = load_system("edge_tpu").accelerators[0].array
    dataflow = replace(spec.dataflow, axes=(Axis(size=2, dims=("FX", "C")),), overlap=False, pipeline_cycles=3)
    inner = Level(name="inner", serves=OPERANDS, capacity_bytes=64, read_bits=64, write_bits=128, ports="rw")
    outer, sums = (replace(inner, name=name, capacity_bytes=4096) for name in ("outer", "sums"))
    nest = LoopNest(G=3, OY=3, OX=5, FY=3, FX=2, stride_y=2, dilation_y=2, input_height=7, input_width=6)
    spec = replace(spec, dataflow=dataflow, macs_per_pe=2, accumulator_bits=16)
    srams = (inner, outer, replace(sums, serves=("output",)))
    assert larger_registers_over_smaller(spec, srams, nest, 488) <= 1 + 1e-9


def test_deep_levels_that_hold_no_tile_beside_another_refuse_the_layer() -> None:
    spec = load_system("edge_tpu").accelerators[0].array
    dataflow = replace(spec.dataflow, axes=(Axis(size=6, dims=("OX*OY", "K")),))
    serves: list[tuple[Operand, ...]] = [OPERANDS, ("output",), ("output",), OPERANDS, ("weight",)]
    srams = tuple(
        Level(name=f"level{place}", serves=each, capacity_bytes=size, read_bits=8, write_bits=8)
        for place, (each, size) in enumerate(zip(serves, (2, 4, 3, 9, 9), strict=True))
    )
    spec = replace(spec, dataflow=dataflow, macs_per_pe=1, rates={}, levels=srams)
    assert best(LoopNest(G=3), spec, MEMORY, model_of(spec), "latency") is None


def test_chains_that_others_leave_behind_hold_no_winner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs pass three levels more, so that they lie in the first beside weights of a later stage."""
    spec = load_system("edge_tpu").accelerators[0].array
    axes = (Axis(size=1, dims=("FY", "C")), Axis(size=2, dims=("K", "OY")))
    dataflow = replace(spec.dataflow, axes=axes, stationary="output", pipeline_cycles=0)
    first = Level(
        name="first", serves=("input", "weight"), capacity_bytes=22, read_bits=64, write_bits=128, min_bits=16
    )
    inputs = (replace(first, name=f"inputs{size}", serves=("input",), capacity_bytes=size) for size in (64, 23, 22))
    spec = replace(spec, dataflow=dataflow, macs_per_pe=2, rates={}, accumulator_bits=16, levels=(first, *inputs))
    nest = LoopNest(K=5, C=4, OY=3, OX=5, stride_y=2, input_height=4, input_width=2)
    left = best(nest, spec, MEMORY, model_of(spec), "edp")
    monkeypatch.setattr(search.Fronts, "unbeaten", lambda _, some: some)
    every = best(nest, spec, MEMORY, model_of(spec), "edp")
    assert left is not None
    assert every is not None
    assert figure(left) == figure(every)


def test_sums_that_are_final_before_they_leave_may_have_any_width() -> None:
    """Even narrower than what they end as: what is least of both widths leaves no mapping out."""
    spec = load_system("edge_tpu").accelerators[0].array
    axes = (Axis(size=6, dims=("B",)), Axis(size=4, dims=("OX",)), Axis(size=6, dims=("K",)))
    dataflow = replace(spec.dataflow, axes=axes, stationary="input", pipeline_cycles=3)
    first = Level(
        name="first", serves=("output", "weight"), capacity_bytes=32, read_bits=64, write_bits=128, min_bits=8
    )
    first = replace(first, ports="per_operand")
    second = replace(first, name="second", capacity_bytes=64, min_bits=64, double_buffered=False, waits=True)
    third = replace(first, name="third", serves=OPERANDS, capacity_bytes=204, waits=True)
    spec = replace(spec, dataflow=dataflow, macs_per_pe=1, rates={}, levels=(first, second, third))
    nest = LoopNest(G=3, K=4, C=4, OX=4, FY=2, input_width=5)
    machines = [replace(spec, accumulator_bits=bits) for bits in (3, 6)]
    costs = [best(nest, machine, MEMORY, model_of(spec), "latency") for machine in machines]
    assert len({figure(cost) for cost in costs if cost is not None}) == 1


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_traffic_is_never_below_compulsory_and_no_level_holds_more_than_its_capacity(data: st.DataObject) -> None:
    spec = data.draw(accelerators(deep=True))
    nest = data.draw(nests(largest=3))
    cost = best(nest, spec, MEMORY, model_of(spec), "edp")
    assume(cost is not None)
    assert cost is not None
    assert cost.memory_read_bytes >= nest.weight_elements
    assert cost.memory_write_bytes >= nest.output_elements
    for name, held in cost.buffered_bytes.items():
        assert held <= spec.buffer_bytes[name]


def test_chains_of_tiles_that_are_told_in_pieces_give_the_same_price(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_system("hexagon_hvx").accelerators[0].array
    inner = replace(spec.level("tightly_coupled"), name="inner", capacity_bytes=8192)
    spec = replace(spec, levels=(spec.levels[0], inner, *spec.levels[1:]))
    nest = LoopNest(K=128, C=64, OY=14, OX=14)
    whole = best(nest, spec, MEMORY, model_of(spec), "edp")
    pieces = []
    fronts = search.Fronts
    monkeypatch.setattr(search, "_MOST", 16)
    monkeypatch.setattr(search, "_CHAINS", 4)
    monkeypatch.setattr(search, "_TURN", 3)
    monkeypatch.setattr(search, "Fronts", lambda *given: pieces.append(len(given[1].task)) or fronts(*given))
    assert best(nest, spec, MEMORY, model_of(spec), "edp") == whole
    assert sum(16 >= each > 8 for each in pieces) > 3
