"""Inception v4 (Szegedy et al. 2016, arXiv 1602.07261, figures 3 to 9), for images of 299 x 299."""

from functools import partial

from torch import nn

from mensa_sim.workload.models.blocks import Concatenated, ConvNorm, classifier, named
from mensa_sim.workload.models.inception import unit

valid = partial(ConvNorm, activation=nn.ReLU, same=False)


def stem() -> nn.Sequential:
    """Figure 3: 299 x 299 x 3 to 35 x 35 x 384."""
    return nn.Sequential(
        valid(3, 32, 3, 2),
        valid(32, 32, 3),
        unit(32, 64, 3),
        Concatenated(nn.MaxPool2d(3, stride=2), valid(64, 96, 3, 2)),
        Concatenated(
            nn.Sequential(unit(160, 64), valid(64, 96, 3)),
            nn.Sequential(unit(160, 64), unit(64, 64, (1, 7)), unit(64, 64, (7, 1)), valid(64, 96, 3)),
        ),
        Concatenated(valid(192, 192, 3, 2), nn.MaxPool2d(3, stride=2)),
    )


def pooled(inputs: int, outputs: int) -> nn.Sequential:
    """A mean over 3x3 pixels and a 1x1 convolution."""
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), unit(inputs, outputs))


def block_a() -> Concatenated:
    """Figure 4, 384 channels."""
    return Concatenated(
        unit(384, 96),
        nn.Sequential(unit(384, 64), unit(64, 96, 3)),
        nn.Sequential(unit(384, 64), unit(64, 96, 3), unit(96, 96, 3)),
        pooled(384, 96),
    )


def reduction_a() -> Concatenated:
    """Figure 7 with k, l, m, n = 192, 224, 256, 384: 384 channels to 1024."""
    return Concatenated(
        valid(384, 384, 3, 2),
        nn.Sequential(unit(384, 192), unit(192, 224, 3), valid(224, 256, 3, 2)),
        nn.MaxPool2d(3, stride=2),
    )


def block_b() -> Concatenated:
    """Figure 5, 1024 channels."""
    return Concatenated(
        unit(1024, 384),
        nn.Sequential(unit(1024, 192), unit(192, 224, (1, 7)), unit(224, 256, (7, 1))),
        nn.Sequential(
            unit(1024, 192),
            unit(192, 192, (7, 1)),
            unit(192, 224, (1, 7)),
            unit(224, 224, (7, 1)),
            unit(224, 256, (1, 7)),
        ),
        pooled(1024, 128),
    )


def reduction_b() -> Concatenated:
    """Figure 8, 1024 channels to 1536."""
    return Concatenated(
        nn.Sequential(unit(1024, 192), valid(192, 192, 3, 2)),
        nn.Sequential(unit(1024, 256), unit(256, 256, (1, 7)), unit(256, 320, (7, 1)), valid(320, 320, 3, 2)),
        nn.MaxPool2d(3, stride=2),
    )


def block_c() -> Concatenated:
    """Figure 6, 1536 channels."""
    return Concatenated(
        unit(1536, 256),
        nn.Sequential(unit(1536, 384), Concatenated(unit(384, 256, (1, 3)), unit(384, 256, (3, 1)))),
        nn.Sequential(
            unit(1536, 384),
            unit(384, 448, (3, 1)),
            unit(448, 512, (1, 3)),
            Concatenated(unit(512, 256, (1, 3)), unit(512, 256, (3, 1))),
        ),
        pooled(1536, 256),
    )


def inception_v4(classes: int = 1001) -> nn.Sequential:
    """Figure 9: stem, 4 A, reduction, 7 B, reduction, 3 C, dense; scores, no softmax. 42.7 M parameters."""
    return named(
        stem=stem(),
        a=nn.Sequential(*[block_a() for _ in range(4)], reduction_a()),
        b=nn.Sequential(*[block_b() for _ in range(7)], reduction_b()),
        c=nn.Sequential(*[block_c() for _ in range(3)]),
        head=classifier(1536, classes),
    )
