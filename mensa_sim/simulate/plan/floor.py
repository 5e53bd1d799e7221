"""What two inferences of a plan, one after another, take at least: most choices of what stays need no simulation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from mensa_sim.cost.table import CostTable
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import KeptParameters
from mensa_sim.simulate.plan.kept import with_room
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, PlannedUnit
from mensa_sim.simulate.plan.residency import Pinned, pin
from mensa_sim.simulate.plan.variants import Variant
from mensa_sim.units import moved_bytes, transfer_ps

Least = tuple[int, float]
"""Time in ps and dynamic energy in pJ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What a unit that has its memory to itself takes."""

    time_ps: int
    channel_ps: int
    """Of what it moves itself."""
    early_bytes: int
    """Of what came early, the part that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAccelerator:
    """What the units of one accelerator take at least in one inference."""

    units: Mapping[int, Alone]
    """By place, each beside all that may come early."""
    variants: Mapping[int, Variant]
    """How each runs."""
    busy_ps: int
    """Of all of them, one after another."""
    energy_pj: float
    certain: bool
    """Whether just that is fetched early, as far as there is time, and all of it is of use."""


Turns = tuple[OnAccelerator, OnAccelerator]
"""Of an inference that finds empty buffers, and of one that finds all parameters that stay."""


class PlanFloor:
    """What the inferences of a plan take at least, whatever stays on its accelerators.

    No unit runs faster than with its memory to itself and all parameters that had room to come early; units wait for
    each other and for copies, and each accelerator runs one at a time.
    """

    def __init__(self, plan: Plan, costs: CostTable, options: Options) -> None:
        self._plan, self._costs, self._options = plan, costs, options
        self._channel = {placed.name: placed.memory for placed in costs.system.accelerators}
        after: dict[int, list[int]] = {index: [] for index in range(len(plan.units) + len(plan.copies))}
        for unit in plan.units:
            for index in unit.dependents:
                after[index].append(unit.index)
        for number, copy in enumerate(plan.copies, len(plan.units)):
            after[number] += copy.after if copy.after_copy is None else (*copy.after, len(plan.units) + copy.after_copy)
            for index in copy.dependents:
                after[index].append(number)
        self._after = after
        self._order = _in_order(plan)
        self._serial = _is_serial(plan, self._order, after)
        crossings = [copy.crossings for copy in plan.copies]
        self._copies_ps = [sum(each.latency_ps + each.alone_ps for each in some) for some in crossings]
        self._all_copies_ps = sum(self._copies_ps)
        self._copies_pj = math.fsum(pj for some in crossings for each in some for pj in each.energy_pj.values())
        own: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        for unit in plan.units:
            own.setdefault(unit.accelerator, []).append((unit.index, unit.layers))
        self._known: dict[str, dict[KeptParameters | None, Turns]] = {
            name: costs.made_once(name, ("floor", tuple(units), plan.data, options, self._serial), dict)
            for name, units in own.items()
        }
        self._own = {name: self.on(name, plan.data.parameters_on(name)) for name in own}

    def on(self, accelerator: str, kept: KeptParameters | None) -> Turns:
        """What its units take at least beside those parameters."""
        known = self._known[accelerator]
        if kept not in known:
            known[kept] = _on(self._plan, self._costs, self._options, accelerator, kept, serial=self._serial)
        return known[kept]

    def choose(self, accelerator: str, kept: KeptParameters) -> None:
        """From now on this stays on an accelerator."""
        self._own[accelerator] = self.on(accelerator, kept)

    def beside(self, accelerator: str, kept: KeptParameters | None) -> list[Least]:
        """The least of each inference where these parameters stay on an accelerator, beside what stays on others."""
        own = {**self._own, accelerator: self.on(accelerator, kept)}.values()
        return [self._least(parts) for parts in zip(*own, strict=True)]

    def exact(self, accelerator: str, kept: KeptParameters | None) -> list[Least] | None:
        """What each inference takes, as a simulation would show; none where that is not known.

        Known where one thing happens at a time and just the next unit's parameters come early.
        """
        own = {**self._own, accelerator: self.on(accelerator, kept)}
        if not self._serial or self._costs.system.turns:
            return None
        found: list[Least] = []
        for parts in zip(*own.values(), strict=True):
            time_ps = self._serial_ps(dict(zip(own, parts, strict=True)))
            if time_ps is None:
                return None
            found.append((time_ps, self._least(parts)[1]))
        return found

    def _serial_ps(self, own: Mapping[str, OnAccelerator]) -> int | None:
        """The time of all units and copies one after another.

        From the start of a unit to that of the next one there, what that needs comes while the channel is free.
        """
        fetching = [
            self._channel[name] for name, part in own.items() if any(each.early_bytes for each in part.units.values())
        ]
        if len(set(fetching)) < len(fetching) or not all(part.certain for part in own.values()):
            return None
        memories = self._costs.system.memories
        now_ps, used_ps = 0, dict.fromkeys(memories, 0)
        before_ps: dict[str, int] = {}
        """By accelerator, for how long its channel had been free when its last unit began."""
        for index in self._order:
            if index >= len(self._plan.units):
                for crossing in self._plan.copies[index - len(self._plan.units)].crossings:
                    now_ps += crossing.latency_ps + crossing.alone_ps
                    if crossing.resource in used_ps:
                        used_ps[crossing.resource] += crossing.alone_ps
                continue
            name = self._plan.units[index].accelerator
            unit, channel = own[name].units[index], self._channel[name]
            free_ps = now_ps - used_ps[channel]
            if unit.early_bytes:
                bandwidth = memories[channel].effective_bytes_per_s
                come_bytes = moved_bytes(free_ps - before_ps.get(name, free_ps), bandwidth)
                if come_bytes < unit.early_bytes:
                    unit = _alone(own[name].variants[index], bandwidth, come_bytes)
            before_ps[name] = free_ps
            now_ps += unit.time_ps
            used_ps[channel] += unit.channel_ps
        return now_ps

    def _least(self, parts: Sequence[OnAccelerator]) -> Least:
        energy_pj = math.fsum([self._copies_pj, *(part.energy_pj for part in parts)])
        if self._serial:
            return self._all_copies_ps + sum(part.busy_ps for part in parts), energy_pj
        units_ps = {index: unit.time_ps for part in parts for index, unit in part.units.items()}
        times_ps = [*(units_ps[index] for index in range(len(units_ps))), *self._copies_ps]
        ends_ps = [0] * len(times_ps)
        for index in self._order:
            ends_ps[index] = times_ps[index] + max([ends_ps[before] for before in self._after[index]], default=0)
        return max(*ends_ps, *(part.busy_ps for part in parts)), energy_pj


def _in_order(plan: Plan) -> list[int]:
    """Units and copies, numbered on from them, each after all that it waits for; units stand in such an order."""
    last: list[int] = []
    """Of each copy, the last unit that it waits for, itself or through the copy before it."""
    for copy in plan.copies:
        before = -1 if copy.after_copy is None else last[copy.after_copy]
        last.append(max((before, *copy.after)))
    places = [(index, -1) for index in range(len(plan.units))]
    places += [(unit, number) for number, unit in enumerate(last)]
    return sorted(range(len(places)), key=places.__getitem__)


def _is_serial(plan: Plan, order: Sequence[int], after: Mapping[int, Sequence[int]]) -> bool:
    """Whether units and copies run one at a time, in that order: each after all before it.

    It waits for the one before it, or for one from which on its accelerator is busy with those before it, as of units
    that are ready the first goes first, but for one whose input lies there.
    """
    place = {index: number for number, index in enumerate(order)}
    row, accelerator = 0, None
    """Where the last units in a row of one accelerator begin, and which that is."""
    for number, index in enumerate(order):
        unit = plan.units[index] if index < len(plan.units) else None
        if unit is None or unit.accelerator != accelerator:
            row, accelerator = number, None if unit is None else unit.accelerator
        if max([place[before] for before in after[index]], default=-1) < row - 1:
            return False
        if unit is not None and unit.feeds is not None and place[unit.feeds] != number + 1:
            return False
    return True


def floor_of(plan: Plan, costs: CostTable, options: Options) -> PlanFloor | None:
    """The floor of a plan; none where what a unit finds on chip depends on more than which units ran before it."""
    if costs.system.gated or plan.sharing or plan.multicasts or any(unit.home is not None for unit in plan.units):
        return None
    return PlanFloor(plan, costs, options)


def _on(
    plan: Plan, costs: CostTable, options: Options, accelerator: str, kept: KeptParameters | None, *, serial: bool
) -> Turns:
    if kept is not None:
        fitted = with_room(plan, costs, options, accelerator, kept.room_bytes)
        plan = replace(fitted, data=plan.data.with_parameters(kept))
    pinned = pin([plan], costs.system, accelerator, options.parameters)
    bandwidth = costs.system.memory_of(accelerator).effective_bytes_per_s
    own = [unit for unit in plan.units if unit.accelerator == accelerator]
    in_turn = pinned.room_bytes is not None and (serial or _in_turn(plan, own))

    def turn(loaded: set[int]) -> OnAccelerator:
        chosen = _variants(plan, own, loaded, options)
        early = _early_bytes(own, chosen, pinned, in_turn=in_turn, loaded=bool(loaded)) if options.prefetch else {}
        units = {index: _alone(each, bandwidth, early.get(index, 0)) for index, each in chosen.items()}
        stages = [stage for each in chosen.values() for stage in each.stages]
        used = all(unit.early_bytes == (0 if index in loaded else early.get(index, 0)) for index, unit in units.items())
        return OnAccelerator(
            units=units,
            variants=chosen,
            busy_ps=sum(unit.time_ps for unit in units.values()),
            energy_pj=math.fsum(pj for stage in stages for pj in stage.energies_pj),
            certain=used and in_turn,
        )

    return turn(set()), turn({index for _, index in pinned.units})


def _variants(plan: Plan, own: list[PlannedUnit], loaded: set[int], options: Options) -> dict[int, Variant]:
    """How each unit runs beside the parameters that have been loaded, as nobody else is there."""
    incoming: set[int] = set()
    found: dict[int, Variant] = {}
    for unit in own:
        state = unit.index in loaded, unit.index in incoming
        kept = None
        if unit.feeds is not None and options.activations:
            kept = unit.variants.kept_for(plan.units[unit.feeds].variants, *state, there=unit.feeds in loaded)
            incoming |= {unit.feeds} if kept else set()
        found[unit.index] = kept or unit.variants.for_state(*state)
    return found


def _early_bytes(
    own: list[PlannedUnit], chosen: Mapping[int, Variant], pinned: Pinned, *, in_turn: bool, loaded: bool
) -> dict[int, int]:
    """The most of each unit's parameters that may come before it: it is fetched for while the one before it runs.

    Where the order of units is open, all that could ever come.
    """
    most = {unit.index: unit.variants.streamed.prefetchable_bytes for unit in own}
    if pinned.room_bytes is None or not in_turn:
        return most
    keep = {index for _, index in pinned.units}
    open_bytes, found = 0 if loaded else pinned.size_bytes, {own[0].index: 0}
    for before, unit in pairwise(own):
        open_bytes -= 0 if loaded or before.index not in keep else before.parameter_bytes
        room_bytes = pinned.room_bytes + max(0, open_bytes) - chosen[before.index].parameter_bytes
        size_bytes = most[unit.index]
        found[unit.index] = size_bytes if unit.index in keep else max(0, min(size_bytes, room_bytes))
    return found


def _in_turn(plan: Plan, own: list[PlannedUnit]) -> bool:
    """Whether each unit waits for the end of the one before it, itself or through others."""
    before = [0] * len(plan.units)
    """As bits, all that a unit waits for."""
    for unit in plan.units:
        later = {*unit.dependents, *(index for copy in unit.copies for index in plan.copies[copy].dependents)}
        for index in later:
            before[index] |= before[unit.index] | 1 << unit.index
    return all(before[unit.index] >> one.index & 1 for one, unit in pairwise(own))


def _alone(variant: Variant, bandwidth: float, early_bytes: int) -> Alone:
    time_ps, channel_ps, left = 0, 0, early_bytes
    for stage in variant.stages:
        early = min(left, stage.prefetchable_bytes)
        left -= early
        head_bytes, body_bytes = stage.after(early)
        body_ps = transfer_ps(body_bytes, bandwidth)
        ends_ps = transfer_ps(head_bytes, bandwidth) + transfer_ps(stage.tail_bytes, bandwidth)
        time_ps += ends_ps + stage.cost.middle_ps(body_ps)
        channel_ps += ends_ps + body_ps
    return Alone(time_ps=time_ps, channel_ps=channel_ps, early_bytes=early_bytes - left)
