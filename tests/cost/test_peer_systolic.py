"""Cycles of a systolic array that fills and drains at every fold, against SCALE-Sim 3.0.0 on MobileNetV2."""

import csv
from dataclasses import replace
from math import ceil
from pathlib import Path

import pytest
from drawn import layer_of

from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis, Dataflow, PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import LoopNest

SIDE = 64
SYSTEM = load_system("edge_tpu")
ROOMY = {"capacity_bytes": 2**26, "read_bits": 2**16, "write_bits": 2**16, "min_bits": 8}
"""The peer counts the array alone: levels that hold and move all that it asks for."""


def systolic(stationary: Operand) -> PeArray:
    """64 x 64 PEs, one weight and one sum in each; the fold that stays enters first where it is weights.

    Samajdar et al., ISPASS 2020: a fold takes R + C - 2 cycles to fill and drain, weights R more to be loaded.
    """
    dims = {"output": (("OX*OY",), ("K",)), "weight": (("C", "FX*FY"), ("K",))}[stationary]
    loading = SIDE if stationary == "weight" else 0
    sums = Level(name="sums", serves=("output",), capacity_bytes=4, per=(0, 1), reduces_along=(0, 1))
    weights = Level(name="weights", serves=("weight",), capacity_bytes=1, per=(0, 1), multicasts_along=(0, 1))
    return PeArray(
        name="systolic",
        placement="peer_tool",
        technology="none",
        clock_hz=10**9,
        dataflow=Dataflow(
            axes=tuple(Axis(size=SIDE, dims=each) for each in dims),
            stationary=stationary,
            pipeline_cycles=loading + SIDE + SIDE - 2,
            pipeline_cycles_per="pass",
        ),
        levels=(
            weights,
            sums,
            Level(name="parameters", serves=("weight",), **ROOMY),
            Level(name="activations", serves=("input", "output"), **ROOMY),
        ),
    )


def cycles(nest: LoopNest, spec: PeArray) -> int:
    """The array's cycles under the fastest mapping."""
    layer = layer_of(nest)
    memory = replace(SYSTEM.memory_of("edge_tpu"), bandwidth_bytes_per_s=10**18)
    energy = energy_model(replace(SYSTEM.accelerators[0], spec=spec), memory)
    cost = Pricer(layer, spec, memory, energy, Steps(nest=nest, steps=1, resident=False), "latency").cost(STREAMED)
    assert cost is not None
    return cost.compute_cycles


def closed_form(nest: LoopNest, stationary: Operand) -> int:
    """Folds of one group times what each takes."""
    pixels, reduction = nest.OY * nest.OX, nest.C * nest.FY * nest.FX
    filters = ceil(nest.K / SIDE)
    if stationary == "output":
        return nest.G * ceil(pixels / SIDE) * filters * (reduction + SIDE + SIDE - 2)
    return nest.G * ceil(reduction / SIDE) * filters * (pixels + 2 * SIDE + SIDE - 2)


def nest_of(row: dict[str, str]) -> LoopNest:
    """A nest of as many pixels and taps as the row says, square."""
    pixels, taps = (round(int(row[name]) ** 0.5) for name in ("OY*OX", "FY*FX"))
    assert pixels**2 == int(row["OY*OX"])
    return LoopNest(
        G=int(row["G"]),
        K=int(row["K"]),
        C=int(row["C"]),
        OY=pixels,
        OX=pixels,
        FY=taps,
        FX=taps,
        input_height=pixels + taps - 1,
        input_width=pixels + taps - 1,
    )


@pytest.mark.parametrize(("stationary", "file"), [("output", "scalesim_os.csv"), ("weight", "scalesim_ws.csv")])
def test_a_pipeline_that_fills_at_every_fold_meets_the_peers_cycles(
    stationary: Operand, file: str, reference: Path
) -> None:
    """All 31 distinct layers, depthwise ones included."""
    spec = systolic(stationary)
    with (reference / "peers" / file).open(newline="") as rows:
        found = {row["layer"]: (cycles(nest_of(row), spec), float(row["scale_cycles"])) for row in csv.DictReader(rows)}
    assert len(found) == 31
    for layer, (ours, theirs) in found.items():
        assert ours == pytest.approx(theirs, rel=0.01), layer


@pytest.mark.parametrize("stationary", ["output", "weight"])
@pytest.mark.parametrize(
    "nest",
    [
        LoopNest(K=96, C=16, OY=14, OX=14, input_height=14, input_width=14),
        LoopNest(G=5, OY=20, OX=20, FY=3, FX=3, input_height=22, input_width=22),
        LoopNest(K=1000, C=1280),
    ],
)
def test_each_fold_takes_what_the_closed_form_says(nest: LoopNest, stationary: Operand) -> None:
    assert cycles(nest, systolic(stationary)) == closed_form(nest, stationary)
