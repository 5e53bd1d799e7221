"""What a stack costs: its layers' tiles priced by the mapper, in the room that rows and parameters leave them."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil

from mensa_sim.cost.counts.tally import Repeats
from mensa_sim.cost.energy import energy_model, with_buffer_cycles
from mensa_sim.cost.layer_cost import MEMORY, STREAMED, LayerCost, Priced, Traffic
from mensa_sim.cost.prices.cases import PricedCase
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.memo import PriceMemo, shape_of
from mensa_sim.cost.prices.rooms import with_room
from mensa_sim.cost.prices.together import costs_together
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.stacks.tile import LayerTiles, StackTiles
from mensa_sim.cost.stacks.tiling import TilingSize
from mensa_sim.cost.stacks.traffic import StackTraffic, room_of, stack_traffic, weights_of
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import Layer

_NO_ROOM = "no mapping of the tile fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCase:
    """How a layer's tiles are priced: what stays, how often the rest crosses, what others take of the levels."""

    kept: frozenset[Operand]
    fetches: tuple[int, int, int]
    """How often each of `OPERANDS` crosses."""
    taken_bytes: tuple[int, int]
    """Of the levels of parameters and of activations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMove:
    """What moves between memory and the outermost level of an operand as whole rows or parameters."""

    operand: Operand
    read_bits: int
    write_bits: int
    stays: bool = False
    """Whether what is written only leaves the level for the array, which adds to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiledLayer:
    """A layer of a stack as what is mapped of it, and what crosses beside that."""

    name: str
    tiles: tuple[tuple[Layer, TileCase, int], ...]
    """Tiles that differ, how they are priced, and how many of each there are."""
    crossings: tuple[RowMove, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TiledStack:
    """A stack before it is priced."""

    layers: tuple[TiledLayer, ...]
    """In order."""
    tiles: int
    stay: Mapping[str, int]
    """Bytes of the parameters that stay from the first tile to the last, by layer."""


class StackPricer:
    """Prices stacks of some layers on one accelerator of a system; equal tiles are mapped once, whatever asks."""

    def __init__(
        self, placed: PlacedAccelerator, memory: Memory, objective: str, layers: Mapping[str, Layer], memo: PriceMemo
    ) -> None:
        self._accelerator, self._memory, self._objective = placed.array, memory, objective
        self._energy = energy_model(placed, memory)
        self._layers = layers
        self._weights = {name: weights_of(layer) for name, layer in layers.items()}
        self._memo, self._on = memo, memo.accelerator_key(placed, memory, objective)
        self._room = room_of(placed.array)
        self._known: dict[Hashable, LayerCost | None] = {}

    @property
    def accelerator(self) -> PeArray:
        """Whose levels the tiles take."""
        return self._accelerator

    @property
    def room_bits(self) -> int:
        """What rows may take at once."""
        return 0 if self._room is None else self._room.activation_bytes * BITS_PER_BYTE

    def traffic(self, stack: TilingSize) -> StackTraffic | None:
        """What a stack moves; none where its rows do not fit."""
        return None if self._room is None else stack_traffic(stack, self._weights, self._room)

    def tiled(self, stack: StackTiles) -> TiledStack | None:
        """A stack in tiles of rows, as it runs here; none where those do not fit."""
        moved, times = self.traffic(stack.size), stack.size.tiles * stack.size.copies
        if moved is None:
            return None
        stay = {name: self._layers[name].parameter_bytes for name in moved.kept}
        found = []
        for each in stack.layers:
            name = each.layer.name
            others = sum(size for other, size in stay.items() if other != name)
            tiles: list[tuple[Layer, TileCase, int]] = []
            if each.layer.nest is None:
                tiles.append((each.layer, self._case(each, name in stay, others, 0, times), 1))
            for tile in each.tiles:
                case = self._case(each, name in stay, others, bits_to_bytes(tile.others_bits), 1)
                tiles.append((tile.layer, case, tile.times * stack.size.copies))
            crossings = (
                RowMove(operand="weight", read_bits=stay.get(name, 0) * BITS_PER_BYTE, write_bits=0),
                RowMove(operand="input", read_bits=each.loads_bits * stack.size.copies, write_bits=0),
                RowMove(operand="output", read_bits=0, write_bits=each.stores_bits),
            )
            crossing = tuple(move for move in crossings if move.read_bits + move.write_bits)
            found.append(TiledLayer(name=name, tiles=tuple(tiles), crossings=crossing))
        return TiledStack(layers=tuple(found), tiles=times, stay=stay)

    def _case(self, tiles: LayerTiles, stays: bool, parameters: int, activations: int, fetches: int) -> TileCase:
        kept: set[Operand] = {"weight"} if stays else set()
        if not tiles.streams:
            kept.add("input")
        if tiles.output_stays:
            kept.add("output")
        each = (0 if stays else fetches, int(tiles.streams), int(not tiles.output_stays))
        return TileCase(kept=frozenset(kept), fetches=each, taken_bytes=(parameters, activations))

    def costs(self, stack: TiledStack) -> dict[str, LayerCost] | None:
        """The cost of each layer over all tiles and copies, in order; none where some tile has no mapping that fits."""
        self.expect([stack])
        found: dict[str, LayerCost] = {}
        for layer in stack.layers:
            priced: list[tuple[LayerCost, int]] = []
            for tile, case, times in layer.tiles:
                cost = self._known[_key(tile, case)]
                if cost is None:
                    return None
                priced.append((cost, times))
            whole = self._over_tiles(layer.name, priced, layer.crossings)
            found[layer.name] = replace(whole, mapping=f"in {stack.tiles} tiles: {whole.mapping}")
        return interleaved(with_parameters(found, stack.stay))

    def expect(self, stacks: Iterable[TiledStack]) -> None:
        """Map the tiles of stacks that will be priced together, which takes less time than one after another."""
        each = (tile for stack in stacks for layer in stack.layers for tile in layer.tiles)
        new = {key: (tile, case) for tile, case, _ in each if (key := _key(tile, case)) not in self._known}
        places = {key: self._place(tile, case) for key, (tile, case) in new.items()}
        priced = self._memo.get(list(dict.fromkeys(places.values())))
        asked: dict[Hashable, PricedCase] = {}
        for key, (tile, case) in new.items():
            pricer = None if places[key] in priced else self._tile_pricer(tile, case)
            if pricer is not None:
                repeats = Repeats(steps=1, fetches=dict(zip(OPERANDS, case.fetches, strict=True)))
                asked[places[key]] = PricedCase(pricer=pricer, repeats=repeats, kept=case.kept)
        costs = costs_together(list(asked.values()))
        fresh: dict[Hashable, Priced] = {
            place: _NO_ROOM if cost is None else {STREAMED: cost} for place, cost in zip(asked, costs, strict=True)
        }
        self._memo.put(fresh)
        priced |= fresh
        for key, (tile, case) in new.items():
            found = priced.get(places[key], _NO_ROOM)
            named = None if isinstance(found, str) else found[STREAMED].of(tile.name, self._accelerator.name)
            self._known[key] = None if named is None else _beside(named, case)

    def _place(self, layer: Layer, case: TileCase) -> Hashable:
        """All that the price of a tile depends on."""
        kept = tuple(sorted(case.kept))
        return self._on, "tile", case.taken_bytes, case.fetches, kept, shape_of(replace(layer, mappings=()))

    def _tile_pricer(self, layer: Layer, case: TileCase) -> Pricer | None:
        accelerator = self._with_less(case.taken_bytes)
        if accelerator is None:
            return None
        steps = Steps(nest=layer.nest, steps=1, resident=False)
        free, array = replace(layer, mappings=()), replace(accelerator, mappings=())  # own mappings are of whole layers
        return Pricer(free, array, self._memory, self._energy, steps, self._objective)

    def _with_less(self, taken_bytes: tuple[int, int]) -> PeArray | None:
        """The accelerator with what is taken of its levels missing there; accesses cost what they do in the whole."""
        buffers = self._accelerator.buffer("parameter"), self._accelerator.buffer("activation")
        levels = zip(buffers, taken_bytes, strict=True)
        rooms = {level.name: level.capacity_bytes - taken for level, taken in levels if level is not None}
        return None if min(rooms.values()) < 1 else with_room(self._accelerator, rooms)

    def _over_tiles(self, name: str, tiles: Sequence[tuple[LayerCost, int]], crossings: Sequence[RowMove]) -> LayerCost:
        """All tiles of a layer, and what crosses between memory and a level beside the mappings' own traffic."""
        cost = _together(name, tiles)
        ports: dict[tuple[str, str], float] = {}
        traffic, energies = [(each, 1) for each in cost.traffic], [(cost.dynamic_pj, 1)]
        for each in crossings:
            level = self._accelerator.store_of(each.operand)
            if level is None:
                continue
            reads, writes = -(-each.read_bits // level.access_bits), -(-each.write_bits // level.access_bits)
            cycles = level.access_bits * (reads / level.write_width + writes / level.read_width)
            port = level.name, level.port_of(each.operand)
            ports[port] = ports.get(port, 0.0) + cycles
            level_pj = reads * self._energy.write_pj[level.name] + writes * self._energy.read_pj[level.name]
            if each.stays:
                energies.append(({level.component: level_pj}, 1))
                traffic.append((_moved(each.operand, level.name, each.write_bits, each.read_bits), 1))
                continue
            memory_pj = each.read_bits * self._energy.memory_read_pj_per_bit
            memory_pj += each.write_bits * self._energy.memory_write_pj_per_bit
            energies.append(({level.component: level_pj, MEMORY: memory_pj}, 1))
            traffic.append((_moved(each.operand, MEMORY, each.read_bits, each.write_bits), 1))
            traffic.append((_moved(each.operand, level.name, each.write_bits, each.read_bits), 1))
        busiest = sum(tile.buffer_cycles * times for tile, times in tiles) + ceil(max(ports.values(), default=0.0))
        moved = replace(cost, traffic=_summed(traffic), dynamic_pj=_added(energies))
        return with_buffer_cycles(moved, max(cost.buffer_cycles, busiest), self._accelerator)


def _key(layer: Layer, case: TileCase) -> Hashable:
    return shape_of(layer), case


def _beside(cost: LayerCost, case: TileCase) -> LayerCost:
    """The cost of a tile with what lies beside it in the level of the activations."""
    if "activation" not in cost.buffered_bytes:
        return cost
    held = cost.buffered_bytes["activation"] + case.taken_bytes[1]
    return replace(cost, buffered_bytes={**cost.buffered_bytes, "activation": held})


def with_parameters(costs: Mapping[str, LayerCost], stay: Mapping[str, int]) -> dict[str, LayerCost]:
    """The first layer's cost with what the stack holds at once of parameters: those that stay, the largest tile."""
    tiles = (each.buffered_bytes.get("parameter", 0) for name, each in costs.items() if name not in stay)
    held = sum(stay.values()) + max(tiles, default=0)
    return {
        name: replace(cost, buffered_bytes={**cost.buffered_bytes, "parameter": 0 if place else held})
        for place, (name, cost) in enumerate(costs.items())
    }


def interleaved(costs: Mapping[str, LayerCost]) -> dict[str, LayerCost]:
    """The costs of a stack's layers, each with the share of all memory traffic that it has of the time on chip.

    While one layer computes, what another tile needs comes, and what one has made leaves. So the layers one after
    another take the larger of all computation and all traffic; what must come before the first tile, and leave after
    the last, alone stands outside. All bytes and energies add up to what they were.
    """
    order = list(costs.values())
    cycles = [cost.working_cycles for cost in order]
    moved: dict[str, tuple[int, int]] = {}
    for cost in order:
        for each in cost.traffic:
            if each.level == MEMORY:
                read, write = moved.get(each.operand, (0, 0))
                moved[each.operand] = read + each.read_bytes, write + each.write_bytes
    reads = {operand: list(_parted(read, cycles)) for operand, (read, _) in moved.items()}
    writes = {operand: list(_parted(write, cycles)) for operand, (_, write) in moved.items()}
    memory_pj = sum(cost.dynamic_pj.get(MEMORY, 0.0) for cost in order)
    whole = sum(cycles)
    found: dict[str, LayerCost] = {}
    for place, (name, cost) in enumerate(costs.items()):
        own = [
            Traffic(operand=o, level=MEMORY, read_bytes=reads[o][place], write_bytes=writes[o][place])
            for o in moved
            if reads[o][place] or writes[o][place]
        ]
        chip_pj = {component: pj for component, pj in cost.dynamic_pj.items() if component != MEMORY}
        share_pj = memory_pj * cycles[place] / whole if whole else memory_pj * (place == 0)
        spread = replace(
            cost,
            head_bytes=0,
            tail_bytes=0,
            traffic=(*own, *(each for each in cost.traffic if each.level != MEMORY)),
            dynamic_pj={**chip_pj, **({MEMORY: share_pj} if share_pj else {})},
        )
        head = min(cost.head_bytes, spread.memory_read_bytes) if place == 0 else 0
        tail = min(cost.tail_bytes, spread.memory_write_bytes) if place == len(order) - 1 else 0
        found[name] = replace(spread, head_bytes=head, tail_bytes=tail)
    return found


def _parted(total: int, weights: Sequence[int]) -> Iterator[int]:
    """Whole parts of a total in proportion to the weights; of no weights, all is the first's."""
    whole, seen, given = sum(weights), 0, 0
    for place, weight in enumerate(weights):
        seen += weight
        until = total * seen // whole if whole else total
        yield until - given if whole or place == 0 else 0
        given = until


def _moved(operand: str, level: str, read_bits: int, write_bits: int) -> Traffic:
    return Traffic(
        operand=operand, level=level, read_bytes=bits_to_bytes(read_bits), write_bytes=bits_to_bytes(write_bits)
    )


def _together(name: str, costs: Sequence[tuple[LayerCost, int]]) -> LayerCost:
    """One cost of all tiles, each so many times; a port that lags in one tile does not catch up in another."""
    most, _ = max(costs, key=lambda each: each[1])
    paces = [(cost, times, cost.working_cycles) for cost, times in costs]
    buffered: dict[str, int] = {}
    for cost, _ in costs:
        for buffer, size in cost.buffered_bytes.items():
            buffered[buffer] = max(buffered.get(buffer, 0), size)
    return replace(
        most,
        layer=name,
        macs=sum(cost.macs * times for cost, times in costs),
        compute_cycles=sum(cost.compute_cycles * times for cost, times in costs),
        buffer_cycles=sum(pace * times for _, times, pace in paces),
        head_bytes=costs[0][0].head_bytes,
        tail_bytes=costs[-1][0].tail_bytes,
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
