"""A user's own mapping of a layer, made of what the file says and checked against the array that it is for."""

from collections.abc import Mapping

from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.counts.room import taken_bits
from mensa_sim.cost.counts.ways import MAC_ACCUMULATOR, Way
from mensa_sim.cost.mapping.candidates import GroupOrder, group
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer
from mensa_sim.workload.own_mapping import OwnMapping


def own_mapping(layer: Layer, accelerator: PeArray) -> OwnMapping | None:
    """What is fixed of a layer's mapping on an accelerator: by the workload's file, else by the accelerator's."""
    named = (own for own in layer.mappings if own.accelerator == accelerator.name)
    return next(named, None) or next((own for own in accelerator.mappings if own.is_for(layer.name)), None)


def check_lanes(own: OwnMapping, unrolling: Unrolling) -> None:
    """Refuses lanes that the axes of the array cannot be filled with."""
    for dim, wanted in own.unroll.items():
        if dim not in unrolling.sizes:
            raise own.fault(f"unroll.{dim}", f"is no loop of this array; those are {', '.join(unrolling.sizes)}")
        lanes, most = unrolling.lanes[dim], min(wanted, unrolling.sizes[dim])
        if lanes != most:
            raise own.fault(f"unroll.{dim}", f"the axes that unroll it take {lanes} lanes, not {most}")


def tile_within(own: OwnMapping, unrolling: Unrolling) -> dict[str, int]:
    """The extents of the outermost tiles that are fixed, each the whole dim or as many as some passes of the array."""
    found: dict[str, int] = {}
    for dim, extent in own.tile.items():
        if dim not in unrolling.sizes:
            raise own.fault(f"tile.{dim}", f"is no loop of this array; those are {', '.join(unrolling.sizes)}")
        found[dim] = min(extent, unrolling.sizes[dim])
        if found[dim] < unrolling.sizes[dim] and found[dim] % unrolling.lanes[dim]:
            raise own.fault(f"tile.{dim}", f"is {extent}, no multiple of the {unrolling.lanes[dim]} lanes of one pass")
    return found


def follows(groups: GroupOrder, order: tuple[str, ...]) -> bool:
    """Whether an order of groups, innermost first, is one that dims in an order leave open.

    >>> follows(("R", "S", "K"), ("C", "OX", "K")), follows(("R", "S", "K"), ("K", "C"))
    (True, False)
    """
    places = [groups.index(group(dim)) for dim in order if group(dim) in groups]
    return places == sorted(places)


def check_order(own: OwnMapping) -> None:
    """Refuses an order in which dims that go together stand apart, and groups, which are outermost in any case."""
    names = [group(dim) for dim in own.order]
    runs = [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
    if len(set(runs)) < len(runs):
        raise own.fault("order", "parts dims that go together: C, FY and FX; B, OY and OX")
    if "G" in names:
        raise own.fault("order", "G is outermost in any case: leave it out")


def fixed_mapping(own: OwnMapping, unrolling: Unrolling, ways: Mapping[Operand, Way]) -> NestMapping:
    """The mapping whose loops and levels are all given."""
    unknown = [dim for dim, _ in own.loops if dim not in unrolling.sizes]
    if unknown:
        raise own.fault("loops", f"{unknown[0]} is no loop of this array; those are {', '.join(unrolling.sizes)}")
    holds = {
        operand: tuple(_held(own, stop.level.name, operand) for stop in way.stops) for operand, way in ways.items()
    }
    inner, outer = (min(held[place] for held in holds.values() if held) for place in (0, -1))
    try:
        return NestMapping(
            unrolling=unrolling,
            loops=tuple(Loop(dim, trips) for dim, trips in own.loops),
            cuts=(min(inner, outer), outer),
            holds=holds,
        )
    except ValueError as error:
        name = "holds" if "holds" in str(error) or "held" in str(error) else "loops"
        raise own.fault(name, str(error).removeprefix("mapping: ")) from error


def _held(own: OwnMapping, level: str, operand: Operand) -> int:
    """Loops that a level holds of an operand; the accumulator that every MAC has holds none."""
    if level == MAC_ACCUMULATOR:
        return 0
    given = own.holds.get(level)
    found = given.get(operand) if isinstance(given, Mapping) else given
    if found is None:
        raise own.fault(f"holds.{level}", f"is required: how many of the innermost loops it holds of the {operand}")
    return found


def refuse_overfull(own: OwnMapping, accelerator: PeArray, counts: NestCounts) -> None:
    """Refuses tiles that a level has no room for; under double buffering it holds two of each."""
    for level in accelerator.levels:
        bits = sum(
            taken_bits(each.held_bits, each.whole, accelerator.copies(level))
            for count in counts.operands.values()
            for each in count.levels
            if each.level.name == level.name
        )
        if bits > level.capacity_bytes * BITS_PER_BYTE:
            raise own.fault(
                f"holds.{level.name}", f"takes {bits_to_bytes(bits)} bytes of it, which has {level.capacity_bytes}"
            )


def told(error: FileError, layer: str, accelerator: str) -> FileError:
    """The same fault with the layer and the accelerator that it came up for."""
    return FileError(error.path, [f"{fault} ({layer} on {accelerator})" for fault in error.faults])
