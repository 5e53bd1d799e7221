"""The blocks that convolutional networks share, and trunks whose inner activations others read."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from mensa_sim.errors import UsageError


def same_padding(kernel: int, dilation: int = 1) -> int:
    """The symmetric padding whose output has ceil(input / stride) pixels, as TensorFlow's 'SAME' has.

    TensorFlow puts the odd pixel of a strided convolution's padding at the end; this one puts as much before
    as after. The windows shift by a pixel, shapes and MACs are equal for every input size, and no padded copy
    of the input is made. Only odd kernels have such a padding.

    >>> same_padding(3), same_padding(3, dilation=2)
    (1, 2)
    """
    if kernel % 2 == 0:
        raise UsageError(f"a kernel of {kernel} has no symmetric padding that keeps the size: choose an odd one")
    return dilation * (kernel - 1) // 2


def round_channels(channels: float, divisor: int = 8) -> int:
    """Channels rounded to a multiple of the divisor, never more than a tenth below (Sandler et al. 2018).

    >>> round_channels(32 * 0.35), round_channels(24 * 0.75)
    (16, 24)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def named(**parts: nn.Module) -> nn.Sequential:
    """Modules one after another, each under its name."""
    return nn.Sequential(OrderedDict(parts))


def conv_relu(inputs: int, outputs: int, kernel: int, **options: Any) -> list[nn.Module]:
    """A convolution with a bias, and ReLU."""
    return [nn.Conv2d(inputs, outputs, kernel, **options), nn.ReLU()]


def strides_and_dilations(strides: Iterable[int], output_stride: int) -> Iterator[tuple[int, int]]:
    """Those of blocks behind a stem of stride 2.

    Beyond `output_stride` a strided block keeps its resolution and later ones are dilated instead (Chen et al. 2017).

    >>> list(strides_and_dilations([2, 2, 1], 4))
    [(2, 1), (1, 1), (1, 2)]
    """
    reached, dilation = 2, 1
    for stride in strides:
        if stride > 1 and reached >= output_stride:
            yield 1, dilation
            dilation *= stride
        else:
            yield stride, dilation
            reached *= stride


class ConvNorm(nn.Sequential):
    """A convolution without bias, batch norm, and an activation unless it is None.

    Padded as `same_padding` says where `same` holds, else not at all.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        same: bool = True,
        activation: type[nn.Module] | None = nn.ReLU6,
    ) -> None:
        sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        pads = (same_padding(sides[0], dilation), same_padding(sides[1], dilation)) if same else (0, 0)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv=nn.Conv2d(inputs, outputs, sides, stride, pads, dilation=dilation, groups=groups, bias=False),
            norm=nn.BatchNorm2d(outputs),
        )
        if activation is not None:
            layers["act"] = activation()
        super().__init__(layers)


class Residual(nn.Module):
    """A body whose output is added to its input (He et al. 2015)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Activations of any shape that the body keeps."""
        return x + self.body(x)


class Concatenated(nn.Module):
    """Branches that read one input; their outputs are joined along the channels (Szegedy et al. 2014)."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, channels, height, width) to the branches' channels, one after another."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def classifier(inputs: int, classes: int) -> nn.Sequential:
    """Mean over the pixels, then a dense layer to the class scores (softmax not included)."""
    return named(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), linear=nn.Linear(inputs, classes))


def per_anchor(heads: Iterable[nn.Module], maps: Sequence[Tensor], values: int) -> list[Tensor]:
    """What each head makes of its map, (batch, anchors * values, height, width), as (batch, anchors, values)."""
    made = (head(each).permute(0, 2, 3, 1) for head, each in zip(heads, maps, strict=True))
    return [x.reshape(x.shape[0], -1, values) for x in made]


class SqueezeExcite(nn.Module):
    """Channel gates from the mean of each channel (Hu et al. 2018), with MobileNetV3's hard sigmoid."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.gates = named(
            pool=nn.AdaptiveAvgPool2d(1),
            squeeze=nn.Conv2d(channels, squeezed, 1),
            relu=nn.ReLU(),
            excite=nn.Conv2d(squeezed, channels, 1),
            gate=nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, channels, height, width), each channel scaled by its gate."""
        return x * self.gates(x)


def inverted_residual(
    inputs: int,
    expanded: int,
    outputs: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    activation: type[nn.Module] = nn.ReLU6,
    squeeze: bool = False,
    fused: bool = False,
    late_stride: bool = False,
    skip: bool = True,
) -> nn.Module:
    """Expand 1x1, depthwise kxk, project 1x1 without activation (Sandler et al. 2018).

    Without expansion (as many expanded channels as inputs) the first convolution falls away. `fused` puts one
    dense kxk convolution in place of expansion and depthwise, and `late_stride` leaves the stride to the
    projection then (both in EfficientNet-EdgeTPU). `squeeze` adds MobileNetV3's gates, a quarter as wide as the
    expansion. The input is added where shapes allow, unless `skip` forbids.
    """
    early, late = (1, stride) if late_stride else (stride, 1)
    expands = expanded != inputs
    layers: dict[str, nn.Module] = {}
    if fused and expands:
        layers["expand"] = ConvNorm(inputs, expanded, kernel, early, activation=activation)
    elif expands:
        layers["expand"] = ConvNorm(inputs, expanded, activation=activation)
    if not fused:
        layers["depthwise"] = ConvNorm(
            expanded, expanded, kernel, early, groups=expanded, dilation=dilation, activation=activation
        )
    if squeeze:
        layers["squeeze"] = SqueezeExcite(expanded, round_channels(expanded / 4))
    layers["project"] = ConvNorm(expanded, outputs, 1, late, activation=None)
    body = named(**layers)
    return Residual(body) if skip and stride == 1 and inputs == outputs else body


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
