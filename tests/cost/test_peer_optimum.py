"""Our best energy on a core of three levels against the optimum that AccelForge 1.0.467 proves for it."""

from pathlib import Path

import pytest
from drawn import layer_of

from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis, Dataflow, PeArray
from mensa_sim.hardware.files import load_technology
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.workload.layer import LoopNest

CORE = PeArray(
    name="three_levels",
    placement="peer_tool",
    technology="none",
    clock_hz=10**9,
    dataflow=Dataflow(
        axes=(Axis(size=8, dims=("K",)), Axis(size=8, dims=("C",)), Axis(size=16, dims=("OX*OY",))),
        stationary="output",
        pipeline_cycles=0,
    ),
    accumulator_bits=8,
    levels=(
        Level(name="accumulator", serves=("output",), capacity_bytes=1, per=(0, 2)),
        Level(
            name="weights",
            serves=("weight",),
            capacity_bytes=32768,
            read_bits=512,
            write_bits=512,
            min_bits=8,
            double_buffered=False,
        ),
        Level(
            name="activations",
            serves=("input", "output"),
            capacity_bytes=2097152,
            read_bits=2048,
            write_bits=2048,
            min_bits=8,
            double_buffered=False,
        ),
    ),
)


def linear(rows: int, inputs: int, outputs: int) -> LoopNest:
    return LoopNest(OX=rows, C=inputs, K=outputs, input_width=rows)


@pytest.mark.parametrize(
    ("nests", "optimum_uj"),
    [
        ([linear(256, 256, 256)], 22.464),
        ([linear(1024, 1024, 1024)], 575.30),
        ([LoopNest(K=64, C=64, OY=56, OX=56, FY=3, FX=3, input_height=58, input_width=58)], 72.841),
        ([linear(128, 768, 3072), linear(128, 3072, 768)], 670.0),
        ([linear(1024, 1024, 4096), linear(1024, 4096, 1024)], 4028.0),
    ],
    ids=["matmul 256", "matmul 1024", "convolution", "mlp 128", "mlp 1024"],
)
def test_the_optimum_is_met_within_half_a_percent(nests: list[LoopNest], optimum_uj: float, reference: Path) -> None:
    technology = load_technology(reference / "peers" / "matched" / "af.tech.yaml")
    dram = technology.memories["zigzag_dram"]
    memory = Memory(
        kind="zigzag_dram",
        bandwidth_bytes_per_s=8 * 10**9,
        efficiency=1.0,
        read_pj_per_bit=dram.read_pj_per_bit.value,
        write_pj_per_bit=dram.write_pj_per_bit.value,
        background_mw=0.0,
    )
    energy = energy_model(PlacedAccelerator(spec=CORE, technology=technology, memory="dram"), memory)
    total_pj = 0.0
    for nest in nests:
        steps = Steps(nest=nest, steps=1, resident=False)
        found = Pricer(layer_of(nest), CORE, memory, energy, steps, "energy").cost(STREAMED)
        assert found is not None
        total_pj += found.energy_pj
    assert total_pj / 1e6 == pytest.approx(optimum_uj, rel=0.005)
