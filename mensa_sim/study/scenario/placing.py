"""Placing the workloads of a scenario: each stream under its own pins or schedule, and all together for throughput.

Streams of conversations have prompts and steps to place, and all that is said at once must fit the memories.
"""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.flow import in_whole_layers
from mensa_sim.hardware.system import System
from mensa_sim.lookup import named_or_matched, unknown_name
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.registry import SINGLE, schedule
from mensa_sim.schedule.pools import pools_of
from mensa_sim.schedule.spread import spread_over
from mensa_sim.schedule.together import joined, parted
from mensa_sim.simulate.plan.copies import crossings_over
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.scenario.arrivals import Periodic, Poisson
from mensa_sim.simulate.scenario.conversation import Conversation, fixed
from mensa_sim.simulate.scenario.run import Carried, TalkPhases
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.study.generation.held import PlacedPhase, kv_held, moved_to_steps, pins_in, refuse_too_much, weights_held
from mensa_sim.study.run.flows import scheduled, with_data_plan
from mensa_sim.study.run.placement import Goal, Placement, families_under, place, price_problem
from mensa_sim.workload.generation.model import Generation
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
    goals = {stream.name: replace(goal_of_stream(stream, goal), steady=True) for stream in streams}
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
                with _named(stream):
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
        with _named(stream):
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


@contextmanager
def _named(stream: Stream) -> Iterator[None]:
    """Names the stream in an error about what its own pins or schedule ask."""
    try:
        yield
    except MensaError as error:
        if stream.pins or stream.schedule:
            raise UsageError(f"stream {stream.name}: {error}") from error
        raise


Generations = Mapping[str, Generation]
"""By workload, the models of those that generate."""


def with_conversations(scenario: Scenario, generations: Generations) -> Scenario:
    """The scenario with conversations in every stream of a workload that generates: else of the workload's own lengths.

    `UsageError` where a stream has conversations with a workload that does not generate.
    """
    streams = []
    for stream in scenario.streams:
        found = generations.get(stream.workload)
        if found is not None and found.draft is not None:
            raise UsageError(f"stream {stream.name}: {stream.workload} speculates; run it by itself")
        if found is None and stream.conversation is not None:
            raise UsageError(f"stream {stream.name}: conversation: {stream.workload} does not generate")
        if found is not None and stream.conversation is None:
            lengths = found.generate
            own = Conversation(prompt_tokens=fixed(lengths.prompt_tokens), new_tokens=fixed(lengths.new_tokens))
            stream = replace(stream, conversation=own)
        streams.append(stream)
    return replace(scenario, streams=tuple(streams))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversing:
    """A stream of conversations on a system: where its phases run, and what they need of the memories."""

    phases: TalkPhases
    placements: tuple[Placement, ...]
    """Of the first prompt and of the first step, where there is one."""
    weights_held_bytes: Mapping[str, int]
    kv_held_bytes: Mapping[str, int]
    """By memory, keys and values of the longest conversation."""

    def refuse_too_many(self, name: str, system: System, at_once: int) -> None:
        """Raises `InfeasibleError` where so many of the longest conversations do not fit beside the parameters."""
        kv_bytes = {memory: at_once * size for memory, size in self.kv_held_bytes.items()}
        refuse_too_much(f"{name}, {at_once} at once", system, self.weights_held_bytes, kv_bytes)


def conversing(
    conversation: Conversation, generation: Generation, system: System, goal: Goal, memo: PriceMemo, options: Options
) -> Conversing:
    """Place the phases of a stream: prompts and the first step each by itself, other steps where the first one runs.

    The goal has the stream's pins, and its schedule where it has one, which is for the step. `InfeasibleError` where a
    phase cannot run, or where one conversation does not fit; `UsageError` where all have more tokens than is allowed.
    """

    def placed(each: Goal, graph: LayerGraph) -> Placement:
        return with_data_plan(place(graph, system, each, memo), each.flow, options, each, memo)

    def as_longest(each: Goal, graph: LayerGraph, longest: Placement) -> Placement:
        """A shorter step of as many: its data lives where that of the longest does, where there is as much room."""
        data = longest.schedule.data
        if data is None or data.stacks:
            return placed(each, graph)
        found = place(graph, system, each, memo, bounded=False)
        homes = tuple(replace(home, size_bytes=graph[home.tensor].output_bytes) for home in data.homes)
        return replace(found, schedule=replace(found.schedule, data=replace(data, homes=homes)))

    def answering(**asked: Any) -> Generation:
        try:
            return replace(generation, generate=replace(generation.generate, **asked))
        except ValueError as error:
            raise UsageError(f"{generation.name}: {error}") from error

    goal = replace(goal, flow=in_whole_layers(goal.flow))  # as in an answer by itself
    alone = replace(goal, pins=pins_in("prompt", goal.pins))
    if conversation.contexts:
        alone = replace(alone, schedule_file=None)
        goal = replace(goal, pins=pins_in("steps", goal.pins), steady=True)
    prompts = {tokens: placed(alone, answering(prompt_tokens=tokens).prompt) for tokens in conversation.prompts}
    steps: dict[tuple[int, int], Placement] = {}
    for batch in conversation.batches if conversation.contexts else ():
        joined = answering(conversations=batch * generation.generate.conversations)
        first = next(iter(steps.values()), None) or placed(goal, joined.step(conversation.contexts[0]))
        kept = replace(goal, scheduler="greedy", options={}, schedule_file=None, pins=first.schedule.assignment)
        longest = placed(kept, joined.step(conversation.contexts[-1]))
        steps |= {(batch, each): as_longest(kept, joined.step(each), longest) for each in conversation.contexts[:-1]}
        steps[batch, conversation.contexts[-1]] = longest
        if batch == 1:
            steps[1, conversation.contexts[0]] = first
    prompt, step = next(iter(prompts.values())), next(iter(steps.values()), None)
    found = [_phase(each) for each in (prompt, step) if each is not None]
    kv_bytes = generation.generate.conversations * generation.model.kv_bytes(
        conversation.most_context, generation.widths
    )
    result = Conversing(
        phases=TalkPhases(
            prompts={tokens: scheduled(each) for tokens, each in prompts.items()},
            steps={step: scheduled(each) for step, each in steps.items()},
            carried={
                tokens: () if step is None else tuple(_carried(system, each, step)) for tokens, each in prompts.items()
            },
        ),
        placements=(prompt,) if step is None else (prompt, step),
        weights_held_bytes=weights_held(system, found),
        kv_held_bytes=kv_held(system, found[-1], kv_bytes),
    )
    result.refuse_too_many(generation.name, system, 1)
    return result


def _phase(placement: Placement) -> PlacedPhase:
    return PlacedPhase(graph=placement.costs.graph, assignment=placement.schedule.assignment)


def _carried(system: System, prompt: Placement, step: Placement) -> list[Carried]:
    return [
        Carried(layer=moved.layer, crossings=crossings_over(moved.route, moved.size_bytes))
        for moved in moved_to_steps(system, _phase(prompt), _phase(step))
    ]
