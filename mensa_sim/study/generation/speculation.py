"""Speculative decoding: the answers of a model that reads proposals and of the one that makes them, as one answer."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mensa_sim.study.generation.answer import Answer, PhaseFigures, Stretch, energy_of
from mensa_sim.workload.generation.model import Speculation

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
