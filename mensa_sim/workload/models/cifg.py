"""LSTM layers with coupled input and forget gates, and the keyboard's language model made of one."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class CIFG(nn.Module):
    """One LSTM layer whose input gate is one minus its forget gate (Greff et al. 2017, variant CIFG).

    Three gates instead of four; the parameter rows are forget gate, candidate, output gate. With a projection
    the output is that many numbers, and they are what feeds back (Sak et al. 2014). The input products of all
    steps are made at once, since all inputs are known; the rest is a loop over the steps.
    """

    def __init__(self, inputs: int, cells: int, projection: int | None = None) -> None:
        super().__init__()
        self.cells = cells
        self.outputs = projection or cells
        self.weight_ih = nn.Parameter(torch.empty(3 * cells, inputs))
        self.weight_hh = nn.Parameter(torch.empty(3 * cells, self.outputs))
        self.bias = nn.Parameter(torch.zeros(3 * cells))
        self.weight_hr = nn.Parameter(torch.empty(projection, cells)) if projection else None
        for weight in self.parameters():
            nn.init.uniform_(weight, -(cells**-0.5), cells**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Features (batch, steps, inputs) to outputs (batch, steps, projection or cells)."""
        hidden = x.new_zeros(x.shape[0], self.outputs)
        cell = x.new_zeros(x.shape[0], self.cells)
        made = []
        for from_input in functional.linear(x, self.weight_ih, self.bias).unbind(1):
            gates = from_input + functional.linear(hidden, self.weight_hh)
            forget, candidate, output = gates.chunk(3, dim=-1)
            forget = torch.sigmoid(forget)
            cell = forget * cell + (1 - forget) * torch.tanh(candidate)
            hidden = torch.sigmoid(output) * torch.tanh(cell)
            if self.weight_hr is not None:
                hidden = functional.linear(hidden, self.weight_hr)
            made.append(hidden)
        return torch.stack(made, dim=1)


class KeyboardCIFG(nn.Module):
    """The next-word model of Google's keyboard (Hard et al. 2018, arXiv 1811.03604): 1.4 million parameters.

    10,000 words embedded in 96 numbers, one CIFG layer of 670 cells projected back to 96; the output layer
    shares the embedding's table.
    """

    def __init__(self, vocabulary: int = 10_000, embedding: int = 96, cells: int = 670) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.cifg = CIFG(embedding, cells, projection=embedding)

    def forward(self, words: Tensor) -> Tensor:
        """Word numbers (batch, steps) to scores of the next word after each (batch, steps, vocabulary)."""
        return functional.linear(self.cifg(self.embedding(words)), self.embedding.weight)
