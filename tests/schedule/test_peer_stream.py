"""ResNet-18 on Stream's quad core: our schedule under our cost model beside Stream's own by its own count."""

from dataclasses import replace
from pathlib import Path

import pytest

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.memory import Link
from mensa_sim.hardware.system import System
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.homes.plan import plan_homes
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.study.run.placement import Goal, Placement, place
from mensa_sim.study.run.tiles import in_tiles
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

CYCLE_PS = 1000
MESH = (("core0", "core1"), ("core2", "core3"), ("core0", "core2"), ("core1", "core3"))
"""Stream 2.1.1, tpu_like_quad_core.yaml: a mesh of 2 x 2, 32 bits a cycle at 1 GHz, no energy."""
STREAM_CYCLES = {8: 1_820_000, 64: 558_000}
"""By bytes a cycle of DRAM, four cores, fused: Stream 2.1.1's count of its own schedule."""


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> LayerGraph:
    path = tmp_path_factory.mktemp("peer") / "resnet18.yaml"
    path.write_text(
        "name: resnet18\nmodel: mensa_sim.workload.models.resnet:resnet\narguments: {depth: 18}\n"
        "inputs: [{shape: [1, 3, 224, 224], dtype: float32}]\nparameter_bits: 8\nactivation_bits: 8\n"
    )
    return load_workload(path)


def quad(reference: Path, dram_bytes_per_cycle: int) -> System:
    system = load_system(reference / "peers" / "matched" / "quad.yaml")
    dram = replace(system.memories["dram"], bandwidth_bytes_per_s=dram_bytes_per_cycle * 10**9)
    links = (Link(between=pair, bandwidth_bytes_per_s=4 * 10**9, energy_pj_per_bit=0.0, latency_ps=0) for pair in MESH)
    return replace(system, memories={"dram": dram}, links=tuple(links))


def simulated_ps(placement: Placement) -> int:
    """One inference with empty buffers, tensors at home where that saves time."""
    costs, where = placement.costs, placement.schedule.assignment
    splits = placement.schedule.data
    assert splits is not None
    homes = plan_homes(costs, where, splits, (0.0, 1.0)).homes
    data = DataPlan(flow="tiles", splits=splits.splits, homes=homes)
    return simulate(costs.graph, costs, where, FULL, data).end_ps


@pytest.mark.parametrize("dram_bytes_per_cycle", [8, 64])
def test_resnet18_over_four_cores_is_no_slower_than_streams_schedule(
    dram_bytes_per_cycle: int, resnet18: LayerGraph, reference: Path
) -> None:
    goal, memo = Goal(scheduler="greedy", objective="latency", flow="tiles"), PriceMemo()
    whole = place(resnet18, quad(reference, dram_bytes_per_cycle), goal, memo)
    found_ps = min(simulated_ps(each) for each in in_tiles(whole, goal, memo))
    assert found_ps <= STREAM_CYCLES[dram_bytes_per_cycle] * CYCLE_PS
    # No schedule is faster than all parameters through the memory, or all MACs on full arrays.
    system = whole.costs.system
    parameters_ps = resnet18.parameter_bytes * CYCLE_PS // dram_bytes_per_cycle
    macs_ps = resnet18.macs * 10**12 // sum(placed.spec.peak_macs_per_s for placed in system.accelerators)
    assert found_ps >= max(parameters_ps, macs_ps)
