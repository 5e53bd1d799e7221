"""An answer on one system: the prompt, the decoding steps at the contexts that were priced, and what they add up to.

Of speculative decoding, the answers of the model that reads proposals and of the one that makes them as one answer.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mensa_sim.records import dataclass
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.generation.model import Speculation


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFigures:
    """What a phase costs: a prompt, or the decoding step at one context."""

    context: int
    """Tokens in the cache before it."""
    latency_ps: float
    energy_by_component_pj: Mapping[str, float]
    weight_bytes: float
    """Parameters that cross the memories."""
    kv_bytes: float
    """Keys and values that are read."""
    activation_bytes: float
    """All else: what is read and written of activations, the rows that are appended, copies between memories."""

    def __post_init__(self) -> None:
        if self.latency_ps <= 0 or min(self.weight_bytes, self.kv_bytes, self.activation_bytes) < 0:
            raise ValueError(f"context {self.context}: no time, or negative bytes")

    @property
    def energy_pj(self) -> float:
        """Energy of all components."""
        return math.fsum(self.energy_by_component_pj.values())


def energy_of(component: str, figures: PhaseFigures) -> float:
    """Energy of one component of a phase."""
    return figures.energy_by_component_pj.get(component, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Consecutive decoding steps whose costs grow by the same amount from one to the next."""

    first: PhaseFigures
    last: PhaseFigures

    def __post_init__(self) -> None:
        if self.last.context < self.first.context:
            raise ValueError(f"a stretch from context {self.first.context} to {self.last.context}")

    @property
    def steps(self) -> int:
        """How many steps."""
        return self.last.context - self.first.context + 1

    def total(self, figure: Callable[[PhaseFigures], float]) -> float:
        """The sum of a figure over the steps: that of an arithmetic series."""
        return self.steps * (figure(self.first) + figure(self.last)) / 2

    def at(self, context: int, figure: Callable[[PhaseFigures], float]) -> float:
        """A figure of the step at a context."""
        if self.steps == 1:
            return figure(self.first)
        share = (context - self.first.context) / (self.steps - 1)
        return figure(self.first) + share * (figure(self.last) - figure(self.first))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What all conversations' answers cost on a system; a token is one of each conversation."""

    prompt_tokens: int
    new_tokens: int
    conversations: int
    prompt: PhaseFigures
    moved_bytes: int
    """Keys and values of the prompt that go to the memory where the steps read them."""
    moved_ps: int
    moved_pj: Mapping[str, float]
    """What that costs by component: the links' work, and what the whole system draws meanwhile."""
    decoding: tuple[Stretch, ...]
    """All steps in order; none where the prompt gives the only token."""
    weights_held_bytes: Mapping[str, int]
    """Parameters by the memory that holds them."""
    kv_held_bytes: Mapping[str, int]
    """Keys and values of the complete answer, likewise."""
    placed: Mapping[str, Mapping[str, int]]
    """By phase, how many layers each accelerator runs."""
    speculation: Speculation | None = None
    """Where a draft proposes tokens: then a step is a token's share of a round."""

    @property
    def ttft_ps(self) -> int:
        """Time to the first token: the prompt, and its keys and values carried to where they are read."""
        return round(self.prompt.latency_ps) + self.moved_ps

    @property
    def steps(self) -> int:
        """Decoding steps: every token but the first."""
        return sum(stretch.steps for stretch in self.decoding)

    def over_steps(self, figure: Callable[[PhaseFigures], float]) -> float:
        """The sum of a figure over all decoding steps."""
        return math.fsum(stretch.total(figure) for stretch in self.decoding)

    def per_step(self, figure: Callable[[PhaseFigures], float]) -> float | None:
        """The mean of a figure over the decoding steps; none where there is none."""
        return self.over_steps(figure) / self.steps if self.steps else None

    @property
    def latency_ps(self) -> int:
        """Time of the whole answer."""
        return self.ttft_ps + round(self.over_steps(lambda step: step.latency_ps))

    @property
    def energy_pj(self) -> float:
        """Energy of the whole answer, prompt included."""
        moved_pj = math.fsum(self.moved_pj.values())
        return self.prompt.energy_pj + moved_pj + self.over_steps(lambda step: step.energy_pj)

    @property
    def energy_by_component_pj(self) -> dict[str, float]:
        """The same by component; the work of carrying keys and values to another memory counts as the link's."""
        once = (self.prompt.energy_by_component_pj, self.moved_pj)
        return {
            name: sum(each.get(name, 0.0) for each in once) + self._over_steps_pj(name)
            for name in dict.fromkeys((*self._components, *(name for name, pj in self.moved_pj.items() if pj)))
        }

    @property
    def _components(self) -> tuple[str, ...]:
        phases = (self.prompt, *(end for stretch in self.decoding for end in (stretch.first, stretch.last)))
        return tuple(
            {name: None for phase in phases for name, energy in phase.energy_by_component_pj.items() if energy}
        )

    def _over_steps_pj(self, component: str) -> float:
        return self.over_steps(partial(energy_of, component))

    @property
    def time_per_token_ps(self) -> float | None:
        """Mean time of a decoding step."""
        return self.per_step(lambda step: step.latency_ps)

    @property
    def growth_ps(self) -> float | None:
        """What each token of context adds to the time of a step, over all but the first, which finds nothing on chip;
        none with fewer than three steps."""
        if self.steps < 3:
            return None
        begin, last = self.decoding[0].first.context + 1, self.decoding[-1].last
        second = next(stretch for stretch in self.decoding if stretch.last.context >= begin)
        begin_ps = second.at(begin, lambda step: step.latency_ps)
        return (last.latency_ps - begin_ps) / (last.context - begin)

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens of all conversations in a second of decoding."""
        time_ps = self.time_per_token_ps
        return None if time_ps is None else self.conversations * PS_PER_S / time_ps

    @property
    def prefill_tokens_per_s(self) -> float:
        """Tokens of all prompts in a second until the first token."""
        return self.conversations * self.prompt_tokens * PS_PER_S / self.ttft_ps

    @property
    def energy_per_token_pj(self) -> float | None:
        """Mean energy of a token while decoding."""
        energy_pj = self.per_step(lambda step: step.energy_pj)
        return None if energy_pj is None else energy_pj / self.conversations

    @property
    def energy_per_token_by_component_pj(self) -> dict[str, float]:
        """The same by component."""
        tokens = self.conversations * self.steps
        return {name: self._over_steps_pj(name) / tokens for name in self._components} if tokens else {}

    @property
    def kv_bytes(self) -> int:
        """Keys and values of all conversations when the answers are complete."""
        return sum(self.kv_held_bytes.values())


Number = TypeVar("Number", int, float)


def speculated(model: Answer, draft: Answer, speculation: Speculation) -> Answer:
    """The answer of both: each token costs its share of a round.

    A round is a step of the draft for every token that it proposes, then one of the model over all of them, and gives
    `tokens_a_round` tokens in the mean. It may begin at any context, so each token is taken to cost what a round that
    begins there costs for each token that it gives. Both read the prompt.
    """
    proposed, share = speculation.tokens, 1 / speculation.tokens_a_round
    return replace(
        model,
        prompt=_sum(model.prompt, draft.prompt),
        moved_bytes=model.moved_bytes + draft.moved_bytes,
        moved_ps=model.moved_ps + draft.moved_ps,
        moved_pj=_added(model.moved_pj, draft.moved_pj),
        decoding=tuple(
            Stretch(
                first=_sum(_at(verified, low), _at(proposing, low), times=proposed, share=share),
                last=_sum(_at(verified, high), _at(proposing, high), times=proposed, share=share),
            )
            for verified, proposing, low, high in _overlaps(model, draft)
        ),
        weights_held_bytes=_added(model.weights_held_bytes, draft.weights_held_bytes),
        kv_held_bytes=_added(model.kv_held_bytes, draft.kv_held_bytes),
        speculation=speculation,
        placed={**model.placed, **{f"draft {phase}": layers for phase, layers in draft.placed.items()}},
    )


def _overlaps(one: Answer, other: Answer) -> Iterator[tuple[Stretch, Stretch, int, int]]:
    """The contexts of both answers, cut where either has another stretch."""
    for mine in one.decoding:
        for theirs in other.decoding:
            low, high = max(mine.first.context, theirs.first.context), min(mine.last.context, theirs.last.context)
            if low <= high:
                yield mine, theirs, low, high


def _at(stretch: Stretch, context: int) -> PhaseFigures:
    """The figures of the step at a context."""
    names = {**stretch.first.energy_by_component_pj, **stretch.last.energy_by_component_pj}
    return PhaseFigures(
        context=context,
        latency_ps=stretch.at(context, lambda step: step.latency_ps),
        energy_by_component_pj={name: stretch.at(context, partial(energy_of, name)) for name in names},
        weight_bytes=stretch.at(context, lambda step: step.weight_bytes),
        kv_bytes=stretch.at(context, lambda step: step.kv_bytes),
        activation_bytes=stretch.at(context, lambda step: step.activation_bytes),
    )


def _sum(model: PhaseFigures, draft: PhaseFigures, *, times: int = 1, share: float = 1.0) -> PhaseFigures:
    """A share of the model's figures and so many times the draft's."""
    names = {**model.energy_by_component_pj, **draft.energy_by_component_pj}
    energies = ((name, (each.energy_by_component_pj.get(name, 0.0) for each in (model, draft))) for name in names)

    def both(one: float, other: float) -> float:
        return share * (one + times * other)

    return PhaseFigures(
        context=model.context,
        latency_ps=both(model.latency_ps, draft.latency_ps),
        energy_by_component_pj={name: both(*pair) for name, pair in energies},
        weight_bytes=both(model.weight_bytes, draft.weight_bytes),
        kv_bytes=both(model.kv_bytes, draft.kv_bytes),
        activation_bytes=both(model.activation_bytes, draft.activation_bytes),
    )


def _added(one: Mapping[str, Number], other: Mapping[str, Number]) -> dict[str, Number]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
