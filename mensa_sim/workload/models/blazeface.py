"""BlazeFace, a face detector for phone cameras (Bazarevsky et al. 2019, arXiv 1907.05047)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.workload.models.blocks import ConvNorm, per_anchor

BOTTLENECK = 24


def separable5(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """A depthwise 5x5 convolution and a pointwise one, without activation."""
    return [
        ConvNorm(inputs, inputs, 5, stride, groups=inputs, activation=None),
        ConvNorm(inputs, outputs, activation=None),
    ]


class BlazeBlock(nn.Module):
    """One separable 5x5 convolution, or two around a bottleneck of 24 channels, with a residual.

    Under a stride the residual is max-pooled; where channels grow, zeros are appended to it.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, double: bool = False) -> None:
        super().__init__()
        layers = separable5(inputs, BOTTLENECK if double else outputs, stride)
        if double:
            layers += [nn.ReLU(), *separable5(BOTTLENECK, outputs)]
        self.body = nn.Sequential(*layers)
        self.pool = nn.MaxPool2d(2) if stride == 2 else nn.Identity()
        self.new_channels = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, inputs, height, width) to (batch, outputs, height / stride, width / stride)."""
        shortcut = self.pool(x)
        if self.new_channels:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))
        return functional.relu(self.body(x) + shortcut)


class BlazeFace(nn.Module):
    """Table 4 of the publication and its heads: 2 anchors per 8 pixels, 6 per 16; raw scores and boxes.

    Each of the 896 anchors has a score and 16 numbers: a box and six key points. Blending the candidates
    happens on the host. The publication does not print the heads; 1x1 convolutions, as in MediaPipe's model.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            ConvNorm(3, 24, 5, stride=2, activation=nn.ReLU),
            BlazeBlock(24, 24),
            BlazeBlock(24, 24),
            BlazeBlock(24, 48, stride=2),
            BlazeBlock(48, 48),
            BlazeBlock(48, 48),
            BlazeBlock(48, 96, stride=2, double=True),
            BlazeBlock(96, 96, double=True),
            BlazeBlock(96, 96, double=True),
        )
        self.coarse = nn.Sequential(
            BlazeBlock(96, 96, stride=2, double=True), BlazeBlock(96, 96, double=True), BlazeBlock(96, 96, double=True)
        )
        self.scores = nn.ModuleList([nn.Conv2d(96, 2, 1), nn.Conv2d(96, 6, 1)])
        self.boxes = nn.ModuleList([nn.Conv2d(96, 2 * 16, 1), nn.Conv2d(96, 6 * 16, 1)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (batch, 3, 128, 128) to scores (batch, 896, 1) and boxes (batch, 896, 16)."""
        fine = self.fine(x)
        maps = (fine, self.coarse(fine))
        scores, boxes = per_anchor(self.scores, maps, 1), per_anchor(self.boxes, maps, 16)
        return torch.cat(scores, dim=1), torch.cat(boxes, dim=1)
