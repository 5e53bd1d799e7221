"""The loop nest of a small layer walked pass by pass in plain Python, every fetch watched: the oracle of all counts.

Schedules are static: whatever lies inside a level is fetched anew when a loop advances from the innermost relevant
loop above that level outwards, as an address generator without a look at the data would do it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from math import ceil, prod

from mensa_sim.cost.counts.nest import Precision
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.hardware.pe_array import PeArray, Register
from mensa_sim.workload.dims import DIMS
from mensa_sim.workload.layer import LoopNest

RELEVANT = {"weight": "G K C FY FX", "input": "B G C OY OX FY FX", "output": "B G K OY OX"}
BUFFER = {"weight": "parameter", "input": "activation", "output": "activation"}
Ranges = dict[str, range]


@dataclass
class Seen:
    """What was seen of one operand; tiles are sets of elements."""

    register_reads: int = 0
    register_writes: int = 0
    accumulations: int = 0
    feeds: list[int] = field(default_factory=list)
    collects: list[int] = field(default_factory=list)
    fills: list[int] = field(default_factory=list)
    drains: list[int] = field(default_factory=list)
    tiles: list[int] = field(default_factory=list)
    last_tile: int = 0


def members(dim: str) -> list[str]:
    return dim.split("*")


def is_relevant(operand: str, dim: str) -> bool:
    return members(dim)[0] in RELEVANT[operand].split()


def passes(mapping: NestMapping) -> Iterator[tuple[tuple[int, ...], list[Ranges]]]:
    """Each pass of the array: the counters of all loops, and the ranges of every tile it lies in, innermost first."""
    sizes, lanes, loops = mapping.unrolling.sizes, mapping.unrolling.lanes, mapping.loops

    def extent(dim: str, inner: int) -> int:
        return lanes[dim] * prod(trips for name, trips in loops[:inner] if name == dim)

    def walk(position: int, ranges: Ranges, counters: tuple[int, ...], above: list[Ranges]) -> Iterator:
        if position == 0:
            yield counters, [ranges, *above]
            return
        dim = loops[position - 1].dim
        step = extent(dim, position - 1)
        whole = ranges[dim]
        for count, start in enumerate(range(whole.start, whole.stop, step)):
            inside = {**ranges, dim: range(start, min(start + step, whole.stop))}
            yield from walk(position - 1, inside, (count, *counters), [ranges, *above])

    yield from walk(len(loops), {dim: range(size) for dim, size in sizes.items()}, (), [])


def elements(nest: LoopNest, operand: str, ranges: Ranges) -> set[tuple[int, ...]]:
    """The distinct elements of an operand that the ranges touch; padding holds none."""
    reach_y = nest.stride_y * (nest.OY - 1) + nest.dilation_y * (nest.FY - 1) + 1
    reach_x = nest.stride_x * (nest.OX - 1) + nest.dilation_x * (nest.FX - 1) + 1
    top, left = max(0, reach_y - nest.input_height) // 2, max(0, reach_x - nest.input_width) // 2
    mine = [dim for dim in ranges if is_relevant(operand, dim)]
    found = set()
    for point in product(*(ranges[dim] for dim in mine)):
        at: dict[str, int] = {}
        for dim, index in zip(mine, point, strict=True):
            for name in members(dim):
                index, at[name] = divmod(index, getattr(nest, name))
        if operand == "input":
            y = nest.stride_y * at["OY"] + nest.dilation_y * at["FY"] - top
            x = nest.stride_x * at["OX"] + nest.dilation_x * at["FX"] - left
            if 0 <= y < nest.input_height and 0 <= x < nest.input_width:
                found.add((at["B"], at["G"], at["C"], y, x))
        else:
            found.add(tuple(at[name] for name in RELEVANT[operand].split()))
    return found


class Watcher:
    """Notices when the tile of one operand at one level is fetched anew."""

    def __init__(self, mapping: NestMapping, operand: str, held: int, *, keeps: bool = True) -> None:
        sizes, loops = mapping.unrolling.sizes, mapping.loops

        def moves(position: int) -> bool:
            """Whether the loop has more than one trip at all."""
            dim = loops[position].dim
            inner = mapping.unrolling.lanes[dim] * prod(t for name, t in loops[:position] if name == dim)
            return loops[position].trips > 1 and inner < sizes[dim]

        above = range(held, len(loops))
        relevant = [i for i in above if is_relevant(operand, loops[i].dim) and moves(i)]
        self.first = (relevant[0] if relevant else len(loops)) if keeps else held
        self.operand, self.held = operand, held
        self.current: tuple[int, ...] | None = None

    def advanced(self, counters: tuple[int, ...]) -> bool:
        changed = counters[self.first :] != self.current
        self.current = counters[self.first :]
        return changed

    def tile(self, ranges: list[Ranges]) -> tuple[tuple[int, int], ...]:
        """What tells tiles apart: where the relevant ranges begin and end."""
        inside = ranges[self.held]
        return tuple((r.start, r.stop) for dim, r in inside.items() if is_relevant(self.operand, dim))


def copies(ranges: Ranges, operand: str, register: Register) -> int:
    """Registers that hold the same element (or each a sum of its own) in this pass."""
    shared = {name for entry in register.shared_along for name in members(entry)}
    return prod(
        len(lanes) for dim, lanes in ranges.items() if not is_relevant(operand, dim) and not set(members(dim)) <= shared
    )


def watch(nest: LoopNest, mapping: NestMapping, operand: str, register: Register | None) -> Seen:
    """Walk the nest and record every fetch of one operand."""
    held = mapping.register.get(operand, 0) if register else 0
    kept = mapping.buffer.get(operand, mapping.tile)
    array = Watcher(mapping, operand, held, keeps=register is not None)
    buffer = Watcher(mapping, operand, kept)
    first = Watcher(mapping, operand, mapping.tile)
    seen = Seen()
    visited: dict[str, Counter] = {"array": Counter(), "buffer": Counter()}
    cache: dict[object, int] = {}

    def count(ranges: Ranges) -> int:
        key = tuple(ranges.values())
        if key not in cache:
            cache[key] = len(elements(nest, operand, ranges))
        return cache[key]

    for counters, ranges in passes(mapping):
        lanes = ranges[0]
        size = count(lanes)
        if array.advanced(counters):
            tile = array.tile(ranges)
            again = visited["array"][tile] > 0
            visited["array"][tile] += 1
            elements_here = count(ranges[held])
            if operand == "output":
                seen.collects.append(elements_here)
                if again:
                    seen.feeds.append(elements_here)
                    seen.register_writes += elements_here
                seen.register_reads += elements_here * copies(lanes, operand, register)
            else:
                seen.feeds.append(elements_here)
                if register:
                    seen.register_writes += elements_here * copies(lanes, operand, register)
        if buffer.advanced(counters):
            tile = buffer.tile(ranges)
            again = visited["buffer"][tile] > 0
            visited["buffer"][tile] += 1
            elements_here = count(ranges[kept])
            seen.tiles.append(elements_here)
            if operand == "output":
                seen.drains.append(elements_here)
                if again:
                    seen.fills.append(elements_here)
            else:
                seen.fills.append(elements_here)
        if register:
            seen.register_reads += size * copies(lanes, operand, register)
        if operand == "output":
            seen.accumulations += size * copies(lanes, operand, register)
            seen.register_writes += size * copies(lanes, operand, register)
        seen.last_tile = count(ranges[first.held])
    return seen


def interpret(
    nest: LoopNest, accelerator: PeArray, mapping: NestMapping, precision: Precision, word_bits: int = 1
) -> dict[str, dict]:
    """Every access count of every operand, under the names of `OperandCounts`; memory moves whole words."""
    result = {}
    for operand in RELEVANT:
        output = operand == "output"
        final = getattr(precision, f"{operand}_bits")
        partial = (precision.accumulator_bits or accelerator.accumulator_bits) if output else final
        accumulator = Register(bytes=ceil(partial / 8), shared_along=DIMS)
        register = accelerator.registers.get(operand, accumulator if output else None)
        port = accelerator.buffers.get(BUFFER[operand])
        seen = watch(nest, mapping, operand, register)
        array_bits = partial if output and seen.feeds else final
        memory_bits = partial if output and seen.fills else final

        def accesses(tiles: list[int], bits: int, port=port) -> int:
            return sum(ceil(tile * bits / port.min_bits) for tile in tiles) if port else 0

        def words(tiles: list[int], bits: int) -> int:
            return sum(ceil(tile * bits / word_bits) * word_bits for tile in tiles)

        from_memory, to_memory = (seen.fills, seen.drains) if port else (seen.feeds, seen.collects)
        counts = {
            "memory_read_bits": words(from_memory, memory_bits if port else array_bits),
            "memory_write_bits": words(to_memory, memory_bits if port else array_bits),
            "feed_bits": sum(seen.feeds) * array_bits,
            "feed_accesses": accesses(seen.feeds, array_bits),
            "collect_bits": sum(seen.collects) * array_bits,
            "collect_accesses": accesses(seen.collects, array_bits),
            "register_read_bits": seen.register_reads * partial,
            "register_write_bits": seen.register_writes * partial,
            "accumulations": seen.accumulations,
        }
        if port:
            counts |= {
                "fill_bits": sum(seen.fills) * memory_bits,
                "fill_accesses": accesses(seen.fills, memory_bits),
                "drain_bits": sum(seen.drains) * memory_bits,
                "drain_accesses": accesses(seen.drains, memory_bits),
                "buffer_bits": max(seen.tiles) * array_bits,
            }
        if output and port:
            counts["end_bits"] = words([seen.last_tile], memory_bits)
        result[operand] = counts
    return result


def cycles(nest: LoopNest, accelerator: PeArray, mapping: NestMapping) -> int:
    """Passes counted one by one, taps in whole slots, hops, and fill and drain of every tile that begins."""
    dataflow = accelerator.dataflow
    taps: Counter = Counter()
    ended = set()
    tiles = set()
    depthwise = nest.K == nest.C == 1 and nest.G > 1
    slots = dataflow.depthwise_tap_slots if depthwise else 1
    per = {name for entry in dataflow.hop.per for name in members(entry)} if dataflow.hop else set()
    for counters, ranges in passes(mapping):
        taps[tuple(r for dim, r in ranges[0].items() if members(dim)[0] not in ("FY", "FX"))] += 1
        held = ranges[max(mapping.register.values(), default=0)]
        ended.add(tuple((held if set(members(dim)) <= per else ranges[0])[dim] for dim in held))
        tiles.add(counters[mapping.tile :])
    slot_cycles = dataflow.depthwise_slot_cycles if depthwise else 1
    total = sum(ceil(count / slots) * slots * slot_cycles for count in taps.values())
    if dataflow.hop:
        total += dataflow.hop.cycles * len(ended)
    filled = mapping.unrolling.filled[: len(dataflow.axes)]
    bubbles = dataflow.pipeline_cycles if dataflow.pipeline_cycles is not None else sum(rows - 1 for rows in filled)
    return total + bubbles * len(tiles)
