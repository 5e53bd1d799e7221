"""Stacks of equal layers, with which others have measured accelerators, and the smallest classifiers."""

from torch import nn

from mensa_sim.workload.models.blocks import conv_relu, named, same_padding


def conv_stack(
    channels: int = 32, kernel: int = 3, layers: int = 10, inputs: int = 3, bias: bool = True
) -> nn.Sequential:
    """Equal convolutions, each with ReLU, that keep the size of the image; the first reads `inputs` channels."""
    made: list[nn.Module] = []
    for index in range(layers):
        entering = channels if index else inputs
        made += conv_relu(entering, channels, kernel, padding=same_padding(kernel), bias=bias)
    return nn.Sequential(*made)


def dense_stack(
    width: int = 100, layers: int = 10, inputs: int | None = None, outputs: int | None = None, bias: bool = True
) -> nn.Sequential:
    """Equal dense layers, each with ReLU.

    The first reads `inputs` numbers (`width` where not given); a last one makes `outputs`, where given.
    """
    made: list[nn.Module] = []
    for index in range(layers):
        entering = width if index or inputs is None else inputs
        made += [nn.Linear(entering, width, bias=bias), nn.ReLU()]
    if outputs is not None:
        made.append(nn.Linear(width, outputs, bias=bias))
    return nn.Sequential(*made)


def bottleneck_transformer(inputs: int = 1024, hidden: int = 512, outputs: int = 256, blocks: int = 4) -> nn.Sequential:
    """A stack of linear-ReLU-linear bottleneck blocks, 1024-512-256; our own, no publication.

    The first block maps `inputs` to `hidden` to `outputs`, the others `outputs` to `hidden` to `outputs`: the
    feed-forward halves of a transformer, without its attention. The number of blocks is our choice.
    """
    made = []
    for index in range(blocks):
        entering = outputs if index else inputs
        made.append(named(first=nn.Linear(entering, hidden), relu=nn.ReLU(), second=nn.Linear(hidden, outputs)))
    return nn.Sequential(*made)


def cifar_cnn(classes: int = 10) -> nn.Sequential:
    """Two 3x3 convolutions of 32 and 64 channels, each pooled, and a dense layer, for images of 32 x 32 x 3."""
    return named(
        conv1=nn.Conv2d(3, 32, 3, padding=1),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(32, 64, 3, padding=1),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        scores=nn.Linear(64 * 8 * 8, classes),
    )


def mnist_cnn(classes: int = 10) -> nn.Sequential:
    """Three unpadded 3x3 convolutions of 32, 64 and 64 channels and two dense layers, for images of 28 x 28.

    The first network of Chollet, "Deep Learning with Python" (2017), section 5.1: 93,322 parameters.
    """
    return named(
        conv1=nn.Conv2d(1, 32, 3),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(32, 64, 3),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        conv3=nn.Conv2d(64, 64, 3),
        relu3=nn.ReLU(),
        flatten=nn.Flatten(),
        hidden=nn.Linear(64 * 3 * 3, 64),
        relu4=nn.ReLU(),
        scores=nn.Linear(64, classes),
    )
