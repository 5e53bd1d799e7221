"""Recurrent transducers for speech (Graves 2012, arXiv 1211.3711): encoder, prediction network, joint network.

Decoding is greedy and streaming: each audio frame and each emitted label is one evaluation of the joint network, so
T frames and U labels need T + U of them, not the T x U grid of training. The label sequence is given, one label every
T / U frames; which labels they are changes nothing in the work.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from mensa_sim.errors import UsageError
from mensa_sim.workload.models.cifg import CIFG


class LSTMLayer(nn.Module):
    """One `nn.LSTM` layer, batch first, that gives its outputs alone."""

    def __init__(self, inputs: int, cells: int, projection: int | None = None) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, cells, batch_first=True, proj_size=projection or 0)

    def forward(self, x: Tensor) -> Tensor:
        """Features (batch, steps, inputs) to outputs (batch, steps, projection or cells)."""
        return self.lstm(x)[0]


class TimeReduction(nn.Module):
    """Joins neighbouring frames into one (Chan et al. 2016; Soltau et al. 2017)."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, features) to (batch, steps / factor, factor * features)."""
        batch, steps, features = x.shape
        if steps % self.factor:
            raise UsageError(f"{steps} frames cannot be joined by {self.factor}: choose a multiple")
        return x.reshape(batch, steps // self.factor, self.factor * features)


Layer = Callable[[int, int, int | None], nn.Module]


def recurrent_stack(layer: Layer, inputs: int, cells: int, projection: int | None, layers: int) -> list[nn.Module]:
    """Equal recurrent layers, one upon another."""
    outputs = projection or cells
    return [layer(outputs if index else inputs, cells, projection) for index in range(layers)]


class Joint(nn.Module):
    """Scores of the next label from an audio frame and the labels so far: two projections, one sum, one output."""

    def __init__(self, audio: int, labels: int, hidden: int, outputs: int, activation: nn.Module) -> None:
        super().__init__()
        self.from_audio = nn.Linear(audio, hidden)
        self.from_labels = nn.Linear(labels, hidden, bias=False)
        self.activation = activation
        self.output = nn.Linear(hidden, outputs)

    def forward(self, audio: Tensor, labels: Tensor) -> Tensor:
        """(batch, T, audio) and (batch, U, labels) to scores (batch, U, T / U + 1, outputs).

        Each label state meets its T / U frames, and the last of them once more: there the label is emitted.
        """
        batch, count, _ = labels.shape
        if audio.shape[1] % count:
            raise UsageError(f"{count} labels do not divide the encoder's {audio.shape[1]} frames evenly")
        frames = self.from_audio(audio).reshape(batch, count, audio.shape[1] // count, -1)
        frames = torch.cat((frames, frames[:, :, -1:]), dim=2)
        hidden = self.activation(frames + self.from_labels(labels).unsqueeze(2))
        return self.output(hidden)


class Transducer(nn.Module):
    """An encoder over the audio, a prediction network over the labels, and the joint network."""

    def __init__(
        self, encoder: nn.Module, vocabulary: int, embedding: int, prediction: Iterable[nn.Module], joint: Joint
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.prediction = nn.Sequential(*prediction)
        self.joint = joint

    def forward(self, audio: Tensor, labels: Tensor) -> Tensor:
        """Audio (batch, frames, features) and label numbers (batch, U) to scores along the greedy path."""
        return self.joint(self.encoder(audio), self.prediction(self.embedding(labels)))


def he2019(layer: Layer, features: int, labels: int, cells: int, projection: int) -> Transducer:
    """The transducer of He et al. 2019 from recurrent layers of a kind."""
    encoder = nn.Sequential(
        *recurrent_stack(layer, features, cells, projection, 2),
        TimeReduction(2),
        *recurrent_stack(layer, 2 * projection, cells, projection, 6),
    )
    embedding = 128
    prediction = recurrent_stack(layer, embedding, cells, projection, 2)
    joint = Joint(projection, projection, projection, labels, nn.Tanh())
    return Transducer(encoder, labels, embedding, prediction, joint)


def rnnt_streaming(features: int = 320, labels: int = 4096, cells: int = 2048, projection: int = 640) -> Transducer:
    """The on-device recogniser of He et al. 2019 (ICASSP, arXiv 1811.06621): 120 million parameters.

    80 log-mel energies every 10 ms, four frames stacked every 30 ms; eight encoder and two prediction layers of
    2048 cells projected to 640, time halved after the second encoder layer; 4,096 word pieces embedded in 128
    numbers; joint network of 640. Layer normalisation inside the cells is left out.
    """
    return he2019(LSTMLayer, features, labels, cells, projection)


def rnnt_cifg(features: int = 320, labels: int = 4096, cells: int = 2048, projection: int = 640) -> Transducer:
    """`rnnt_streaming` with coupled input-forget gates (Shangguan et al. 2019, arXiv 1909.12408)."""
    return he2019(CIFG, features, labels, cells, projection)


def rnnt_small(features: int = 240, labels: int = 29) -> Transducer:
    """The LibriSpeech transducer of MLPerf Inference's edge suite (Reddi et al. 2020, arXiv 1911.02549; added in v0.7).

    80 log-mel energies every 10 ms, three frames stacked every 30 ms; two LSTM layers of 1024, time halved,
    three more; prediction network of two layers of 320 over 28 characters; joint network of 512, whose one dense
    layer over the joined vectors is the sum of two here; 28 characters and the blank.
    """
    encoder = nn.Sequential(
        *recurrent_stack(LSTMLayer, features, 1024, None, 2),
        TimeReduction(2),
        *recurrent_stack(LSTMLayer, 2048, 1024, None, 3),
    )
    prediction = recurrent_stack(LSTMLayer, 320, 320, None, 2)
    return Transducer(encoder, labels - 1, 320, prediction, Joint(1024, 320, 512, labels, nn.ReLU()))
