"""Every way to cut products into tiles and splits on a device, and the time of the fastest."""

from collections.abc import Mapping, Sequence

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.fits.sloped import Sloped
from mensa_sim.hardware.technology.device_figures import DeviceFigures

FULL_TILE = 128 * 128
"""Elements of the tile that fills a processor: several smaller ones share it where `shared` is on."""
_WARP = 32
_BLOCK = 512
"""Kernels whose ways are priced in one piece, so that they stay in a core's cache."""


class Tilings:
    """Every way to cut some products into tiles and splits on a device; the constants say which is the fastest."""

    def __init__(
        self,
        tiles: Sequence[tuple[int, int]],
        shared: bool,
        figures: DeviceFigures,
        element: float,
        groups: Floats,
        rows: Floats,
        columns: Floats,
        depth: Floats,
        splits: Sequence[int],
    ) -> None:
        self._figures = figures
        # An entry for each way: [ways, 1], beside [kernels].
        ways = [(*tile, split) for tile in tiles for split in splits]
        height, width, split = np.array(ways, dtype=float).T[:, :, None]
        together = np.maximum(1, FULL_TILE // (height * width)) if shared else 1.0
        self._shrink = _WARP / height + _WARP / width
        self._blocks: list[tuple[Floats, Floats, Floats]] = []
        for first in range(0, max(1, len(rows)), _BLOCK):
            some, high, wide, deep = (each[first : first + _BLOCK] for each in (groups, rows, columns, depth))
            count = some * np.ceil(high / height) * np.ceil(wide / width)
            waves = np.ceil(count * split / (figures.processors * together))
            summed = np.where(split > 1, element * some * high * wide * split, 0.0)
            # Outputs that a processor works on one after another, the depth of each, and bytes to sum up.
            self._blocks.append((waves * together * height * width, np.ceil(deep / split), summed))

    def sloped(self, constants: Mapping[str, float], rate: str | None = None) -> Sloped:
        """Compute time of each product with its fastest tile and split; `rate` names one more share of the device's."""
        macs_per_s = self._figures.peak_macs_per_s / self._figures.processors * (constants[rate] if rate else 1.0)
        best, small = 1 / constants["rate"], constants["small_tile"] * self._shrink
        mac_s = (best + small) / macs_per_s
        fastest = []
        for work, deep, summed in self._blocks:
            multiply = deep + constants["tile_depth"]
            multiply *= work
            multiply *= mac_s
            sum_up = summed * constants["split"] / self._figures.bytes_per_s
            time = multiply + sum_up
            way = time.argmin(axis=0)
            chosen = way, np.arange(len(way))
            # Shares: of a MAC's time what a small tile adds, and of a tile's depth what its start and end take.
            smaller = (small / (best + small))[way, 0]
            ends = constants["tile_depth"] / (deep[chosen] + constants["tile_depth"])
            fastest.append((time[chosen], sum_up[chosen] / time[chosen], smaller, ends))
        seconds, summing, smaller, ends = (np.concatenate(each) for each in zip(*fastest, strict=True))
        multiplying = 1 - summing
        slopes = {
            "rate": -multiplying * (1 - smaller),
            "small_tile": multiplying * smaller,
            "tile_depth": multiplying * ends,
            "split": summing,
        }
        return Sloped(seconds, {**slopes, rate: -multiplying} if rate else slopes)
