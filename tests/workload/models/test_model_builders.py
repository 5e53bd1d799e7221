"""What the builders' parameters mean, and that custom modules compute what they say."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mensa_sim.errors import UsageError
from mensa_sim.workload.models.blocks import ConvNorm, same_padding
from mensa_sim.workload.models.cifg import CIFG
from mensa_sim.workload.models.conformer import ConformerEncoder, RelativeAttention, sinusoids
from mensa_sim.workload.models.efficientnet import efficientnet_edgetpu, efficientnet_lite
from mensa_sim.workload.models.mobilenet_v1 import mobilenet_v1
from mensa_sim.workload.models.resnet import resnet
from mensa_sim.workload.models.stacks import conv_stack, dense_stack
from mensa_sim.workload.models.transducers import Joint, TimeReduction


@given(
    size=st.integers(1, 40),
    kernel=st.sampled_from([1, 3, 5, 7]),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
)
@settings(max_examples=40, deadline=None)
def test_same_padding_gives_the_output_size_of_tensorflow(size: int, kernel: int, stride: int, dilation: int) -> None:
    with torch.device("meta"):
        made = ConvNorm(1, 1, kernel, stride, dilation=dilation)(torch.empty(2, 1, size, size))
    assert made.shape[2:] == (-(-size // stride),) * 2


def test_an_even_kernel_has_no_symmetric_same_padding() -> None:
    with pytest.raises(UsageError, match="odd"):
        same_padding(4)


@pytest.mark.parametrize("projection", [None, 3])
def test_a_cifg_layer_is_an_lstm_layer_whose_input_gate_is_one_minus_its_forget_gate(projection: int | None) -> None:
    torch.manual_seed(0)
    layer = CIFG(4, 5, projection).double()
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    hidden, cell = x.new_zeros(2, projection or 5), x.new_zeros(2, 5)
    expected = []
    for step in range(6):
        forget, candidate, output = (
            x[:, step] @ layer.weight_ih[rows].T + hidden @ layer.weight_hh[rows].T + layer.bias[rows]
            for rows in (slice(0, 5), slice(5, 10), slice(10, 15))
        )
        cell = forget.sigmoid() * cell + (1 - forget.sigmoid()) * candidate.tanh()
        hidden = output.sigmoid() * cell.tanh()
        if layer.weight_hr is not None:
            hidden = hidden @ layer.weight_hr.T
        expected.append(hidden)
    torch.testing.assert_close(layer(x), torch.stack(expected, dim=1))


def test_the_joint_network_meets_every_frame_once_and_emits_every_label_once() -> None:
    torch.manual_seed(0)
    joint = Joint(3, 2, 4, 5, nn.Tanh())
    audio, labels = torch.randn(1, 6, 3), torch.randn(1, 2, 2)
    scores = joint(audio, labels)
    assert scores.shape == (1, 2, 4, 5), "six frames and two labels are eight evaluations"
    for label, step, frame in ((0, 0, 0), (0, 2, 2), (0, 3, 2), (1, 0, 3), (1, 3, 5)):
        hidden = torch.tanh(joint.from_audio(audio[0, frame]) + joint.from_labels(labels[0, label]))
        torch.testing.assert_close(scores[0, label, step], joint.output(hidden))


def test_time_reduction_joins_neighbouring_frames() -> None:
    frames = torch.arange(12.0).reshape(1, 4, 3)
    assert TimeReduction(2)(frames)[0, 1].tolist() == [6, 7, 8, 9, 10, 11]


def test_relative_attention_scores_each_pair_by_content_and_distance() -> None:
    torch.manual_seed(0)
    steps, width = 4, 6
    attention = RelativeAttention(width, heads=1).double()
    nn.init.normal_(attention.content_bias)
    nn.init.normal_(attention.position_bias)
    x = torch.randn(1, steps, width, dtype=torch.float64)
    positions = sinusoids(steps, width).double()
    query, key, value = attention.query(x)[0], attention.key(x)[0], attention.value(x)[0]
    distances = attention.position(positions)[0]
    scores = torch.empty(steps, steps, dtype=torch.float64)
    for i in range(steps):
        for j in range(steps):
            by_content = (query[i] + attention.content_bias[0, 0]) @ key[j]
            by_distance = (query[i] + attention.position_bias[0, 0]) @ distances[steps - 1 - (i - j)]
            scores[i, j] = (by_content + by_distance) / width**0.5
    expected = attention.output(scores.softmax(-1) @ value)
    torch.testing.assert_close(attention(x, positions)[0], expected)


@pytest.mark.parametrize(
    "use",
    [
        lambda: efficientnet_lite(9),
        lambda: efficientnet_edgetpu("x"),
        lambda: resnet(51),
        lambda: conv_stack(kernel=2),
        lambda: TimeReduction(2)(torch.empty(1, 3, 4)),
        lambda: Joint(1, 1, 1, 1, nn.Tanh())(torch.empty(1, 3, 1), torch.empty(1, 2, 1)),
        lambda: ConformerEncoder(8, 4, 1, 1, longest=2)(torch.empty(1, 12, 8)),
    ],
    ids=["lite", "edgetpu", "resnet", "kernel", "frames", "labels", "length"],
)
def test_an_impossible_argument_is_refused_in_words(use: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match=r"choose|takes|divide"):
        use()


@pytest.mark.parametrize("alpha", [0.25, 0.75])
@pytest.mark.parametrize("depth", [2, 12])
def test_the_depth_grid_has_the_parameters_and_macs_of_the_measured_models(
    alpha: float, depth: int, reference: Path, count: Callable[..., Any]
) -> None:
    with (reference / "coral" / "dev_board_micro_grid.csv").open() as file:
        (row,) = (r for r in csv.DictReader(file) if float(r["alpha"]) == alpha and int(r["depth"]) == depth)
    counted = count(lambda: mobilenet_v1(alpha, depth, classes=1000), (1, 3, 224, 224))
    folded = counted.parameters - counted.norm_parameters // 2
    assert counted.macs == int(row["macs"])
    assert folded == pytest.approx(int(row["param_count"]), abs=2), "the file counts two quantisation scales"


def test_stacks_have_the_macs_of_the_measured_stacks(reference: Path, count: Callable[..., Any]) -> None:
    with (reference / "coral" / "usb_operator_sweep.csv").open() as file:
        macs = {row["model"]: row["macs"] for row in csv.DictReader(file)}
    convolutions = count(lambda: conv_stack(channels=32, kernel=7, layers=10), (1, 3, 128, 128))
    dense = count(lambda: dense_stack(width=100, layers=100, inputs=12, outputs=1), (1, 12))
    assert convolutions.macs + 32 == int(macs["conv_32x7_L10"]), "the measured model ends in a dense layer of 32 to 1"
    assert dense.macs == int(macs["dense_100u_L100"])
