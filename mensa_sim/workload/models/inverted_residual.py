"""The inverted residual block of the MobileNets from the second on and of EfficientNet."""

from torch import Tensor, nn

from mensa_sim.workload.models.blocks import ConvNorm, Residual, named, round_channels


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
        y: Tensor = x * self.gates(x)
        return y


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
