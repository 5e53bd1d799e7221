"""AlexNet, VGG and SqueezeNet, which measured data of others covers."""

from torch import nn

from mensa_sim.lookup import lookup
from mensa_sim.workload.models.blocks import Concatenated, conv_relu, named


def alexnet_convolutions(pool_first: bool = False) -> nn.Sequential:
    """The five grouped convolutions of AlexNet (Krizhevsky et al. 2012) for images of 227 x 227: 665.8 M MACs.

    `pool_first` pools before the local response norm, as Caffe's reference network (CaffeNet) does.
    """

    def norm_and_pool() -> list[nn.Module]:
        norm, pool = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75), nn.MaxPool2d(3, stride=2)
        return [pool, norm] if pool_first else [norm, pool]

    return nn.Sequential(
        *conv_relu(3, 96, 11, stride=4),
        *norm_and_pool(),
        *conv_relu(96, 256, 5, padding=2, groups=2),
        *norm_and_pool(),
        *conv_relu(256, 384, 3, padding=1),
        *conv_relu(384, 384, 3, padding=1, groups=2),
        *conv_relu(384, 256, 3, padding=1, groups=2),
        nn.MaxPool2d(3, stride=2),
    )


def alexnet(classes: int = 1000, pool_first: bool = False) -> nn.Sequential:
    """AlexNet for images of 227 x 227: 61.0 million parameters; scores, no softmax."""
    return _with_dense_layers(alexnet_convolutions(pool_first), 256 * 6 * 6, classes)


def _with_dense_layers(convolutions: nn.Sequential, features: int, classes: int) -> nn.Sequential:
    return named(
        convolutions=convolutions,
        flatten=nn.Flatten(),
        fc6=nn.Linear(features, 4096),
        relu6=nn.ReLU(),
        fc7=nn.Linear(4096, 4096),
        relu7=nn.ReLU(),
        fc8=nn.Linear(4096, classes),
    )


# Convolutions per stage: columns D and E of table 1 of the publication.
VGG_STAGES = {"16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}


def vgg(depth: int = 16, classes: int = 1000) -> nn.Sequential:
    """VGG-16 or VGG-19 (Simonyan and Zisserman 2014, arXiv 1409.1556) for images of 224 x 224; no softmax."""
    inputs = 3
    layers: list[nn.Module] = []
    stages = lookup(VGG_STAGES, str(depth), "depth of a VGG")
    for count, outputs in zip(stages, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            layers += conv_relu(inputs, outputs, 3, padding=1)
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return _with_dense_layers(nn.Sequential(*layers), 512 * 7 * 7, classes)


def fire(inputs: int, squeezed: int, expanded: int) -> nn.Sequential:
    """A 1x1 squeeze and two expansions, 1x1 and 3x3, side by side: twice the expanded channels."""
    return named(
        squeeze=nn.Sequential(*conv_relu(inputs, squeezed, 1)),
        expand=Concatenated(
            nn.Sequential(*conv_relu(squeezed, expanded, 1)),
            nn.Sequential(*conv_relu(squeezed, expanded, 3, padding=1)),
        ),
    )


# Stem channels and kernel, and the fire modules (after which a pool stands): the publication, and version 1.1.
SQUEEZENETS = {"1.0": (96, 7, (2, 6)), "1.1": (64, 3, (1, 3))}


def squeezenet(version: str = "1.0", classes: int = 1000) -> nn.Sequential:
    """SqueezeNet (Iandola et al. 2016, arXiv 1602.07360) for images of 224 x 224; scores, no softmax.

    1.248 million parameters; version 1.1 of the authors' repository has 1.235 million and 2.4 times fewer MACs.
    """
    stem, kernel, pools = lookup(SQUEEZENETS, version, "SqueezeNet")
    inputs = stem
    layers = [*conv_relu(3, stem, kernel, stride=2), nn.MaxPool2d(3, stride=2, ceil_mode=True)]
    for index, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        layers.append(fire(inputs, squeezed, 4 * squeezed))
        inputs = 8 * squeezed
        if index in pools:
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
    layers += [*conv_relu(512, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers)
