"""What a layer in pieces on equal accelerators takes, beside what the layers around it leave on which of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.cost.feeds.ways import from_level
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The pool, and what time and energy add to an objective."""

    system: System
    pool: tuple[str, ...]
    per_pj: float
    per_ps: float

    def through_memory(self, option: PoolOption) -> float:
        """Where all activations cross the memory."""
        return self._value(option, option.parameter_bytes + option.read_bytes, option.written_bytes, 0, 0.0)

    def at_home(self, option: PoolOption, elsewhere: Mapping[tuple[int, int], int]) -> float:
        """Where activations stay on the accelerator that makes them.

        `elsewhere` are the bytes that an accelerator, by its place in the pool, reads of what another one holds: over
        links, or else written to memory and read there.
        """
        read_bytes, written_bytes, linked_pj = option.parameter_bytes, 0, 0.0
        busy_ps: dict[str, int] = {}
        for (holder, reader), size_bytes in elsewhere.items():
            way = from_level(self.system, self.pool[holder], self.pool[reader])
            if way is None:
                read_bytes += size_bytes
                written_bytes += size_bytes
                continue
            linked_pj += way.pj_per_byte * size_bytes
            for feed in way.feeds(size_bytes):
                busy_ps[feed.resource] = busy_ps.get(feed.resource, 0) + feed.time_ps
        return self._value(option, read_bytes, written_bytes, max(busy_ps.values(), default=0), linked_pj)

    def _value(self, option: PoolOption, read_bytes: int, written_bytes: int, links_ps: int, linked_pj: float) -> float:
        memory = self.system.memory_of(self.pool[0])
        moved_ps = transfer_ps(read_bytes + written_bytes, memory.effective_bytes_per_s)
        pj = option.chip_pj + linked_pj + memory.transfer_pj(read_bytes=read_bytes, write_bytes=written_bytes)
        return self.per_pj * pj + self.per_ps * max(option.on_chip_ps, moved_ps, links_ps)


def elsewhere_bytes(
    needs: Sequence[Region], holders: Sequence[Region], size_bytes: int, found: dict[tuple[int, int], int]
) -> None:
    """Add what accelerators read of a tensor that others hold, by (holder, reader); each list by place in the pool."""
    for reader, need in enumerate(needs):
        for holder, made in enumerate(holders):
            if holder != reader:
                common = need.common_bytes(made, size_bytes)
                if common:
                    found[holder, reader] = found.get((holder, reader), 0) + common
