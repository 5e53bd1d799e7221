"""MobileBERT (Sun et al. 2020, arXiv 2004.02984): a thin, deep transformer encoder for phones."""

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 512
THIN = 128
HEADS = 4
FEED_FORWARDS = 4


class NoNorm(nn.Module):
    """A scale and a shift per feature, in place of layer norm (section 3.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width), same out."""
        return x * self.weight + self.bias


class Embedding(nn.Module):
    """Words in 128 numbers, three neighbours joined and mapped to 512; positions and segments added."""

    def __init__(self, vocabulary: int, longest: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, THIN)
        self.map = nn.Linear(3 * THIN, WIDTH)
        self.positions = nn.Embedding(longest, WIDTH)
        self.segments = nn.Embedding(2, WIDTH)
        self.norm = NoNorm(WIDTH)

    def forward(self, words: Tensor, segments: Tensor) -> Tensor:
        """Word and segment numbers (batch, steps) to (batch, steps, 512)."""
        x = self.words(words)
        after, before = functional.pad(x[:, 1:], (0, 0, 0, 1)), functional.pad(x[:, :-1], (0, 0, 1, 0))
        mapped = self.map(torch.cat((after, x, before), dim=-1))
        place = self.positions.weight[: words.shape[1]]
        return self.norm(mapped + place + self.segments(segments))


class AddedLinear(nn.Module):
    """A dense layer whose output is added to a residual, then scaled and shifted."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = NoNorm(outputs)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(..., inputs) and (..., outputs) to (..., outputs)."""
        return self.norm(self.linear(x) + residual)


class FeedForward(nn.Module):
    """128 to 512 and back, with ReLU and the residual."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(THIN, WIDTH)
        self.thin = AddedLinear(WIDTH, THIN)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, 128), same out."""
        return self.thin(functional.relu(self.wide(x)), x)


class MobileBertBlock(nn.Module):
    """Figure 1 (c): bottleneck, attention, four feed-forward networks, and back to 512.

    Queries and keys share a second bottleneck; values read the full width.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Sequential(nn.Linear(WIDTH, THIN), NoNorm(THIN))
        self.shared = nn.Sequential(nn.Linear(WIDTH, THIN), NoNorm(THIN))
        self.query = nn.Linear(THIN, THIN)
        self.key = nn.Linear(THIN, THIN)
        self.value = nn.Linear(WIDTH, THIN)
        self.attended = AddedLinear(THIN, THIN)
        self.feed_forwards = nn.Sequential(*[FeedForward() for _ in range(FEED_FORWARDS)])
        self.output = AddedLinear(THIN, WIDTH)

    def split(self, x: Tensor) -> Tensor:
        """(batch, steps, 128) to (batch, heads, steps, 32)."""
        return x.reshape(*x.shape[:2], HEADS, -1).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, 512), same out."""
        shared = self.shared(x)
        mixed = functional.scaled_dot_product_attention(
            self.split(self.query(shared)), self.split(self.key(shared)), self.split(self.value(x))
        )
        thin = self.attended(mixed.transpose(1, 2).flatten(2), self.input(x))
        return self.output(self.feed_forwards(thin), x)


class MobileBERT(nn.Module):
    """The encoder: embedding and 24 blocks, 24.6 million parameters; heads for tasks are not included."""

    def __init__(self, vocabulary: int = 30_522, longest: int = 512, blocks: int = 24) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, longest)
        self.blocks = nn.Sequential(*[MobileBertBlock() for _ in range(blocks)])

    def forward(self, words: Tensor, segments: Tensor) -> Tensor:
        """Word and segment numbers (batch, steps) to hidden states (batch, steps, 512)."""
        return self.blocks(self.embedding(words, segments))
