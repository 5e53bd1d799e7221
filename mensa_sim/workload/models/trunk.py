"""Trunks whose inner activations other networks read: detectors, segmenters, pose estimators."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from torch import Tensor, nn


class Taps(nn.Module):
    """A trunk cut into stages; gives what every stage makes."""

    def __init__(self, stages: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (batch, channels, height, width) to one activation per stage."""
        made = []
        for stage in self.stages:
            x = stage(x)
            made.append(x)
        return made


def cut(trunk: nn.Sequential, ends: Sequence[int]) -> Taps:
    """Stages that end before the given positions, and one for the rest where any is left."""
    bounds = [0, *ends, len(trunk)]
    return Taps(trunk[start:end] for start, end in pairwise(bounds) if end > start)


def cut_at_expansions(trunk: nn.Sequential, blocks: Sequence[int]) -> Taps:
    """Stages that end at the expanded activations of some strided inverted residual blocks, and the rest.

    Such a block has no residual, so its expansion can end one stage and the remainder begin the next.
    """
    flat: list[nn.Module] = []
    ends = []
    for position, block in enumerate(trunk):
        if position in blocks:
            if not isinstance(block, nn.Sequential):
                raise ValueError(f"block {position} has a residual and cannot be cut")
            flat.append(block[0])
            ends.append(len(flat))
            flat.append(block[1:])
        else:
            flat.append(block)
    return cut(nn.Sequential(*flat), ends)
