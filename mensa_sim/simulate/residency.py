"""Which parameters stay in an accelerator's parameter buffer between inferences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.registry import lookup
from mensa_sim.simulate.plan import Plan, Unit

UnitKey = tuple[str, int]
"""Plan and index of a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The units of one accelerator whose parameters stay once they have been fetched."""

    units: frozenset[UnitKey]
    size_bytes: int


Candidate = tuple[UnitKey, Unit]
Order = Callable[[Sequence[Candidate]], list[Candidate]]


def _nobody(candidates: Sequence[Candidate]) -> list[Candidate]:
    return []


def _in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    return list(candidates)


def _by_value(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The memory reads that a byte of the buffer saves, best first; equal ones in order."""
    return sorted(candidates, key=lambda each: -each[1].variants.saved_bytes / each[1].parameter_bytes)


POLICIES: Mapping[str, Order] = {"none": _nobody, "first-fit": _in_order, "best-value": _by_value}
"""The order in which units are offered the buffer; each takes it if it fits. `first-fit` is what the Edge TPU compiler
does (Coral, "Edge TPU Compiler": parameter data caching goes in the order of the model's layers and of the models)."""


def pin(plans: Iterable[Plan], accelerator: str, capacity_bytes: int, policy: str) -> Pinned:
    """Fill a parameter buffer; beside what stays, the largest tile that is streamed must still fit.

    A tensor that several units use takes its room once.
    """
    own = [((plan.name, unit.index), unit) for plan in plans for unit in plan.units if unit.accelerator == accelerator]
    worth = [each for each in own if each[1].parameter_bytes and each[1].variants.saved_bytes > 0]
    able = {key for key, _ in worth}
    pinned: dict[UnitKey, None] = {}
    tensors: dict[tuple[str, str], int] = {}
    for key, unit in lookup(POLICIES, policy, "policy of resident parameters")(worth):
        wanted = tensors | {(key[0], tensor.name): tensor.size_bytes for tensor in unit.parameters}
        streamed = (
            other.variants.streamed.parameter_bytes
            for name, other in own
            if name != key and name not in pinned and not (name in able and _lies_in(wanted, name, other))
        )
        if sum(wanted.values()) + max(streamed, default=0) <= capacity_bytes:
            pinned[key] = None
            tensors = wanted
    return Pinned(units=frozenset(pinned), size_bytes=sum(tensors.values()))


def _lies_in(tensors: Mapping[tuple[str, str], int], key: UnitKey, unit: Unit) -> bool:
    return all((key[0], tensor.name) in tensors for tensor in unit.parameters)
