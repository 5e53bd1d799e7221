"""What operands that share levels need, for every candidate and residency; those that share none never meet."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import permutations, product
from math import lcm

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.crossing import evenly, whole_words
from mensa_sim.cost.counts.tally import LayerTally, Port, Repeats
from mensa_sim.cost.counts.ways import Precision, Way
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import FREE_GROUP, ORDERS, GroupOrder
from mensa_sim.cost.mapping.capacity import whole_bits
from mensa_sim.cost.mapping.rows import (
    BODY_BITS,
    CROSSING_PJ,
    DRAIN_ACCESSES,
    END_BITS,
    FILL_ACCESSES,
    OperandRows,
    PortRows,
)
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import LoopNest

Priority = tuple[Operand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferCase:
    """One residency of a layer: what stays on chip, how often the rest crosses, and what vector work adds."""

    kept: frozenset[Operand]
    repeats: Repeats
    vector: LayerTally
    vector_cycles: int
    vector_pj: float
    """Of the operations beside the nest: the same for every mapping, but a product of energy and time feels it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a nest is priced for."""

    accelerator: PeArray
    energy: EnergyModel
    bandwidth_bytes_per_s: float
    precision: Precision
    objective: str
    """By name: what a mapping is chosen for."""
    word_bits: int = 1
    """The memory's."""


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


NOTHING: Floats = np.zeros((1, 1, 1))
EVERYWHERE: Bools = np.ones((1, 1, 1), dtype=bool)


def total(terms: Sequence[Floats]) -> Floats:
    """The sum of arrays; nothing is a zero."""
    return reduce(np.add, terms) if terms else NOTHING


class Sides:
    """The sides of one nest on one accelerator; residencies that differ in other operands share them."""

    def __init__(
        self, nest: LoopNest, target: Target, rows: Mapping[Operand, OperandRows], orders: Sequence[Order]
    ) -> None:
        self._accelerator, self._energy = target.accelerator, target.energy
        self._rows, self._orders = rows, orders
        self._whole = whole_bits(nest, target.precision)
        self._known: dict[Hashable, Side] = {}

    def side(self, operands: Sequence[Operand], case: BufferCase) -> Side:
        """What some operands that share levels with no other need in a residency."""
        fetches = tuple(case.repeats.fetches[operand] for operand in operands)
        kept = frozenset(operand for operand in operands if operand in case.kept)
        levels = self._levels(operands)
        ports = {level.name: case.vector.ports.get(level.name, Port()) for level in levels}
        moved = tuple((port.all_reads, port.all_writes) for port in ports.values())
        key = (tuple(operands), kept, fetches, case.repeats.steps, moved)
        if key not in self._known:
            self._known[key] = self._needs(operands, levels, kept, case.repeats, ports)
        return self._known[key]

    def _levels(self, operands: Sequence[Operand]) -> list[Level]:
        mine = {port.stop.level.name for operand in operands for port in self._rows[operand].ports}
        return [level for level in self._accelerator.levels if level.name in mine]

    def _needs(
        self,
        operands: Sequence[Operand],
        levels: Sequence[Level],
        kept: frozenset[Operand],
        repeats: Repeats,
        vector: Mapping[str, Port],
    ) -> Side:
        holds, fits = self._holds(operands, levels, kept)
        steps = repeats.steps
        crossings = {
            operand: _times(
                self._whole_fetch(operand) if operand in kept else self._rows[operand].crossing(holds[operand]),
                repeats.fetches[operand],
            )
            for operand in operands
            if repeats.fetches[operand]
        }
        energy_pj = total([crossing[CROSSING_PJ] for crossing in crossings.values()])
        cycles = NOTHING
        for level in levels:
            port = vector[level.name]
            read_pj, write_pj = self._energy.read_pj[level.name], self._energy.write_pj[level.name]
            energy_pj = energy_pj + (port.all_reads * read_pj + port.all_writes * write_pj)
            cycles = np.maximum(cycles, self._port_cycles(level, operands, steps, crossings, port))
        return Side(
            body_bits=total([crossing[BODY_BITS] for crossing in crossings.values()]),
            end_bits=total([crossing[END_BITS] for crossing in crossings.values()]),
            energy_pj=energy_pj,
            cycles=cycles,
            holds=holds,
            fits=fits,
        )

    def _ports(self, operand: Operand, level: Level) -> list[tuple[PortRows, bool]]:
        """The operand's accesses at a level, if it passes it, and whether it is its outermost SRAM."""
        ports = self._rows[operand].ports
        return [(port, port is ports[-1]) for port in ports if port.stop.level.name == level.name]

    def _port_cycles(
        self,
        level: Level,
        operands: Sequence[Operand],
        steps: int,
        crossings: Mapping[Operand, Floats],
        vector: Port,
    ) -> Floats:
        """Cycles of a level's busier port, in one of the instances that share the work.

        Accesses are added up as multiples of a common share of an instance, so that whole numbers stay whole.
        """
        shares = [port.stop.spread * port.stop.copied for o in operands for port, _ in self._ports(o, level)]
        unit = lcm(*shares, vector.reads.denominator, vector.writes.denominator)
        reads: list[Floats] = []
        writes: list[Floats] = []
        for operand in operands:
            for port, outermost in self._ports(operand, level):
                times = unit // (port.stop.spread * port.stop.copied)
                reads.append(_times(port.reads, steps * times))
                writes.append(_times(port.writes, steps * times))
                if outermost and operand in crossings:
                    reads.append(_times(crossings[operand][DRAIN_ACCESSES], times))
                    writes.append(_times(crossings[operand][FILL_ACCESSES], times))
        read = (total(reads) + float(vector.reads * unit)) * level.access_bits / (level.read_width * unit)
        write = (total(writes) + float(vector.writes * unit)) * level.access_bits / (level.write_width * unit)
        found: Floats = np.ceil(read) + np.ceil(write) if level.ports == "rw" else np.ceil(np.maximum(read, write))
        return found

    def _holds(
        self, operands: Sequence[Operand], levels: Sequence[Level], kept: frozenset[Operand]
    ) -> tuple[dict[Operand, Bools], Bools]:
        """Where each operand holds more than a tile, as much as fits, and where the levels hold what they must."""
        if not levels:
            return dict.fromkeys(operands, EVERYWHERE), EVERYWHERE
        fits: dict[tuple[bool, ...], Bools] = {}
        for combination in product((True, False), repeat=len(operands)):
            each = dict(zip(operands, map(int, combination), strict=True))
            fits[combination] = reduce(np.logical_and, [self._fit(level, each, kept) for level in levels])
        first = [tuple(operand for operand in order.first if operand in operands) for order in self._orders]
        chosen = {each: _in_turn(operands, each, fits) for each in dict.fromkeys(first)}
        holds = dict(next(iter(chosen.values())))
        if len(chosen) > 1:
            rows = {each: np.array([[other == each] for other in first]) for each in chosen}
            for operand in operands:
                picked = [rows[each] & found[operand] for each, found in chosen.items()]
                holds[operand] = reduce(np.logical_or, picked)
        return holds, reduce(np.logical_or, fits.values())

    def _fit(self, level: Level, holds: Mapping[Operand, int], kept: frozenset[Operand]) -> Bools:
        """Where an instance of a level has room for what the operands hold in it."""
        needed = NOTHING
        for operand, hold in holds.items():
            for port, outermost in self._ports(operand, level):
                room: Floats = port.room_bits[hold if len(port.room_bits) > 1 else 0]
                needed = needed + (self._kept_room(operand, hold, port) if outermost and operand in kept else room)
        found: Bools = needed <= level.capacity_bytes * BITS_PER_BYTE
        return found

    def _kept_room(self, operand: Operand, hold: int, port: PortRows) -> Floats:
        """Bits that a resident operand takes: its whole size; sums of a resident output must not leave."""
        rows, whole = self._rows[operand], float(-(-self._whole[operand] // port.stop.spread))
        if operand != "output":
            return np.full((1, 1, 1), whole)
        sums: Floats = np.where(rows.partial, port.room_bits[hold], 0.0)
        room: Floats = np.where(rows.leaves[hold], np.inf, whole + sums)
        return room

    def shortage(self, groups: Sequence[Sequence[Operand]]) -> str:
        """Which level has no room for any tile, for people."""
        short = []
        for operands in groups:
            for level in self._levels(operands):
                least = self._least_bytes(level, operands)
                if least > level.capacity_bytes:
                    name = level.name.replace("_", " ")
                    short.append(f"its smallest takes {least:,} of {level.capacity_bytes:,} bytes in the {name}")
        return " and ".join(short) or "none suits all levels at once"

    def _least_bytes(self, level: Level, operands: Sequence[Operand]) -> int:
        """The least that any candidate takes of a level."""
        least = []
        for combination in product((0, 1), repeat=len(operands)):
            rooms = [
                port.room_bits[hold if len(port.room_bits) > 1 else 0]
                for operand, hold in zip(operands, combination, strict=True)
                for port, _ in self._ports(operand, level)
            ]
            least.append(total(rooms).min())
        return bits_to_bytes(int(min(least)))

    def _whole_fetch(self, operand: Operand) -> Floats:
        """The crossing of parameters that are fetched once and stay over all steps, whatever the mapping."""
        rows, bits, energy = self._rows[operand], self._whole[operand], self._energy
        ends = rows.crossings[END_BITS, 0]
        moved = float(whole_words(bits, rows.way.word_bits))
        pj, fills = moved * energy.memory_read_pj_per_bit, 0.0
        if rows.ports:
            stop = rows.ports[-1].stop
            fills = float(stop.copied * evenly(bits, stop.spread, stop.level.access_bits))
            pj += fills * energy.write_pj[stop.level.name]
        whole: Floats = np.zeros((5, *ends.shape))
        whole[BODY_BITS], whole[END_BITS], whole[CROSSING_PJ], whole[FILL_ACCESSES] = moved - ends, ends, pj, fills
        return whole


def _in_turn(
    operands: Sequence[Operand], priority: Priority, fits: Mapping[tuple[bool, ...], Bools]
) -> dict[Operand, Bools]:
    """Where each operand holds more: one after another, if there is room whatever those after it do."""
    found: dict[Operand, Bools] = {}

    def room(decided: dict[Operand, bool]) -> Bools:
        """Where some combination fits in which these operands are decided."""
        wanted = [decided.get(operand) for operand in operands]
        matching = [
            fit for each, fit in fits.items() if all(w is None or w == c for w, c in zip(wanted, each, strict=True))
        ]
        return reduce(np.logical_or, matching)

    def choose(decided: dict[Operand, bool], operand: Operand) -> Bools:
        """Where an operand holds more, given what those before it do, decided or as found."""
        for earlier in priority[: priority.index(operand)]:
            if earlier not in decided:
                yes, no = (choose({**decided, earlier: hold}, operand) for hold in (True, False))
                picked: Bools = np.where(found[earlier], yes, no)
                return picked
        return room({**decided, operand: True})

    for operand in priority:
        found[operand] = choose({}, operand)
    return found


def _times(values: Floats, times: int) -> Floats:
    """Values over some repeats; most layers have one."""
    return values if times == 1 else values * times
