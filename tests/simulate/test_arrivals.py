"""When requests arrive, and the files that say so."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

from mensa_sim.errors import FileError
from mensa_sim.io.shipped import shipped_files
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.scenario.arrivals import LONGEST_S, ClosedLoop, Periodic, Poisson, Trace, arrival_times
from mensa_sim.simulate.scenario.files import read_scenario, read_trace
from mensa_sim.units import PS_PER_MS, PS_PER_S


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_periodic_arrivals_do_not_drift():
    times = list(islice(arrival_times(Periodic(fps=30, offset_ps=7), seed=""), 301))
    assert times[300] == 7 + 10 * PS_PER_S
    assert {later - earlier for earlier, later in pairwise(times)} <= {33333333333, 33333333334}


def test_poisson_arrivals_have_their_rate_and_depend_on_the_seed_alone():
    arrivals = Poisson(rate_per_s=100, requests=20_000)
    times = list(arrival_times(arrivals, seed="0/a"))
    assert times == list(arrival_times(arrivals, seed="0/a"))
    assert times != list(arrival_times(arrivals, seed="1/a"))
    assert times[-1] / PS_PER_S == pytest.approx(200, rel=0.03)
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Periodic, {"fps": 0.0}),
        (Periodic, {"fps": float("nan")}),
        (Periodic, {"fps": 0.5 / LONGEST_S}),
        (Periodic, {"fps": 1.0, "offset_ps": -1}),
        (Poisson, {"rate_per_s": -1.0}),
        (ClosedLoop, {"in_flight": 0}),
        (ClosedLoop, {"requests": 0}),
        (Trace, {"times_ps": (2, 1)}),
        (Trace, {"times_ps": (-1,)}),
    ],
)
def test_arrivals_refuse_nonsense(kind, arguments):
    with pytest.raises(ValueError, match=r"arrival|closed loop|trace"):
        kind(**arguments)


SCENARIO = """
name: phone
duration_s: 2
policy: edf
seed: 3
prefetch: false
parameters: first-fit
streams:
  - {name: camera, workload: small_cnn, arrivals: {kind: periodic, fps: 30, offset_ms: 1.5}, deadline_ms: 33.3}
  - {name: own, workload: ../w.yaml, arrivals: {kind: poisson, rate_per_s: 2.5, requests: 9}, priority: 4}
  - {name: keys, workload: lstm, arrivals: {kind: trace, trace: keys.csv}}
  - {name: loop, workload: lstm, arrivals: {kind: closed_loop, in_flight: 2}}
  - {name: once, workload: nets/own, arrivals: {kind: one}}
  - {name: beside, workload: w.yaml, arrivals: {kind: one}}
"""


def test_a_scenario_file_says_what_it_means(tmp_path):
    write(tmp_path, "keys.csv", "key,arrival_ms\na,0\nb,1.5\nc,1.5\n")
    scenario = read_scenario(write(tmp_path, "s.yaml", SCENARIO))
    camera, own, keys, loop, once, beside = scenario.streams
    assert (scenario.duration_ps, scenario.policy, scenario.seed) == (2 * PS_PER_S, "edf", 3)
    assert scenario.options == Options(prefetch=False, activations=True, parameters="first-fit")
    assert camera.arrivals == Periodic(fps=30, offset_ps=1_500_000_000)
    assert camera.deadline_ps == 33_300_000_000
    paths = [str(tmp_path / name) for name in ("../w.yaml", "nets/own", "w.yaml")]
    assert [each.workload for each in (keys, own, once, beside)] == ["lstm", *paths]
    assert (own.arrivals, own.priority) == (Poisson(rate_per_s=2.5, requests=9), 4)
    assert keys.arrivals == Trace(times_ps=(0, 1_500_000_000, 1_500_000_000))
    assert (loop.arrivals, once.arrivals) == (ClosedLoop(in_flight=2), Trace(times_ps=(0,)))


def test_every_fault_of_a_scenario_file_comes_with_its_field(tmp_path):
    text = """
name: bad
policy: lifo
streams:
  - {name: a, workload: lstm, arrivals: {kind: periodic, rate_per_s: 3}}
  - {name: b, workload: lstm, arrivals: {kind: poisson}, deadline_ms: -1}
  - {name: c, workload: lstm, arrivals: {kind: sometimes}}
"""
    with pytest.raises(FileError) as caught:
        read_scenario(write(tmp_path, "s.yaml", text))
    message = str(caught.value)
    assert "policy: must be 'fcfs', 'priority' or 'edf'" in message
    assert "streams[0].arrivals: rate_per_s does not go with kind periodic; it has fps, offset_ms, requests" in message
    assert "streams[1].arrivals: kind poisson needs rate_per_s" in message
    assert "streams[2].arrivals.kind: must be" in message


def test_a_scenario_that_would_never_end_is_refused(tmp_path):
    text = "name: x\nstreams:\n  - {name: a, workload: lstm, arrivals: {kind: periodic, fps: 3}}\n"
    with pytest.raises(FileError, match="stream a never ends; give the scenario a duration"):
        read_scenario(write(tmp_path, "s.yaml", text))


@pytest.mark.parametrize("place", ["duration_s: 2", "deadline_ms: 33.3", "offset_ms: 1.5"])
def test_a_time_that_cannot_be_counted_in_picoseconds_is_a_fault_of_the_file(tmp_path, place):
    write(tmp_path, "keys.csv", "arrival_ms\n0\n")
    huge = SCENARIO.replace(place, f"{place.split(':')[0]}: 1.0e+300")
    with pytest.raises(FileError, match="is no time that can be counted in picoseconds"):
        read_scenario(write(tmp_path, "s.yaml", huge))


def test_two_streams_of_one_name_are_refused(tmp_path):
    stream = "  - {name: a, workload: lstm, arrivals: {kind: one}}\n"
    with pytest.raises(FileError, match="two streams are called 'a'"):
        read_scenario(write(tmp_path, "s.yaml", f"name: x\nstreams:\n{stream}{stream}"))


def test_a_trace_out_of_order_or_without_numbers_names_the_lines(tmp_path):
    path = write(tmp_path, "t.csv", "arrival_ms\n1\n0.5\nsoon\n-3\nnan\n1e300\n2\n")
    with pytest.raises(FileError) as caught:
        read_trace(path)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["line 3", "line 4", "line 5", "line 6", "line 7"]
    assert "sort the arrivals" in caught.value.faults[0]


def test_a_trace_without_the_column_or_the_file_is_refused(tmp_path):
    with pytest.raises(FileError, match="must name a column arrival_ms"):
        read_trace(write(tmp_path, "t.csv", "time\n1\n"))
    with pytest.raises(FileError, match="no such file"):
        read_trace(tmp_path / "none.csv")


def test_shipped_scenarios_name_shipped_workloads_and_last_at_least_a_second():
    scenarios = {name: read_scenario(path) for name, path in shipped_files("scenarios").items()}
    assert set(scenarios) >= {"voice_assistant", "camera_phone", "ar_headset"}
    for name, scenario in scenarios.items():
        assert scenario.name == name
        assert {stream.workload for stream in scenario.streams} <= set(shipped_files("workloads"))
        assert len(scenario.streams) >= 3
        assert scenario.duration_ps is not None
        assert scenario.duration_ps >= 1000 * PS_PER_MS
