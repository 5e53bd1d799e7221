"""One engine for runs and scenarios: a stream with one request in flight is a run's steady inference, everywhere."""

import math
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.io.shipped import shipped_files
from mensa_sim.simulate.scenario.arrivals import ClosedLoop
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.study.run import run as run_module
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SteadyState
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.scenario.scenario import WHOLE_LAYERS, ScenarioSystemResult, scenario_on
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

MEMO = PriceMemo()
SYSTEMS = sorted({**shipped_files("systems"), **shipped_files("accelerators")})


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> LayerGraph:
    """Convolutions and a dense layer, with parameters that some buffers hold."""
    path: Path = tmp_path_factory.mktemp("stream") / "mixed.yaml"
    path.write_text(
        "name: mixed\n"
        "layers:\n"
        "  - {name: conv, operator: conv2d, dims: {K: 64, C: 16, OY: 14, OX: 14, FY: 3, FX: 3}}\n"
        "  - {name: wide, operator: conv2d, dims: {K: 256, C: 64, OY: 14, OX: 14}, inputs: [conv]}\n"
        "  - {name: dense, operator: linear, dims: {K: 10, C: 50176}, inputs: [wide]}\n"
    )
    return load_workload(str(path))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_stream_with_one_request_in_flight_has_a_runs_steady_latency_and_energy(name: str, graph: LayerGraph) -> None:
    system = load_system(name)
    check(graph, system, Goal(scheduler="greedy"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_run_that_nobody_wants_explained_gives_the_same_and_makes_its_layers_when_they_are_read(
    name: str, graph: LayerGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, goal = load_system(name), Goal(scheduler="greedy")
    whole = evaluate(graph, system, goal, memo=MEMO)
    monkeypatch.setattr(run_module, "_layers", made := Mock(wraps=run_module._layers))
    bare = evaluate(graph, system, goal, memo=MEMO, explained=False)
    for each in ("steady", "latency_ps", "energy_by_component_pj", "traffic_bytes", "accelerators", "timeline"):
        assert getattr(bare, each) == getattr(whole, each)
    assert (len(bare.layers), made.call_count) == (3, 0)
    assert bare.layers == whole.layers
    assert bare.layers[0] == whole.layers[0]
    assert made.call_count == 1


@pytest.mark.parametrize("flow", ["stacks", "tiles"])
def test_so_it_has_where_equal_accelerators_share_layers(flow: str, graph: LayerGraph) -> None:
    """In tiles all chiplets work on a layer at once, so that a stream of whole layers would be slower."""
    system = load_system("simba_4")
    steady = check(graph, system, Goal(scheduler="greedy", flow=flow))
    whole = evaluate(graph, system, Goal(scheduler="greedy", flow="layers"), memo=MEMO).steady
    assert (steady.latency_ps < 0.95 * whole.latency_ps) == (flow == "tiles")


def test_several_streams_in_tiles_run_whole_layers_and_say_so(graph: LayerGraph) -> None:
    arrivals = ClosedLoop(in_flight=1, requests=2)
    streams = tuple(Stream(name=name, workload="mixed", arrivals=arrivals) for name in ("left", "right"))
    system, scenario = load_system("simba_4"), Scenario(name="two", streams=streams)

    def found(flow: str) -> ScenarioSystemResult:
        return scenario_on(scenario, {"mixed": graph}, system, Goal(scheduler="greedy", flow=flow), memo=MEMO)

    tiles, stacks = found("tiles"), found("stacks")
    assert tiles.metrics == stacks.metrics
    assert (tiles.caveats, stacks.caveats) == ((WHOLE_LAYERS,), ())


def check(graph: LayerGraph, system: System, goal: Goal) -> SteadyState:
    """One more request in a stream takes what a steady inference does, which is returned."""
    steady = evaluate(graph, system, replace(goal, steady=True), memo=MEMO).steady

    def ran(requests: int) -> tuple[int, float]:
        stream = Stream(name="camera", workload="mixed", arrivals=ClosedLoop(in_flight=1, requests=requests))
        scenario = Scenario(name="one", streams=(stream,))
        found = scenario_on(scenario, {"mixed": graph}, system, goal, memo=MEMO).metrics
        return found.end_ps, found.energy_pj

    (two_ps, two_pj), (three_ps, three_pj) = ran(2), ran(3)
    assert three_ps - two_ps == steady.latency_ps
    assert math.isclose(three_pj - two_pj, steady.energy_pj, rel_tol=1e-9)
    return steady
