"""Energy by component, traffic and port cycles, written out by hand from what the interpreter sees."""

from dataclasses import replace
from fractions import Fraction
from math import ceil, sqrt

import pytest
from by_hand import assemble, price_mapping
from drawn import accelerators, mappings, nests
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import cycles, interpret, waited, way_of

from mensa_sim.cost.counts.tally import Port, repeats_of
from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import STREAMED, LayerCost
from mensa_sim.cost.vector import vector_work
from mensa_sim.hardware.accelerator import VectorUnit
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.sram import sram_of
from mensa_sim.workload.dims import OPERANDS
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

EDGE_TPU = load_system("edge_tpu")
TECHNOLOGY = EDGE_TPU.accelerators[0].technology
MEMORY = EDGE_TPU.memory_of("edge_tpu")
BITS = 8
ZEROS = 0.25


def layer_of(nest: LoopNest, steps: int) -> Layer:
    return Layer(
        name="layer",
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name="w", size_bytes=nest.weight_elements),),
        input_bytes=nest.input_elements * steps,
        output_bytes=nest.output_elements * steps,
        steps=steps,
        input_zeros=ZEROS,
    )


def by_hand(nest: LoopNest, spec: PeArray, seen: dict[str, dict], steps: int) -> dict[str, float]:
    """Counts times what each access costs; a step is like the others. Zeros may save products and their weights."""
    done = 1 - ZEROS if spec.gates_zeros else 1
    placed = PlacedAccelerator(spec=spec, technology=TECHNOLOGY, memory="lpddr4")
    model = energy_model(placed, MEMORY)
    pj = {"mac": done * nest.macs * TECHNOLOGY.mac_pj_8_bit.value}
    hops = nest.macs - seen["output"]["accumulations"]
    pj["network"] = hops * spec.accumulator_bits * model.hop_pj_per_bit
    for operand, counts in seen.items():
        pj["network"] += counts["wire_bits"] * model.broadcast_pj_per_bit
        pj["memory"] = pj.get("memory", 0.0) + counts["memory_read_bits"] * MEMORY.read_pj_per_bit
        pj["memory"] += counts["memory_write_bits"] * MEMORY.write_pj_per_bit
        for level, moved in zip(way_of(spec, operand), counts["levels"], strict=True):
            if level.read_bits is None:
                size_bytes = ceil(spec.accumulator_bits / BITS) if level.name == "mac" else level.capacity_bytes
                fed = done if operand == "weight" and moved is counts["levels"][0] else 1
                bits = fed * moved["feed_bits"] + sum(moved[f"{name}_bits"] for name in ("drain", "collect", "fill"))
                pj["register"] = pj.get("register", 0.0) + bits * TECHNOLOGY.register_pj(1, size_bytes)
                continue
            figures = sram_of(TECHNOLOGY, level)
            read_pj = figures.read_pj * level.min_bits / level.read_bits
            write_pj = figures.write_pj * level.min_bits / level.write_bits
            moved_pj = (moved["feed_accesses"] + moved["drain_accesses"]) * read_pj
            moved_pj += (moved["collect_accesses"] + moved["fill_accesses"]) * write_pj
            kinds = {("weight",): "parameter_buffer"}
            shared = "shared_buffer" if "weight" in level.serves else "activation_buffer"
            component = kinds.get(level.serves, shared)
            pj[component] = pj.get(component, 0.0) + moved_pj
    return {component: value * steps for component, value in pj.items() if value}


def port_cycles(nest: LoopNest, spec: PeArray, seen: dict[str, dict], steps: int) -> int:
    """Cycles of the busiest port of the busiest instance, and those in which the array waits for what passes others."""
    busiest = 0
    for level in spec.levels:
        if level.read_bits is None:
            continue
        others = set(OPERANDS) - set(level.serves)
        still = steps * sum(waited(way_of(spec, operand), seen[operand]["levels"]) for operand in others)
        apart = level.ports == "per_operand"
        for passing in [[operand] for operand in level.serves] if apart else [level.serves]:
            reads = writes = Fraction(0)
            for operand in passing:
                passed = zip(way_of(spec, operand), seen[operand]["levels"], strict=True)
                (moved,) = (counts for each, counts in passed if each == level)
                reads += Fraction(steps * (moved["feed_accesses"] + moved["drain_accesses"]), moved["instances"])
                writes += Fraction(steps * (moved["collect_accesses"] + moved["fill_accesses"]), moved["instances"])
            cycles = ceil(reads * level.min_bits / level.read_bits), ceil(writes * level.min_bits / level.write_bits)
            busiest = max(busiest, still + (sum(cycles) if level.ports == "rw" else max(cycles)))
    return busiest


@given(data=st.data(), nest=nests(largest=3), steps=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_a_cost_is_what_the_interpreter_sees_times_what_each_access_costs(
    data: st.DataObject, nest: LoopNest, steps: int
) -> None:
    spec = data.draw(accelerators(deep=data.draw(st.booleans())))
    mapping = data.draw(mappings(nest, spec))
    energy = energy_model(PlacedAccelerator(spec=spec, technology=TECHNOLOGY, memory="lpddr4"), MEMORY)
    layer = layer_of(nest, steps)
    counts = price_mapping(nest, spec, mapping)
    repeats = repeats_of(layer, steps, STREAMED, steps_resident=False)
    cost = assemble(layer, spec, energy, STREAMED, repeats, counts, vector_work(layer, spec))
    seen = interpret(nest, spec, mapping, Precision())
    assert dict(cost.dynamic_pj) == pytest.approx(by_hand(nest, spec, seen, steps), rel=1e-9)
    waits = sum(waited(way_of(spec, operand), counts["levels"]) for operand, counts in seen.items())
    assert cost.compute_cycles == steps * (cycles(nest, spec, mapping, Precision()) + waits)
    assert cost.buffer_cycles == port_cycles(nest, spec, seen, steps)


def elementwise(spec: PeArray) -> LayerCost:
    """1000 operations on 600 bytes in and 400 out."""
    layer = Layer(name="add", operator="add", vector_ops=1000, input_bytes=600, output_bytes=400)
    energy = energy_model(PlacedAccelerator(spec=spec, technology=TECHNOLOGY, memory="lpddr4"), MEMORY)
    repeats = repeats_of(layer, 1, STREAMED, steps_resident=False)
    return assemble(layer, spec, energy, STREAMED, repeats, None, vector_work(layer, spec))


def test_vector_work_takes_a_lane_and_a_cycle_per_operation_and_its_tensors_cross_the_buffer_once() -> None:
    spec = replace(EDGE_TPU.accelerators[0].array, vector_unit=VectorUnit(lanes=3))
    cost = elementwise(spec)
    assert cost.compute_cycles == ceil(1000 / 3)
    assert cost.dynamic_pj["vector"] == pytest.approx(1000 * TECHNOLOGY.vector_op_pj.value)
    assert (cost.memory_read_bytes, cost.memory_write_bytes) == (600, 400)
    buffer = spec.buffer("activation")
    assert buffer is not None
    figures = sram_of(TECHNOLOGY, buffer)
    accesses = ceil(600 * BITS / buffer.access_bits) + ceil(400 * BITS / buffer.access_bits)
    each_pj = (figures.read_pj / buffer.read_width + figures.write_pj / buffer.write_width) * buffer.access_bits
    assert cost.dynamic_pj["activation_buffer"] == pytest.approx(accesses * each_pj, rel=0.02)


def test_without_a_vector_unit_the_buffer_alone_sets_the_pace() -> None:
    cost = elementwise(replace(EDGE_TPU.accelerators[0].array, vector_unit=None))
    assert cost.compute_cycles == 0
    assert cost.buffer_cycles > 0
    assert cost.dynamic_pj["vector"] > 0


def test_operands_of_sixteen_bits_cost_more_than_twice_those_of_eight() -> None:
    nest = LoopNest(K=4, C=4)
    spec = EDGE_TPU.accelerators[0].array
    energy = energy_model(EDGE_TPU.accelerators[0], MEMORY)
    narrow, wide = energy.mac_pj(8, 8), energy.mac_pj(16, 16)
    assert wide > 2 * narrow
    assert energy.mac_pj(8, 16) == pytest.approx(sqrt(narrow * wide))
    assert nest.macs * narrow == 16 * TECHNOLOGY.mac_pj_8_bit.value
    assert spec.operand_bits == 8


ACCESSES = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(1, 6)), min_size=1, max_size=3)


@settings(max_examples=30)
@given(ACCESSES, st.sampled_from([(8, 24), (32, 16)]), st.sampled_from(["separate", "rw"]))
def test_a_port_takes_what_an_instance_has_of_accesses_that_other_numbers_of_instances_share(accesses, bits, ports):
    """As fractions of a cycle, which are rounded up once, reads and writes apart."""
    read_bits, write_bits = bits
    level = Level(
        name="a", serves=("input",), capacity_bytes=64, read_bits=read_bits, write_bits=write_bits, ports=ports
    )
    port = Port()
    for reads, writes, spread in accesses:
        port.access(reads, writes, spread)
    each = [
        ceil(sum(Fraction(access[way] * level.access_bits, access[2] * width) for access in accesses))
        for way, width in enumerate(bits)
    ]
    assert port.cycles(level) == (sum(each) if ports == "rw" else max(each))
