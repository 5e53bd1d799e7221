"""LSTM networks: plain stacks, acoustic models with projection, character models."""

from torch import Tensor, nn


class StackedLSTM(nn.Module):
    """LSTM layers over a sequence (Hochreiter and Schmidhuber 1997, forget gate of Gers et al. 2000).

    The default has the 2.1 million parameters per gate that Boroumand et al. (PACT 2021) report
    as the average of Google's edge LSTMs: 1024 x (1024 + 1024).
    """

    def __init__(self, input_size: int = 1024, hidden_size: int = 1024, layers: int = 2) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Features (batch, steps, input_size) to hidden states (batch, steps, hidden_size)."""
        return self.lstm(x)[0]


class SpeechLSTMP(nn.Module):
    """The acoustic model of Sak, Senior and Beaufays (Interspeech 2014), 13 million parameters.

    Two LSTM layers of 800 cells, each with a recurrent projection of 512, read 40 log-filterbank energies
    every 10 ms; a dense layer scores 14,247 context-dependent phone states (softmax not included).
    """

    def __init__(
        self, features: int = 40, cells: int = 800, projection: int = 512, layers: int = 2, states: int = 14247
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, cells, layers, batch_first=True, proj_size=projection)
        self.output = nn.Linear(projection, states)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (batch, steps, features) to phone-state scores (batch, steps, states)."""
        return self.output(self.lstm(frames)[0])


class CharLSTM(nn.Module):
    """A character language model: embedding, LSTM layers, dense layer over the vocabulary.

    The form of Karpathy's char-rnn (2015), whose defaults are two layers of 128 cells over text of 65
    distinct characters (its Shakespeare sample) in sequences of 50, with an embedding in place of the one-hot
    input.
    """

    def __init__(self, vocabulary: int = 65, embedding: int = 128, hidden_size: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden_size, layers, batch_first=True)
        self.output = nn.Linear(hidden_size, vocabulary)

    def forward(self, characters: Tensor) -> Tensor:
        """Character numbers (batch, steps) to scores of the next character (batch, steps, vocabulary)."""
        return self.output(self.lstm(self.embedding(characters))[0])
