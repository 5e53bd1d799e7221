"""What a layer in pieces on equal accelerators takes, beside what the layers around it leave on which of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mensa_sim.cost.feeds.ways import Passage, from_level
from mensa_sim.cost.layer_cost import MEMORY, LayerCost
from mensa_sim.cost.tiles.pieces import READ_BY_ALL, Piece, Region, SplitAxis
from mensa_sim.hardware.system import System
from mensa_sim.units import transfer_ps


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOption:
    """One way to run a layer on a pool: whole, or in pieces, the first on the first accelerator and so on."""

    axis: SplitAxis | None
    """None: whole."""
    sizes: tuple[int, ...]
    pieces: tuple[Piece, ...]
    on_chip_ps: int
    """Of the slowest piece."""
    chip_pj: float
    """Of all pieces, without memory."""
    parameter_bytes: int
    """Fetched from memory, what pieces share once."""
    read_bytes: int
    """Of activations, likewise."""
    written_bytes: int


def largest(pieces: Sequence[Piece]) -> Piece:
    """The piece that reads most of those that make most: halos lie on both of its sides."""
    return max(pieces, key=lambda piece: (piece.layer.output_bytes, piece.layer.input_bytes))


def option_of(axis: SplitAxis | None, sizes: tuple[int, ...], pieces: Sequence[Piece], cost: LayerCost) -> PoolOption:
    """The option whose largest piece costs that; all others are taken to cost as much for what they make."""
    shared = frozenset() if axis is None else READ_BY_ALL[axis]
    times = sum(piece.layer.output_bytes for piece in pieces) / max(1, largest(pieces).layer.output_bytes)
    crossing = [each for each in cost.traffic if each.level == MEMORY]
    weights = sum(each.read_bytes for each in crossing if each.operand == "weight")
    parameters = 0 if pieces[0].layer.weights_are_activations else weights
    return PoolOption(
        axis=axis,
        sizes=sizes,
        pieces=tuple(pieces),
        on_chip_ps=cost.on_chip_ps,
        chip_pj=(cost.energy_pj - cost.dynamic_pj.get(MEMORY, 0.0)) * times,
        parameter_bytes=round(parameters * (1 if "weight" in shared else times)),
        read_bytes=round((cost.memory_read_bytes - parameters) * (1 if "input" in shared else times)),
        written_bytes=round(cost.memory_write_bytes * times),
    )


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
            way = self.ways[holder, reader]
            if way is not None:
                linked_pj += way.pj_per_byte * size_bytes
                for feed in way.feeds(size_bytes):
                    busy_ps[feed.resource] = busy_ps.get(feed.resource, 0) + feed.time_ps
        memory = self.system.memory_of(self.pool[0])
        moved_ps = transfer_ps(read_bytes + written_bytes, memory.effective_bytes_per_s)
        pj = option.chip_pj + linked_pj + memory.transfer_pj(read_bytes=read_bytes, write_bytes=written_bytes)
        return pj, float(max(option.on_chip_ps, moved_ps, *busy_ps.values()))


def common_parts(
    needs: Sequence[Region], holders: Sequence[Region], size_bytes: int, found: dict[tuple[int, int], int]
) -> None:
    """Add what accelerators read of a tensor that each makes a part of, by (holder, reader), by place in the pool."""
    for reader, need in enumerate(needs):
        for holder, made in enumerate(holders):
            common = need.common_bytes(made, size_bytes)
            if common:
                found[holder, reader] = found.get((holder, reader), 0) + common
