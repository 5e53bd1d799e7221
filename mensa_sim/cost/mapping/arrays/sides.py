"""What operands that share levels need, for every candidate and residency; those that share none never meet."""

from collections.abc import Hashable, Mapping, Sequence
from functools import reduce
from itertools import permutations, product
from typing import Any

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.crossing import evenly, whole_words
from mensa_sim.cost.counts.tally import LayerTally, Repeats, least_common
from mensa_sim.cost.counts.ways import Way
from mensa_sim.cost.mapping.arrays.grid import Entries, one_or_array
from mensa_sim.cost.mapping.arrays.holding import Priority, RoomFor, in_turn
from mensa_sim.cost.mapping.arrays.rows import (
    BODY_BITS,
    CROSSING_PJ,
    DRAIN_ACCESSES,
    END_BITS,
    FILL_ACCESSES,
    NOTHING,
    OperandRows,
    PortRows,
    total,
)
from mensa_sim.cost.mapping.candidates import FREE_GROUP, ORDERS, GroupOrder
from mensa_sim.cost.mapping.capacity import whole_bits
from mensa_sim.cost.mapping.task import Target
from mensa_sim.hardware.array.levels import Level
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import Operand


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferCase:
    """One residency of some layers: what stays on chip, how often the rest crosses, what vector work adds: [task]."""

    kept: frozenset[Operand]
    repeats: Repeats
    vector: LayerTally
    vector_cycles: Any
    vector_pj: Any
    """Of the operations beside the nest: the same for every mapping, but a product of energy and time feels it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order of the groups of the outermost block; `first` says who may hold more where not all can."""

    groups: GroupOrder
    first: Priority


def outer_orders(groups: Sequence[Sequence[Operand]]) -> tuple[Order, ...]:
    """The rows of all arrays: every order, once for each priority that makes a difference.

    An operand whose free group is innermost holds no more than a tile in any case; of the others, those that share
    levels take room from each other.
    """
    found = []
    for order in ORDERS:
        holders = [operand for operand, free in FREE_GROUP.items() if free != order[0]]
        rest = [operand for operand in FREE_GROUP if operand not in holders]
        rivals = any(all(operand in group for operand in holders) for group in groups)
        for first in permutations(holders) if rivals else [tuple(holders)]:
            found.append(Order(groups=order, first=(*first, *rest)))
    return tuple(found)


def sharing(ways: Mapping[Operand, Way]) -> tuple[tuple[Operand, ...], ...]:
    """The operands in groups: those of one have SRAMs in common, directly or through a third."""
    groups: list[set[Operand]] = []
    for operand, way in ways.items():
        mine = {stop.level.name for stop in way.stops if stop.level.ported}
        joined = [g for g in groups if any(mine & {s.level.name for s in ways[o].stops} for o in g)]
        groups = [g for g in groups if g not in joined] + [{operand}.union(*joined)]
    return tuple(sorted((tuple(o for o in ways if o in g) for g in groups), key=lambda g: list(ways).index(g[0])))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """What some operands need, over all steps: [inner, row, entry], of length 1 where all are equal."""

    body_bits: Floats
    """Memory traffic that may run beside the array."""
    end_bits: Floats
    energy_pj: Floats
    cycles: Floats
    """Of the busiest port."""
    holds: Mapping[Operand, Bools]
    """Where an operand holds more than a tile in its outermost SRAM."""
    fits: Bools


EVERYWHERE: Bools = np.ones((1, 1, 1), dtype=bool)


class Sides:
    """The sides of some nests on one accelerator, of whose levels each may have less than all.

    Residencies that differ in other operands share them.
    """

    def __init__(
        self, target: Target, entries: Entries, rows: Mapping[Operand, OperandRows], orders: Sequence[Order]
    ) -> None:
        self._accelerator, self._energy = target.accelerator, target.energy
        self._entries, self._rows, self._orders = entries, rows, orders
        whole = [whole_bits(task.nest, target.precision) for task in entries.tasks]
        self._whole = {operand: np.array([own[operand] for own in whole]) for operand in rows}
        """[task]"""
        self.capacity_bits = {
            level.name: entries.each(
                one_or_array([task.target.accelerator.level(level.name).capacity_bytes for task in entries.tasks])
                * BITS_PER_BYTE
            )
            for level in target.accelerator.levels
        }
        self._passing: dict[str, list[tuple[Operand, PortRows, bool]]] = {}
        """By level what passes it, and whether it is the outermost SRAM on its way."""
        for operand, own in rows.items():
            for port in own.ports:
                self._passing.setdefault(port.stop.level.name, []).append((operand, port, port is own.ports[-1]))
        waited = [(each.way.operand, each.wait_cycles) for each in rows.values() if each.waits]
        self._still = {
            level.name: total([cycles for operand, cycles in waited if operand not in level.serves])
            for level in target.accelerator.levels
            if any(operand not in level.serves for operand, _ in waited)
        }
        """By level whose ports stand still while the array waits for an operand that does not pass it."""
        self._known: dict[Hashable, Side] = {}
        self._fitting: dict[Hashable, Bools] = {}
        self._cycles: dict[Hashable, Floats] = {}

    def side(self, operands: Sequence[Operand], case: BufferCase) -> Side:
        """What some operands that share levels with no other need in a residency."""
        kept = frozenset(operand for operand in operands if operand in case.kept)
        levels = self._levels(operands)
        ports = [case.vector.ports[level.name] for level in levels]
        needs = [
            case.repeats.steps,
            *(case.repeats.fetches[operand] for operand in operands),
            *(moved for port in ports for moved in (port.reads, port.writes)),
        ]
        key = (tuple(operands), kept, *(np.asarray(each).tobytes() for each in needs))
        if key not in self._known:
            self._known[key] = self._needs(operands, levels, kept, case)
        return self._known[key]

    def _levels(self, operands: Sequence[Operand]) -> list[Level]:
        passed = {name for name, ports in self._passing.items() if any(operand in operands for operand, _, _ in ports)}
        return [level for level in self._accelerator.levels if level.name in passed]

    def _needs(
        self,
        operands: Sequence[Operand],
        levels: Sequence[Level],
        kept: frozenset[Operand],
        case: BufferCase,
    ) -> Side:
        holds, fits = self._holds(operands, levels, kept)
        crossings = {}
        for operand in operands:
            fetches = self._entries.each(case.repeats.fetches[operand])
            if isinstance(fetches, np.ndarray) or fetches:
                once = self._whole_fetch(operand) if operand in kept else self._rows[operand].crossing(holds[operand])
                crossings[operand] = _times(once, fetches)
        energy_pj = total([crossing[CROSSING_PJ] for crossing in crossings.values()])
        cycles = NOTHING
        for level in levels:
            vector = case.vector.ports[level.name]
            read_pj, write_pj = self._energy.read_pj[level.name], self._energy.write_pj[level.name]
            energy_pj = energy_pj + self._entries.each(vector.reads * read_pj + vector.writes * write_pj)
            busy = self.port_cycles(level, operands, crossings, case)
            if level.name in self._still:
                busy = busy + _times(self._still[level.name], self._entries.each(case.repeats.steps))
            cycles = np.maximum(cycles, busy)
        return Side(
            body_bits=total([crossing[BODY_BITS] for crossing in crossings.values()]),
            end_bits=total([crossing[END_BITS] for crossing in crossings.values()]),
            energy_pj=energy_pj,
            cycles=cycles,
            holds=holds,
            fits=fits,
        )

    def port_cycles(
        self,
        level: Level,
        operands: Sequence[Operand],
        crossings: Mapping[Operand, Floats],
        case: BufferCase,
    ) -> Floats:
        """Cycles of a level's busiest port, in one of the instances that share the work.

        Those of a level where no operand comes from memory or goes there are those of all residencies.
        """
        passing = [each for each in self._passing[level.name] if each[0] in operands]
        ports = level.by_port((each[0], each) for each in passing)
        if any(outermost and operand in crossings for operand, _, outermost in passing):
            return reduce(np.maximum, [self._port_cycles(level, port, crossings, case) for port in ports])
        moved = (number for each in case.vector.ports[level.name].shared for number in each)
        key = level.name, *operands, *(np.asarray(each).tobytes() for each in (case.repeats.steps, *moved))
        if key not in self._cycles:
            self._cycles[key] = reduce(np.maximum, [self._port_cycles(level, port, {}, case) for port in ports])
        return self._cycles[key]

    def _port_cycles(
        self,
        level: Level,
        ports: Sequence[tuple[Operand, PortRows, bool]],
        crossings: Mapping[Operand, Floats],
        case: BufferCase,
    ) -> Floats:
        """Accesses are added up as multiples of a common share of an instance, so that whole numbers stay whole."""
        vector, each = case.vector.ports[level.name], self._entries.each
        # [task] A common share of the instances that work side by side
        units = least_common(
            [*(port.stop.instances for _, port, _ in ports), *(spread for _, _, spread in vector.shared)]
        )
        reads: list[Floats] = [each(sum(own * (units // spread) for own, _, spread in vector.shared))]
        writes: list[Floats] = [each(sum(own * (units // spread) for _, own, spread in vector.shared))]
        for operand, port, outermost in ports:
            parts = units // port.stop.instances
            times = each(case.repeats.steps * parts)
            reads.append(_times(port.reads, times))
            writes.append(_times(port.writes, times))
            if outermost and operand in crossings:
                reads.append(_times(crossings[operand][DRAIN_ACCESSES], each(parts)))
                writes.append(_times(crossings[operand][FILL_ACCESSES], each(parts)))
        unit = each(units)
        read = total(reads) * level.access_bits / (level.read_width * unit)
        write = total(writes) * level.access_bits / (level.write_width * unit)
        found: Floats = np.ceil(read) + np.ceil(write) if level.ports == "rw" else np.ceil(np.maximum(read, write))
        return found

    def _holds(
        self, operands: Sequence[Operand], levels: Sequence[Level], kept: frozenset[Operand]
    ) -> tuple[dict[Operand, Bools], Bools]:
        """Where each operand holds more than a tile, as much as fits, and where the levels hold what they must."""
        if not levels:
            return dict.fromkeys(operands, EVERYWHERE), EVERYWHERE
        if not all(task.free for task in self._entries.tasks):  # a user's tile is what is held: no whole groups in it
            none = dict.fromkeys(operands, 0)
            fit = reduce(np.logical_and, [self._fit(level, none, kept) for level in levels])
            return dict.fromkeys(operands, ~EVERYWHERE), fit
        fits: dict[tuple[bool, ...], Bools] = {}
        for combination in product(*((True, False) if self._may_hold(operand) else (True,) for operand in operands)):
            each = dict(zip(operands, map(int, combination), strict=True))
            fits[combination] = reduce(np.logical_and, [self._fit(level, each, kept) for level in levels])
            if all(combination) and fits[combination].all():
                return dict.fromkeys(operands, EVERYWHERE), EVERYWHERE
        if len(fits) == 1:
            return dict.fromkeys(operands, EVERYWHERE), reduce(np.logical_or, fits.values())
        first = [tuple(operand for operand in order.first if operand in operands) for order in self._orders]
        rooms = RoomFor(operands, fits)
        chosen = {each: in_turn(each, rooms) for each in dict.fromkeys(first)}
        holds = dict(next(iter(chosen.values())))
        if len(chosen) > 1:
            rows = {each: np.array([[other == each] for other in first]) for each in chosen}
            for operand in operands:
                picked = [rows[each] & found[operand] for each, found in chosen.items()]
                holds[operand] = reduce(np.logical_or, picked)
        return holds, reduce(np.logical_or, fits.values())

    def _may_hold(self, operand: Operand) -> bool:
        """Whether its rows tell holding a tile from holding more; those that stand for the least of all do not."""
        return len(self._rows[operand].leaves) > 1

    def _fit(self, level: Level, holds: Mapping[Operand, int], kept: frozenset[Operand]) -> Bools:
        """Where an instance of a level has room for what the operands hold in it; nests may have more or less of it."""
        ports = [
            (operand, port, min(holds[operand], len(port.room_bits) - 1), outermost and operand in kept)
            for operand, port, outermost in self._passing[level.name]
            if operand in holds
        ]
        key = level.name, *((operand, hold, stays) for operand, _, hold, stays in ports)
        if key not in self._fitting:
            rooms = [
                self._kept_room(operand, holds[operand], port) if stays else port.room_bits[hold]
                for operand, port, hold, stays in ports
            ]
            self._fitting[key] = total(rooms) <= self.capacity_bits[level.name]
        return self._fitting[key]

    def _kept_room(self, operand: Operand, hold: int, port: PortRows) -> Floats:
        """Bits that a resident operand takes: its whole size; sums of a resident output must not leave."""
        rows = self._rows[operand]
        whole = self._entries.per_task(-(-self._whole[operand] // port.stop.spread))
        if operand != "output":
            return whole[None, None]
        hold = min(hold, len(rows.leaves) - 1)
        sums: Floats = np.where(rows.partial, port.room_bits[hold], 0.0)
        room: Floats = np.where(rows.leaves[hold], np.inf, whole + sums)
        return room

    def shortage(self, task: int, groups: Sequence[Sequence[Operand]]) -> str:
        """Which level has no room for any tile of a nest, for people."""
        short = []
        for operands in groups:
            for level in self._levels(operands):
                least, own = self._least_bytes(task, level, operands), self._entries.tasks[task].target.accelerator
                capacity_bytes = own.level(level.name).capacity_bytes
                if least > capacity_bytes:
                    name = level.name.replace("_", " ")
                    short.append(f"its smallest takes {least:,} of {capacity_bytes:,} bytes in the {name}")
        return " and ".join(short) or "none suits all levels at once"

    def _least_bytes(self, task: int, level: Level, operands: Sequence[Operand]) -> int:
        """The least that any candidate of a nest takes of a level."""
        least, mine = [], self._entries.task_of_entry == task
        for combination in product((0, 1), repeat=len(operands)):
            each = dict(zip(operands, combination, strict=True))
            rooms = [
                port.room_bits[each[operand] if len(port.room_bits) > 1 else 0]
                for operand, port, _ in self._passing[level.name]
                if operand in each
            ]
            least.append((total(rooms) + np.zeros(len(mine)))[..., mine].min())
        return bits_to_bytes(int(min(least)))

    def _whole_fetch(self, operand: Operand) -> Floats:
        """The crossing of parameters that are fetched once and stay over all steps, whatever the mapping."""
        rows, bits, energy = self._rows[operand], self._whole[operand], self._energy
        ends = rows.crossings[END_BITS, 0]
        moved = self._entries.per_task(whole_words(bits, rows.way.word_bits))
        pj, fills = moved * energy.memory_read_pj_per_bit, np.zeros_like(moved)
        if rows.ports:
            stop = rows.ports[-1].stop
            copied = stop.instances // stop.spread
            fills = self._entries.per_task(copied * evenly(bits, stop.spread, stop.level.access_bits))
            pj = pj + fills * energy.write_pj[stop.level.name]
        whole: Floats = np.zeros((5, *np.broadcast_shapes(ends.shape, moved.shape)))
        whole[BODY_BITS], whole[END_BITS], whole[CROSSING_PJ], whole[FILL_ACCESSES] = moved - ends, ends, pj, fills
        return whole


def _times(values: Floats, times: float | Floats) -> Floats:
    """Values over some repeats; most layers have one."""
    return values if not isinstance(times, np.ndarray) and times == 1 else values * times
