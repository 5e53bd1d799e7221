"""Streams of conversations: their prompts and steps placed, and whether all that is said at once fits the memories."""

from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import UsageError
from mensa_sim.flow import in_whole_layers
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.copies import crossings_over
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.scenario.conversation import Conversation, fixed
from mensa_sim.simulate.scenario.run import Carried, TalkPhases
from mensa_sim.simulate.scenario.scenario import Scenario
from mensa_sim.study.generation.held import PlacedPhase, kv_held, moved_to_steps, pins_in, refuse_too_much, weights_held
from mensa_sim.study.run.flows import scheduled, with_data_plan
from mensa_sim.study.run.placement import Goal, Placement, place
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph import LayerGraph

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
    phase cannot run, or where one conversation does not fit.
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

    asked = generation.generate
    goal = replace(goal, flow=in_whole_layers(goal.flow))  # as in an answer by itself
    alone = replace(goal, pins=pins_in("prompt", goal.pins))
    if conversation.contexts:
        alone, goal = replace(alone, schedule_file=None), replace(goal, pins=pins_in("steps", goal.pins))
    prompts = {
        tokens: placed(alone, replace(generation, generate=replace(asked, prompt_tokens=tokens)).prompt)
        for tokens in conversation.prompts
    }
    steps: dict[tuple[int, int], Placement] = {}
    for batch in conversation.batches if conversation.contexts else ():
        joined = replace(generation, generate=replace(asked, conversations=batch * asked.conversations))
        first = next(iter(steps.values()), None) or placed(goal, joined.step(conversation.contexts[0]))
        kept = replace(alone, scheduler="greedy", options={}, pins=first.schedule.assignment)
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
