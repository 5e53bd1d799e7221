"""Convolutional networks whose layers lie in the families' ranges, each a real layer with shapes.

A family's three ranges are not independent: a convolution's MACs per parameter byte are its output positions, and its
MACs are both multiplied. So a resolution is drawn first; it leaves a range of footprints, and that a range of
channels. Family 4 cannot be filled beyond 1 MB: 2.5 MB at 25 positions would be 62 M MACs, and its range ends at 25 M.
"""

import math
from collections.abc import Sequence

import numpy as np

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.families.paper import FAMILIES
from mensa_sim.workload.population.network import Network
from mensa_sim.workload.population.statistics import Choices

SMALLEST_FIRST_SIDES = (28, 33)
"""Where family 1 ends: at least 780 positions, and half of it lies in family 2 (at most 400), a quarter in family 4."""
DOUBLINGS = (0, 3)
"""How often that side may be doubled for the first layers: up to 20,000 positions."""


def footprints(family: int, positions: int) -> tuple[float, float]:
    """The parameter bytes that a family's ranges allow at so many output positions; empty where low is above high.

    >>> low, high = footprints(4, 25)
    >>> round(low), round(high)
    (500000, 1000000)
    """
    ranges = FAMILIES[family]
    low = max(ranges.parameter_bytes[0], ranges.macs[0] / positions)
    high = min(ranges.parameter_bytes[1], ranges.macs[1] / positions)
    return low, high


def convolutional_trunk(network: Network, choices: Choices, draw: np.random.Generator) -> Tensor:
    """Stem, first convolutions, inverted residual blocks, late convolutions: the features [1, channels, side, side]."""
    smallest = int(draw.integers(*SMALLEST_FIRST_SIDES))
    doublings = int(draw.integers(*DOUBLINGS))
    side = smallest * 2**doublings
    data = network.convolution(network.input(1, 3, 2 * side, 2 * side), _plain_channels(side, draw), 3, stride=2)
    while True:
        for _ in range(_between(draw, choices.first_depth)):
            data = network.convolution(data, data.shape[1], 3)
        if side == smallest:
            break
        side //= 2
        data = network.convolution(data, _plain_channels(side, draw, data.shape[1]), 3, stride=2)
    data = _middle(network, data, choices, draw)
    return _late(network, data, choices, draw)


def classifier(network: Network, data: Tensor, draw: np.random.Generator) -> Tensor:
    """The mean over all positions and a fully connected layer of family 3."""
    features = network.pooled(data)
    low, high = FAMILIES[3].parameter_bytes[0], FAMILIES[3].macs[1]
    return network.linear(features, math.ceil(_even_log(draw, low, min(high, 3 * low)) / features.shape[1]))


def _plain_channels(side: int, draw: np.random.Generator, before: int | None = None) -> int:
    """Channels of 3 x 3 convolutions of family 1 that keep them, and of the one that comes from `before` channels."""
    low, high = footprints(1, side * side)
    least, most = math.sqrt(low / 9), math.sqrt(high / 9)
    return _eights(draw, least if before is None else min(max(least, low / 9 / before), most), most)


def _middle(network: Network, data: Tensor, choices: Choices, draw: np.random.Generator) -> Tensor:
    side = -(-data.shape[2] // 2)
    low, high = footprints(2, side * side)
    expansion = _between(draw, choices.expansion)
    outer = _eights(draw, math.sqrt(low / expansion), math.sqrt(high / expansion))
    outer = max(outer, 8 * math.ceil(low / data.shape[1] / 9 / 8))
    expansion = min(expansion, int(high / outer**2))
    inner = outer * max(1, expansion)
    taps = _taps(inner, side, draw)
    data = network.convolution(data, outer, 3, stride=2)
    for _ in range(_between(draw, choices.middle_depth)):
        wide = network.convolution(data, inner, 1)
        if taps is not None:
            wide = network.convolution(wide, inner, taps, depthwise=True)
        data = network.add(data, network.convolution(wide, outer, 1))
    return data


def _late(network: Network, data: Tensor, choices: Choices, draw: np.random.Generator) -> Tensor:
    side = (data.shape[2] - 3) // 2 + 1
    low, high = footprints(4, side * side)
    size = _even_log(draw, low, high)
    expansion = _between(draw, choices.expansion)
    outer = max(8, 8 * math.floor(math.sqrt(size / expansion) / 8))
    inner = _multiple(low / outer, high / outer)
    taps = _taps(inner, side, draw)
    inside = low <= 9 * data.shape[1] * outer <= high
    data = network.convolution(data, outer, 3 if inside else 1, side=side, stride=2)
    for _ in range(_between(draw, choices.last_depth)):
        wide = network.convolution(data, inner, 1)
        if taps is not None:
            wide = network.convolution(wide, inner, taps, depthwise=True)
        data = network.convolution(wide, outer, 1)
    return network.convolution(data, inner, 1)


def _taps(channels: int, side: int, draw: np.random.Generator) -> int | None:
    """Rows of a depthwise filter that puts the layer into family 5: 3 or 5; none where neither does."""
    positions = side * side
    if not FAMILIES[5].macs_per_parameter_byte[0] <= positions <= FAMILIES[5].macs_per_parameter_byte[1]:
        return None
    low, high = footprints(5, positions)
    fitting = [taps for taps in (3, 5) if low <= taps * taps * channels <= high]
    return int(draw.choice(fitting)) if fitting else None


def _multiple(low: float, high: float) -> int:
    """The roundest number of channels between two bounds: a multiple of the largest power of two that has one.

    >>> _multiple(500.1, 510.9), _multiple(500.1, 501.9)
    (504, 501)
    """
    step = 1 << int(math.log2(high))
    while step * math.floor(high / step) < low:
        step //= 2
    return step * math.floor(high / step)


def _between(draw: np.random.Generator, limits: Sequence[int]) -> int:
    return int(draw.integers(limits[0], limits[1] + 1))


def _even_log(draw: np.random.Generator, low: float, high: float) -> float:
    return math.exp(draw.uniform(math.log(low), math.log(high)))


def _eights(draw: np.random.Generator, low: float, high: float) -> int:
    """A multiple of 8 channels between two numbers, evenly in the logarithm, or the one next to them."""
    drawn = 8 * round(_even_log(draw, low, high) / 8)
    return max(8 * math.ceil(low / 8), min(drawn, 8 * math.floor(high / 8)))
