"""The Perfetto trace read back: tracks, lanes without overlap, counters, arrows that start and end in slices."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.report.viewer import perfetto
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.simulate.record.timeline import BufferLevel, Span, Timeline
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer

GRAPH = LayerGraph(
    name="net",
    layers=(Layer(name="a", operator="linear"), Layer(name="b", operator="linear")),
    edges=(Edge(producer="a", consumer="b", size_bytes=8),),
)


def chip(*names: str) -> System:
    """A system of accelerators of these names."""
    system = load_system("edge_tpu")
    (placed,) = system.accelerators
    return replace(system, accelerators=tuple(replace(placed, spec=replace(placed.spec, name=name)) for name in names))


def span(resource: str, kind: Any, layer: str, start_ps: int, end_ps: int, size_bytes: int = 0) -> Span:
    return Span(
        resource=resource,
        kind=kind,
        request="net#0",
        layer=layer,
        start_ps=start_ps,
        end_ps=end_ps,
        size_bytes=size_bytes,
        energy_pj={"memory": 5.0} if size_bytes else {},
    )


TIMELINE = Timeline(
    spans=(
        span("one", "layer", "a", 0, 1_500_001),
        span("dram", "body", "a", 0, 1_000_000, 64),
        span("dram", "prefetch", "b", 500_000, 1_200_000, 64),
        span("two", "layer", "b", 2_000_000, 3_000_000),
    ),
    levels=(BufferLevel(accelerator="one", buffer="activation", time_ps=10, size_bytes=7),),
)


def read_back() -> list[dict[str, Any]]:
    trace = json.loads(perfetto_json("net on one", TIMELINE, chip("one", "two"), {"net": GRAPH}, static_mw=3.0))
    assert trace["otherData"]["kept_every_nth_request"] == 1
    events: list[dict[str, Any]] = trace["traceEvents"]
    return events


def test_every_span_is_a_slice_with_times_exact_to_the_picosecond() -> None:
    slices = [event for event in read_back() if event["ph"] == "X"]
    found = {(event["name"], event["cat"]): (event["ts"], event["ts"] + event["dur"]) for event in slices}
    for each in TIMELINE.spans:
        start_us, end_us = found[each.layer, each.kind]
        assert (round(start_us * 10**6), round(end_us * 10**6)) == (each.start_ps, each.end_ps)


def test_transfers_that_share_a_channel_lie_in_lanes_without_overlap() -> None:
    events = read_back()
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert list(names.values()) == ["one", "two", "dram", "dram (2)"]
    lanes: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            lanes.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    for intervals in lanes.values():
        ordered = sorted(intervals)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(ordered))


def test_a_hand_off_is_an_arrow_from_the_producers_slice_to_the_consumers() -> None:
    events = read_back()
    start, finish = (next(event for event in events if event["ph"] == phase) for phase in "sf")
    slices = {event["name"]: event for event in events if event["ph"] == "X" and event["cat"] == "layer"}
    assert start["id"] == finish["id"]
    for end, producer in ((start, "a"), (finish, "b")):
        around = slices[producer]
        assert around["tid"] == end["tid"]
        assert around["ts"] <= end["ts"] < around["ts"] + around["dur"]


def test_power_bandwidth_and_buffers_are_counters() -> None:
    counters = {event["name"] for event in read_back() if event["ph"] == "C"}
    assert counters == {"power_mw", "dram_bytes_per_s", "one_activation_buffer_bytes"}
    power = [event["args"]["value"] for event in read_back() if event["name"] == "power_mw"]
    rates = [(event["ts"], event["args"]["value"]) for event in read_back() if event["name"] == "dram_bytes_per_s"]
    assert rates == [(0.0, 64e6), (1.0, 320e6), (1.2, 0.0)]
    assert power[-1] == 3.0
    assert max(power) > 3.0


def test_the_process_is_named_after_what_was_run() -> None:
    (named,) = [event for event in read_back() if event["name"] == "process_name"]
    assert named["args"] == {"name": "net on one"}


def test_a_trace_too_large_to_open_at_once_keeps_fewer_requests_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = tuple(
        span("one", "layer", "a", 10 * number, 10 * number + 9)._replace(request=f"net#{number}") for number in range(9)
    )
    many = Timeline(spans=spans)
    whole = perfetto_json("net on one", many, chip("one"), {"net": GRAPH}, static_mw=3.0)
    monkeypatch.setattr(perfetto, "MAX_BYTES", len(whole) // 2)
    text = perfetto_json("net on one", many, chip("one"), {"net": GRAPH}, static_mw=3.0)
    assert len(text) <= len(whole) // 2
    events = json.loads(text)["traceEvents"]
    kept = [event["args"]["request"] for event in events if event["ph"] == "X"]
    every = json.loads(text)["otherData"]["kept_every_nth_request"]
    assert kept == [f"net#{number}" for number in range(0, 9, every)]
    assert events[0]["args"] == {"name": f"net on one, one of {every} requests of each stream"}
    monkeypatch.setattr(perfetto, "MAX_BYTES", 1)
    last = perfetto_json("net on one", many, chip("one"), {"net": GRAPH}, static_mw=3.0)
    assert [event["args"]["request"] for event in json.loads(last)["traceEvents"] if event["ph"] == "X"] == ["net#0"]


def test_of_more_streams_than_a_trace_has_room_for_some_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = tuple(
        span("one", "layer", "a", 10 * number, 10 * number + 9)._replace(request=f"s{number}#0") for number in range(9)
    )
    streams = {f"s{number}": GRAPH for number in range(9)}
    whole = perfetto_json("net on one", Timeline(spans=spans), chip("one"), streams, static_mw=3.0)
    monkeypatch.setattr(perfetto, "MAX_BYTES", len(whole) // 2)
    text = perfetto_json("net on one", Timeline(spans=spans), chip("one"), streams, static_mw=3.0)
    assert len(text) <= len(whole) // 2
    first, *events = json.loads(text)["traceEvents"]
    assert [each["args"]["request"] for each in events if each["ph"] == "X"] == ["s0#0", "s8#0"]
    assert first["args"] == {"name": "net on one, one of 8 requests"}
