"""What a layer in pieces on equal accelerators takes, beside what the layers around it leave on which of them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mensa_sim.cost.layer_cost import MEMORY, LayerCost
from mensa_sim.cost.least_work import least_array_pj, least_array_ps
from mensa_sim.cost.tiles.pieces import READ_BY_ALL, Piece, Region, SplitAxis
from mensa_sim.hardware.routes import Route, from_level
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.schedule.homes.step import input_nest_bytes
from mensa_sim.units import BITS_PER_BYTE, transfer_ps
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a piece takes."""

    on_chip_ps: float
    chip_pj: float
    """Without memory."""
    parameter_bytes: int
    """Fetched from memory."""
    read_bytes: int
    """Of activations."""
    written_bytes: int


class PoolOption:
    """One way to run a layer on a pool: whole, or in pieces, the first on the first accelerator and so on."""

    def __init__(
        self,
        axis: SplitAxis | None,
        sizes: tuple[int, ...],
        pieces: Sequence[Piece],
        works: Sequence[Work],
        known: bool,
    ) -> None:
        """`axis` is none of a whole layer; `known` is whether `works` are what mappings take, else none is below."""
        self.axis, self.sizes, self.pieces, self.known = axis, sizes, pieces, known
        self.on_chip_ps = max(work.on_chip_ps for work in works)
        self.chip_pj = sum(work.chip_pj for work in works)
        shared = frozenset() if axis is None else READ_BY_ALL[axis]
        # One piece reads for all what all of them read.
        self.parameter_bytes = (max if "weight" in shared else sum)(work.parameter_bytes for work in works)
        self.read_bytes = (max if "input" in shared else sum)(work.read_bytes for work in works)
        self.written_bytes = sum(work.written_bytes for work in works)


def least_work(layer: Layer, system: System, whole: LayerCost, pieces: int) -> Work:
    """What no mapping of one of so many pieces is below: at as many lanes as dims fill, every byte that is used once.

    `whole` is the cost of the layer that it is a piece of. The energy is an even share of that: what holds for all
    pieces together, and not for the smaller of uneven ones.
    """
    nest, weights, passed_by = layer.nest, 0, 0.0
    if nest is not None:
        if not layer.weights_are_activations:
            weights = min(layer.parameter_bytes, nest.weight_elements * layer.element_bits("weight") // BITS_PER_BYTE)
        # Rows and columns that no window touches stay in memory.
        touched = min(nest.input_height, nest.OY * nest.FY) * min(nest.input_width, nest.OX * nest.FX)
        passed_by = 1 - touched / (nest.input_height * nest.input_width)
    return Work(
        on_chip_ps=least_array_ps(layer, system, whole),
        chip_pj=least_array_pj(whole) / pieces,
        parameter_bytes=weights,
        read_bytes=layer.input_bytes - round(min(layer.input_bytes, input_nest_bytes(layer)) * passed_by),
        written_bytes=layer.output_bytes,
    )


def work_of(layer: Layer, cost: LayerCost) -> Work:
    """What a piece takes that costs that."""
    weights = (each.read_bytes for each in cost.traffic if (each.level, each.operand) == (MEMORY, "weight"))
    parameter_bytes = 0 if layer.weights_are_activations else sum(weights)
    return Work(
        on_chip_ps=cost.on_chip_ps,
        chip_pj=cost.energy_pj - cost.dynamic_pj.get(MEMORY, 0.0),
        parameter_bytes=parameter_bytes,
        read_bytes=cost.memory_read_bytes - parameter_bytes,
        written_bytes=cost.memory_write_bytes,
    )


class Surroundings:
    """The pool, its level for activations and the ways between its accelerators."""

    def __init__(self, system: System, pool: tuple[str, ...]) -> None:
        self.system, self.pool = system, pool
        self.room_bytes = system.room_for_tensors(pool[0])
        """Of each accelerator's level for activations."""
        places = range(len(pool))
        self.ways: Mapping[tuple[int, int], Route | None] = {
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
            pj = 0.0 if way is None else way.energy_pj(size_bytes)
            legs = () if way is None else way.legs
            self._known[key] = pj, tuple((leg.resource, leg.time_ps(size_bytes)) for leg in legs)
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
