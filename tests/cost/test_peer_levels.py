"""Cores with an inner SRAM before the outer one: our best mapping of each layer of ResNet-18 against ZigZag's best."""

import json
from functools import cache
from pathlib import Path

import pytest
from zigzag_layers import MEMORY, SYSTEM, peer_layers

from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import STREAMED, LayerCost
from mensa_sim.cost.prices.price import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis, Dataflow, PeArray
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SOURCE = "ZigZag 3.9.1 (PyPI, MIT licence), inputs/hardware"
KIB = 1024


def register(operand: Operand, size_bytes: int, access_pj: float, access_bits: int, per: tuple[int, ...]) -> Level:
    each_pj = access_pj / access_bits
    return Level(
        name=f"{operand}_register",
        serves=(operand,),
        capacity_bytes=size_bytes,
        per=per,
        read_pj_per_bit=each_pj,
        write_pj_per_bit=each_pj,
        source=SOURCE,
    )


def sram(name: str, serves: tuple[Operand, ...], kib: int, read_pj: float, write_pj: float, bits: int) -> Level:
    """The peer's levels hold one tile: what is used makes room for what comes."""
    return Level(
        name=name,
        serves=serves,
        capacity_bytes=kib * KIB,
        read_bits=bits,
        write_bits=bits,
        min_bits=64,
        double_buffered=False,
        read_pj_per_bit=read_pj / bits,
        write_pj_per_bit=write_pj / bits,
        source=SOURCE,
    )


CORES: dict[str, tuple[tuple[tuple[int, str], ...], tuple[Level, ...]]] = {
    "meta_prototype": (
        ((32, "K"), (2, "C"), (4, "OX"), (4, "OY")),
        (
            register("weight", 1, 0.01, 8, (0, 1)),
            register("output", 2, 0.02, 16, (0, 2, 3)),
            sram("inner_weights", ("weight",), 64, 26.56, 30.8, 512),
            sram("inner_inputs", ("input",), 32, 13.28, 15.4, 256),
            sram("weights", ("weight",), 1024, 208.08, 189.2, 1024),
            sram("activations", ("input", "output"), 1024, 208.08, 189.2, 1024),
        ),
    ),
    "tesla_npu_like": (
        ((32, "K"), (8, "OX"), (4, "OY")),
        (
            register("weight", 1, 0.01, 8, (0,)),
            register("output", 4, 0.022, 16, (0, 1, 2)),
            sram("inner_weights", ("weight",), 1, 4.78, 5.59, 256),
            sram("inner_inputs", ("input",), 1, 4.78, 5.59, 256),
            sram("weights", ("weight",), 1024, 208.08, 189.2, 1024),
            sram("activations", ("input", "output"), 1024, 208.08, 189.2, 1024),
        ),
    ),
    "ascend_like": (
        ((16, "K"), (16, "C"), (2, "OX"), (2, "OY")),
        (
            register("weight", 1, 0.01, 8, (0, 1)),
            register("output", 2, 0.02, 16, (0, 2, 3)),
            sram("inner_weights", ("weight",), 8, 50.16, 108.0, 2048),
            sram("inner_inputs", ("input",), 8, 26.56, 30.72, 512),
            sram("inner_outputs", ("output",), 256, 123.2, 212.8, 2048),
            sram("weights", ("weight",), 1024, 465.6, 825.6, 4096),
            sram("activations", ("input", "output"), 1024, 465.6, 825.6, 4096),
        ),
    ),
}
"""Axes and levels of the cores that ship with the tool."""


def core(name: str) -> PeArray:
    axes, levels = CORES[name]
    return PeArray(
        name=name,
        placement="peer_tool",
        technology="none",
        clock_hz=10**9,
        dataflow=Dataflow(
            axes=tuple(Axis(size=size, dims=(dim,)) for size, dim in axes), stationary="output", pipeline_cycles=0
        ),
        accumulator_bits=16,
        levels=levels,
    )


@cache
def best(nest: LoopNest, name: str) -> LayerCost:
    """The layer's cost at least energy, every tensor from and to memory."""
    layer = Layer(
        name="layer",
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name="weight", size_bytes=nest.weight_elements),),
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )
    spec = core(name)
    placed = PlacedAccelerator(spec=spec, technology=SYSTEM.accelerators[0].technology, memory="dram")
    energy, steps = energy_model(placed, MEMORY), Steps(nest=nest, steps=1, resident=False)
    found = Pricer(layer, spec, MEMORY, energy, steps, "energy").cost(STREAMED)
    assert found is not None
    return found


def rows(reference: Path, name: str) -> list[dict]:
    return json.loads((reference / "peers" / f"zigzag_{name}_resnet18.json").read_text())["rows"]


def nest_of(reference: Path, row: dict) -> LoopNest:
    """The nest of a row: `layer1.layer1.0.conv1.Conv` is `layer1/layer1.0/conv1` in the other file."""
    key = row["layer"].rsplit(".", 1)[0]
    (nest,) = {p.nest for p in peer_layers(reference) if p.name.replace("/", ".") == key}
    return nest


@pytest.mark.parametrize("name", CORES)
def test_our_best_mappings_of_resnet_18_take_no_more_energy_than_the_peers(name: str, reference: Path) -> None:
    ours = theirs = 0.0
    for row in rows(reference, name):
        cost = best(nest_of(reference, row), name)
        ours += row["n"] * cost.energy_pj
        theirs += row["n"] * row["full_pj"]
    assert ours <= theirs


@pytest.mark.parametrize("name", CORES)
def test_an_inner_level_saves_energy_where_the_peer_says_so(name: str, reference: Path) -> None:
    """The same core with its outermost levels alone, as both tools price it."""
    for row in rows(reference, name):
        if row["full_pj"] < 0.95 * row["collapsed_pj"]:
            nest = nest_of(reference, row)
            assert best(nest, name).energy_pj < 0.97 * row["ours_pj"], row["layer"]
