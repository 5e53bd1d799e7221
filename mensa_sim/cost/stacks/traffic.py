"""What a stack moves to and from memory, and whether its rows fit: known before anything is mapped."""

from collections.abc import Mapping

from mensa_sim.cost.stacks.tiling import TilingSize
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.layer import Layer

STREAMING_SHARE = 2
"""Where not all parameters of a stack stay, those that do take one part in so many of their buffer: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What an accelerator has for the tensors of a stack."""

    activation_bytes: int
    parameter_bytes: int
    """0 where no level is the parameters' own: then they are fetched again for each tile."""


def room_of(accelerator: PeArray) -> Room | None:
    """The room of an accelerator; none where it has no level for activations that stands once."""
    sizes = accelerator.buffer_bytes
    if "activation" not in sizes:
        return None
    return Room(activation_bytes=sizes["activation"], parameter_bytes=sizes.get("parameter", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StackTraffic:
    """Bytes over all tiles and copies."""

    read_bytes: int
    """Of activations, each row once."""
    written_bytes: int
    fetched_bytes: Mapping[str, int]
    """Of parameters, and of activations that are multiplied with like those: all fetches, by layer."""
    kept: Mapping[str, int]
    """What stays from the first tile to the last of a copy, by layer: parameters, or activations in their place."""

    @property
    def parameter_bytes(self) -> int:
        """All that layers fetch."""
        return sum(self.fetched_bytes.values())


def can_stack(layer: Layer) -> bool:
    """Whether a layer may run in tiles at all: not where it runs in steps, or reads a part of its parameters."""
    return layer.supported and layer.steps == 1 and layer.group is None and layer.gathered_bytes is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What a layer fetches to multiply with."""

    size_bytes: int
    by_copy: bool
    """Whether each copy has a part of its own: activations that are multiplied with like parameters."""


def weights_of(layer: Layer) -> Weights:
    """Its parameters, or the activations in their place."""
    by_copy = layer.weights_are_activations
    return Weights(size_bytes=layer.weight_bytes if by_copy else layer.parameter_bytes, by_copy=by_copy)


def stack_traffic(stack: TilingSize, weights: Mapping[str, Weights], room: Room) -> StackTraffic | None:
    """What a stack moves, whose layers fetch those weights; none where its rows do not fit."""
    if stack.most_held_bits > room.activation_bytes * BITS_PER_BYTE:
        return None
    copies, fetches = stack.copies, stack.tiles * stack.copies
    own = {name: weights[name] for name in stack.layers}
    sizes = {name: -(-each.size_bytes // copies) if each.by_copy else each.size_bytes for name, each in own.items()}
    kept = kept_parameters(sizes, fetches, room)
    times = {name: (copies if own[name].by_copy else 1) if name in kept else fetches for name in sizes}
    return StackTraffic(
        read_bytes=bits_to_bytes(stack.read_bits),
        written_bytes=bits_to_bytes(stack.written_bits),
        fetched_bytes={name: size * times[name] for name, size in sizes.items()},
        kept={name: sizes[name] for name in stack.layers if name in kept},
    )


def kept_parameters(sizes: Mapping[str, int], tiles: int, room: Room) -> frozenset[str]:
    """The layers whose parameters stay: all where they fit, else as many bytes of them as go into their share.

    With a single tile none needs to stay.
    """
    if tiles == 1:
        return frozenset()
    left = room.parameter_bytes
    if sum(sizes.values()) <= left:
        return frozenset(name for name, size in sizes.items() if size)
    left //= STREAMING_SHARE
    kept: set[str] = set()
    for name in sorted(sizes, key=lambda each: -sizes[each]):
        if 0 < sizes[name] <= left:
            kept.add(name)
            left -= sizes[name]
    return frozenset(kept)
