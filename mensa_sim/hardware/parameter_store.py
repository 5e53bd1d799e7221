"""How an accelerator with many tiles keeps parameters on chip."""

from mensa_sim.ranges import at_least, positive
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterStore:
    """Parameter memory that is cut into tiles.

    A convolution's parameters lie spread over the tiles. A layer with one output pixel cannot share its pixels out,
    so each tile computes some output channels from parameters of its own, in blocks of `channel_multiple`.
    """

    tiles: int
    """Tiles of the accelerator."""
    tile_bytes: int
    """Room for parameters in one tile."""
    channel_multiple: int
    """Output channels are stored in blocks of so many; fewer are repeated to fill a block, one copy a pixel group."""
    small_channel_multiple: int
    """Output channels that fill less than a block are stored in multiples of this."""
    input_channel_multiple: int
    """Input channels are stored in multiples of this."""
    bias_bytes: int
    """Of one output channel: its bias, and its scale where a file quantises channel by channel."""
    depthwise_tap_bytes: int
    """Of one tap of a depthwise filter."""
    softmax_planes: int = 0
    """Of a softmax, which adds up a row by a product with ones: elements stored for each of the row; 0: none are."""
    dense_bias_bytes: int | None = None
    """As `bias_bytes`, of a layer with one output pixel; none: the same."""
    balanced: bool = True
    """Each block of a layer with one output pixel lies in the tile that has most room; else every layer's first block
    lies in the first tile, its second in the second."""
    reports_copies: bool = False
    """Whether the compiler's report of what it keeps counts each copy of a repeated block."""
    pools_in_tiles: bool = False
    """Whether each tile has room for the whole map of the largest layer that pools one to a pixel, up to the room that
    a tile has for activations, of which parameters have so much less."""
    source: str = ""
    """What says how parameters are stored."""

    def __post_init__(self) -> None:
        others = ("dense_bias_bytes", "softmax_planes", "balanced", "reports_copies", "pools_in_tiles", "source")
        positive(self, *(name for name in self.__slots__ if name not in others), label="parameter_store")
        at_least(0, self, "dense_bias_bytes", "softmax_planes", label="parameter_store")

    def channel_bytes(self, *, dense: bool) -> int:
        """What an output channel takes beside its weights."""
        return self.dense_bias_bytes if dense and self.dense_bias_bytes is not None else self.bias_bytes

    def stored_channels(self, channels: int) -> int:
        """Output channels as they are stored.

        >>> store = ParameterStore(
        ...     tiles=16, tile_bytes=4096, channel_multiple=64, small_channel_multiple=16, input_channel_multiple=4,
        ...     bias_bytes=4, depthwise_tap_bytes=4)
        >>> [store.stored_channels(channels) for channels in (8, 48, 96)]
        [16, 48, 128]
        """
        multiple = self.channel_multiple if channels > self.channel_multiple else self.small_channel_multiple
        return -(-channels // multiple) * multiple
