"""Placing the workloads of a scenario: each stream under its own pins or schedule, and all together for throughput."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.hardware.system import System
from mensa_sim.lookup import named_or_matched, unknown_name
from mensa_sim.schedule.policies.registry import SINGLE, schedule
from mensa_sim.schedule.pools import pools_of
from mensa_sim.schedule.spread import spread_over
from mensa_sim.schedule.together import joined, parted
from mensa_sim.simulate.scenario.arrivals import Periodic, Poisson
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.study.run.placement import Goal, Placement, families_under, place, price_problem
from mensa_sim.workload.graph import LayerGraph

THROUGHPUT = "throughput"
"""The scheduler that looks at all streams at once: it balances loads, which add up."""


def pinned(scenario: Scenario, graphs: Mapping[str, LayerGraph], pins: Mapping[str, str]) -> Scenario:
    """The scenario with pins for every stream that has such a layer, before the stream's own.

    `UnknownNameError` for a layer that no stream has.
    """
    layers = dict.fromkeys(layer.name for graph in graphs.values() for layer in graph.layers)
    for pin in pins:
        if not named_or_matched({_layer_of(pin): pin}, layers):
            raise unknown_name(_layer_of(pin), layers, "layer in a pin")
    streams = []
    for stream in scenario.streams:
        names = [layer.name for layer in graphs[stream.workload].layers]
        own = {pin: on for pin, on in pins.items() if named_or_matched({_layer_of(pin): on}, names)}
        streams.append(replace(stream, pins={**stream.pins, **own}))
    return replace(scenario, streams=tuple(streams))


def _layer_of(pin: str) -> str:
    """The layer's name, or what matches several, without the phase of a conversation that it may begin with."""
    return pin.removeprefix("prompt:").removeprefix("steps:")


def without_places(scenario: Scenario) -> Scenario:
    """The scenario on a baseline: pins and schedules are of the main system."""
    return replace(scenario, streams=tuple(replace(stream, pins={}, schedule=None) for stream in scenario.streams))


def place_streams(
    scenario: Scenario, graphs: Mapping[str, LayerGraph], system: System, goal: Goal, memo: PriceMemo
) -> dict[str, Placement]:
    """The placement of each stream that has no conversations; streams that ask for the same share one.

    An error names the stream whose pins or schedule do not fit its workload or the system.
    """
    streams = [stream for stream in scenario.streams if stream.conversation is None]
    goals = {stream.name: goal_of_stream(stream, goal) for stream in streams}
    together = [stream for stream in streams if stream.schedule is None]
    if goal.scheduler == THROUGHPUT and len(together) > 1:
        found = _together(together, graphs, system, goals, memo)
    else:
        found, together = {}, []
    known: dict[Hashable, Placement] = {}
    for stream in streams:
        if stream.name not in found:
            key = stream.workload, tuple(stream.pins.items()), stream.schedule
            if key not in known:
                with _Named(stream):
                    known[key] = place(graphs[stream.workload], system, goals[stream.name], memo)
            found[stream.name] = known[key]
    free = [stream for stream in streams if stream not in together and stream.schedule is None]
    if isinstance(goal.scheduler, str) and not goal.scheduler.startswith(SINGLE):
        found |= _spread(free, found, system)
    return {stream.name: found[stream.name] for stream in streams}


def goal_of_stream(stream: Stream, goal: Goal) -> Goal:
    """The goal under a stream's own pins and schedule."""
    schedule_file = None if stream.schedule is None else Path(stream.schedule)
    return replace(goal, pins=stream.pins, schedule_file=schedule_file)


def _spread(streams: list[Stream], found: Mapping[str, Placement], system: System) -> dict[str, Placement]:
    """The streams' placements over pools of equal accelerators; those that come out alike stay one."""
    pools = pools_of(system)
    if not pools or len(streams) < 2:
        return {}
    own = [found[stream.name] for stream in streams]
    schedules = spread_over(pools, [each.problem for each in own], [each.schedule for each in own], _shares(streams))
    known: dict[Hashable, Placement] = {}
    for each, moved in zip(own, schedules, strict=True):
        key = id(each), tuple(moved.assignment.items())
        known.setdefault(key, each if moved is each.schedule else replace(each, schedule=moved))
    keys = ((id(each), tuple(moved.assignment.items())) for each, moved in zip(own, schedules, strict=True))
    return {stream.name: known[key] for stream, key in zip(streams, keys, strict=True)}


def _together(
    streams: list[Stream], graphs: Mapping[str, LayerGraph], system: System, goals: Mapping[str, Goal], memo: PriceMemo
) -> dict[str, Placement]:
    """The streams' loads balanced over the system: as many inferences of each as come in the same time."""
    priced = {}
    for stream in streams:
        with _Named(stream):
            priced[stream.name] = price_problem(graphs[stream.workload], system, goals[stream.name], memo)
    problems = [problem for _, problem in priced.values()]
    whole = joined(problems, _shares(streams))
    options = goals[streams[0].name].options
    found = parted(problems, whole, schedule(whole, THROUGHPUT, **options))
    return {
        stream.name: Placement(
            costs=priced[stream.name][0],
            problem=problem,
            families=families_under(graphs[stream.workload], goals[stream.name]),
            schedule=each,
            goal=goals[stream.name],
        )
        for stream, problem, each in zip(streams, problems, found, strict=True)
    }


def _shares(streams: list[Stream]) -> list[float]:
    """Inferences of each stream beside one of the most frequent; where one comes as it can, of each as many."""
    rates = []
    for stream in streams:
        match stream.arrivals:
            case Periodic(fps=rate) | Poisson(rate_per_s=rate):
                rates.append(rate)
            case _:
                return [1.0] * len(streams)
    return [rate / max(rates) for rate in rates]


class _Named:
    """Names the stream in an error about what its own pins or schedule ask."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        asked = self._stream.pins or self._stream.schedule
        if isinstance(error, MensaError) and asked:
            raise UsageError(f"stream {self._stream.name}: {error}") from error
