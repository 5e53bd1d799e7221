"""What a layer of a stack costs over all its tiles, and how long they take one after another."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from mensa_sim.cost.counts.tally import coded_bits
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.energy import EnergyModel, with_buffer_cycles
from mensa_sim.cost.layer_cost import MEMORY, LayerCost, Traffic
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.records import dataclass
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMove:
    """What moves between memory and the outermost level of an operand as whole rows or parameters."""

    operand: Operand
    read_bits: int
    write_bits: int
    stays: bool = False
    """Whether what is written only leaves the level for the array, which adds to it."""
    loads: int = 0
    """In how many tiles it comes, and stays for those after them; 0 where each tile moves its part."""


class OverTiles:
    """Adds up the tiles of layers on one accelerator."""

    def __init__(self, accelerator: PeArray, memory: Memory, energy: EnergyModel) -> None:
        self._accelerator, self._memory, self._energy = accelerator, memory, energy

    def cost(
        self,
        layer: Layer,
        tiles: Sequence[tuple[LayerCost, int]],
        crossings: Sequence[RowMove],
        ends: tuple[bool, bool],
    ) -> LayerCost:
        """All tiles of a layer, of which one is given, and what crosses memory beside the mappings' own traffic.

        What a tile moves passes while that tile is on the array, as double buffers let it; what the next one begins
        with comes meanwhile too. So each takes the larger of both, and the sum where the array waits for an operand.
        Bytes that no computing of their own tile hides are the head of the layer; `ends` says whether it is the stack's
        first, and its last.
        """
        cost, precision = _together(layer.name, tiles), precision_of(layer)
        traffic, energies = [(each, 1) for each in cost.traffic], [(cost.dynamic_pj, 1)]
        shares = [precision.coded_share(move.operand, self._accelerator) for move in crossings]
        found = (self._crossed(move, share) for move, share in zip(crossings, shares, strict=True))
        crossed = [each for each in found if each is not None]
        for each in crossed:
            move = each.move
            traffic.append((_moved(move.operand, each.level, move.write_bits, move.read_bits), 1))
            energies.append((each.level_pj, 1))
            if not move.stays:
                read_bits, write_bits = each.memory_bits
                memory_pj = read_bits * self._energy.memory_read_pj_per_bit
                memory_pj += write_bits * self._energy.memory_write_pj_per_bit
                traffic.append((_moved(move.operand, MEMORY, read_bits, write_bits), 1))
                energies.append(({MEMORY: memory_pj}, 1))
        waiting = {each for each in OPERANDS if layer.nest is not None and self._accelerator.waits_for(each)}
        paces = _paces(tiles, crossed, waiting)
        whole = replace(cost, traffic=_summed(traffic), dynamic_pj=_added(energies))
        waits = self._waits(paces, cost.head_bytes * ends[0] + cost.tail_bytes * ends[1])
        tail_bytes = min(waits, whole.memory_write_bytes) if ends[1] else max(0, waits - whole.memory_read_bytes)
        whole = replace(whole, head_bytes=waits - tail_bytes, tail_bytes=tail_bytes)
        return with_buffer_cycles(whole, sum(pace.cycles * pace.times for pace in paces), self._accelerator)

    def _crossed(self, move: RowMove, share: float) -> "_Crossed | None":
        """None where no level holds the operand; to memory that share of its bits crosses."""
        level = self._accelerator.store_of(move.operand)
        if level is None:
            return None
        reads, writes = -(-move.read_bits // level.access_bits), -(-move.write_bits // level.access_bits)
        return _Crossed(
            move=move,
            memory_bits=(int(coded_bits(move.read_bits, share)), int(coded_bits(move.write_bits, share))),
            level=level.name,
            port=(level.name, level.port_of(move.operand)),
            cycles=level.access_bits * (reads / level.write_width + writes / level.read_width),
            level_pj={
                level.component: reads * self._energy.write_pj[level.name] + writes * self._energy.read_pj[level.name]
            },
        )

    def _waits(self, paces: "Sequence[_Pace]", edge_bytes: int) -> int:
        """Bytes that pass while the array waits; those of an edge are hidden by no computing of the first tile."""
        bytes_per_cycle = self._memory.effective_bytes_per_s / self._accelerator.clock_hz
        beside = [pace.size_bytes - pace.waiting_bytes - int(pace.cycles * bytes_per_cycle) for pace in paces]
        each = [(pace.times, pace.waiting_bytes + max(0, left)) for pace, left in zip(paces, beside, strict=True)]
        return sum(times * waits for times, waits in each) + max(0, edge_bytes - each[0][1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crossed:
    """What a move costs the level on this side."""

    move: RowMove
    memory_bits: tuple[int, int]
    """Read and written, as they are coded."""
    level: str
    port: tuple[str, str]
    cycles: float
    """Of that port."""
    level_pj: Mapping[str, float]


class _Pace(NamedTuple):
    """Equal tiles: how long each is on the array, and what it moves over memory meanwhile."""

    times: int
    cycles: int
    size_bytes: int
    waiting_bytes: int
    """Of these, what the array waits for."""


def _paces(
    tiles: Sequence[tuple[LayerCost, int]], crossed: Sequence[_Crossed], waiting: Collection[Operand]
) -> list[_Pace]:
    """The tiles, those that stand for the first before the others, on an array that waits for some operands.

    What crosses beside their own traffic does so with each tile in proportion to its time, but what stays: that comes
    with the first of all, or of each copy.
    """
    even = [each for each in crossed if not each.move.loads]
    stays = [each for each in crossed if each.move.loads]
    even_waits, stays_wait = ([each for each in some if each.move.operand in waiting] for some in (even, stays))
    loads = sum(each.move.loads for each in stays)
    whole, count = sum(cost.working_cycles * times for cost, times in tiles), sum(times for _, times in tiles)
    found: list[_Pace] = []
    for cost, times in sorted(tiles, key=lambda each: -each[1]):
        share = cost.working_cycles / whole if whole else 1 / count
        lags = cost.buffer_cycles + ceil(_busiest(even) * share)
        size_bytes = cost.memory_bytes + int(_size_bytes(even) * share)
        own = [each for each in cost.traffic if each.level == MEMORY and each.operand in waiting]
        waits = sum(each.read_bytes + each.write_bytes for each in own) + int(_size_bytes(even_waits) * share)
        if not found and loads:
            first = max(cost.compute_cycles, lags + ceil(_busiest(stays) / loads))
            more, more_waits = (_size_bytes(some) // loads for some in (stays, stays_wait))
            found.append(_Pace(loads, first, size_bytes + more, waits + more_waits))
            times -= loads
        found.append(_Pace(times, max(cost.compute_cycles, lags), size_bytes, waits))
    return found


def _busiest(crossed: Iterable[_Crossed]) -> float:
    """Cycles of the port that is busiest."""
    ports: dict[tuple[str, str], float] = {}
    for each in crossed:
        ports[each.port] = ports.get(each.port, 0.0) + each.cycles
    return max(ports.values(), default=0.0)


def _size_bytes(crossed: Iterable[_Crossed]) -> int:
    """What crosses memory."""
    return bits_to_bytes(sum(sum(each.memory_bits) for each in crossed if not each.move.stays))


def _moved(operand: str, level: str, read_bits: int, write_bits: int) -> Traffic:
    return Traffic(
        operand=operand, level=level, read_bytes=bits_to_bytes(read_bits), write_bytes=bits_to_bytes(write_bits)
    )


def _together(name: str, costs: Sequence[tuple[LayerCost, int]]) -> LayerCost:
    """One cost of all tiles, each so many times; a port that lags in one tile does not catch up in another.

    Its head and tail are those of one tile.
    """
    most, _ = max(costs, key=lambda each: each[1])
    buffered: dict[str, int] = {}
    for cost, _ in costs:
        for buffer, size in cost.buffered_bytes.items():
            buffered[buffer] = max(buffered.get(buffer, 0), size)
    return replace(
        most,
        layer=name,
        macs=sum(cost.macs * times for cost, times in costs),
        compute_cycles=sum(cost.compute_cycles * times for cost, times in costs),
        buffer_cycles=sum(cost.working_cycles * times for cost, times in costs),
        traffic=_summed((each, times) for cost, times in costs for each in cost.traffic),
        dynamic_pj=_added([(cost.dynamic_pj, times) for cost, times in costs]),
        buffered_bytes=buffered,
        floor=None,
        gap=None,
    )


def _summed(traffic: Iterable[tuple[Traffic, int]]) -> tuple[Traffic, ...]:
    """Lines of traffic, each so many times."""
    sums: dict[tuple[str, str], list[int]] = {}
    for each, times in traffic:
        entry = sums.setdefault((each.operand, each.level), [0, 0])
        entry[0] += each.read_bytes * times
        entry[1] += each.write_bytes * times
    return tuple(
        Traffic(operand=operand, level=level, read_bytes=read, write_bytes=write)
        for (operand, level), (read, write) in sums.items()
    )


def _added(energies: Iterable[tuple[Mapping[str, float], int]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for dynamic_pj, times in energies:
        for component, pj in dynamic_pj.items():
            found[component] = found.get(component, 0.0) + pj * times
    return found
