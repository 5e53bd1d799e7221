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
        misalignment: Floats,
        splits: Sequence[int],
    ) -> None:
        self._figures = figures
        # An entry for each way: [ways, 1], beside [kernels].
        ways = [(*tile, split) for tile in tiles for split in splits]
        height, width, split = np.array(ways, dtype=float).T[:, :, None]
        together = np.maximum(1, FULL_TILE // (height * width)) if shared else 1.0
        self._shrink = _WARP / height + _WARP / width
        self._area = together * height * width
        self._blocks: list[tuple[Floats, Floats, Floats, Floats]] = []
        for first in range(0, max(1, len(rows)), _BLOCK):
            sizes = (groups, rows, columns, depth, misalignment)
            some, high, wide, deep, uneven = (each[first : first + _BLOCK] for each in sizes)
            count = some * np.ceil(high / height) * np.ceil(wide / width)
            # A library splits one product, or runs a batch of them (CUTLASS documentation, GemmUniversalMode).
            parts = np.where(some > 1, 1, split)
            waves = np.ceil(count * parts / (figures.processors * together))
            summed = np.where(parts > 1, element * some * high * wide * parts, 0.0)
            # How often a processor starts tiles, their depth, bytes to sum up, and how crooked the kernel's rows lie.
            self._blocks.append((waves, np.ceil(deep / parts), summed, uneven))

    def sloped(self, constants: Mapping[str, float], rate: str | None = None) -> Sloped:
        """Compute time of each product with its fastest tile and split; `rate` names one more share of the device's."""
        macs_per_s = self._figures.peak_macs_per_s / self._figures.processors * (constants[rate] if rate else 1.0)
        best, small = 1 / constants["rate"], constants["small_tile"] * self._shrink
        step_s, crooked_step_s = constants["step_ns"] * 1e-9, constants["unaligned_step_ns"] * 1e-9
        fastest = []
        for waves, deep, summed, uneven in self._blocks:
            crooked = constants["unaligned"] * uneven
            mac = best + small + crooked
            longer_s = crooked_step_s * np.sqrt(uneven)  # of powers 0, 1/2 and 1 the best on rows left out
            wait_s = step_s + longer_s
            multiply = self._area * mac / macs_per_s
            multiply *= multiply
            multiply += wait_s**2
            np.sqrt(multiply, out=multiply)  # of times of no extreme size: numpy's hypot takes twice as long
            multiply *= waves
            multiply *= deep + constants["tile_depth"]
            sum_up = summed * constants["split"] / self._figures.bytes_per_s
            time = multiply + sum_up
            way = time.argmin(axis=0)
            chosen = way, np.arange(len(way))
            # Shares: of a MAC's time what a small tile and crooked rows add, of a step's squared time what its MACs
            # have, of its wait what crooked rows add, and of a tile's depth what its start and end take.
            mac_time = mac[chosen]
            smaller, crooked = small[way, 0] / mac_time, crooked / mac_time
            busy_s = self._area[way, 0] * mac_time / macs_per_s
            busy = busy_s**2 / (busy_s**2 + wait_s**2)
            ends = constants["tile_depth"] / (deep[chosen] + constants["tile_depth"])
            shares = busy, smaller, crooked, longer_s / wait_s, ends
            fastest.append((time[chosen], sum_up[chosen] / time[chosen], *shares))
        seconds, summing, busy, smaller, crooked, longer, ends = map(np.concatenate, zip(*fastest, strict=True))
        multiplying = 1 - summing
        computing = multiplying * busy
        slopes = {
            "rate": -computing * (1 - smaller - crooked),
            "small_tile": computing * smaller,
            "unaligned": computing * crooked,
            "step_ns": (multiplying - computing) * (1 - longer),
            "unaligned_step_ns": (multiplying - computing) * longer,
            "tile_depth": multiplying * ends,
            "split": summing,
        }
        return Sloped(seconds, {**slopes, rate: -computing} if rate else slopes)
