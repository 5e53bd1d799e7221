"""Segmentation on MobileNetV2: DeepLabv3 and a U-Net."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.workload.models.blocks import ConvNorm, cut_at_expansions, round_channels
from mensa_sim.workload.models.mobilenet_v2 import mobilenet_v2_trunk


class DeepLabV3(nn.Module):
    """DeepLabv3 (Chen et al. 2017, arXiv 1706.05587) on MobileNetV2, in the form for phones.

    Sandler et al. 2018, section 6.3 and table 7: output stride 16, no atrous pyramid; a 1x1 convolution and
    the image's mean, joined. 2.11 million parameters and 2.75 G MACs at 512 x 512 by their count.
    """

    def __init__(self, alpha: float = 1.0, classes: int = 21, width: int = 256) -> None:
        super().__init__()
        channels = round_channels(320 * alpha)
        self.trunk = mobilenet_v2_trunk(alpha, output_stride=16)
        self.local = ConvNorm(channels, width, activation=nn.ReLU)
        self.image = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvNorm(channels, width, activation=nn.ReLU))
        self.joined = ConvNorm(2 * width, width, activation=nn.ReLU)
        self.scores = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to class scores per pixel (batch, classes, height, width)."""
        features = self.trunk(x)
        local = self.local(features)
        image = functional.interpolate(self.image(features), size=local.shape[2:], mode="nearest")
        scores = self.scores(self.joined(torch.cat((image, local), dim=1)))
        return functional.interpolate(scores, size=x.shape[2:], mode="bilinear", align_corners=True)


def upsample(inputs: int, outputs: int) -> nn.Sequential:
    """A transposed 3x3 convolution that doubles the size, batch norm, ReLU (Isola et al. 2017, pix2pix)."""
    return nn.Sequential(double(inputs, outputs, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def double(inputs: int, outputs: int, bias: bool) -> nn.ConvTranspose2d:
    """A transposed 3x3 convolution of stride 2 whose output is exactly twice as large."""
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=bias)


class UNet(nn.Module):
    """The U-Net on MobileNetV2 of TensorFlow's image segmentation tutorial, which Coral's benchmark times.

    Ronneberger et al. 2015 (arXiv 1505.04597) for the shape. Skips leave at the expansions of blocks 2, 4, 7
    and 14; four transposed convolutions of 512, 256, 128 and 64 channels and a fifth to the classes climb back.
    """

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        trunk = mobilenet_v2_trunk()
        self.trunk = cut_at_expansions(trunk, [2, 4, 7, 14])
        inputs = [320, 512 + 576, 256 + 192, 128 + 144]
        self.ups = nn.ModuleList(upsample(i, o) for i, o in zip(inputs, (512, 256, 128, 64), strict=True))
        self.scores = double(64 + 96, classes, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to class scores per pixel (batch, classes, height, width)."""
        *skips, y = self.trunk(x)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            y = torch.cat((up(y), skip), dim=1)
        return self.scores(y)
