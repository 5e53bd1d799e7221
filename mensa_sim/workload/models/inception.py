"""Inception v1 and v2, as in TensorFlow's slim, whose checkpoints the Edge TPU models are made from.

v1: Szegedy et al. 2014, "Going deeper with convolutions", arXiv 1409.4842, table 1. v2: Ioffe and Szegedy 2015, "Batch
normalization", arXiv 1502.03167, appendix. slim uses batch norm in both, a 3x3 convolution where v1's table says 5x5,
and a separable first convolution in v2; neither has auxiliary classifiers at inference.
"""

from functools import partial

from torch import nn

from mensa_sim.workload.models.blocks import Concatenated, ConvNorm, classifier, named

unit = partial(ConvNorm, activation=nn.ReLU)


def pool(stride: int = 2) -> nn.MaxPool2d:
    """A max pooling over 3x3 whose output has ceil(input / stride) pixels."""
    return nn.MaxPool2d(3, stride=stride, padding=1)


def mixed_v1(inputs: int, *channels: int) -> Concatenated:
    """1x1; 1x1 and 3x3; 1x1 and 3x3; pooled 1x1."""
    one, reduce3, three, reduce5, five, pooled = channels
    return Concatenated(
        unit(inputs, one),
        nn.Sequential(unit(inputs, reduce3), unit(reduce3, three, 3)),
        nn.Sequential(unit(inputs, reduce5), unit(reduce5, five, 3)),
        nn.Sequential(pool(1), unit(inputs, pooled)),
    )


def inception_v1(classes: int = 1001) -> nn.Sequential:
    """Inception v1 (GoogLeNet) for images of 224 x 224 (any size works); scores, no softmax."""
    return named(
        stem=nn.Sequential(unit(3, 64, 7, 2), pool(), unit(64, 64), unit(64, 192, 3), pool()),
        mixed3=nn.Sequential(mixed_v1(192, 64, 96, 128, 16, 32, 32), mixed_v1(256, 128, 128, 192, 32, 96, 64), pool()),
        mixed4=nn.Sequential(
            mixed_v1(480, 192, 96, 208, 16, 48, 64),
            mixed_v1(512, 160, 112, 224, 24, 64, 64),
            mixed_v1(512, 128, 128, 256, 24, 64, 64),
            mixed_v1(512, 112, 144, 288, 32, 64, 64),
            mixed_v1(528, 256, 160, 320, 32, 128, 128),
            nn.MaxPool2d(2, ceil_mode=True),
        ),
        mixed5=nn.Sequential(mixed_v1(832, 256, 160, 320, 32, 128, 128), mixed_v1(832, 384, 192, 384, 48, 128, 128)),
        head=classifier(1024, classes),
    )


def double3(inputs: int, reduce: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """1x1, then two 3x3 convolutions, the second strided."""
    return nn.Sequential(unit(inputs, reduce), unit(reduce, outputs, 3), unit(outputs, outputs, 3, stride))


def mixed_v2(inputs: int, *channels: int, max_pool: bool = False) -> Concatenated:
    """1x1; 1x1 and 3x3; 1x1 and two 3x3; pooled 1x1."""
    one, reduce3, three, reduce_double, double, pooled = channels
    pooling = pool(1) if max_pool else nn.AvgPool2d(3, stride=1, padding=1)
    return Concatenated(
        unit(inputs, one),
        nn.Sequential(unit(inputs, reduce3), unit(reduce3, three, 3)),
        double3(inputs, reduce_double, double),
        nn.Sequential(pooling, unit(inputs, pooled)),
    )


def reduction_v2(inputs: int, *channels: int) -> Concatenated:
    """Halves the size: 1x1 and 3x3; 1x1 and two 3x3; max pooling."""
    reduce3, three, reduce_double, double = channels
    return Concatenated(
        nn.Sequential(unit(inputs, reduce3), unit(reduce3, three, 3, 2)),
        double3(inputs, reduce_double, double, 2),
        pool(),
    )


def inception_v2(classes: int = 1001) -> nn.Sequential:
    """Inception v2 (BN-Inception) for images of 224 x 224 (any size works); scores, no softmax."""
    return named(
        stem=nn.Sequential(
            nn.Conv2d(3, 24, 7, stride=2, padding=3, groups=3, bias=False),
            unit(24, 64),
            pool(),
            unit(64, 64),
            unit(64, 192, 3),
            pool(),
        ),
        mixed3=nn.Sequential(
            mixed_v2(192, 64, 64, 64, 64, 96, 32),
            mixed_v2(256, 64, 64, 96, 64, 96, 64),
            reduction_v2(320, 128, 160, 64, 96),
        ),
        mixed4=nn.Sequential(
            mixed_v2(576, 224, 64, 96, 96, 128, 128),
            mixed_v2(576, 192, 96, 128, 96, 128, 128),
            mixed_v2(576, 160, 128, 160, 128, 160, 96),
            mixed_v2(576, 96, 128, 192, 160, 192, 96),
            reduction_v2(576, 128, 192, 192, 256),
        ),
        mixed5=nn.Sequential(
            mixed_v2(1024, 352, 192, 320, 160, 224, 128), mixed_v2(1024, 352, 192, 320, 192, 224, 128, max_pool=True)
        ),
        head=classifier(1024, classes),
    )
