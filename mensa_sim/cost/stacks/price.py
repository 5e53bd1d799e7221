"""What a stack costs: its layers' tiles priced by the mapper, in the room that rows and parameters leave them."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace

from mensa_sim.cost.counts.tally import Repeats
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Priced
from mensa_sim.cost.prices.cases import PricedCase
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.memo import PriceMemo, shape_of
from mensa_sim.cost.prices.rooms import with_room
from mensa_sim.cost.prices.together import costs_together
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.stacks.over_tiles import OverTiles, RowMove
from mensa_sim.cost.stacks.tile import LayerTiles, StackTiles
from mensa_sim.cost.stacks.tiling import TilingSize
from mensa_sim.cost.stacks.traffic import StackTraffic, room_of, stack_traffic, weights_of
from mensa_sim.hardware.accelerator import BUFFERS
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
    """Bytes of the parameters that stay from the first tile of a copy to the last, by layer."""


class StackPricer:
    """Prices stacks of some layers on one accelerator of a system; equal tiles are mapped once, whatever asks."""

    def __init__(
        self, placed: PlacedAccelerator, memory: Memory, objective: str, layers: Mapping[str, Layer], memo: PriceMemo
    ) -> None:
        self._accelerator, self._memory, self._objective = placed.array, memory, objective
        self._energy = energy_model(placed, memory)
        self._over_tiles = OverTiles(placed.array, memory, self._energy)
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
        stay = moved.kept
        found = []
        for each in stack.layers:
            name = each.layer.name
            others = sum(size for other, size in stay.items() if other != name)
            tiles: list[tuple[Layer, TileCase, int]] = []
            if each.layer.nest is None:
                tiles.append((each.layer, self._case(each, name in stay, others, 0, times, each.streams), 1))
            for tile in each.tiles:
                streams = each.streams and tile.reads
                case = self._case(each, name in stay, others, bits_to_bytes(tile.others_bits), 1, streams)
                tiles.append((tile.layer, case, tile.times * stack.size.copies))
            loads = stack.size.copies if self._weights[name].by_copy else 1
            kept_bits = stay.get(name, 0) * loads * BITS_PER_BYTE
            loaded_bits = each.loads_bits * stack.size.copies
            crossings = (
                RowMove(operand="weight", read_bits=kept_bits, write_bits=0, loads=loads),
                RowMove(operand="input", read_bits=loaded_bits + self._again_bits(each, stack.size), write_bits=0),
                RowMove(operand="output", read_bits=0, write_bits=each.stores_bits),
            )
            crossing = tuple(move for move in crossings if move.read_bits + move.write_bits)
            found.append(TiledLayer(name=name, tiles=tuple(tiles), crossings=crossing))
        return TiledStack(layers=tuple(found), tiles=times, stay=stay)

    def _again_bits(self, tiles: LayerTiles, size: TilingSize) -> int:
        """What comes from memory a second time, of slices that are gone over twice and do not fit beside the rows."""
        layer = tiles.layer
        slice_bits = layer.slice_bytes * BITS_PER_BYTE
        if tiles.loads_bits * size.copies < layer.slices * slice_bits:
            return 0
        return layer.slices * max(0, slice_bits - (self.room_bits - size.most_held_bits))

    def _case(
        self, tiles: LayerTiles, stays: bool, parameters: int, activations: int, fetches: int, streams: bool
    ) -> TileCase:
        kept: set[Operand] = {"weight"} if stays else set()
        if not streams:
            kept.add("input")
        if tiles.output_stays:
            kept.add("output")
        each = (0 if stays else fetches, int(streams), int(not tiles.output_stays))
        return TileCase(kept=frozenset(kept), fetches=each, taken_bytes=(parameters, activations))

    def costs(self, stack: TiledStack) -> dict[str, LayerCost] | None:
        """The cost of each layer over all tiles and copies, in order; none where some tile has no mapping that fits."""
        self.expect([stack])
        found: dict[str, LayerCost] = {}
        for place, layer in enumerate(stack.layers):
            priced: list[tuple[LayerCost, int]] = []
            for tile, case, times in layer.tiles:
                cost = self._known[_key(tile, case)]
                if cost is None:
                    return None
                priced.append((cost, times))
            ends = place == 0, place == len(stack.layers) - 1
            whole = self._over_tiles.cost(layer.tiles[0][0], priced, layer.crossings, ends)
            mapping, power_mw = f"in {stack.tiles} tiles: {whole.mapping}", self._memory.unit_power_mw
            found[layer.name] = replace(whole, mapping=mapping, power_mw=power_mw)
        return with_parameters(found, stack.stay)

    def expect(self, stacks: Iterable[TiledStack]) -> None:
        """Map the tiles of stacks that will be priced together, which takes less time than one after another."""
        each = (tile for stack in stacks for layer in stack.layers for tile in layer.tiles)
        new = {key: (tile, case) for tile, case, _ in each if (key := _key(tile, case)) not in self._known}
        beside_nothing = {key: _key(tile, _alone(case)) for key, (tile, case) in new.items() if _is_mapped(tile)}
        self._price({beside_nothing[key]: (new[key][0], _alone(new[key][1])) for key in beside_nothing})
        for key, alone in beside_nothing.items():
            cost, case = self._known[alone], new[key][1]
            if cost is None or self._leaves(cost, case.taken_bytes):
                self._known[key] = None if cost is None else _beside(cost, case)
        self._price(new)

    def _leaves(self, cost: LayerCost, taken_bytes: tuple[int, int]) -> bool:
        """Whether a mapping for all the room leaves what others take: then it is the best of those that do, too."""
        sizes = self._accelerator.buffer_bytes
        return all(
            name not in sizes or max(1, cost.buffered_bytes.get(name, 0)) + taken <= sizes[name]
            for name, taken in zip(BUFFERS, taken_bytes, strict=True)
        )

    def _price(self, tiles: Mapping[Hashable, tuple[Layer, TileCase]]) -> None:
        """Know the prices of tiles, by their keys."""
        new = {key: tile for key, tile in tiles.items() if key not in self._known}
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


def _key(layer: Layer, case: TileCase) -> Hashable:
    return shape_of(layer), case


def _is_mapped(layer: Layer) -> bool:
    return layer.nest is not None and not layer.slices


def _alone(case: TileCase) -> TileCase:
    return replace(case, taken_bytes=(0, 0))


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
