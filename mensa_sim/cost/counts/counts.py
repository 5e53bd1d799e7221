"""How often each operand is fetched and written at each level under one mapping: exact counts, in closed form.

traffic of an operand at a level = its tile x the trips of every loop above that level, except the innermost run of
loops irrelevant to it. An input tile counts its distinct positions, edge tiles count what they hold. An output that
crosses a boundary with reduction loops above it is a partial sum: written once per trip, and read once per trip but
the first. Without them it is final and written once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from operator import mul

from mensa_sim.cost.counts.window import Histogram, Window, window_histogram, window_of
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.accelerator import BufferName
from mensa_sim.hardware.pe_array import Register
from mensa_sim.workload.dims import WINDOW, Operand, relevant, split_dims
from mensa_sim.workload.layer import LoopNest

BUFFER_OF: Mapping[Operand, BufferName] = {"weight": "parameter", "input": "activation", "output": "activation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a count needs to know of an operand's way: element sizes, and the levels between memory and array."""

    final_bits: int
    partial_bits: int
    """Bits of an element that further sums will be added to; those of a final one for weights and inputs."""
    min_bits: int | None
    """The smallest access of its buffer; none without a buffer."""
    register: Register | None
    word_bits: int = 1
    """Memory moves whole words of every tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperandCounts:
    """Accesses of one operand: bits moved, and port accesses of `min_bits` where a buffer stands in the way.

    `fill` and `drain` are the buffer's accesses on the memory side, `feed` and `collect` those on the array's side.
    Without a buffer, `feed` and `collect` are accesses of the memory, which moves whole words of every tile.
    """

    memory_read_bits: int = 0
    memory_write_bits: int = 0
    fill_bits: int = 0
    fill_accesses: int = 0
    drain_bits: int = 0
    drain_accesses: int = 0
    feed_bits: int = 0
    feed_accesses: int = 0
    collect_bits: int = 0
    collect_accesses: int = 0
    register_read_bits: int = 0
    register_write_bits: int = 0
    buffer_bits: int = 0
    """The largest tile that the buffer holds."""
    whole: bool = False
    """The buffer's tile is the whole operand, so that it is never swapped."""
    end_bits: int = 0
    """What memory moves of the first tile of a weight or input, the last tile of an output."""
    accumulations: int = 0
    """Times that a sum is added to a register."""
    visits: int = 1
    """Times that each element of the buffer's tile (the registers' without a buffer) crosses to or from memory."""


Tiles = tuple[list[int], list[int]]
"""Element counts of tiles, and how many tiles have each."""


class _Walk:
    """Tiles and trips of one operand under a mapping."""

    def __init__(self, nest: LoopNest, mapping: NestMapping, operand: Operand) -> None:
        self.mapping = mapping
        self.sizes = mapping.unrolling.sizes
        self.operand = operand
        self.mine = [dim for dim in self.sizes if relevant(operand, dim)]
        self.others = [dim for dim in self.sizes if not relevant(operand, dim)]
        self.window: Window | None = window_of(nest) if operand == "input" else None
        self._tiles: dict[int, Tiles] = {}
        self._seen: dict[int, Histogram] = {}

    def tiles(self, inner_loops: int) -> Tiles:
        """The element counts of the tiles of so many innermost loops, and how many tiles have each."""
        if inner_loops not in self._tiles:
            self._tiles[inner_loops] = self._count_tiles(inner_loops)
        return self._tiles[inner_loops]

    def _count_tiles(self, inner_loops: int) -> Tiles:
        extents = self.mapping.extents(inner_loops)
        values, counts = [1], [1]
        for dim in self.mine:
            if self.sizes[dim] == 1 or (self.window is not None and split_dims(dim)[0] in WINDOW):
                continue
            full, rest = divmod(self.sizes[dim], extents[dim])
            sizes, times = ((extents[dim], rest), (full, 1)) if rest else ((extents[dim],), (full,))
            values = [value * size for value in values for size in sizes]
            counts = [count * time for count in counts for time in times]
        if self.window is None:
            return values, counts
        seen = self.seen(inner_loops)
        return (
            [value * size for value in values for size in seen.values.tolist()],
            [count * time for count in counts for time in seen.counts.tolist()],
        )

    def seen(self, inner_loops: int) -> Histogram:
        """Distinct input positions of the tiles."""
        assert self.window is not None
        if inner_loops not in self._seen:
            extents = self.mapping.extents(inner_loops)
            tile = tuple((dim, extents[dim]) for dim in self.mine if split_dims(dim)[0] in WINDOW)
            self._seen[inner_loops] = window_histogram(self.window, tile)
        return self._seen[inner_loops]

    def repeats(self, inner_loops: int, *, keeps: bool = True, register: Register | None = None) -> int:
        """Times that each tile is fetched: the trips of the irrelevant loops above, but for the innermost run.

        With a register it counts each copy: lanes along an irrelevant dim hold the same element (or partial sums of
        their own), unless the register is shared along it.
        """
        position = inner_loops
        while keeps and position < len(self.mapping.loops):
            dim = self.mapping.loops[position].dim
            if dim in self.mine and self.mapping.extents(position)[dim] < self.mapping.extents(position + 1)[dim]:
                break
            position += 1
        extents = self.mapping.extents(position)
        shared = {member for entry in register.shared_along for member in split_dims(entry)} if register else set()
        times = 1
        for dim in self.others:
            lanes, rest = self.mapping.unrolling.lanes[dim], (self.sizes[dim] - 1) % extents[dim] + 1
            copied = register is not None and not set(split_dims(dim)) <= shared
            trips = -(-self.sizes[dim] // extents[dim])
            times *= (trips - 1) * lanes + min(lanes, rest) if copied else trips
        return times

    def end(self, inner_loops: int) -> int:
        """Elements of the first tile, or for an output of the last one."""
        extents = self.mapping.extents(inner_loops)
        if self.operand == "output":
            return prod((self.sizes[dim] - 1) % extents[dim] + 1 for dim in self.mine)
        plain = prod(extents[dim] for dim in self.mine if self.window is None or split_dims(dim)[0] not in WINDOW)
        return plain * (self.seen(inner_loops).first if self.window is not None else 1)


def reads_per_element(unrolling: Unrolling, operand: Operand, register: Register) -> int:
    """Times that the array reads an element from its registers, or adds to it: each lane that has a copy on its own.

    Under any mapping, as every pass of the array reads what it works on.
    """
    shared = {member for entry in register.shared_along for member in split_dims(entry)}
    return prod(
        unrolling.trips(dim) if set(split_dims(dim)) <= shared else size
        for dim, size in unrolling.sizes.items()
        if not relevant(operand, dim)
    )


def _elements(tiles: Tiles) -> int:
    return sum(map(mul, *tiles))


def _crossing(tiles: Tiles, times: int, bits: int, min_bits: int | None) -> tuple[int, int]:
    """Bits, and port accesses where there is a port, of tiles that cross a boundary so many times."""
    moved_bits = _elements(tiles) * bits * times
    if min_bits is None:
        return moved_bits, 0
    return moved_bits, times * sum(count * -(-value * bits // min_bits) for value, count in zip(*tiles, strict=True))


def _moved(tiles: Tiles, times: int, bits: int, word_bits: int) -> int:
    """Bits that memory moves of tiles that cross its boundary so many times."""
    if word_bits == 1:
        return _elements(tiles) * bits * times
    return _crossing(tiles, times, bits, word_bits)[1] * word_bits


def whole_words(bits: int, word_bits: int) -> int:
    """Bits of the words that some bits take up.

    >>> whole_words(72, 64)
    128
    """
    return -(-bits // word_bits) * word_bits


def count_operand(nest: LoopNest, mapping: NestMapping, operand: Operand, ports: Ports) -> OperandCounts:
    """Every access of one operand, in bits and port accesses, over the whole nest."""
    walk = _Walk(nest, mapping, operand)
    return _count_output(walk, ports) if operand == "output" else _count_read(walk, ports)


def _count_read(walk: _Walk, ports: Ports) -> OperandCounts:
    operand, mapping, bits = walk.operand, walk.mapping, ports.final_bits
    held = mapping.register.get(operand, 0) if ports.register else 0
    tiles, repeats = walk.tiles(held), walk.repeats(held, keeps=ports.register is not None)
    feed_bits, feed_accesses = _crossing(tiles, repeats, bits, ports.min_bits)
    reads = writes = 0
    if ports.register:
        elements = _elements(tiles)
        writes = elements * walk.repeats(held, register=ports.register)
        reads = _elements(walk.tiles(0)) * walk.repeats(0, keeps=False, register=ports.register)
    fill_bits = fill_accesses = buffer_bits = 0
    whole = False
    end = walk.end(held)
    visits = repeats
    moved = tiles
    if ports.min_bits is not None:
        kept = mapping.buffer.get(operand, mapping.tile)
        blocks = walk.tiles(kept)
        visits = walk.repeats(kept)
        fill_bits, fill_accesses = _crossing(blocks, visits, bits, ports.min_bits)
        buffer_bits, whole = max(blocks[0]) * bits, sum(blocks[1]) == 1
        end = walk.end(mapping.tile)
        moved = blocks
    return OperandCounts(
        memory_read_bits=_moved(moved, visits, bits, ports.word_bits),
        fill_bits=fill_bits,
        fill_accesses=fill_accesses,
        feed_bits=feed_bits,
        feed_accesses=feed_accesses,
        register_read_bits=reads * bits,
        register_write_bits=writes * bits,
        buffer_bits=buffer_bits,
        whole=whole,
        end_bits=whole_words(end * bits, ports.word_bits),
        visits=visits,
    )


def _count_output(walk: _Walk, ports: Ports) -> OperandCounts:
    mapping = walk.mapping
    assert ports.register is not None
    held = mapping.register.get("output", 0)
    tiles, repeats = walk.tiles(held), walk.repeats(held)
    bits = ports.partial_bits if repeats > 1 else ports.final_bits
    collect_bits, collect_accesses = _crossing(tiles, repeats, bits, ports.min_bits)
    feed_bits, feed_accesses = _crossing(tiles, repeats - 1, bits, ports.min_bits)
    elements = _elements(tiles)
    sums = elements * walk.repeats(0, keeps=False, register=ports.register)
    drains = elements * walk.repeats(held, register=ports.register)
    fill_bits = fill_accesses = drain_bits = drain_accesses = buffer_bits = 0
    whole = False
    visits, end_bits = repeats, walk.end(held) * bits
    moved, moved_bits = tiles, bits
    if ports.min_bits is not None:
        kept = mapping.buffer.get("output", mapping.tile)
        blocks = walk.tiles(kept)
        visits = walk.repeats(kept)
        crossing_bits = ports.partial_bits if visits > 1 else ports.final_bits
        drain_bits, drain_accesses = _crossing(blocks, visits, crossing_bits, ports.min_bits)
        fill_bits, fill_accesses = _crossing(blocks, visits - 1, crossing_bits, ports.min_bits)
        buffer_bits, whole = max(blocks[0]) * bits, sum(blocks[1]) == 1
        end_bits = walk.end(mapping.tile) * crossing_bits
        moved, moved_bits = blocks, crossing_bits
    return OperandCounts(
        memory_read_bits=_moved(moved, visits - 1, moved_bits, ports.word_bits),
        memory_write_bits=_moved(moved, visits, moved_bits, ports.word_bits),
        fill_bits=fill_bits,
        fill_accesses=fill_accesses,
        drain_bits=drain_bits,
        drain_accesses=drain_accesses,
        feed_bits=feed_bits,
        feed_accesses=feed_accesses,
        collect_bits=collect_bits,
        collect_accesses=collect_accesses,
        register_read_bits=(sums + drains) * ports.partial_bits,
        register_write_bits=sums * ports.partial_bits + elements * (repeats - 1) * ports.partial_bits,
        buffer_bits=buffer_bits,
        whole=whole,
        end_bits=whole_words(end_bits, ports.word_bits),
        accumulations=sums,
        visits=visits,
    )
