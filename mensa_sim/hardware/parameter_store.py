"""How an accelerator with many tiles keeps parameters on chip, and how fast they reach the array."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterStore:
    """Parameter memory that is cut into tiles, and the bus that carries parameters from all tiles to all tiles.

    A convolution's parameters lie spread over the tiles and cross the bus once per inference. A layer with one output
    pixel cannot share its pixels out, so each tile computes some output channels from parameters of its own.
    """

    tiles: int
    tile_bytes: int
    """Room for parameters in one tile."""
    channel_multiple: int
    """Output channels are stored in blocks of so many; fewer are repeated to fill a block, one copy a pixel group."""
    small_channel_multiple: int
    """Output channels that fill less than a block are stored in multiples of this."""
    input_channel_multiple: int
    bias_bytes: int
    """Of one output channel."""
    depthwise_tap_bytes: int
    """Of one tap of a depthwise filter."""
    bus_bytes_per_cycle: float
    layer_cycles: int
    """Cycles that a layer whose pixels are shared out takes beside its work: tiles wait for each other."""
    source: str = ""

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in self.__slots__ if name not in ("source", "layer_cycles")}
        for name, value in counts.items():
            if not value > 0:
                raise ValueError(f"parameter_store: {name} is {value}, must be positive")
        if self.layer_cycles < 0:
            raise ValueError(f"parameter_store: layer_cycles is {self.layer_cycles}, must not be negative")

    def stored_channels(self, channels: int) -> int:
        """Output channels as they are stored.

        >>> store = ParameterStore(
        ...     tiles=16, tile_bytes=4096, channel_multiple=64, small_channel_multiple=16, input_channel_multiple=4,
        ...     bias_bytes=4, depthwise_tap_bytes=4, bus_bytes_per_cycle=16.0, layer_cycles=0)
        >>> [store.stored_channels(channels) for channels in (8, 48, 96)]
        [16, 48, 128]
        """
        multiple = self.channel_multiple if channels > self.channel_multiple else self.small_channel_multiple
        return -(-channels // multiple) * multiple
