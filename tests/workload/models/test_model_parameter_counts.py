"""Parameters of every shipped model equal a count published elsewhere or a formula written apart from the builder."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from mensa_sim.workload.models.classic_cnns import alexnet, squeezenet, vgg
from mensa_sim.workload.models.inception_v4 import inception_v4
from mensa_sim.workload.models.resnet import resnet
from mensa_sim.workload.models.ssd import ssd_mobilenet_v1, ssd_mobilenet_v2


def conv(inputs: int, outputs: int, taps: int = 1, *, bias: bool = True) -> int:
    return outputs * (inputs * taps + bias)


def normed(inputs: int, outputs: int, taps: int = 1) -> int:
    """A convolution without bias and a batch norm's scale and shift."""
    return outputs * (inputs * taps + 2)


def depthwise(channels: int, taps: int) -> int:
    return channels * (taps + 2)


def lstm(inputs: int, cells: int, projection: int = 0, gates: int = 4, biases: int = 2) -> int:
    return gates * cells * (inputs + (projection or cells) + biases) + cells * projection


def inverted(inputs: int, expanded: int, outputs: int, taps: int = 9) -> int:
    return normed(inputs, expanded) + depthwise(expanded, taps) + normed(expanded, outputs)


def fused(inputs: int, expanded: int, outputs: int) -> int:
    return normed(inputs, expanded, 9) + normed(expanded, outputs)


def blaze(inputs: int, outputs: int) -> int:
    return depthwise(inputs, 25) + normed(inputs, outputs)


def double_blaze(inputs: int) -> int:
    return blaze(inputs, 24) + blaze(24, 96)


def residual(inputs: int, outputs: int) -> int:
    body = normed(inputs, outputs, 9) + normed(outputs, outputs, 9)
    return body + (normed(inputs, outputs) if inputs != outputs else 0)


def separable(inputs: int, outputs: int) -> int:
    return depthwise(inputs, 9) + normed(inputs, outputs)


def extras(inputs: int) -> int:
    """The extra stages of an SSD without depthwise convolutions."""
    stages = ((inputs, 512), (512, 256), (256, 256), (256, 128))
    return sum(normed(i, o // 2) + normed(o // 2, o, 9) for i, o in stages)


def ssd_heads(first: int, second: int) -> int:
    """1x1 heads: four coordinates and 91 scores per anchor."""
    return sum(conv(i, a * 95) for i, a in zip((first, second, 512, 256, 256, 128), (3, 6, 6, 6, 6, 6), strict=True))


def conformer(width: int, features: int = 80, kernel: int = 31, blocks: int = 16) -> int:
    feed_forward = 2 * width + conv(width, 4 * width) + conv(4 * width, width)
    attention = 2 * width + 4 * conv(width, width) + width * width + 2 * width
    convolution = 2 * width + conv(width, 2 * width) + width * (kernel + 1) + 2 * width + conv(width, width)
    subsampling = conv(1, width, 9) + conv(width, width, 9) + conv(width * features // 4, width)
    return subsampling + blocks * (2 * feed_forward + attention + convolution + 2 * width)


CAFFENET = 60_965_224  # Caffe's bvlc_reference_caffenet: 61 M, counted with 1000 classes
MOBILENET_V1 = 4_231_976  # keras.applications, trainable parameters with batch norm's scale and shift, 1000 classes
MOBILENET_V2 = 3_504_872  # torchvision, 1000 classes
TRUNK_CHANNELS = 17_056 - 1_280  # of MobileNetV2, normalised, without the last convolution
POSENET_HEADS = 17 + 34 + 32 + 32

COUNTS = {
    "mobilenet_v1": MOBILENET_V1 + 1025,
    "mobilenet_v2": MOBILENET_V2 + 1281,
    "mobilenet_v3_large": 5_483_032 + 1281,  # torchvision, 1000 classes
    "mobilenet_edgetpu": (
        normed(3, 32, 9)
        + normed(32, 16)  # an expansion of 1: the projection alone
        + fused(16, 128, 32)
        + 3 * fused(32, 128, 32)
        + fused(32, 256, 48)
        + 3 * fused(48, 192, 48)
        + inverted(48, 384, 96)
        + 6 * inverted(96, 384, 96)
        + inverted(96, 768, 96)
        + inverted(96, 768, 160, 25)
        + 3 * inverted(160, 640, 160, 25)
        + inverted(160, 1280, 192)
        + normed(192, 1280)
        + conv(1280, 1001)
    ),
    "efficientnet_lite0": 4_652_008,  # timm, tf_efficientnet_lite0
    "efficientnet_edgetpu_s": 5_438_392 + 1281,  # timm, efficientnet_es, 1000 classes
    "inception_v1": 6_624_904 + 1025,  # torchvision googlenet without auxiliary classifiers, 1000 classes
    "resnet50": 25_557_032,  # torchvision
    "ssd_mobilenet_v2": MOBILENET_V2 - conv(1280, 1000) + extras(1280) + ssd_heads(576, 1280),
    "deeplab_v3_mobilenet_v2": (
        MOBILENET_V2 - conv(1280, 1000) - normed(320, 1280) + 2 * normed(320, 256) + normed(512, 256) + conv(256, 21)
    ),
    # TensorFlow's tutorial prints 6,504,227 with running statistics, and taps before the last norm of 320.
    "unet_mobilenet_v2": 6_504_227 + 4 * 320 - 2 * TRUNK_CHANNELS - 2 * (512 + 256 + 128 + 64),
    "posenet_mobilenet_v1": (
        normed(3, 24, 9)
        + sum(
            separable(i * 3 // 4, o * 3 // 4)
            for i, o in zip(
                (32, 64, 128, 128, 256, 256, *[512] * 7),
                (64, 128, 128, 256, 256, *[512] * 8),
                strict=True,
            )
        )
        + conv(384, POSENET_HEADS)
    ),
    "blazeface": (
        normed(3, 24, 25)
        + 2 * blaze(24, 24)
        + blaze(24, 48)
        + 2 * blaze(48, 48)
        + double_blaze(48)
        + 5 * double_blaze(96)
        + conv(96, (2 + 6) * (1 + 16))
    ),
    "keyboard_cifg": 10_000 * 96 + lstm(96, 670, 96, gates=3, biases=1),
    "speech_lstmp": lstm(40, 800, 512) + lstm(512, 800, 512) + conv(512, 14_247),
    "translation_lstm": (
        (17_191 + 7_709) * 512  # both embeddings
        + 2 * lstm(512, 512)  # two directions
        + 2 * lstm(512, 512)  # two layers
        + conv(1024, 512, bias=False)
        + conv(512 + 1024, 512, bias=False)
        + conv(512, 7_709, bias=False)
    ),
    "lstm": 2 * lstm(1024, 1024),
    "char_lstm": 65 * 128 + 2 * lstm(128, 128) + conv(128, 65),
    "rnnt_streaming": (
        lstm(320, 2048, 640)
        + 7 * lstm(640, 2048, 640)
        + lstm(1280, 2048, 640)
        + lstm(128, 2048, 640)
        + 4096 * 128
        + conv(640, 640)
        + conv(640, 640, bias=False)
        + conv(640, 4096)
    ),
    "rnnt_cifg": (
        lstm(320, 2048, 640, 3, 1)
        + 7 * lstm(640, 2048, 640, 3, 1)
        + lstm(1280, 2048, 640, 3, 1)
        + lstm(128, 2048, 640, 3, 1)
        + 4096 * 128
        + conv(640, 640)
        + conv(640, 640, bias=False)
        + conv(640, 4096)
    ),
    "rnnt_small": (
        lstm(240, 1024)
        + lstm(1024, 1024)
        + lstm(2048, 1024)
        + 2 * lstm(1024, 1024)
        + 28 * 320
        + 2 * lstm(320, 320)
        + conv(1024 + 320, 512)
        + conv(512, 29)
    ),
    "conformer_transducer": (
        conformer(144) + 1024 * 320 + lstm(320, 320) + conv(144, 320) + conv(320, 320, bias=False) + conv(320, 1024)
    ),
    "conformer_small": conformer(176) + conv(176, 1025),
    "lrcn": CAFFENET + 8_801 * 1000 + lstm(1000, 1000) + lstm(2000, 1000) + conv(1000, 8_801),
    "video_activity": CAFFENET - conv(4096, 4096) - conv(4096, 1000) + lstm(4096, 256) + conv(256, 101),
    "crnn": (
        conv(1, 64, 9)
        + conv(64, 128, 9)
        + conv(128, 256, 9)
        + conv(256, 256, 9)
        + normed(256, 512, 9)
        + normed(512, 512, 9)
        + conv(512, 512, 4)
        + 2 * lstm(512, 256)
        + conv(512, 256)
        + 2 * lstm(256, 256)
        + conv(512, 37)
    ),
    "bottleneck_transformer": conv(1024, 512) + conv(512, 256) + 3 * (conv(256, 512) + conv(512, 256)),
    "residual_cnn": (
        normed(3, 64, 9) + residual(64, 64) + residual(64, 128) + residual(128, 256) + conv(256, 512) + conv(512, 10)
    ),
    "cifar_cnn": conv(3, 32, 9) + conv(32, 64, 9) + conv(4096, 10),
    "mnist_cnn": 93_322,  # Chollet 2017, listing 5.3
    "mobilebert": 24_581_888,  # transformers, google/mobilebert-uncased without pooling layer
    "small_cnn": normed(3, 16, 9) + separable(16, 16) + conv(16, 10),
}

PUBLISHED_MILLIONS = {
    "deeplab_v3_mobilenet_v2": (2.11, 0.005),  # Sandler et al. 2018, table 7
    "keyboard_cifg": (1.4, 0.05),  # Hard et al. 2018
    "speech_lstmp": (13, 0.5),  # Sak et al. 2014
    "rnnt_streaming": (120, 1),  # He et al. 2019, the word-piece model
    "conformer_transducer": (10.3, 0.05),  # Gulati et al. 2020, table 1
    "conformer_small": (13, 0.5),  # NVIDIA NGC, stt_en_conformer_ctc_small
    "crnn": (8.3, 0.05),  # Shi et al. 2015
    "mobilebert": (25.3, 1),  # Sun et al. 2020
}


@pytest.fixture(scope="module")
def parameters(shipped: Callable[[str], tuple[nn.Module, tuple[torch.Tensor, ...]]]) -> Callable[[str], int]:
    return lambda name: sum(parameter.numel() for parameter in shipped(name)[0].parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_equal_the_count_made_apart(name: str, parameters: Callable[[str], int]) -> None:
    assert parameters(name) == COUNTS[name]


@pytest.mark.parametrize("name", PUBLISHED_MILLIONS)
def test_parameters_round_to_the_published_figure(name: str, parameters: Callable[[str], int]) -> None:
    millions, tolerance = PUBLISHED_MILLIONS[name]
    assert parameters(name) / 1e6 == pytest.approx(millions, abs=tolerance)


def test_an_average_gate_has_2_1_million_parameters(parameters: Callable[[str], int]) -> None:
    assert parameters("lstm") / 8 == pytest.approx(2.1e6, rel=0.01)


@pytest.mark.parametrize(
    ("build", "published"),
    [
        (lambda: resnet(18), 11_689_512),
        (lambda: resnet(34), 21_797_672),
        (lambda: resnet(101), 44_549_160),
        (lambda: resnet(152), 60_192_808),
        (lambda: vgg(16), 138_357_544),
        (lambda: vgg(19), 143_667_240),
        (lambda: squeezenet("1.0"), 1_248_424),
        (lambda: squeezenet("1.1"), 1_235_496),
        (lambda: inception_v4(classes=1000), 42_679_816),
        (alexnet, CAFFENET),
        (lambda: ssd_mobilenet_v1(), MOBILENET_V1 - conv(1024, 1000) + extras(1024) + ssd_heads(512, 1024)),
    ],
    ids=[
        *("resnet18", "resnet34", "resnet101", "resnet152", "vgg16", "vgg19", "squeezenet1.0", "squeezenet1.1"),
        *("inception_v4", "alexnet", "ssd_mobilenet_v1"),
    ],
)
def test_parameters_of_other_builders_equal_published_counts(build: Callable[[], nn.Module], published: int) -> None:
    """torchvision's counts; timm's for Inception v4; Caffe's for AlexNet."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build().parameters()) == published


@pytest.mark.parametrize(
    ("build", "resolution", "millions"),
    [
        (lambda: resnet(50), 224, 3_860),  # He et al. 2015, table 1: 3.8e9
        (lambda: vgg(16), 224, 15_470),  # Canziani et al. 2016
        (lambda: ssd_mobilenet_v2(classes=81, lite=True), 320, 800),  # Sandler et al. 2018, table 6: 0.8 B, 4.3 M
        (lambda: inception_v4(), 299, 12_270),  # timm
    ],
    ids=["resnet50", "vgg16", "ssdlite_mobilenet_v2", "inception_v4"],
)
def test_macs_of_other_builders_agree_with_published_ones(
    build: Callable[[], nn.Module], resolution: int, millions: float, count: Callable[..., object]
) -> None:
    assert count(build, (1, 3, resolution, resolution)).macs / 1e6 == pytest.approx(millions, rel=0.02)
