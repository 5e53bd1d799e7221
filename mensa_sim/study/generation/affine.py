"""Layers of a decoding step between those of two others, where sizes grow evenly with the context."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from typing import Any

from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSizes:
    """What a step's costs depend on."""

    changing: Mapping[str, Layer]
    """The layers that the context changes, by name."""
    kv_bytes: int
    """Keys and values that all layers read."""
    other_bytes: int
    """All layers' other inputs and outputs."""


def sizes_of(graph: LayerGraph, changing: Sequence[str]) -> StepSizes:
    """Those of a step whose graph is there."""
    kv_bytes = sum(layer.state_bytes for layer in graph.layers)
    other_bytes = sum(layer.input_bytes + layer.output_bytes for layer in graph.layers) - kv_bytes
    return StepSizes(changing={name: graph[name] for name in changing}, kv_bytes=kv_bytes, other_bytes=other_bytes)


def sizes_between(one: StepSizes, other: StepSizes, share: Fraction) -> StepSizes | None:
    """Those of a step so far between two: every whole number on the line between its ends; none where that is none."""
    found = _between(one, other, share)
    return found if isinstance(found, StepSizes) else None


def _between(one: Any, other: Any, share: Fraction) -> Any:
    """What lies so far between two; none where there is nothing."""
    if one == other:
        return one
    if type(one) is not type(other):
        return None
    if isinstance(one, int):
        found = one + (other - one) * share
        return int(found) if found.denominator == 1 else None
    if isinstance(one, Mapping) and one.keys() == other.keys():
        parts = {name: _between(each, other[name], share) for name, each in one.items()}
        return None if any(part is None for part in parts.values()) else parts
    if not is_dataclass(one) or isinstance(one, type):
        return None
    own = {each.name: (getattr(one, each.name), getattr(other, each.name)) for each in fields(one)}
    changed = {name: _between(*ends, share) for name, ends in own.items() if ends[0] != ends[1]}
    return None if any(part is None for part in changed.values()) else replace(one, **changed)
