"""The loop nest of a small layer walked pass by pass in plain Python, every fetch watched: the oracle of all counts.

Schedules are static: whatever lies inside a level is fetched anew when a loop advances from the innermost relevant
loop above that level outwards, as an address generator without a look at the data would do it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from math import ceil, prod

from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.workload.layer import LoopNest

RELEVANT = {"weight": "G K C FY FX", "input": "B G C OY OX FY FX", "output": "B G K OY OX"}
Ranges = dict[str, range]


@dataclass
class Boundary:
    """What was seen at one boundary of an operand's way: elements of each tile that crossed, and in how many copies;
    the ranges of each distinct tile, and how often it came."""

    fills: list[tuple[int, int]] = field(default_factory=list)
    drains: list[tuple[int, int]] = field(default_factory=list)
    feeds: list[tuple[int, int]] = field(default_factory=list)
    collects: list[tuple[int, int]] = field(default_factory=list)
    tiles: list[int] = field(default_factory=list)
    ranges: dict[tuple, Ranges] = field(default_factory=dict)
    visited: Counter = field(default_factory=Counter)


@cache
def members(dim: str) -> list[str]:
    return dim.split("*")


@cache
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


def elements(nest: LoopNest, operand: str, ranges: Ranges, *, padding: bool = False) -> set[tuple[int, ...]]:
    """The distinct elements of an operand that the ranges touch; padding holds none unless it is asked for."""
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
            if padding or (0 <= y < nest.input_height and 0 <= x < nest.input_width):
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


def instances_reached(ranges: Ranges, mapping: NestMapping, operand: str, level: Level, *, relevant: bool) -> int:
    """Instances of a level that the lanes at work reach, along the dims that index an operand, or the others.

    Each lane is placed on the axes one by one, the first axis first.
    """
    axes = set(level.per) - (set() if relevant else set(level.shared_along(operand)))
    reached = 1
    for dim, lanes in ranges.items():
        if is_relevant(operand, dim) != relevant:
            continue
        places = set()
        for lane in range(len(lanes)):
            place = []
            for axis, takes in enumerate(mapping.unrolling.along):
                lane, index = divmod(lane, takes.get(dim, 1))
                place.append(index if axis in axes else 0)
            places.add(tuple(place))
        reached *= len(places)
    return reached


def fullest(nest: LoopNest, mapping: NestMapping, operand: str, level: Level, ranges: Ranges) -> int | None:
    """Elements of a tile in the instance of a level that holds most, as indices take turns among those along a dim.

    Where rows or columns of an input lie in several, each is as large as if nothing were padding; none is told there
    for flattened products.
    """
    mine = {dim: each for dim, each in ranges.items() if is_relevant(operand, dim)}
    lanes = full_lanes(mapping)
    several = {dim: instances_reached({dim: lanes[dim]}, mapping, operand, level, relevant=True) for dim in mine}
    window = [dim for dim in mine if operand == "input" and members(dim)[-1][0] in "OF"]
    apart = any(several[dim] > 1 for dim in window)
    if apart and any(len(members(dim)) > 1 for dim in window):
        return None
    first = {dim: indices[:: several[dim]] for dim, indices in mine.items()}
    return len(elements(nest, operand, first, padding=apart))


def full_lanes(mapping: NestMapping) -> Ranges:
    """The lanes of a pass that fills the array as far as the nest can."""
    return {dim: range(lanes) for dim, lanes in mapping.unrolling.lanes.items()}


def way_of(accelerator: PeArray, operand: str) -> list[Level]:
    """The levels of an operand; a MAC has an accumulator of its own where no register takes the sums."""
    levels = [level for level in accelerator.levels if operand in level.serves]
    if operand == "output" and (not levels or levels[0].read_bits is not None):
        axes = tuple(range(len(accelerator.dataflow.axes) + (accelerator.macs_per_pe > 1)))
        sums = Level(name="mac", serves=("output",), capacity_bytes=9, per=axes, reduces_along=axes)
        levels.insert(0, sums)
    return levels


def watch(nest: LoopNest, mapping: NestMapping, operand: str, levels: list[Level]) -> tuple[list[Boundary], int, int]:
    """Walk the nest and record every crossing of one operand; the end tile's elements, and swaps of its registers."""
    held = mapping.holds[operand]
    watchers = [Watcher(mapping, operand, 0, keeps=False)]
    watchers += [Watcher(mapping, operand, inner) for inner in held]
    registers = 1 if levels and levels[0].read_bits is None else 0
    seen = [Boundary() for _ in watchers]
    sizes: dict[object, int] = {}
    instances: dict[object, int] = {}
    indexing = [dim for dim in mapping.unrolling.sizes if is_relevant(operand, dim)]
    last_tile: int | None = None
    swaps = 0

    def count(ranges: Ranges) -> int:
        key = tuple([ranges[dim] for dim in indexing])
        if key not in sizes:
            sizes[key] = len(elements(nest, operand, ranges))
        return sizes[key]

    def reached(level: Level | None, lanes: Ranges) -> int:
        if level is None:
            return 1
        key = (id(level), *lanes.values())
        if key not in instances:
            instances[key] = instances_reached(lanes, mapping, operand, level, relevant=False)
        return instances[key]

    for counters, ranges in passes(mapping):
        for index, (watcher, boundary) in enumerate(zip(watchers, seen, strict=True)):
            if not watcher.advanced(counters):
                continue
            swaps += index == registers
            tile = watcher.tile(ranges)
            again = boundary.visited[tile] > 0
            boundary.visited[tile] += 1
            boundary.ranges[tile] = ranges[watcher.held]
            size = count(ranges[watcher.held])
            boundary.tiles.append(size)
            # All lanes of the visit count, also those that its first pass leaves idle.
            width = {dim: range(min(mapping.unrolling.lanes[dim], len(r))) for dim, r in ranges[watcher.first].items()}
            inside = reached(levels[index - 1], width) if index else 1
            outside = reached(levels[index], width) if index < len(levels) else 1
            if operand != "output":
                boundary.fills.append((size, inside))
                boundary.feeds.append((size, outside))
            elif index == 0:
                boundary.feeds.append((size, outside))
                boundary.collects.append((size, outside))
            else:
                boundary.drains.append((size, inside))
                boundary.collects.append((size, outside))
                first = 0 if again else reached(levels[index] if index < len(levels) else None, full_lanes(mapping))
                if outside > first or not again:
                    boundary.feeds.append((size, outside - first))
                    boundary.fills.append((size, outside - first))
        end = ranges[mapping.cuts[-1] if any(level.read_bits for level in levels) else watchers[-1].held]
        last_tile = count(end) if operand == "output" or last_tile is None else last_tile
    return seen, last_tile or 0, swaps


def interpret(
    nest: LoopNest, accelerator: PeArray, mapping: NestMapping, precision: Precision, word_bits: int = 1
) -> dict[str, dict]:
    """Every access count of every operand, under the names of `OperandCounts`; memory moves whole words."""
    result = {}
    for operand in RELEVANT:
        output = operand == "output"
        final = getattr(precision, f"{operand}_bits")
        partial = (precision.accumulator_bits or accelerator.accumulator_bits) if output else final
        levels = way_of(accelerator, operand)
        seen, last_tile, swaps = watch(nest, mapping, operand, levels)
        again = [max(boundary.visited.values()) > 1 for boundary in seen]
        widths = [partial if output and (not b or again[b]) else final for b in range(len(seen))]

        def total(tiles: list[tuple[int, int]], width: int) -> int:
            return sum(size * copies for size, copies in tiles) * width

        def accesses(tiles: list[tuple[int, int]], width: int, unit: int, spread: int) -> int:
            return sum(copies * min(spread, size) * ceil(ceil(size / spread) * width / unit) for size, copies in tiles)

        found = []
        for index, level in enumerate(levels):
            inner, outer = seen[index], seen[index + 1]
            register = level.read_bits is None
            widest = partial if output and (register or again[index]) else final
            inner_bits, outer_bits = (widest, widest) if register else (widths[index], widths[index + 1])
            spread = instances_reached(full_lanes(mapping), mapping, operand, level, relevant=True)
            unit = level.min_bits or min(level.read_bits or 1, level.write_bits or 1)
            counts = {}
            for name, tiles, width in (
                ("fill", outer.fills, outer_bits),
                ("drain", outer.drains, outer_bits),
                ("feed", inner.feeds, inner_bits),
                ("collect", inner.collects, inner_bits),
            ):
                counts[f"{name}_bits"] = total(tiles, width)
                if not register:
                    counts[f"{name}_accesses"] = accesses(tiles, width, unit, spread)
            held = [fullest(nest, mapping, operand, level, tile) for tile in outer.ranges.values()]
            if None not in held:
                counts["held_bits"] = max(held) * widest
            reached = instances_reached(full_lanes(mapping), mapping, operand, level, relevant=False)
            counts["instances"] = spread * reached
            counts["whole"] = len(outer.visited) == 1
            found.append(counts)
        last = seen[-1]
        outside = (i for i, level in enumerate(levels) if level.read_bits is not None and not level.per)
        array = next(outside, len(levels))

        def words(tiles: list[tuple[int, int]], width: int) -> int:
            return sum(copies * ceil(size * width / word_bits) * word_bits for size, copies in tiles)

        result[operand] = {
            "memory_read_bits": words(last.feeds, widths[-1]),
            "memory_write_bits": words(last.collects, widths[-1]),
            "wire_bits": total(seen[array].feeds + seen[array].collects, widths[array]),
            "end_bits": ceil(last_tile * widths[-1] / word_bits) * word_bits,
            "accumulations": sum(size * copies for size, copies in seen[0].collects),
            "swaps": swaps,
            "levels": found,
        }
    return result


def waited(levels: list[Level], seen: list[dict[str, int]]) -> int:
    """Cycles in which the array stands still while the SRAM around a level that waits feeds it, or is fed by it."""
    total = 0
    for index, level in enumerate(levels[:-1]):
        if level.waits:
            outer, accesses = levels[index + 1], seen[index + 1]
            unit = outer.min_bits or min(outer.read_bits, outer.write_bits)
            for name, width in (("feed", outer.read_bits), ("collect", outer.write_bits)):
                total += ceil(accesses[f"{name}_accesses"] * unit / (width * accesses["instances"]))
    return total


def cycles(nest: LoopNest, accelerator: PeArray, mapping: NestMapping, precision: Precision) -> int:
    """Passes counted one by one, taps in whole slots, hops, and fill and drain of every tile that begins."""
    dataflow = accelerator.dataflow
    taps: Counter = Counter()
    ended = set()
    tiles = set()
    depthwise = nest.K == nest.C == 1 and nest.G > 1
    slots = dataflow.depthwise_tap_slots if depthwise else 1
    per = {name for entry in dataflow.hop.per for name in members(entry)} if dataflow.hop else set()
    for counters, ranges in passes(mapping):
        taps[tuple(r for dim, r in ranges[0].items() if members(dim)[-1] not in ("FY", "FX"))] += 1
        held = ranges[mapping.cuts[0]]
        ended.add(tuple((held if set(members(dim)) <= per else ranges[0])[dim] for dim in held))
        tiles.add(counters[mapping.cuts[-1] :])
    slot_cycles = dataflow.depthwise_slot_cycles if depthwise else 1
    total = sum(ceil(count / slots) * slots * slot_cycles for count in taps.values())
    native = accelerator.operand_bits
    total *= ceil(precision.weight_bits / native) * ceil(precision.input_bits / native)
    if dataflow.hop:
        total += dataflow.hop.cycles * len(ended)
    filled = mapping.unrolling.filled[: len(dataflow.axes)]
    bubbles = dataflow.pipeline_cycles if dataflow.pipeline_cycles is not None else sum(rows - 1 for rows in filled)
    if dataflow.pipeline_cycles_per == "tile":
        return total + bubbles * len(tiles)
    stationary = dataflow.stationary
    return total + bubbles * watch(nest, mapping, stationary, way_of(accelerator, stationary))[2]
