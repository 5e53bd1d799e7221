"""The way of each operand: the levels that it passes between the array and memory, and how its elements lie in them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from math import ceil, prod

from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import OPERANDS, Operand, relevant
from mensa_sim.workload.layer import Layer

MAC_ACCUMULATOR = "mac_accumulator"
"""The accumulators that no file lists."""

_Lanes = tuple[tuple[str, int], ...]
"""How many there are along each dim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Bits of a final element of each operand, and of a partial sum."""

    weight_bits: int = 8
    input_bits: int = 8
    output_bits: int = 8
    accumulator_bits: int | None = None
    """None: the width of the accelerator's accumulators."""
    input_zeros: float = 0.0
    """Share of zeros among the elements of the input."""
    output_zeros: float = 0.0
    """Likewise of final elements of the output."""
    output_left: float = 1.0
    """Of the elements that a nest makes, those left where columns that overlap are added up."""
    adds_columns: bool = False
    """Whether they are added up on chip: then they are sums until they leave it."""

    def final_bits(self, operand: Operand) -> int:
        """Of an operand."""
        bits: int = getattr(self, f"{operand}_bits")
        return bits

    def memory_share(self, operand: Operand, accelerator: PeArray) -> float:
        """What of an operand's bits crosses to memory and back, summed up and as the accelerator codes them."""
        return self.coded_share(operand, accelerator) * (self.output_left if operand == "output" else 1.0)

    def coded_share(self, operand: Operand, accelerator: PeArray) -> float:
        """Bits of an operand as the accelerator codes them for memory, over those that they stand for."""
        if accelerator.run_length is None or operand == "weight":
            return 1.0
        zeros = self.input_zeros if operand == "input" else self.output_zeros
        return accelerator.run_length.share(self.final_bits(operand), zeros)

    def skipped(self, accelerator: PeArray) -> float:
        """Share of the products that an accelerator skips, with the weights that it does not read for them."""
        return self.input_zeros if accelerator.gates_zeros else 0.0

    def partial_bits(self, accelerator: PeArray) -> int:
        """Of a partial sum on an accelerator."""
        return self.accumulator_bits or accelerator.accumulator_bits


def precision_of(layer: Layer) -> Precision:
    """The widths of a layer's operands."""
    return Precision(
        weight_bits=layer.element_bits("weight"),
        input_bits=layer.element_bits("input"),
        output_bits=layer.element_bits("output"),
        accumulator_bits=layer.accumulator_bits,
        input_zeros=layer.input_zeros,
        output_zeros=layer.output_zeros,
        output_left=layer.made_elements / layer.nest.output_elements if layer.nest else 1.0,
        adds_columns=layer.waiting_elements > 0,
    )


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One level on an operand's way, under one unrolling."""

    level: Level
    own: Mapping[str, int]
    """Lanes along each dim that indexes the operand whose elements lie in instances of their own."""
    copies: Mapping[str, tuple[tuple[int, bool], ...]]
    """Of each dim that does not index it but has several instances: lanes on each axis, and whether those do."""
    copied: int
    """Instances that hold the same element, or each a sum of its own for it, with all lanes at work."""

    @cached_property
    def spread(self) -> int:
        """Instances that hold different elements."""
        return prod(self.own.values())

    def instances_of(self, dim: str, active: int) -> int:
        """Instances along a dim that does not index the operand, where so many of its lanes work."""
        return instances(self.copies[dim], active) if dim in self.copies else 1


def instances(takes: Sequence[tuple[int, bool]], active: int) -> int:
    """Instances that so many lanes reach: lanes fill the first axis first, and share along those that are not `own`.

    >>> instances([(4, False), (2, True)], 5)  # the fifth lane lies in the second index of the second axis
    2
    >>> instances([(4, True), (2, False)], 5)
    4
    """
    if not takes:
        return 1
    *inner, (_, own) = takes
    within = prod(lanes for lanes, _ in inner)
    full, rest = divmod(active, within)
    if not full:
        return instances(inner, rest)
    whole = instances(inner, within)
    if not own:
        return whole
    return full * whole + (instances(inner, rest) if rest else 0)


@dataclass(frozen=True, kw_only=True)
class Way:
    """An operand's levels, innermost first, and the widths of what passes them; memory lies behind the last."""

    operand: Operand
    stops: tuple[Stop, ...]
    final_bits: int
    """Bits of an element on chip that the nest adds no more to."""
    memory_bits: int
    """Of one as it crosses to memory: as many, but for columns, which stay sums on chip until others are added."""
    room_bits: int
    """That an SRAM has for one: as many, but for columns, several of which add up to one sum."""
    partial_bits: int
    """Bits of an element that further sums will be added to; those of a final one for weights and inputs."""
    word_bits: int = 1
    """Memory moves whole words of every tile."""
    memory_share: float = 1.0
    """What of these words is left as they are coded."""
    waits: bool = False
    """Whether the array waits for all that comes from memory or goes there, not only for the first or last tile."""
    skipped: float = 0.0
    """Share of the array's reads of it that cost nothing, as what they are for is zero."""

    @property
    def narrowest(self) -> "Way":
        """The same with elements that are no wider than sums."""
        widths = {
            name: min(getattr(self, name), self.partial_bits) for name in ("final_bits", "memory_bits", "room_bits")
        }
        return replace(self, **widths)

    @cached_property
    def ported(self) -> int:
        """How many of the stops, the outer ones, are SRAMs."""
        return sum(stop.level.ported for stop in self.stops)

    @property
    def listed_registers(self) -> bool:
        """Whether the accelerator's file lists registers for it."""
        return bool(self.stops) and not self.stops[0].level.ported and self.stops[0].level.name != MAC_ACCUMULATOR

    @property
    def wired_to_memory(self) -> bool:
        """Whether its outermost SRAM stands in the array, so that what memory moves passes the array's wires."""
        return self.ported > 0 and self.in_array == len(self.stops)

    @cached_property
    def in_array(self) -> int:
        """How many of the stops, the inner ones, stand in the array: what passes between them needs no long wire."""
        return sum(bool(stop.level.per) or not stop.level.ported for stop in self.stops)


def ways(accelerator: PeArray, unrolling: Unrolling, precision: Precision, word_bits: int = 1) -> dict[Operand, Way]:
    """The way of each operand; `word_bits` is the memory's.

    A MAC always has an accumulator, which the array's reduction feeds: where the innermost level of the outputs is no
    register, it stands before it.
    """
    sum_bits = precision.partial_bits(accelerator)
    lanes, along = tuple(unrolling.lanes.items()), tuple(tuple(each.items()) for each in unrolling.along)
    found: dict[Operand, Way] = {}
    for operand in OPERANDS:
        levels = accelerator.levels_of(operand)
        if operand == "output" and not (levels and not levels[0].ported):
            levels = (accumulator(len(accelerator.unrolled_axes), sum_bits), *levels)
        final = room = at_memory = precision.final_bits(operand)
        if operand == "output" and precision.adds_columns:
            final, room = sum_bits, ceil(sum_bits * precision.output_left)
        found[operand] = Way(
            operand=operand,
            stops=tuple(_stop(level, operand, lanes, along) for level in levels),
            final_bits=final,
            memory_bits=at_memory,
            room_bits=room,
            partial_bits=sum_bits if operand == "output" else final,
            word_bits=word_bits,
            memory_share=precision.memory_share(operand, accelerator),
            waits=accelerator.waits_for(operand),
            skipped=precision.skipped(accelerator) if operand == "weight" else 0.0,
        )
    return found


@cache
def accumulator(axes: int, sum_bits: int) -> Level:
    """The accumulators that the MACs of so many axes have in any case: a sum in each lane that has its own output."""
    every = tuple(range(axes))
    return Level(
        name=MAC_ACCUMULATOR, serves=("output",), capacity_bytes=bits_to_bytes(sum_bits), per=every, reduces_along=every
    )


@lru_cache(maxsize=4096)
def _stop(level: Level, operand: Operand, lanes: _Lanes, along: tuple[_Lanes, ...]) -> Stop:
    """A level under an unrolling: all lanes of each dim, and for each axis."""
    own = {dim: 1 for dim, _ in lanes if relevant(operand, dim)}
    axes = [dict(each) for each in along]
    copies: dict[str, tuple[tuple[int, bool], ...]] = {}
    shared = level.shared_along(operand)
    for dim, lanes_of_dim in lanes:
        if lanes_of_dim == 1:
            continue
        takes = tuple((each[dim], axis) for axis, each in enumerate(axes) if dim in each)
        if dim in own:
            own[dim] = instances([(each, axis in level.per) for each, axis in takes], lanes_of_dim)
        elif any(each > 1 and axis in level.per and axis not in shared for each, axis in takes):
            copies[dim] = tuple((each, axis in level.per and axis not in shared) for each, axis in takes)
    copied = prod(instances(takes, dict(lanes)[dim]) for dim, takes in copies.items())
    return Stop(level=level, own=own, copies=copies, copied=copied)
