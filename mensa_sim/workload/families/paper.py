"""The paper's five layer families, by their published ranges (Boroumand et al., PACT 2021, arXiv 2109.14320).

How the table is read. Its MACs are those of one inference for a convolution and of *one step* for a gate: family 3
has MAC/B = 1, which holds for a gate only if the MACs of one step stand over the parameters (64 steps would make it
64). So every layer is judged by its MACs per step; a convolution has one step. "1" is a printed figure, so it stands
for [0.5, 1.5): biases make a gate's ratio 0.999. Even so family 3 is not a box that can be filled: at MAC/B = 1 its
footprints of 0.9 to 18 MB mean 0.9 to 18 M MACs, of which the table allows those up to 10 M. A gate above that lies
outside the ranges and nearest to family 3.

A gate of the paper is one input and one hidden matrix product; `Layer.gate` names the two halves, and their
parameters and MACs are added before they are judged. A layer without MACs or without parameters (elementwise work,
pooling, a product of two activations) has no MAC/B and belongs to no family.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, macs_per_parameter_byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a layer, or the joined halves of a gate, is judged by."""

    parameter_bytes: int
    macs: int
    """Multiply-accumulates of one step."""
    steps: int = 1

    @property
    def macs_per_parameter_byte(self) -> float:
        """Parameter reuse within one step."""
        return macs_per_parameter_byte(self.macs, self.parameter_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family: inclusive ranges of footprint, reuse and work."""

    number: int
    description: str
    parameter_bytes: tuple[float, float]
    macs_per_parameter_byte: tuple[float, float]
    macs: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("parameter_bytes", "macs_per_parameter_byte", "macs"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"family {self.number}: {name} {low} to {high} is no range of positive numbers")

    def distance(self, features: Features) -> float:
        """How far outside the ranges, in natural-log space (Euclidean); 0 inside."""
        return math.hypot(
            _log_distance(features.parameter_bytes, self.parameter_bytes),
            _log_distance(features.macs_per_parameter_byte, self.macs_per_parameter_byte),
            _log_distance(features.macs, self.macs),
        )


class AnyFamily(Protocol):
    """Whatever says how far a layer is from it: a family by ranges, or a cluster by its centre."""

    def distance(self, features: Features) -> float:
        """0 at best."""


def _log_distance(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return max(0.0, math.log(low / value), math.log(value / high))


_TABLE = (
    (1, "early standard convolution", (1e3, 100e3), (780, 20_000), (30e6, 200e6)),
    (2, "pointwise and middle convolution", (100e3, 500e3), (81, 400), (20e6, 100e6)),
    (3, "LSTM gates, fully connected", (0.9e6, 18e6), (0.5, 1.5), (0.1e6, 10e6)),
    (4, "late convolution", (0.5e6, 2.5e6), (25, 64), (5e6, 25e6)),
    (5, "depthwise convolution", (1e3, 100e3), (49, 600), (0.5e6, 5e6)),
)
"""Number, description, ranges of footprint in bytes, of MACs per parameter byte and of MACs."""

FAMILIES: Mapping[int, Family] = MappingProxyType(
    {
        number: Family(number=number, description=text, parameter_bytes=size, macs_per_parameter_byte=reuse, macs=macs)
        for number, text, size, reuse, macs in _TABLE
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The family of one layer, or of a gate's joined halves."""

    layers: tuple[str, ...]
    features: Features
    family: int
    distance: float
    """Distance to the family's ranges in log space; 0 inside."""

    @property
    def inside(self) -> bool:
        """Whether the layer lies in the family's ranges."""
        return self.distance == 0


def features_of(layers: Sequence[Layer]) -> Features:
    """Features of a layer, or of layers judged as one: parameters and MACs per step added, a shared tensor once."""
    sizes = {parameter.name: parameter.size_bytes for layer in layers for parameter in layer.parameters}
    return Features(
        parameter_bytes=sum(sizes.values()),
        macs=sum(layer.nest.macs if layer.nest else 0 for layer in layers),
        steps=max((layer.steps for layer in layers), default=1),
    )


def judged_together(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], ...]:
    """Layers with MACs and parameters, the halves of a gate side by side, in the order of first appearance."""
    joined: dict[tuple[str, str], tuple[Layer, ...]] = {}
    for layer in layers:
        if layer.macs and layer.parameter_bytes:
            key = ("layer", layer.name) if layer.gate is None else ("gate", layer.gate)
            joined[key] = (*joined.get(key, ()), layer)
    return tuple(joined.values())


def nearest_family(features: Features, families: Mapping[int, AnyFamily] = FAMILIES) -> tuple[int, float]:
    """Number of the family whose ranges are nearest in log space, and the distance; ties go to the lowest number.

    >>> nearest_family(Features(parameter_bytes=2_097_152, macs=2_097_152, steps=64))  # a gate of 1024 units
    (3, 0.0)
    """
    if features.macs < 1 or features.parameter_bytes < 1:
        raise ValueError("a layer without MACs or parameters belongs to no family")
    distance, number = min((family.distance(features), number) for number, family in families.items())
    return number, distance


def memberships(graph: LayerGraph, families: Mapping[int, AnyFamily] = FAMILIES) -> tuple[Membership, ...]:
    """The family of every layer of a graph that has one; a gate's halves are one entry."""
    found = []
    for layers in judged_together(graph.layers):
        features = features_of(layers)
        family, distance = nearest_family(features, families)
        names = tuple(layer.name for layer in layers)
        found.append(Membership(layers=names, features=features, family=family, distance=distance))
    return tuple(found)


def families_of(graph: LayerGraph, families: Mapping[int, AnyFamily] = FAMILIES) -> dict[str, int]:
    """Layer name to family number; a layer without MACs or parameters is absent."""

    def found() -> dict[str, int]:
        return {name: member.family for member in memberships(graph, families) for name in member.layers}

    return graph.made_once("families", found) if families is FAMILIES else found()


def share_inside(members: Sequence[Membership]) -> float | None:
    """Share of the judged layers that lie in their family's ranges (paper: 97 %); none where none is judged."""
    return sum(member.inside for member in members) / len(members) if members else None
