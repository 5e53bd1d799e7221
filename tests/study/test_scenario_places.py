"""Where a scenario's streams run: pins and schedules of their own, and all together for throughput."""

from pathlib import Path

import pytest

from mensa_sim.errors import MensaError, UnknownNameError, UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.files import schedule_yaml
from mensa_sim.study.run.placement import Goal, place
from mensa_sim.study.run.request import RunRequest
from mensa_sim.study.run.run import run
from mensa_sim.study.scenario.scenario import ScenarioSystemResult, run_scenario
from mensa_sim.workload.load import load_workload

LAYERS = """
name: {name}
layers:
  - {{name: {layer}, operator: conv2d, dims: {{K: 256, C: 256, OY: 28, OX: 28, FY: 3, FX: 3}}}}
"""
TWIN = """
name: twin
memories:
  dram: {kind: lpddr4, bandwidth_bytes_per_s: 256000000000, efficiency: 1.0}
accelerators:
  - {spec: ACCELERATORS/edge_tpu.yaml, memory: dram, set: {name: left}}
  - {spec: ACCELERATORS/edge_tpu.yaml, memory: dram, set: {name: right}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two workloads of one convolution each, two equal accelerators, and the working directory."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(LAYERS.format(name=name, layer=f"c_{name}"))
    specs = Path(__file__).parents[2] / "accelerator_specs" / "accelerators"
    (tmp_path / "twin.yaml").write_text(TWIN.replace("ACCELERATORS", str(specs)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scenario(folder: Path, one: str = "", other: str = "", workloads: tuple[str, str] = ("a", "b")) -> Path:
    """A closed loop of five requests of each workload, with more fields for each stream."""
    path = folder / "both.yaml"
    rows = [
        f"  - {{name: s{number}, workload: ./{workload}.yaml, "
        f"arrivals: {{kind: closed_loop, requests: 5}}{', ' if more else ''}{more}}}\n"
        for number, (workload, more) in enumerate(zip(workloads, (one, other), strict=True))
    ]
    path.write_text("name: both\nstreams:\n" + "".join(rows))
    return path


def ran(path: Path, **request: object) -> ScenarioSystemResult:
    return run_scenario(RunRequest(workload=str(path), system="twin.yaml", cache=False, **request)).main  # type: ignore[arg-type]


def places(result: ScenarioSystemResult) -> dict[str, set[str]]:
    """The accelerators on which each stream's layers ran."""
    found: dict[str, set[str]] = {}
    for span in result.timeline.spans:
        if span.kind == "layer":
            found.setdefault(span.request.partition("#")[0], set()).add(span.resource)
    return found


def test_pins_of_a_stream_say_where_its_layers_run(folder: Path) -> None:
    path = scenario(folder, "pins: {c_a: right}", "pins: {c_b: left}")
    assert places(ran(path, scheduler="greedy")) == {"s0": {"right"}, "s1": {"left"}}


def test_two_streams_of_one_workload_may_be_pinned_apart(folder: Path) -> None:
    path = scenario(folder, "pins: {c_a: right}", "pins: {c_a: left}", workloads=("a", "a"))
    assert places(ran(path, scheduler="greedy")) == {"s0": {"right"}, "s1": {"left"}}


def test_a_pin_of_the_call_holds_for_every_stream_with_such_a_layer_and_before_the_files(folder: Path) -> None:
    path = scenario(folder, "pins: {c_a: left}")
    assert places(ran(path, scheduler="greedy", pins={"c_a": "right"})) == {"s0": {"right"}, "s1": {"left"}}
    with pytest.raises(UnknownNameError, match="layer in a pin"):
        ran(path, pins={"c_c": "right"})


def test_a_stream_runs_as_its_schedule_says(folder: Path) -> None:
    on_right = place(
        load_workload("a.yaml", cache=False), load_system("twin.yaml"), Goal(scheduler="greedy", pins={"c_a": "right"})
    )
    (folder / "a_schedule.yaml").write_text(schedule_yaml(on_right.problem, on_right.schedule))
    path = scenario(folder, "schedule: a_schedule.yaml")
    assert places(ran(path, scheduler="greedy")) == {"s0": {"right"}, "s1": {"left"}}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("pins: {c_x: left}", r"stream s0: .*'c_x'"),
        ("pins: {c_a: middle}", r"stream s0: .*'middle'"),
        ("schedule: gone.yaml", r"stream s0: .*gone\.yaml"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_streams_name(folder: Path, more: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ran(scenario(folder, more))


def test_a_schedule_on_the_call_is_refused_with_what_to_do(folder: Path) -> None:
    with pytest.raises(MensaError, match="a stream has its own in the scenario's file: schedule"):
        ran(scenario(folder), schedule="a_schedule.yaml")


@pytest.mark.parametrize("workloads", [("a", "b"), ("a", "a")])
def test_for_throughput_two_streams_use_two_equal_accelerators(folder: Path, workloads: tuple[str, str]) -> None:
    path = scenario(folder, workloads=workloads)
    alone = ran(path, scheduler="single:left").metrics
    both = ran(path, scheduler="throughput")
    assert len(set.union(*places(both).values())) == 2
    assert alone.end_ps / both.metrics.end_ps > 1.9


def test_for_throughput_the_stream_that_comes_more_often_weighs_more(folder: Path) -> None:
    """Three streams on two accelerators: the one of 30 per second has one of them to itself."""
    rows = [
        f"  - {{name: s{fps}, workload: ./a.yaml, arrivals: {{kind: periodic, fps: {fps}, requests: 3}}}}\n"
        for fps in (10, 30, 20)
    ]
    path = folder / "three.yaml"
    path.write_text("name: three\nstreams:\n" + "".join(rows))
    found = places(ran(path, scheduler="throughput"))
    assert found["s10"] == found["s20"] != found["s30"]


WIDE = """
name: wide
layers:
  - {name: first, operator: conv2d, dims: {K: 32, C: 32, OY: 96, OX: 96}}
  - {name: second, operator: conv2d, dims: {K: 32, C: 32, OY: 96, OX: 96}, inputs: [first]}
  - {name: sum, operator: add, elements: 294912, inputs: [first, second]}
"""


def test_streams_run_in_stacks_as_a_single_run_does(folder: Path) -> None:
    """Each tensor is larger than Pascal's buffer; the requests never meet, so each is one of a single run."""
    (folder / "wide.yaml").write_text(WIDE)
    (folder / "apart.yaml").write_text(
        "name: apart\nduration_s: 0.01\nstreams:\n"
        "  - {name: one, workload: ./wide.yaml, arrivals: {kind: periodic, fps: 500}}\n"
    )
    request = {"system": "mensa_g", "scheduler": "greedy", "objective": "latency", "cache": False}
    alone = run(RunRequest(workload=str(folder / "wide.yaml"), flow="stacks", **request)).main
    assert alone.stacks
    found = {
        flow: run_scenario(RunRequest(workload=str(folder / "apart.yaml"), flow=flow, **request)).main
        for flow in ("homes", "stacks")
    }
    stacked, whole = (found[flow].metrics.streams["one"] for flow in ("stacks", "homes"))
    assert stacked.p50_ps == alone.steady.latency_ps < whole.p50_ps
    assert {span.resource for span in found["stacks"].timeline.spans if span.kind == "layer"} == {
        layer.accelerator for layer in alone.layers
    }
