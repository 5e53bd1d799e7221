"""What a report holds beside plotly's packed script stays under 1 MB, whatever was run, and says what it left out."""

from dataclasses import replace
from pathlib import Path

from small_reports import explore_result, scenario_result, tiny_workload

from mensa_sim.api import session as api
from mensa_sim.io.files import write_yaml
from mensa_sim.report.explore.page import MAX_OTHERS, drawn_designs
from mensa_sim.report.page.packed import packed_plotly
from mensa_sim.report.run.gantt import MAX_BARS, around, merged
from mensa_sim.report.run.page import INFERENCE
from mensa_sim.report.scenario.latency import MAX_STREAMS, most_pressed
from mensa_sim.report.scenario.page import SCENARIO_RUN
from mensa_sim.simulate.record.timeline import Span

MEGABYTE = 1_000_000
PLOTLY_AT_MOST = 2.5 * MEGABYTE
"""Packed: of 4.8 MB."""


def data_bytes(page: str) -> int:
    assert page.count(packed_plotly()) == 1
    assert len(packed_plotly()) < PLOTLY_AT_MOST
    return len(page.encode()) - len(packed_plotly())


def test_a_model_of_many_layers_fits(tmp_path: Path) -> None:
    layers = [
        {
            "name": f"encoder.blocks.{number}.attention.projection",
            "operator": "linear",
            "dims": {"K": 64 + 64 * (number % 2), "C": 128 - 64 * (number % 2), "B": 16},
            "inputs": [f"encoder.blocks.{number - 1}.attention.projection"] if number else [],
        }
        for number in range(700)
    ]
    path = tmp_path / "deep.yaml"
    path.write_text(write_yaml({"name": "deep", "layers": layers}))
    page = INFERENCE.page(api.run(path))
    assert data_bytes(page) < MEGABYTE
    assert "Thinned out" in page


def test_a_scenario_of_thousands_of_requests_fits(tmp_path: Path) -> None:
    arrivals = {"kind": "periodic", "fps": 200_000}
    stream = {"name": "frames", "workload": str(tiny_workload(tmp_path)), "arrivals": arrivals, "deadline_ms": 0.02}
    path = tmp_path / "long.yaml"
    path.write_text(write_yaml({"name": "long", "duration_s": 0.02, "streams": [stream]}))
    result = api.run_scenario(path)
    assert result.main.metrics.streams["frames"].requests == 4_000
    page = SCENARIO_RUN.page(result)
    assert data_bytes(page) < MEGABYTE
    assert "Thinned out" in page
    assert "timeline.json holds them all" in page


def test_a_scenario_of_a_thousand_streams_fits_and_draws_those_that_miss_most_or_come_closest(tmp_path: Path) -> None:
    result = scenario_result(tmp_path)
    main = result.main
    request = next(each for each in main.timeline.requests if each.deadline_ps is not None)
    one = replace(main.metrics.streams[request.stream], deadline_misses=0, requests=1)
    streams = {f"camera.{number}": replace(one, p99_ps=1000 + number) for number in range(999)}
    streams["late"] = replace(one, deadline_misses=1, p99_ps=1)
    many = replace(
        main,
        streams=tuple(streams),
        metrics=replace(main.metrics, streams=streams),
        timeline=replace(main.timeline, requests=tuple(replace(request, stream=name) for name in streams)),
    )
    assert most_pressed(many) == list(streams)[-MAX_STREAMS:]
    page = SCENARIO_RUN.page(replace(result, main=many, baseline=None))
    assert data_bytes(page) < MEGABYTE
    assert page.count('class="card"') == MAX_STREAMS + 3
    assert f"The {MAX_STREAMS} of 1000 streams" in page
    assert page.count("<td>camera.") == 999


def spans(count: int) -> list[Span]:
    return [
        Span(
            resource="memory",
            kind="body",
            request="net#0",
            layer=f"layer{number}",
            start_ps=10 * number,
            end_ps=10 * number + (9 if number % 100 else 500),
            size_bytes=number,
        )
        for number in range(count)
    ]


def test_joined_bars_lose_no_byte_and_no_time() -> None:
    before = spans(20_000)
    after = merged(before).spans
    assert len(after) <= MAX_BARS
    assert sum(span.size_bytes for span in after) == sum(span.size_bytes for span in before)
    assert (min(s.start_ps for s in after), max(s.end_ps for s in after)) == (0, max(s.end_ps for s in before))


def test_few_bars_are_all_drawn() -> None:
    before = spans(MAX_BARS)
    assert merged(before).spans == tuple(before)
    assert not merged(before).note


def test_an_excerpt_holds_all_that_happens_in_its_time() -> None:
    before = spans(20_000)
    found = around(before, 50_000, 55_000)
    inside = [span for span in before if span.start_ps >= 50_000 and span.end_ps <= 55_000]
    assert all(span in found.spans for span in inside)
    near = sum(span.end_ps >= 47_500 and span.start_ps <= 57_500 for span in before)  # half as much before and after
    assert found.note.startswith(f"Shown: the time around it, {near} of {len(before)} intervals")


def test_an_exploration_draws_its_whole_front_and_some_of_the_others(tmp_path: Path) -> None:
    result = explore_result(tmp_path)
    copies = [replace(design, number=design.number + 100 * copy) for copy in range(200) for design in result.designs]
    front = tuple(copies[:3])
    many = replace(result, designs=tuple(copies), front=front)
    found = drawn_designs(many)
    assert set(map(id, front)) <= set(map(id, found))
    assert len(found) <= MAX_OTHERS + len(front)
    assert len(found) > MAX_OTHERS / 2
    assert drawn_designs(result) == list(result.designs)
