"""Which parameters stay in an accelerator's parameter buffer between inferences."""

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from mensa_sim.cost.parameter_cache import kept_in_tiles
from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.best_value import MAX_NODES, Item, most_valuable
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, PlannedUnit

UnitKey = tuple[str, int]
"""Plan and index of a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The units of one accelerator whose parameters stay once they have been fetched."""

    units: frozenset[UnitKey]
    size_bytes: int
    room_bytes: int | None
    """Left beside them for tiles and prefetched parameters; none where what streams passes by the buffer."""
    alike: Mapping[UnitKey, Sequence[UnitKey]]
    """Of each of them, those with the very same parameters, itself included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A parameter buffer and the units that run beside it, in order."""

    own: Mapping[UnitKey, PlannedUnit]
    able: Mapping[UnitKey, PlannedUnit]
    """Those of them that save something by staying."""
    capacity_bytes: int
    models: Mapping[str, str]
    """By plan, whose parameters they are."""
    _largest_first: Sequence[tuple[UnitKey, PlannedUnit]] = field(init=False, repr=False, compare=False)
    """By what they need to stream."""

    def __post_init__(self) -> None:
        order = sorted(self.own.items(), key=lambda entry: -entry[1].variants.streamed.parameter_bytes)
        object.__setattr__(self, "_largest_first", order)

    def tensors(self, kept: Iterable[UnitKey]) -> dict[tuple[str, str], int]:
        """Bytes by model and tensor; one that several units use takes its room once."""
        return {place: size for key in kept for place, size in self.of(key).items()}

    def of(self, key: UnitKey) -> dict[tuple[str, str], int]:
        """The same of one unit."""
        model = self.models[key[0]]
        return {(model, tensor.name): tensor.size_bytes for tensor in self.own[key].parameters}

    def fits(self, kept: Sequence[UnitKey]) -> bool:
        """Whether these may stay: beside them the largest tile that is streamed must still fit."""
        tensors = self.tensors(kept)
        first = self._first_streamed(0, set(kept), tensors)
        return sum(tensors.values()) + self._tile_bytes(first) <= self.capacity_bytes

    def fill(self, order: Iterable[UnitKey]) -> list[UnitKey]:
        """Each takes room if it fits beside those before it."""
        kept: dict[UnitKey, None] = {}
        tensors: dict[tuple[str, str], int] = {}
        size_bytes, first = 0, 0
        for key in order:
            more = {name: size for name, size in self.tensors([key]).items() if name not in tensors}
            tensors |= more
            kept[key] = None
            after = self._first_streamed(first, kept, tensors)
            if size_bytes + sum(more.values()) + self._tile_bytes(after) <= self.capacity_bytes:
                size_bytes += sum(more.values())
                first = after  # who needs the most to stream needs ever less while more stay
            else:
                del kept[key]
                for name in more:
                    del tensors[name]
        return list(kept)

    def _first_streamed(self, first: int, kept: Container[UnitKey], tensors: Container[tuple[str, str]]) -> int:
        """From a place on among the largest, that of the first one that streams beside what stays."""
        for place in range(first, len(self._largest_first)):
            key, _ = self._largest_first[place]
            lies_there = key in self.able and all(tensor in tensors for tensor in self.of(key))
            if key not in kept and not lies_there:
                return place
        return len(self._largest_first)

    def _tile_bytes(self, place: int) -> int:
        """What the one at that place needs to stream; nothing beyond the last."""
        entry = self._largest_first[place : place + 1]
        return entry[0][1].variants.streamed.parameter_bytes if entry else 0


def most_saving(offer: Offer, max_nodes: int = MAX_NODES) -> list[UnitKey]:
    """Start from the greedy choice, by the memory reads that a byte of the buffer saves, and look for better ones."""
    able = offer.able
    greedy = offer.fill(sorted(able, key=lambda key: -able[key].variants.saved_bytes / able[key].parameter_bytes))
    if len(greedy) == len(able):
        return greedy
    keys = list(able)
    items = [
        Item(
            value=unit.variants.saved_bytes,
            tensors={"/".join(tensor): size for tensor, size in offer.of(key).items()},
            tile_bytes=unit.variants.streamed.parameter_bytes,
        )
        for key, unit in able.items()
    ]
    others = (unit.variants.streamed.parameter_bytes for key, unit in offer.own.items() if key not in able)
    place_of = {key: place for place, key in enumerate(keys)}
    start = [place_of[key] for key in greedy]
    return [
        keys[place] for place in most_valuable(items, offer.capacity_bytes, max(others, default=0), start, max_nodes)
    ]


POLICIES: Mapping[str, Callable[[Offer], list[UnitKey]]] = {
    "none": lambda offer: [],
    "first-fit": lambda offer: offer.fill(offer.able),
    "best-value": most_saving,
}
"""Which units keep their parameters. `first-fit` is what the Edge TPU compiler does (Coral, "Edge TPU Compiler":
parameter data caching goes in the order of the model's layers and of the models); `best-value` saves the most memory
reads that any choice could, unless that takes more than `best_value.MAX_NODES` steps to prove."""


def offer_of(plans: Sequence[Plan], placed: PlacedAccelerator) -> Offer:
    """An accelerator's parameter buffer, and the units of all plans that run on it."""
    units = {(plan.name, unit.index): unit for plan in plans for unit in plan.units if unit.accelerator == placed.name}
    return Offer(
        own=units,
        able={key: unit for key, unit in units.items() if unit.parameter_bytes and unit.variants.saved_bytes > 0},
        capacity_bytes=placed.spec.buffer_bytes.get("parameter", 0),
        models={plan.name: plan.model for plan in plans},
    )


def pin(plans: Sequence[Plan], system: System, accelerator: str, policy: str) -> Pinned:
    """Fill an accelerator's parameter buffer; beside what stays, the largest tile that is streamed still fits.

    Behind a host the tiles are filled as `kept_in_tiles` says, whatever the policy but none: what streams passes by.
    """
    placed, behind_host = system.accelerator(accelerator), system.feeder_of(accelerator) is not None
    offer = offer_of(plans, placed)
    choose = lookup(POLICIES, policy, "policy of resident parameters")
    planned = plans[0].data.parameters_on(accelerator) if len(plans) == 1 and policy == "best-value" else None
    if behind_host and policy != "none":
        kept = _in_tiles(plans, offer, placed)
    elif planned is not None:
        kept = [key for key, unit in offer.able.items() if unit.layers[0] in planned.layers]
        if not offer.fits(kept):
            raise UsageError(f"{accelerator}: the parameters that the schedule keeps do not fit beside what streams")
    else:
        kept = choose(offer)
    size_bytes = sum(offer.tensors(kept).values())
    room_bytes = None if behind_host else offer.capacity_bytes - size_bytes
    alike: dict[Hashable, list[UnitKey]] = {}
    for key in kept:
        alike.setdefault(tuple(offer.of(key)), []).append(key)
    return Pinned(
        units=frozenset(kept),
        size_bytes=size_bytes,
        room_bytes=room_bytes,
        alike={key: same for same in alike.values() for key in same},
    )


def pins_of(plans: Sequence[Plan], system: System, options: Options) -> dict[str, Pinned]:
    """What stays on each accelerator of a system.

    Who reads parameters for others keeps its own only where those keep theirs: else nobody would read them.
    """
    found = {placed.name: pin(plans, system, placed.name, options.parameters) for placed in system.accelerators}
    for plan in plans:
        for reader, others in plan.multicasts:
            hear = all((plan.name, unit) in found[plan.units[unit].accelerator].units for unit in others)
            own = found[plan.units[reader].accelerator]
            if system.gated or not hear:
                found[plan.units[reader].accelerator] = replace(own, units=own.units - {(plan.name, reader)})
    return found


def _in_tiles(plans: Sequence[Plan], offer: Offer, placed: PlacedAccelerator) -> list[UnitKey]:
    graphs = {plan.name: plan.graph for plan in plans}
    place = {(key[0], unit.layers[0]): key for key, unit in offer.able.items()}
    layers = {(name, layer): graphs[name][layer] for name, layer in place}
    worked_on = [graphs[name][layer] for (name, _), unit in offer.own.items() for layer in unit.layers]
    return [place[key] for key in kept_in_tiles(layers, placed.array, worked_on)] if layers else []
