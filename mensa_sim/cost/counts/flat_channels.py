"""Distinct input elements of tiles of channels and taps flattened, channels fastest, as the rows of im2col are.

Each channel of a tile reads through a run of the flattened taps, which differ between channels at both ends alone.
"""

from functools import lru_cache

import numpy as np

from mensa_sim.arrays import Ints
from mensa_sim.cost.counts.axis import WindowAxis
from mensa_sim.cost.counts.flat_outputs import FlatRuns

_TOGETHER = 1 << 20
"""Positions that are looked at together: what bounds the memory taken. A choice."""


class ChannelTiles:
    """Tiles of so many channels and taps: the runs of taps, by their first and last ones, that their channels read."""

    def __init__(self, channels: int, taps: int, extent: int) -> None:
        begins = np.arange(0, channels * taps, extent)
        since, left = np.divmod(begins, channels)
        until, right = np.divmod(np.minimum(begins + extent, channels * taps) - 1, channels)
        beyond = right + 1
        # [kind, tile] Channels with both the first tap and the last one, with only one of them, and with neither.
        many = np.stack([beyond - left, channels - np.maximum(left, beyond), np.minimum(left, beyond), left - beyond])
        starts, ends = np.stack([since, since, since + 1, since + 1]), np.stack([until, until - 1, until, until - 1])
        self._channels = np.where(starts <= ends, np.maximum(many, 0), 0)
        runs, which = np.unique(np.where(self._channels, starts * taps + ends, 0), return_inverse=True)
        self._run = which.reshape(many.shape)
        self.firsts, self.lasts = np.divmod(runs, taps)

    def elements(self, positions: Ints) -> Ints:
        """[..., tile] Elements, of the positions that each run reads of a channel: [..., run]."""
        found: Ints = (positions[..., self._run] * self._channels).sum(axis=-2)
        return found


def sizes_of_channel_tiles(
    slow: WindowAxis, fast: WindowAxis, tiles: ChannelTiles, tile_outputs: tuple[int, int]
) -> tuple[Ints, Ints]:
    """Distinct elements of tiles that stand for all, and of how many each; the first tile first.

    `tile_outputs` are those along the axes on which taps are slow and fast.
    """
    positions, repeats = FlatRuns(slow.turned(), fast.turned(), tiles.firsts, tiles.lasts).read(tile_outputs)
    sizes = tiles.elements(positions)
    return sizes.ravel(), np.broadcast_to(repeats[..., None], sizes.shape).ravel()


def sizes_of_flat_channel_tiles(
    slow: WindowAxis, fast: WindowAxis, tiles: ChannelTiles, tile_outputs: int, *, crossed: bool
) -> Ints:
    """Distinct elements of all tiles where outputs are flattened too: `crossed`, they are fast where taps are slow."""
    through = _positions(slow, fast, tile_outputs, crossed)
    return tiles.elements(through[tiles.firsts, tiles.lasts].T).ravel()


@lru_cache(maxsize=16)
def _positions(slow: WindowAxis, fast: WindowAxis, tile_outputs: int, crossed: bool) -> Ints:
    """[first tap, last tap, tile] Distinct positions that tiles of flattened outputs read through each run of taps."""
    outputs, taps = np.arange(slow.outputs * fast.outputs), slow.taps * fast.taps
    together = max(1, _TOGETHER // (taps * tile_outputs)) * tile_outputs
    some = (outputs[begin : begin + together] for begin in range(0, len(outputs), together))
    return np.concatenate([_looked_at(slow, fast, each, tile_outputs, crossed) for each in some], axis=-1)


def _looked_at(slow: WindowAxis, fast: WindowAxis, outputs: Ints, tile_outputs: int, crossed: bool) -> Ints:
    """The same of some tiles: every position that an output reads through a tap is looked at."""
    taps, tile = np.arange(slow.taps * fast.taps), (outputs - outputs[0]) // tile_outputs
    tiles = int(tile[-1]) + 1
    rows = np.divmod(outputs, slow.outputs if crossed else fast.outputs)
    position, inside = np.zeros((len(taps), len(outputs)), dtype=np.int64), np.array(True)
    for axis, output, tap in zip(
        (slow, fast), rows[::-1] if crossed else rows, np.divmod(taps, fast.taps), strict=True
    ):
        own = axis.stride * output + axis.dilation * tap[:, None] - axis.padding  # [tap, output]
        inside = inside & (own >= 0) & (own < axis.size)
        position = position * axis.size + own
    reads = np.sort(((position * tiles + tile) * len(taps) + taps[:, None])[inside])
    read, through = np.divmod(reads, len(taps))
    since = np.where(np.diff(read, prepend=-1), 0, np.roll(through, 1) + 1)
    """The first tap after the last one before it through which the same tile reads the same position."""
    kinds = (since * len(taps) + through) * tiles + read % tiles
    new = np.bincount(kinds, minlength=len(taps) ** 2 * tiles).reshape(len(taps), len(taps), tiles)
    runs = np.triu(np.ones((len(taps), len(taps)), dtype=np.int64))[..., None]  # [first, tap, 1]
    found: Ints = (new.cumsum(axis=0) * runs).cumsum(axis=1)
    return found
