"""What a layer in pieces on equal accelerators takes, beside what the layers around it leave on which of them."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mensa_sim.cost.feeds.ways import Passage, from_level
from mensa_sim.cost.layer_cost import MEMORY, LayerCost
from mensa_sim.cost.least_work import least_array_pj, least_array_ps
from mensa_sim.cost.tiles.pieces import READ_BY_ALL, Piece, Region, SplitAxis
from mensa_sim.hardware.system import System
from mensa_sim.schedule.homes.step import input_nest_bytes
from mensa_sim.units import BITS_PER_BYTE, transfer_ps
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOption:
    """One way to run a layer on a pool: whole, or in pieces, the first on the first accelerator and so on."""

    axis: SplitAxis | None
    """None: whole."""
    sizes: tuple[int, ...]
    pieces: tuple[Piece, ...]
    on_chip_ps: float
    """Of the slowest piece."""
    chip_pj: float
    """Of all pieces, without memory."""
    parameter_bytes: int
    """Fetched from memory, what pieces share once."""
    read_bytes: int
    """Of activations, likewise."""
    written_bytes: int
    known: bool
    """Whether it is what mappings take; else what none is below."""


def least_of(
    axis: SplitAxis, sizes: tuple[int, ...], pieces: Sequence[Piece], system: System, whole: LayerCost
) -> PoolOption:
    """What no mappings of pieces are below: work at as many lanes as their dims fill, every byte that is used once.

    `whole` is the cost of the layer.
    """
    layers = [piece.layer for piece in pieces]
    return PoolOption(
        axis=axis,
        sizes=sizes,
        pieces=tuple(pieces),
        on_chip_ps=max(least_array_ps(layer, system, whole) for layer in layers),
        chip_pj=least_array_pj(whole),
        parameter_bytes=_of_all(axis, "weight", [_least_weights(layer) for layer in layers]),
        read_bytes=_of_all(axis, "input", [_least_inputs(layer) for layer in layers]),
        written_bytes=sum(layer.output_bytes for layer in layers),
        known=False,
    )


def option_of(
    axis: SplitAxis | None, sizes: tuple[int, ...], pieces: Sequence[Piece], costs: Sequence[LayerCost]
) -> PoolOption:
    """The option whose pieces cost that."""
    weights = [
        0 if piece.layer.weights_are_activations else _read_bytes(cost, {"weight"})
        for piece, cost in zip(pieces, costs, strict=True)
    ]
    reads = [cost.memory_read_bytes - own for cost, own in zip(costs, weights, strict=True)]
    return PoolOption(
        axis=axis,
        sizes=sizes,
        pieces=tuple(pieces),
        on_chip_ps=max(cost.on_chip_ps for cost in costs),
        chip_pj=sum(cost.energy_pj - cost.dynamic_pj.get(MEMORY, 0.0) for cost in costs),
        parameter_bytes=_of_all(axis, "weight", weights),
        read_bytes=_of_all(axis, "input", reads),
        written_bytes=sum(cost.memory_write_bytes for cost in costs),
        known=True,
    )


def _least_weights(layer: Layer) -> int:
    """Bytes that its products multiply with, where those are parameters."""
    if layer.nest is None or layer.weights_are_activations:
        return 0
    return min(layer.parameter_bytes, layer.nest.weight_elements * layer.element_bits("weight") // BITS_PER_BYTE)


def _least_inputs(layer: Layer) -> int:
    """Bytes of inputs, without rows and columns that no window touches."""
    nest = layer.nest
    if nest is None:
        return layer.input_bytes
    touched = min(nest.input_height, nest.OY * nest.FY) * min(nest.input_width, nest.OX * nest.FX)
    passed_by = 1 - touched / (nest.input_height * nest.input_width)
    return layer.input_bytes - round(min(layer.input_bytes, input_nest_bytes(layer)) * passed_by)


def _of_all(axis: SplitAxis | None, operand: Operand, sizes: Sequence[int]) -> int:
    """What pieces read of an operand, that each reads so much of: one reads for all what all of them read."""
    return max(sizes) if axis is not None and operand in READ_BY_ALL[axis] else sum(sizes)


def _read_bytes(cost: LayerCost, operands: Container[str]) -> int:
    return sum(each.read_bytes for each in cost.traffic if each.level == MEMORY and each.operand in operands)


class Surroundings:
    """The pool, its level for activations and the ways between its accelerators."""

    def __init__(self, system: System, pool: tuple[str, ...]) -> None:
        self.system, self.pool = system, pool
        self.room_bytes = system.room_for_tensors(pool[0])
        """Of each accelerator's level for activations."""
        places = range(len(pool))
        self.ways: Mapping[tuple[int, int], Passage | None] = {
            (holder, reader): from_level(system, pool[holder], pool[reader])
            for holder in places
            for reader in places
            if holder != reader
        }
        """How one reads what another one holds, by their places; none: it does not."""
        self._known: dict[tuple[int, int, int], tuple[float, tuple[tuple[str, int], ...]]] = {}

    def cost(
        self,
        option: PoolOption,
        elsewhere: Mapping[tuple[int, int], int] = MappingProxyType({}),
        read_at_home: float = 0.0,
        made_at_home: float = 0.0,
    ) -> tuple[float, float]:
        """Energy and time of a layer, where so large shares of its inputs and outputs do not cross the memory.

        `elsewhere` are the bytes that an accelerator, by its place in the pool, reads over links of what another holds.
        """
        read_bytes = option.parameter_bytes + round(option.read_bytes * (1 - read_at_home))
        written_bytes = round(option.written_bytes * (1 - made_at_home))
        linked_pj, busy_ps = 0.0, dict[str, int]()
        for (holder, reader), size_bytes in elsewhere.items():
            pj, times = self._linked(holder, reader, size_bytes)
            linked_pj += pj
            for resource, time_ps in times:
                busy_ps[resource] = busy_ps.get(resource, 0) + time_ps
        memory = self.system.memory_of(self.pool[0])
        moved_ps = transfer_ps(read_bytes + written_bytes, memory.effective_bytes_per_s)
        pj = option.chip_pj + linked_pj + memory.transfer_pj(read_bytes=read_bytes, write_bytes=written_bytes)
        return pj, float(max(option.on_chip_ps, moved_ps, *busy_ps.values()))

    def _linked(self, holder: int, reader: int, size_bytes: int) -> tuple[float, tuple[tuple[str, int], ...]]:
        """Energy of bytes from one to another, and the time that they take of each resource on the way."""
        key = holder, reader, size_bytes
        if key not in self._known:
            way = self.ways[holder, reader]
            feeds = () if way is None else way.feeds(size_bytes)
            pj = 0.0 if way is None else way.pj_per_byte * size_bytes
            self._known[key] = pj, tuple((feed.resource, feed.time_ps) for feed in feeds)
        return self._known[key]


def common_parts(
    needs: Sequence[Region], holders: Sequence[Region], size_bytes: int, found: dict[tuple[int, int], int]
) -> None:
    """Add what accelerators read of a tensor that each makes a part of, by (holder, reader), by place in the pool."""
    for reader, need in enumerate(needs):
        for holder, made in enumerate(holders):
            common = need.common_bytes(made, size_bytes)
            if common:
                found[holder, reader] = found.get((holder, reader), 0) + common
