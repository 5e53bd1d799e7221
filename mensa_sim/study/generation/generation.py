"""An answer of a model that generates, on one system: its prompt and its steps placed, simulated and added up.

The prompt and the first step are placed each by itself; all other steps run where the first one does, since parameters
stay where they are. The first step finds nothing on chip, any later one what the step before it has left there, and for
later ones it is chosen what stays. The first and the last step are simulated, the second where it finds something, and
one between. Any other costs what its layers cost by the cost table, found exactly where that grows evenly, and what the
simulation added to it at the nearest ones, in proportion; where the one between is not what that says, more are
simulated.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

from mensa_sim.cost.layer_cost import COMPONENTS
from mensa_sim.cost.prices.memo import PriceMemo, shape_of
from mensa_sim.cost.prices.price import price, price_ahead
from mensa_sim.flow import IN_TILES, in_whole_layers
from mensa_sim.hardware.static_energy import STATIC, static_power
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.study.generation.answer import Answer, PhaseFigures, Stretch, energy_of, speculated
from mensa_sim.study.generation.held import PlacedPhase, kv_held, moved_to_steps, pins_in, refuse_too_much, weights_held
from mensa_sim.study.generation.stretches import StepSizes, linear_stretches, looked_at_first, sizes_between, sizes_of
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SystemResult, Took
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

SURPRISE = 3e-4
"""How far a simulated step may be from what is expected of it, as a share: else more are simulated."""

NEAREST = 32
"""Steps over this are how near simulated ones may lie: a choice, as `SHORTEST` is."""

_ENERGIES = 3
"""Where the energies begin in the profile of a step."""

Evaluate = Callable[..., SystemResult]
"""Places and simulates one graph on a system, as `run` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, and the first of its steps (the prompt, where there is none) as any other run has it."""

    answer: Answer | None
    """None for a workload that does not generate."""
    step: SystemResult
    prompt: SystemResult | None = None
    """Of an answer, the phase that gives its first token."""

    @property
    def whole(self) -> Took:
        """The answer, or the inference of a workload that does not generate."""
        return self.answer or self.step


WHOLE_STEPS = (
    "no layer of an answer runs in pieces, which would differ from step to step: --flow tiles is taken as stacks"
)


def answer_on(
    generation: Generation,
    system: System,
    goal: Goal,
    evaluate: Evaluate,
    memo: PriceMemo | None = None,
    *,
    seed: int = 0,
    on_chip: Options = FULL,
    explained: bool = True,
    interrupted: bool = False,
) -> Answered:
    """The answer of a model on a system; `memo` carries prices from step to step, and the first one is `explained`.

    Where it is `interrupted`, another model's steps come between its own, which then find nothing on chip.
    Raises `InfeasibleError` where a phase cannot run, or where parameters, keys and values do not fit a memory: the
    error says by how much.
    """
    memo = memo or PriceMemo()
    if goal.flow == IN_TILES:
        whole = replace(goal, flow=in_whole_layers(goal.flow))
        found = answer_on(generation, system, whole, evaluate, memo, seed=seed, on_chip=on_chip, explained=explained)
        return replace(found, step=replace(found.step, caveats=(WHOLE_STEPS, *found.step.caveats)))
    if generation.draft is not None:
        return _with_draft(generation, generation.draft, system, goal, evaluate, memo, seed=seed, on_chip=on_chip)
    settings = {"seed": seed, "on_chip": on_chip, "memo": memo, "explained": False}
    shown = {**settings, "explained": explained}
    contexts = generation.generate.steps
    alone = replace(goal, schedule_file=None, pins=pins_in("prompt", goal.pins))
    if not contexts:
        prompt = evaluate(generation.prompt, system, replace(goal, pins=alone.pins), **shown)
        return Answered(answer=_answer(generation, system, prompt, None, ()), step=prompt, prompt=prompt)
    prompt = evaluate(generation.prompt, system, alone, **settings)
    follow = len(contexts) > 1 and not interrupted
    goal = replace(goal, pins=pins_in("steps", goal.pins), steady=follow)
    first = evaluate(generation.step(contexts[0]), system, goal, beside_best=explained, **shown)
    kept = replace(goal, scheduler="greedy", options={}, schedule_file=None, pins=first.schedule.assignment)

    def simulated(context: int) -> SystemResult:
        return evaluate(generation.step(context), system, kept, later=follow, **settings)

    cold = follow and _finds_something(first)
    begin = contexts[1] if cold else contexts[0]
    ends = {begin: simulated(begin) if cold else first}
    if contexts[-1] not in ends:
        ends[contexts[-1]] = simulated(contexts[-1])
    between = _Between(generation, ends, goal, memo)
    between.anchor(simulated, begin, contexts[-1])
    own = _figures(contexts[0], first)
    stretches = (
        *([Stretch(first=own, last=own)] if cold else []),
        *(
            Stretch(first=between.figures(low), last=between.figures(high))
            for low, high in linear_stretches(between.shapes, begin, contexts[-1])
        ),
    )
    answer = _answer(generation, system, prompt, ends[contexts[-1]], stretches)
    return Answered(answer=answer, step=first, prompt=prompt)


def _finds_something(first: SystemResult) -> bool:
    """Whether a step takes anything else where the one before it has left something on chip."""
    steady = first.steady
    return steady.latency_ps != first.latency_ps or not math.isclose(steady.energy_pj, first.energy_pj, rel_tol=1e-12)


def _with_draft(
    generation: Generation,
    draft: Generation,
    system: System,
    goal: Goal,
    evaluate: Evaluate,
    memo: PriceMemo,
    *,
    seed: int,
    on_chip: Options,
) -> Answered:
    """The answer of a model whose tokens a draft proposes: pins and a schedule are the model's own.

    What one of them keeps on chip the other one's steps may need, so nothing stays, not even between a draft's steps.
    """
    asked = generation.generate
    answering = partial(
        answer_on, system=system, evaluate=evaluate, memo=memo, seed=seed, on_chip=on_chip, interrupted=True
    )
    found = answering(replace(generation, draft=None), goal=goal)
    if asked.speculation is None or found.answer is None or not found.answer.steps:
        return found
    free = replace(goal, schedule_file=None, pins={})
    proposing = replace(draft, generate=replace(asked, speculation=None))
    other = answering(proposing, goal=free)
    if other.answer is None:
        return found
    answer = speculated(found.answer, other.answer, asked.speculation)
    refuse_too_much(f"{generation.name} with {draft.name}", system, answer.weights_held_bytes, answer.kv_held_bytes)
    return replace(found, answer=answer)


def _answer(
    generation: Generation,
    system: System,
    prompt: SystemResult,
    last: SystemResult | None,
    decoding: tuple[Stretch, ...],
) -> Answer:
    phases = {"prompt": prompt, **({} if last is None else {"step": last})}
    placed = {name: PlacedPhase(graph=each.graph, assignment=each.schedule.assignment) for name, each in phases.items()}
    moved = list(moved_to_steps(system, placed["prompt"], placed["step"])) if last is not None else []
    moved_ps = sum(each.route.time_ps(each.size_bytes) for each in moved)
    links_pj = sum(each.route.energy_pj(each.size_bytes) for each in moved)
    answer = Answer(
        prompt_tokens=generation.generate.prompt_tokens,
        new_tokens=generation.generate.new_tokens,
        conversations=generation.generate.conversations,
        prompt=_figures(0, prompt),
        moved_bytes=sum(each.size_bytes for each in moved),
        moved_ps=moved_ps,
        moved_pj={"link": links_pj, **static_power(system).over(moved_ps).by_component_pj} if moved else {},
        decoding=decoding,
        weights_held_bytes=weights_held(system, tuple(placed.values())),
        kv_held_bytes=kv_held(system, placed.get("step", placed["prompt"]), generation.kv_bytes),
        placed={
            name: {each: result.layers for each, result in phase.accelerators.items()} for name, phase in phases.items()
        },
    )
    refuse_too_much(generation.name, system, answer.weights_held_bytes, answer.kv_held_bytes)
    return answer


def _figures(context: int, result: SystemResult) -> PhaseFigures:
    """A phase as it was simulated; its bytes by what they are.

    Keys and values are those that the graph says; of the rest, layers with parameters move those beside their
    activations, and never fewer than one pass over them.
    """
    weights = kv = moved = 0
    for layer in result.layers:
        spec = result.graph[layer.name]
        read = min(spec.state_bytes, layer.memory_bytes)
        moved += layer.memory_bytes
        kv += read
        if spec.parameters:
            beside = spec.input_bytes + spec.output_bytes
            weights += min(layer.memory_bytes, max(spec.read_parameter_bytes, layer.memory_bytes - beside))
    return PhaseFigures(
        context=context,
        latency_ps=result.latency_ps,
        energy_by_component_pj=result.energy_by_component_pj,
        weight_bytes=weights,
        kv_bytes=kv,
        activation_bytes=max(0, sum(result.traffic_bytes.values()) - weights - kv),
    )


class _Between:
    """Steps between two that were simulated, by the costs of the layers that the context changes."""

    def __init__(
        self, generation: Generation, results: Mapping[int, SystemResult], goal: Goal, memo: PriceMemo
    ) -> None:
        """`results` are those of the first and the last of the steps, by context."""
        self._generation, self._goal, self._memo = generation, goal, memo
        first, last = results[min(results)], results[max(results)]
        self._simulated = {context: _figures(context, each) for context, each in results.items()}
        ends = tuple(self._simulated.values())
        self._assignment: Mapping[str, str] = first.schedule.assignment
        self._changing = [each.name for each in first.graph.layers if shape_of(each) != shape_of(last.graph[each.name])]
        self._parts = {placed.name: first.hardware.with_one(placed.name) for placed in first.hardware.accelerators}
        known = (*COMPONENTS, *(name for end in ends for name in end.energy_by_component_pj))
        self._components = tuple(dict.fromkeys(known))
        self._known: dict[int, tuple[float, ...]] = {}
        self._sizes = {context: sizes_of(each.graph, self._changing) for context, each in results.items()}
        self._even: list[tuple[int, int]] = []
        """Between which contexts sizes grow evenly."""

    def anchor(self, simulate: Callable[[int], SystemResult], low: int, high: int) -> None:
        """Simulates steps between two simulated ones until each is what was expected of it, or its neighbours near."""
        contexts = self._generation.generate.steps
        if high - low <= max(1, (contexts[-1] - contexts[0]) // NEAREST):
            return
        middle = looked_at_first(low, high)
        expected, result = self.figures(middle), simulate(middle)
        self._simulated[middle] = found = _figures(middle, result)
        pairs = ((expected.latency_ps, found.latency_ps), (expected.energy_pj, found.energy_pj))
        if any(abs(one - other) > SURPRISE * other for one, other in pairs):
            self.anchor(simulate, low, middle)
            self.anchor(simulate, middle, high)

    def shapes(self, contexts: Sequence[int]) -> list[tuple[float, ...]]:
        """What is looked at to see where steps grow evenly: time, energy, keys and values."""
        sizes = [self._sizes_at(each) for each in contexts if each not in self._simulated and each not in self._known]
        for accelerator, part in self._parts.items():
            graphs = [self._graph(self._changing_on(accelerator, each)) for each in sizes]
            price_ahead([each for each in graphs if each.layers], part, self._goal.objective, self._memo)
        found = [self.figures(each) for each in contexts]
        return [(each.latency_ps, each.energy_pj, each.kv_bytes) for each in found]

    def _profile(self, context: int) -> tuple[float, ...]:
        """Latency, bytes of keys and values, other bytes, and energy by component of the layers that change."""
        if context not in self._known:
            self._known[context] = self._profiled(self._sizes_at(context))
        return self._known[context]

    def _sizes_at(self, context: int) -> StepSizes:
        """Those of the step at a context: on the line between two where a third step lies on it, else of its graph."""
        if context not in self._sizes:
            low, high = self._nearest(context)
            even = next((ends for ends in self._even if ends[0] <= low and high <= ends[1]), None)
            found = self._on_line(context, *(even or (low, high)))
            if even is None or found is None:
                built = sizes_of(self._generation.step(context), self._changing)
                self._even += [(low, high)] if found == built else []
                found = built
            self._sizes[context] = found
        return self._sizes[context]

    def _nearest(self, context: int) -> tuple[int, int]:
        """The simulated steps on either side."""
        return (
            max(known for known in self._simulated if known < context),
            min(known for known in self._simulated if known > context),
        )

    def _on_line(self, context: int, low: int, high: int) -> StepSizes | None:
        return sizes_between(self._sizes[low], self._sizes[high], Fraction(context - low, high - low))

    def _profiled(self, sizes: StepSizes) -> tuple[float, ...]:
        latency_ps, energies = 0, dict.fromkeys(self._components, 0.0)
        for accelerator, part in self._parts.items():
            here = self._changing_on(accelerator, sizes)
            if not here:
                continue
            costs = price(self._graph(here), part, self._goal.objective, self._memo, self._goal.timings)
            for layer, times in here:
                latency_ps += times * costs.latency_ps(layer.name, accelerator)
                for component, energy_pj in costs.cost(layer.name, accelerator).dynamic_pj.items():
                    energies[component] += times * energy_pj
        return (latency_ps, sizes.kv_bytes, sizes.other_bytes, *(energies[name] for name in self._components))

    def _changing_on(self, accelerator: str, sizes: StepSizes) -> list[tuple[Layer, int]]:
        """One layer of each shape that the context changes on an accelerator, and how many there are."""
        here = {
            name: shape_of(layer) for name, layer in sizes.changing.items() if self._assignment[name] == accelerator
        }
        times = Counter(here.values())
        return [(sizes.changing[name], times[shape]) for shape, name in {s: n for n, s in here.items()}.items()]

    def _graph(self, layers: Sequence[tuple[Layer, int]]) -> LayerGraph:
        return LayerGraph(name=self._generation.name, layers=tuple(layer for layer, _ in layers), edges=())

    def figures(self, context: int) -> PhaseFigures:
        """The step at a context: what its layers cost, and what the simulation made of that at the nearest ones."""
        if context in self._simulated:
            return self._simulated[context]
        ends = tuple(self._simulated[each] for each in self._nearest(context))
        share = (context - ends[0].context) / (ends[1].context - ends[0].context)
        profile, profiles = self._profile(context), [self._profile(end.context) for end in ends]

        def at(place: int, figure: Callable[[PhaseFigures], float]) -> float:
            added = [figure(end) - known[place] for end, known in zip(ends, profiles, strict=True)]
            return max(0.0, profile[place] + added[0] + share * (added[1] - added[0]))

        latency_ps = at(0, lambda end: end.latency_ps)
        energies = {}
        for place, name in enumerate(self._components, _ENERGIES):
            if name in STATIC:
                powers = [end.energy_by_component_pj.get(name, 0.0) / end.latency_ps for end in ends]
                energies[name] = latency_ps * (powers[0] + share * (powers[1] - powers[0]))
            else:
                energies[name] = at(place, partial(energy_of, name))
        return PhaseFigures(
            context=context,
            latency_ps=latency_ps,
            energy_by_component_pj=energies,
            weight_bytes=ends[0].weight_bytes + share * (ends[1].weight_bytes - ends[0].weight_bytes),
            kv_bytes=at(1, lambda end: end.kv_bytes),
            activation_bytes=at(2, lambda end: end.activation_bytes),
        )
