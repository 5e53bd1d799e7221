"""What the search believes of its winner is what counting the winner says: time and energy, in every residency."""

from dataclasses import replace

import pytest
from by_hand import price_mapping
from drawn import accelerators, layer_of, nests, residencies, with_level
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mensa_sim.cost.counts.nest import count_nest
from mensa_sim.cost.counts.ways import Precision, ways
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import RESIDENCIES, STREAMED, Residency
from mensa_sim.cost.mapping.candidates import build
from mensa_sim.cost.mapping.capacity import held_bytes
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.accelerator import VectorUnit
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.technology import Constant
from mensa_sim.objective import OBJECTIVES
from mensa_sim.units import PS_PER_S, leakage_pj
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

EDGE_TPU = load_system("edge_tpu")
MEMORY = EDGE_TPU.memory_of("edge_tpu")


@pytest.mark.parametrize("deep", [False, True])
@given(data=st.data())
@settings(max_examples=35, deadline=None)
def test_the_winners_time_and_energy_are_those_of_its_exact_counts(deep: bool, data: st.DataObject) -> None:
    spec, nest = data.draw(accelerators(deep=deep)), data.draw(nests(largest=4))
    spec = replace(spec, vector_unit=data.draw(st.sampled_from([None, VectorUnit(lanes=2)])))
    if data.draw(st.booleans()):
        spec = replace(spec, working_pj_per_cycle=Constant(value=100.0, source="drawn"))
    needed = {
        "weight": nest.weight_elements,
        "input": nest.input_elements,
        "output": nest.output_elements,
    }
    for level in spec.levels:
        if level.ported:
            most = 3 * sum(needed[operand] for operand in level.serves)
            spec = with_level(spec, level.name, capacity_bytes=data.draw(st.integers(1, most)), source="tight")
    residency = data.draw(residencies(spec, RESIDENCIES))
    memory = replace(MEMORY, word_bits=data.draw(st.sampled_from([1, 64])))
    many = data.draw(st.sampled_from([1, 3]))
    steps = Steps(
        nest=nest, steps=many, resident=many > 1 and "parameter" in spec.buffer_bytes and data.draw(st.booleans())
    )
    bias = data.draw(st.integers(0, 20))
    layer = Layer(
        name="layer",
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name="w", size_bytes=nest.weight_elements + bias),),
        input_bytes=many * nest.input_elements + data.draw(st.integers(0, 20)),
        output_bytes=many * nest.output_elements,
        input_zeros=data.draw(st.sampled_from([0.0, 0.75])),
        vector_ops=data.draw(st.integers(0, 100)),
        steps=many,
        recurrent=many > 1,
        group="cell" if many > 1 else None,
    )
    energy = energy_model(
        PlacedAccelerator(spec=spec, technology=EDGE_TPU.accelerators[0].technology, memory="lpddr4"), memory
    )
    pricer = Pricer(layer, spec, memory, energy, steps, data.draw(st.sampled_from(sorted(OBJECTIVES))))
    assert pricer.task is not None
    cost = pricer.cost(residency)
    assume(cost is not None)
    found = pricer.found[residency]
    assert found is not None
    assert found.counts == count_nest(nest, spec, found.mapping, pricer.task.ways)
    assert cost is not None
    assert (cost.tail_bytes > 0) == (not residency.output)
    if residency.input or not residency.parameters:  # a first tile of inputs alone may be padding and nothing else
        assert (cost.head_bytes > 0) == (not residency.parameters)
    for name, size_bytes in cost.buffered_bytes.items():
        assert size_bytes <= spec.buffer_bytes[name]
    ps_per_byte = PS_PER_S / memory.effective_bytes_per_s
    on_chip_ps = max(cost.compute_cycles, cost.buffer_cycles) * PS_PER_S / cost.clock_hz
    body_ps = cost.body_bytes * ps_per_byte
    middle_ps = max(on_chip_ps, body_ps) if cost.overlap else on_chip_ps + body_ps
    latency_ps = middle_ps + (cost.head_bytes + cost.tail_bytes) * ps_per_byte
    assert found.latency_ps == pytest.approx(latency_ps, rel=1e-9)
    leaked_pj = leakage_pj(energy.leakage_mw, latency_ps)
    assert found.energy_pj == pytest.approx(cost.energy_pj + leaked_pj, rel=1e-9)


@pytest.mark.parametrize(
    ("rows", "kept", "parameter", "activation"),
    [
        (16, frozenset(), 64, 8 + 32),
        (8, frozenset(), 64, 8 + 2 * 16),
        (4, frozenset(), 2 * 16, 8 + 2 * 8),
        (4, frozenset({"weight"}), 64, 8 + 2 * 8),
        (4, frozenset({"output"}), 2 * 16, 8 + 32),
        (4, frozenset({"input"}), 2 * 16, 8 + 2 * 8),
    ],
)
def test_a_buffer_holds_a_tile_and_the_next_one_but_whole_operands_once(
    rows: int, kept: frozenset[Operand], parameter: int, activation: int
) -> None:
    """A product of 16 x 4 weights and 4 x 2 inputs, in tiles of so many rows of weights, under double buffering."""
    spec = EDGE_TPU.accelerators[0].spec
    assert {spec.copies(level) for level in spec.levels if level.ported} == {2}
    nest = LoopNest(K=16, C=4, OX=2, input_width=2)
    array = replace(spec.dataflow, axes=(Axis(size=1, dims=("K",)), Axis(size=1, dims=("C",))))
    spec = replace(spec, dataflow=array, macs_per_pe=1)
    unrolling = unroll(nest, spec)
    tile = {**unrolling.sizes, "K": rows}
    holds = dict.fromkeys(OPERANDS, False)
    order = ("R", "S", "K")
    way = ways(spec, unrolling, Precision())
    mapping = build(unrolling, way, (unrolling.lanes, tile), (order,), order, holds)
    counts = price_mapping(nest, spec, mapping, Precision())
    held = held_bytes(nest, spec, Precision(), counts, kept)
    assert held == {"parameter_buffer": parameter, "activation_buffer": activation}


@pytest.mark.parametrize("residency", [STREAMED, Residency(output=True)])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_held_never_exceeds_a_tight_buffer(objective: str, residency: Residency) -> None:
    """A convolution on one lane, two weights at a time, in activation buffers from tight to roomy."""
    system = load_system("edge_tpu")
    array = replace(
        system.accelerators[0].spec.dataflow,
        axes=(Axis(size=1, dims=("OY*OX",)),),
        stationary="weight",
        overlap=False,
        pipeline_cycles=None,
    )
    registers = (
        Level(name="weights", serves=("weight",), capacity_bytes=64),
        Level(name="inputs", serves=("input",), capacity_bytes=64, per=(0,)),
        Level(name="sums", serves=("output",), capacity_bytes=64, per=(0,)),
    )
    spec = replace(system.accelerators[0].array, dataflow=array, macs_per_pe=1, levels=registers, accumulator_bits=16)
    nest = LoopNest(
        B=2, K=2, C=2, OY=2, OX=6, FY=2, FX=2, stride_y=2, stride_x=2, dilation_x=2, input_height=4, input_width=10
    )
    layer = layer_of(nest)
    fitted = 0
    for room_bytes in range(17, 241, 16):
        port = {"read_bits": 64, "write_bits": 128, "min_bits": 8}
        weights = Level(name="parameters", serves=("weight",), capacity_bytes=2, **port)
        buffer = Level(name="activations", serves=("input", "output"), capacity_bytes=room_bytes, **port)
        tight = replace(spec, levels=(*registers, weights, buffer))
        energy = energy_model(replace(system.accelerators[0], spec=tight), MEMORY)
        pricer = Pricer(layer, tight, MEMORY, energy, Steps(nest=nest, steps=1, resident=False), objective)
        cost = pricer.cost(residency)
        if cost is not None:
            fitted += 1
            assert cost.buffered_bytes["activation"] <= room_bytes
    assert fitted > 5
