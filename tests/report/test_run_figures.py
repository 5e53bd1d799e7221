"""Figures of a run and of a scenario: what they draw adds up, and their titles say what the data say."""

import itertools
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_reports import HOSTILE, scenario_result, tiny_workload

import mensa_sim as ms
from mensa_sim.api import session as api
from mensa_sim.report.page.colours import PAPER
from mensa_sim.report.page.figure import shown
from mensa_sim.report.page.page import script_json
from mensa_sim.report.page.quantities import percent_text, time_text
from mensa_sim.report.run import over_time
from mensa_sim.report.run.figures import run_figures
from mensa_sim.report.run.over_time import STEPS, buffers_figure, maxima, sums
from mensa_sim.report.run.page import INFERENCE
from mensa_sim.report.run.time_use import time_use
from mensa_sim.report.scenario.figures import scenario_figures
from mensa_sim.report.scenario.page import SCENARIO_RUN
from mensa_sim.simulate.record.timeline import BufferLevel
from mensa_sim.simulate.scenario.files import read_scenario
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import RunResult
from mensa_sim.study.scenario.scenario import ScenarioResult, scenario_on


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("run")
    return api.run(tiny_workload(folder), pins={HOSTILE: "pascal", "head": "pavlov"})


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> ScenarioResult:
    return scenario_result(tmp_path_factory.mktemp("scenario"))


def title(figure: dict[str, Any]) -> str:
    text: str = figure["layout"]["title"]["text"]
    return text


def test_every_figure_that_is_made_stands_on_its_page_once(result: RunResult, scenario: ScenarioResult) -> None:
    made = (run_figures(result), INFERENCE.page(result)), (scenario_figures(scenario), SCENARIO_RUN.page(scenario))
    for figures, page in made:
        assert len(figures) > 5
        assert {name: page.count(f'<div id="{name}" class="figure"') for name in figures} == dict.fromkeys(figures, 1)


def test_what_binds_most_of_the_time_stands_first_on_the_roofline() -> None:
    bounds = title(run_figures(api.run("residual_cnn"))["roofline"].figure).partition(";")[0]
    shares = [float(share) for share in re.findall(r" ([\d.]+) %", bounds)]
    assert len(shares) > 1
    assert shares == sorted(shares, reverse=True)


def test_the_uses_of_an_accelerators_time_add_up_to_the_latency(result: RunResult) -> None:
    for system in (result.main, result.baseline):
        for uses in time_use(system).values():
            assert min(uses.values()) >= 0
            assert sum(uses.values()) == pytest.approx(system.latency_ps)


def test_time_at_the_peak_rate_is_utilization_times_busy_time(result: RunResult) -> None:
    for system in (result.main, result.baseline):
        for name, uses in time_use(system).items():
            worked = system.accelerators[name]
            assert uses["MACs at the peak rate"] == pytest.approx(worked.utilization * worked.busy_ps, rel=1e-3, abs=2)


def test_the_bars_of_the_energy_figure_add_up_to_the_energy(result: RunResult) -> None:
    traces = run_figures(result)["energy"].figure["data"]
    for place, system in enumerate((result.main, result.baseline)):
        assert sum(trace["x"][place] for trace in traces) * 1e3 == pytest.approx(system.energy_pj / 1e3, rel=1e-6)


def test_no_layer_lies_above_its_roof(result: RunResult) -> None:
    for layer in result.main.layers:
        placed = result.main.hardware.accelerator(layer.accelerator)
        bandwidth = result.main.hardware.memories[placed.memory].effective_bytes_per_s
        seconds = (layer.end_ps - layer.start_ps) / 1e12
        roof = min(placed.spec.peak_macs_per_s, bandwidth * layer.macs / layer.memory_bytes)
        assert layer.macs / seconds <= roof * 1.001


def test_titles_are_computed(result: RunResult, tmp_path: Path) -> None:
    elsewhere = api.run(tiny_workload(tmp_path), pins={HOSTILE: "jacquard", "head": "jacquard"})
    assert "jacquard carries all of the parameter bytes" in title(run_figures(elsewhere)["families"].figure)
    parameters = {layer.name: layer.parameter_bytes for layer in result.main.layers}
    share = 100 * parameters["head"] / sum(parameters.values())
    assert title(run_figures(result)["families"].figure).startswith(f"pavlov carries {share:.1f} % of the parameter")


def test_every_span_of_a_short_run_is_a_bar(result: RunResult) -> None:
    traces = run_figures(result)["timeline"].figure["data"]
    assert sum(len(trace["x"]) for trace in traces) == len(result.main.timeline.spans)


def test_a_bar_is_named_after_its_layer_where_it_has_room(result: RunResult) -> None:
    figure = run_figures(result)["timeline"].figure
    named = [name for trace in figure["data"] for name in trace["text"]]
    assert set(named) == {shown(span.layer) for span in result.main.timeline.spans}
    assert figure["layout"]["uniformtext"]["mode"] == "hide"


def test_a_familys_number_stands_in_the_corner_of_its_region_over_no_mark_and_the_legend_names_it(
    result: RunResult,
) -> None:
    figure = run_figures(result)["families"].figure
    layout, legend = figure["layout"], [trace["name"] for trace in figure["data"]]
    for region, label in zip(layout["shapes"], layout["annotations"], strict=True):
        assert (label["x"], label["y"]) == (math.log10(region["x0"]), math.log10(region["y1"]))
        assert label["bgcolor"] == PAPER
        number = label["text"].removeprefix("<b>").removesuffix("</b>")
        assert sum(name.startswith(f"{number}: ") for name in legend) == 1


def test_power_and_efficiency_stand_among_the_headline_cards_in_their_units(result: RunResult) -> None:
    main, page = result.main, INFERENCE.page(result)
    joules, seconds = main.energy_pj * 1e-12, main.latency_ps * 1e-12
    assert main.mean_power_mw == pytest.approx(1e3 * joules / seconds)
    assert main.tops_per_w == pytest.approx(2 * main.macs / joules / 1e12)
    for label in ("mean power", "TOPS/W"):
        assert f'<div class="label">{label}</div>' in page


def test_the_bandwidth_drawn_is_the_bytes_moved(result: RunResult) -> None:
    figure = run_figures(result)["bandwidth"].figure
    step_s = result.main.timeline.end_ps / STEPS / 1e12
    drawn = sum(sum(trace["y"]) for trace in figure["data"] if "stackgroup" in trace) * 1e9 * step_s
    moved = sum(span.size_bytes for span in result.main.timeline.spans)
    assert drawn == pytest.approx(moved)


def test_of_more_buffers_than_a_figure_has_room_for_the_fullest_are_drawn_and_the_title_says_so(
    result: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: Any = buffers_figure(result.main.hardware, result.main.timeline)
    peaks = {trace["name"]: max(trace["y"]) for trace in whole["data"]}
    assert len(peaks) > 2
    monkeypatch.setattr(over_time, "MAX_BUFFERS", 2)
    some: Any = buffers_figure(result.main.hardware, result.main.timeline)
    assert sorted(max(trace["y"]) for trace in some["data"]) == sorted(peaks.values())[-2:]
    assert title(some) == f"{title(whole)} (drawn: the 2 fullest of {len(peaks)})"


def test_power_over_time_is_the_energy_of_the_scenario(scenario: ScenarioResult) -> None:
    main = scenario.main
    traces = scenario_figures(scenario)["power"].figure["data"]
    drawn_pj = sum(sum(trace["y"]) for trace in traces) * main.timeline.end_ps / STEPS / 1000
    assert drawn_pj == pytest.approx(main.metrics.energy_pj, rel=0.02)


def test_a_latency_curve_ends_at_all_requests_and_never_falls(scenario: ScenarioResult) -> None:
    finished = {shown(name): stream.finished for name, stream in scenario.main.metrics.streams.items()}
    for trace in scenario_figures(scenario)["latency"].figure["data"]:
        if trace["name"].startswith("deadline"):
            continue
        assert trace["y"][-1] == 100
        assert len(trace["y"]) == 1 + finished[trace["name"]]
        assert all(before <= after for before, after in itertools.pairwise(trace["x"]))
        assert all(before < after for before, after in itertools.pairwise(trace["y"]))


def test_a_streams_row_has_the_share_of_its_latency_that_is_queueing(scenario: ScenarioResult) -> None:
    page = SCENARIO_RUN.page(scenario)
    for system in scenario.systems:
        for stream in system.metrics.streams.values():
            assert stream.mean_queueing_ps is not None
            assert stream.mean_latency_ps is not None
            assert f">{percent_text(stream.mean_queueing_ps / stream.mean_latency_ps)}<" in page


def test_the_slowest_request_is_framed_from_arrival_to_end(scenario: ScenarioResult) -> None:
    figure = scenario_figures(scenario)["timeline"].figure
    frame = figure["layout"]["shapes"][0]
    name = frame["label"]["text"]
    ended = {request.name: request for request in scenario.main.timeline.requests if request.end_ps is not None}
    request = next(each for key, each in ended.items() if key.replace("<", "&lt;").replace(">", "&gt;") == name)
    assert frame["x1"] / frame["x0"] == pytest.approx((request.end_ps or 0) / request.arrival_ps)


def test_the_slowest_request_is_the_one_that_takes_longest_of_all_whatever_was_kept(tmp_path: Path) -> None:
    """A sample of every second, fourth, ... request would miss it, and a stream with a deadline would come first."""
    (tmp_path / "busy.yaml").write_text(BUSY)
    scenario = read_scenario(tmp_path / "busy.yaml")
    graphs = {stream.workload: ms.trace(stream.workload) for stream in scenario.streams}
    system = ms.load_system("mensa_g")
    whole, sample = (scenario_on(scenario, graphs, system, Goal(), max_spans=max_spans) for max_spans in (10**6, 60))
    assert sample.timeline.every > whole.timeline.every == 1
    longest_ps = max(stream.max_ps or 0 for stream in sample.metrics.streams.values())
    slowest = max(whole.timeline.requests, key=lambda request: (request.end_ps or 0) - request.arrival_ps)
    assert slowest.stream == "background"
    assert slowest.name not in {request.name for request in sample.timeline.requests}
    for found in (whole.timeline.slowest, sample.timeline.slowest):
        assert found is not None
        assert found.request == slowest
        assert (found.request.end_ps or 0) - found.request.arrival_ps == longest_ps
        own = [span for span in whole.timeline.spans if span.request == slowest.name]
        assert sorted(map(repr, found.spans)) == sorted(map(repr, own))
    result = ScenarioResult(main=sample, baseline=sample, versions={}, inputs={})
    drawn = scenario_figures(result)["timeline"].figure
    assert drawn["layout"]["shapes"][0]["label"]["text"] == slowest.name
    assert f"takes {time_text(longest_ps)}" in drawn["layout"]["title"]["text"]


BUSY = """\
name: busy
duration_s: 0.02
seed: 4
streams:
  - {name: eyes, workload: small_cnn, arrivals: {kind: periodic, fps: 1000}, deadline_ms: 1}
  - {name: background, workload: cifar_cnn, arrivals: {kind: poisson, rate_per_s: 9000}}
"""


SPANS = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6)), min_size=1, max_size=20
)


@given(SPANS)
def test_steps_lose_no_byte(drawn: list[tuple[int, int, int]]) -> None:
    found = sums([(a, a + length, size) for a, length, size in drawn], max(1, *(a + length for a, length, _ in drawn)))
    assert len(found) == STEPS
    assert min(found) >= -1e-6
    assert sum(found) == pytest.approx(sum(size for _, _, size in drawn))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 100)), min_size=1, max_size=20))
def test_the_fullest_moment_of_a_buffer_is_never_thinned_out(drawn: list[tuple[int, int]]) -> None:
    levels = [
        BufferLevel(accelerator="a", buffer="parameter", time_ps=time_ps, size_bytes=size)
        for time_ps, size in sorted(drawn, key=lambda each: each[0])
    ]
    found = maxima(levels, 10**6)
    assert max(found) == max(level.size_bytes for level in levels)
    assert found[-1] >= levels[-1].size_bytes


@pytest.mark.parametrize("text", ["</script>", "<!--", "\u2028", "a\\b"])
def test_texts_in_a_script_stay_texts(text: str) -> None:
    assert "<" not in script_json([text])
    assert "\u2028" not in script_json([text])


def test_a_number_that_is_none_is_null_in_a_script() -> None:
    assert script_json([float("nan"), float("inf"), 1 / 3]) == "[null,null,0.3333333]"
