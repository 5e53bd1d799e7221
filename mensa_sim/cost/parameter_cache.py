"""Which layers' parameters stay in the tiles of an accelerator that a host feeds."""

from collections.abc import Iterable, Mapping, Sequence

from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.records import dataclass
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.layer import Layer, LoopNest

LayerKey = tuple[str, str]
"""The graph that a layer belongs to, and its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedParameters:
    """The layers whose parameters stay on chip, and the bytes that all layers' take as they are stored."""

    layers: frozenset[str]
    stored_bytes: dict[str, int]
    """As the compiler reports them."""

    @property
    def size_bytes(self) -> int:
        """What stays; one copy of each parameter, unless the compiler's report counts all."""
        return sum(size for name, size in self.stored_bytes.items() if name in self.layers)


def cached_parameters(layers: Iterable[Layer], accelerator: PeArray) -> CachedParameters:
    """What stays of a graph's layers, as `kept_in_tiles` chooses."""
    named = {("", layer.name): layer for layer in layers}
    kept = {name for _, name in kept_in_tiles(named, accelerator, named.values())}
    store = accelerator.parameter_store
    counted = store is not None and store.reports_copies
    stored = {
        layer.name: held_bytes(layer, accelerator) * (_repeats(layer.nest, store) if counted else 1)
        for layer in named.values()
    }
    return CachedParameters(layers=frozenset(kept), stored_bytes=stored)


def kept_in_tiles(layers: Mapping[LayerKey, Layer], accelerator: PeArray, worked_on: Iterable[Layer]) -> list[LayerKey]:
    """Fill the tiles, the largest layer first, so that as many bytes as possible stay; equal ones in their order.

    Layers of one recurrent group, and layers that share a tensor, are judged one by one, a tensor's room taken once.
    `worked_on` are all layers that the accelerator runs.
    """
    store = accelerator.parameter_store
    stored = {key: held_bytes(layer, accelerator) for key, layer in layers.items()}
    rooms = [accelerator.buffer_bytes.get("parameter", 0)]
    if store is not None:
        rooms = [store.tile_bytes - _pooled_bytes(worked_on, accelerator, store)] * store.tiles
    kept: list[LayerKey] = []
    tensors: set[tuple[str, ...]] = set()
    for key in sorted((key for key in layers if stored[key]), key=lambda key: -stored[key]):
        layer = layers[key]
        names = (key[0], *(parameter.name for parameter in layer.parameters))
        left = rooms if names in tensors else _room_beside(layer, stored[key], rooms, store)
        if left is not None:
            rooms = left
            tensors.add(names)
            kept.append(key)
    return kept


def _pooled_bytes(layers: Iterable[Layer], accelerator: PeArray, store: ParameterStore) -> int:
    """What each tile keeps free of parameters for a map that is pooled to a pixel, and for that pixel."""
    if not store.pools_in_tiles:
        return 0
    pooled = [layer.input_bytes + layer.output_bytes for layer in layers if _pools_to_a_pixel(layer)]
    return min(max(pooled, default=0), accelerator.buffer_bytes.get("activation", 0) // store.tiles)


def _pools_to_a_pixel(layer: Layer) -> bool:
    window = layer.window
    return layer.operator in {"avg_pool", "pooling"} and (window is None or window.OY * window.OX == 1)


def _room_beside(layer: Layer, size_bytes: int, rooms: Sequence[int], store: ParameterStore | None) -> list[int] | None:
    """The room left in each tile beside a layer's parameters, or none where they do not fit."""
    if store is None:
        return _spread(rooms, size_bytes)
    blocks = dense_blocks(layer, store)
    if not blocks:
        return _spread(rooms, size_bytes * copies(layer.nest, store))
    left = list(rooms)
    for number, block_bytes in enumerate(blocks):
        tile = max(range(len(left)), key=left.__getitem__) if store.balanced else number % store.tiles
        left[tile] -= block_bytes
    return left if min(left) >= 0 else None


def _spread(rooms: Sequence[int], size_bytes: int) -> list[int] | None:
    """Bytes go where most room is, so that the tiles end as level as they can."""
    if size_bytes > sum(rooms):
        return None
    low, high = 0, max(rooms)
    while low < high:
        level = (low + high + 1) // 2
        low, high = (level, high) if sum(max(0, room - level) for room in rooms) >= size_bytes else (low, level - 1)
    left = [min(room, low) for room in rooms]
    over_bytes = sum(rooms) - sum(left) - size_bytes
    for tile, room in enumerate(rooms):
        if over_bytes and room > low:
            left[tile] += 1
            over_bytes -= 1
    return left


def held_bytes(layer: Layer, accelerator: PeArray) -> int:
    """Bytes of a layer's parameters as an accelerator stores them; 0 for a table of which only some rows are read."""
    store = accelerator.parameter_store
    if layer.operator == "softmax" and layer.slices and store is not None:
        inputs = store.softmax_planes * _padded(layer.slice_elements, store)
        return store.stored_channels(1) * (inputs + store.bias_bytes) if inputs else 0
    if layer.gathered_bytes is not None or not layer.parameter_bytes:
        return 0
    return layer.parameter_bytes if store is None else stored_bytes(layer, store)


def stored_bytes(layer: Layer, store: ParameterStore) -> int:
    """Bytes of a layer's parameters as they are stored: channels padded, biases and depthwise taps at full width."""
    nest = layer.nest
    if nest is None or layer.weights_are_activations:
        return layer.parameter_bytes
    taps = nest.FY * nest.FX
    if nest.depthwise:
        return nest.G * (taps * store.depthwise_tap_bytes + store.bias_bytes)
    channels = store.stored_channels(nest.K)
    own_bytes = store.channel_bytes(dense=has_one_pixel(nest))
    row_bytes = bits_to_bytes(_padded(nest.C, store) * taps * layer.parameter_bits) + own_bytes
    return nest.G * channels * row_bytes


def dense_blocks(layer: Layer, store: ParameterStore) -> list[int]:
    """Bytes of each block of output channels of a layer with one output pixel; none for any other layer."""
    nest = layer.nest
    if nest is None or not has_one_pixel(nest):
        return []
    channels = store.stored_channels(nest.K * nest.G)
    row_bytes = bits_to_bytes(_padded(nest.C, store) * nest.FY * nest.FX * layer.parameter_bits)
    row_bytes += store.channel_bytes(dense=True)
    block = min(channels, store.channel_multiple)
    return [block * row_bytes] * (channels // block)


def copies(nest: LoopNest | None, store: ParameterStore) -> int:
    """How often a filter bank that does not fill a block of output channels is stored."""
    return 1 if nest is None or has_one_pixel(nest) else _repeats(nest, store)


def _repeats(nest: LoopNest | None, store: ParameterStore | None) -> int:
    """How often output channels that do not fill a block go into one."""
    if nest is None or store is None or nest.depthwise:
        return 1
    return max(1, store.channel_multiple // store.stored_channels(nest.K))


def has_one_pixel(nest: LoopNest) -> bool:
    """Whether nothing but channels can be shared out over tiles."""
    return nest.B * nest.OY * nest.OX == 1


def _padded(channels: int, store: ParameterStore) -> int:
    return -(-channels // store.input_channel_multiple) * store.input_channel_multiple
