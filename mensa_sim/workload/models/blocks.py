"""The blocks that convolutional networks share."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
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
        y: Tensor = x + self.body(x)
        return y


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
