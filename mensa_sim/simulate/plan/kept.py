"""Choices of the parameters that stay on chip, each with the room that it leaves to those which stream."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mensa_sim.cost.table import CostTable
from mensa_sim.schedule.data_plan import KeptParameters
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, PlannedUnit
from mensa_sim.simulate.plan.residency import most_saving, offer_of
from mensa_sim.simulate.plan.variants import Variants, variants_of

SMALLEST_ROOM = 16
"""Rooms for parameters that stream are tried down to this fraction of their buffer: a choice."""


NODES = 1000
"""Steps of the search for what stays, of each of the many choices: a choice."""


def kept_choices(plan: Plan, costs: CostTable, options: Options, accelerator: str) -> list[KeptParameters]:
    """The choices for an accelerator, none where there is nothing to choose.

    A room is the whole buffer or, down to a part of it, a power of two or one and a half of one: buffers of about one
    size share their rooms. In each room those stay that save the most reads: beside the tiles in the whole buffer or,
    of the larger rooms, as if the room were all there is. Of choices that run alike the first stands for all: in many
    rooms nothing differs.
    """
    own = tuple(unit.layers for unit in plan.units if unit.accelerator == accelerator)
    key = ("kept", own, plan.data, options)
    return costs.made_once(accelerator, key, lambda: _new_choices(plan, costs, options, accelerator))


def _new_choices(plan: Plan, costs: CostTable, options: Options, accelerator: str) -> list[KeptParameters]:
    placed = costs.system.accelerator(accelerator)
    capacity_bytes = placed.spec.buffer_bytes.get("parameter", 0)
    if not capacity_bytes or costs.system.feeder_of(accelerator) is not None or options.parameters != "best-value":
        return []
    whole = offer_of([plan], placed)
    if not whole.able or len(most_saving(whole)) == len(whole.able):
        return []
    found: list[KeptParameters] = []
    seen: list[tuple[tuple[str, ...], tuple[Variants, ...]]] = []
    _expect(plan, costs, accelerator, list(_rooms(capacity_bytes)))
    for room_bytes in (capacity_bytes, *_rooms(capacity_bytes)):
        fitted = with_room(plan, costs, options, accelerator, room_bytes)
        offer, own = offer_of([fitted], placed), tuple(u.variants for u in fitted.units if u.accelerator == accelerator)
        budgets = (capacity_bytes, room_bytes) if room_bytes * 2 >= capacity_bytes else (capacity_bytes,)
        for budget_bytes in dict.fromkeys(budgets):
            kept = most_saving(replace(offer, capacity_bytes=budget_bytes), NODES)
            layers = tuple(plan.units[index].layers[0] for _, index in sorted(kept))
            if (layers, own) not in seen:
                seen.append((layers, own))
                found.append(KeptParameters(accelerator=accelerator, layers=layers, room_bytes=room_bytes))
    return found


def with_room(plan: Plan, costs: CostTable, options: Options, accelerator: str, room_bytes: int) -> Plan:
    """The plan with the parameters that stream on an accelerator mapped to a room."""

    def fitted(unit: PlannedUnit) -> PlannedUnit:
        if unit.accelerator != accelerator or unit.variants.largest_parameter_bytes <= room_bytes:
            return unit
        layers = [plan.graph[layer] for layer in unit.layers]
        return replace(unit, variants=variants_of(costs, layers, accelerator, options, room_bytes))

    return replace(plan, units=tuple(fitted(unit) for unit in plan.units))


def _expect(plan: Plan, costs: CostTable, accelerator: str, rooms: Sequence[int]) -> None:
    """Have all layers that do not fit some of those rooms priced there together."""
    level = costs.system.accelerator(accelerator).array.buffer("parameter")
    if costs.in_room is not None and level is not None:
        units = [unit for unit in plan.units if unit.accelerator == accelerator]
        units = [unit for unit in units if len(unit.layers) > 1 or _is_first(costs, unit.layers[0], accelerator)]
        sizes = [(unit, unit.variants.largest_parameter_bytes) for unit in units]
        short = ((unit, room_bytes) for unit, size in sizes for room_bytes in rooms if size > room_bytes)
        costs.in_room.expect((name, accelerator, {level.name: size}) for unit, size in short for name in unit.layers)


def _is_first(costs: CostTable, layer: str, accelerator: str) -> bool:
    return costs.first_alike(layer, accelerator) == layer


def _rooms(capacity_bytes: int) -> Iterator[int]:
    """Powers of two and one and a half of them below a capacity, the largest first."""
    power = 1 << capacity_bytes.bit_length()
    while power * SMALLEST_ROOM >= capacity_bytes and power > 1:
        yield from (size for size in (power * 3 // 2, power) if size < capacity_bytes <= size * SMALLEST_ROOM)
        power //= 2
