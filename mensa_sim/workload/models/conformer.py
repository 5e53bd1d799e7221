"""Conformer (Gulati et al. 2020, arXiv 2005.08100): convolution and attention for speech."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.errors import UsageError
from mensa_sim.workload.models.blocks import conv_relu, named, same_padding
from mensa_sim.workload.models.transducers import Joint, LSTMLayer, Transducer


class Subsampling(nn.Module):
    """Two 3x3 convolutions of stride 2 over time and frequency, and a dense layer: a quarter of the frames."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *conv_relu(1, width, 3, stride=2, padding=1), *conv_relu(width, width, 3, stride=2, padding=1)
        )
        self.linear = nn.Linear(width * ((features + 3) // 4), width)

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, frames, features) to (batch, frames / 4, width)."""
        y = self.convolutions(audio.unsqueeze(1))
        return self.linear(y.transpose(1, 2).flatten(2))


def sinusoids(longest: int, width: int) -> Tensor:
    """The encoding of every distance from longest - 1 down to 1 - longest (Vaswani et al. 2017)."""
    distances = torch.arange(longest - 1, -longest, -1.0).unsqueeze(1)
    angles = distances * 10_000 ** (-torch.arange(0, width, 2.0) / width)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1).unsqueeze(0)


class RelativeAttention(nn.Module):
    """Self-attention with relative sinusoidal positions (Dai et al. 2019, Transformer-XL)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.position = nn.Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))
        self.position_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))
        self.output = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        """(batch, steps, width) to (batch, heads, steps, width / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(batch, steps, width) and positions (1, 2 steps - 1, width) to (batch, steps, width)."""
        batch, steps, width = x.shape
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        distance = self.split(self.position(positions))
        content = torch.matmul(query + self.content_bias, key.transpose(-2, -1))
        by_distance = torch.matmul(query + self.position_bias, distance.transpose(-2, -1))
        shifted = functional.pad(by_distance, (1, 0)).reshape(batch, self.heads, 2 * steps, steps)
        by_position = shifted[:, :, 1:].reshape(batch, self.heads, steps, 2 * steps - 1)[..., :steps]
        weights = torch.softmax((content + by_position) * (width // self.heads) ** -0.5, dim=-1)
        return self.output(torch.matmul(weights, value).transpose(1, 2).flatten(2))


class Convolution(nn.Module):
    """Pointwise with gated linear unit, depthwise over time, batch norm, swish, pointwise."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.body = nn.Sequential(
            nn.Conv1d(width, 2 * width, 1),
            nn.GLU(dim=1),
            nn.Conv1d(width, width, kernel, padding=same_padding(kernel), groups=width),
            nn.BatchNorm1d(width),
            nn.SiLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, width), same out."""
        return self.body(self.norm(x).transpose(1, 2)).transpose(1, 2)


def feed_forward(width: int) -> nn.Sequential:
    """Layer norm, four times as wide and back, with swish."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))


class ConformerBlock(nn.Module):
    """Half a feed-forward step, attention, convolution, the other half, layer norm."""

    def __init__(self, width: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.first = feed_forward(width)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = RelativeAttention(width, heads)
        self.convolution = Convolution(width, kernel)
        self.second = feed_forward(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(batch, steps, width), same out."""
        x = x + 0.5 * self.first(x)
        x = x + self.attention(self.attention_norm(x), positions)
        x = x + self.convolution(x)
        x = x + 0.5 * self.second(x)
        return self.norm(x)


class ConformerEncoder(nn.Module):
    """Subsampling and conformer blocks; takes at most `longest` frames after subsampling.

    The publication's depthwise kernel is 32; 31 keeps the frames aligned, as in public implementations.
    """

    def __init__(
        self, features: int, width: int, blocks: int, heads: int, kernel: int = 31, longest: int = 512
    ) -> None:
        super().__init__()
        self.longest = longest
        self.subsampling = Subsampling(features, width)
        self.blocks = nn.ModuleList(ConformerBlock(width, heads, kernel) for _ in range(blocks))
        self.register_buffer("positions", sinusoids(longest, width), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, frames, features) to (batch, frames / 4, width)."""
        x: Tensor = self.subsampling(audio)
        if x.shape[1] > self.longest:
            raise UsageError(f"{x.shape[1]} frames after subsampling, but the encoder takes {self.longest}")
        table = self.get_buffer("positions")
        positions = table[:, self.longest - x.shape[1] : self.longest + x.shape[1] - 1]
        for block in self.blocks:
            x = block(x, positions)
        return x


def conformer_transducer(features: int = 80, labels: int = 1024) -> Transducer:
    """Conformer (S), 10.3 million parameters: 16 blocks of 144 with 4 heads, one LSTM decoder layer of 320.

    80 log-mel energies every 10 ms, a frame every 40 ms after subsampling; 1,024 word pieces. Embedding and
    joint network have the decoder's 320 numbers, which the publication does not print. The encoder sees the
    whole utterance; the label path is that of `transducers`.
    """
    encoder = ConformerEncoder(features, 144, blocks=16, heads=4)
    joint = Joint(144, 320, 320, labels, nn.Tanh())
    return Transducer(encoder, labels, 320, [LSTMLayer(320, 320)], joint)


def conformer_small(features: int = 80, labels: int = 1024) -> nn.Sequential:
    """NVIDIA's Conformer-CTC small (NeMo, `stt_en_conformer_ctc_small`): 13 million parameters.

    16 blocks of 176 with 4 heads and kernels of 31 over 80 log-mel energies every 10 ms; 1,024 word pieces. A dense
    layer makes the labels and the blank (Graves et al. 2006).
    """
    encoder = ConformerEncoder(features, 176, blocks=16, heads=4)
    return named(encoder=encoder, output=nn.Linear(176, labels + 1))
