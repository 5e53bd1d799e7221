"""Where the costs of decoding steps grow evenly: stretches of contexts, found by looking at few of them.

What a step costs is a sum of terms that are linear in the context, rounded up where an array's axes are not filled: so
it is linear but for jumps, mostly at multiples of a power of two. A stretch is taken for linear where its second step,
its second last and some inside lie on the line between its ends; else it is cut, at the multiple of the largest power
of two if there is one.
"""

from collections.abc import Callable, Mapping, Sequence
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


OFF_THE_LINE = 1e-4
"""How far a figure may lie off the line, as a share of it: an answer's sum is then as near."""

LOOKED_AT = (0.382, 0.618)
"""Where in a stretch it is looked at: no simple fraction, so that a staircase is not met at its own period."""
NEARER = 4
"""By so much each look is nearer to an end than the one before: a choice."""

SHORTEST = 128
"""Steps over this are the length to which a stretch is cut: many that bend at every step of an answer are not told
apart, as what one is off the line is as likely to be above as below. A choice."""

Profile = Callable[[Sequence[int]], Sequence[Sequence[float]]]
"""Figures of steps at several contexts, which are asked for together."""


def looked_at_first(low: int, high: int) -> int:
    """The context between two whose step is the first to be looked at: it is simulated, and timed on devices."""
    return low + max(1, round(LOOKED_AT[0] * (high - low)))


def linear_stretches(profile: Profile, first: int, last: int) -> list[tuple[int, int]]:
    """Contexts from `first` to `last` as stretches on which every figure of the profile is linear.

    >>> linear_stretches(lambda contexts: [[1000.0 + 10 * (each // 64)] for each in contexts], 100, 200)
    [(100, 127), (128, 191), (192, 200)]
    """
    known: dict[int, Sequence[float]] = {}

    def figures(contexts: Sequence[int]) -> Sequence[Sequence[float]]:
        new = [each for each in contexts if each not in known]
        known.update(zip(new, profile(new), strict=True))
        return [known[each] for each in contexts]

    found: list[tuple[int, int]] = []
    waiting, short = [(first, last)], max(1, (last - first) // SHORTEST)
    while waiting:
        low, high = waiting.pop()
        if high - low <= short or _linear(figures, low, high):
            found.append((low, high))
        else:
            cut = _round_number(low + 1, high)
            waiting += [(cut, high), (low, cut - 1)]
    return found


def _linear(figures: Profile, low: int, high: int) -> bool:
    return all(_on_line(figures, low, high, looks) for looks in _looked_at(high - low))


def _on_line(figures: Profile, low: int, high: int, looks: Sequence[int]) -> bool:
    start, end, *found = figures([low, high, *(low + at for at in looks)])
    for at, figure in zip(looks, found, strict=True):
        for here, one, other in zip(figure, start, end, strict=True):
            if abs(here - (one + (other - one) * at / (high - low))) > OFF_THE_LINE * max(abs(one), abs(other)):
                return False
    return True


def _looked_at(length: int) -> tuple[list[int], list[int]]:
    """How far behind a stretch's first step it is looked at: inside, and then ever nearer to either end.

    Another slope beside an end lies off the line within a few steps, while a cycle that is rounded up in some steps,
    and not in others, lies as near everywhere.

    >>> _looked_at(100)
    ([38, 62], [1, 99, 4, 96, 16, 84])
    """
    beside: list[int] = []
    near = 1
    while 2 * near <= length:
        beside += [near, length - near]
        near *= NEARER
    return [round(share * length) for share in LOOKED_AT], list(dict.fromkeys(beside))


def _round_number(low: int, high: int) -> int:
    """The number between two that most powers of two divide, both included.

    >>> _round_number(513, 639), _round_number(577, 639), _round_number(5, 5)
    (576, 608, 5)
    """
    step = 1
    while -(-low // (2 * step)) * 2 * step <= high:
        step *= 2
    return -(-low // step) * step
