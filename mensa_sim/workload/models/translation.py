"""Translation by an LSTM encoder and an LSTM decoder with attention."""

import torch
from torch import Tensor, nn


class TranslationLSTM(nn.Module):
    """Encoder-decoder with global attention (Luong, Pham and Manning 2015, arXiv 1508.04025, no input feeding).

    Sizes of the IWSLT'15 English-Vietnamese model of TensorFlow's NMT tutorial (Luong, Brevdo and Zhao 2017): a
    bidirectional encoder layer and two decoder layers of 512 units, vocabularies of 17,191 and 7,709 words. The
    target words are given, as in scoring: a decoder step costs the same when it reads its own last word.
    """

    def __init__(self, source_words: int = 17_191, target_words: int = 7_709, units: int = 512) -> None:
        super().__init__()
        self.source_embedding = nn.Embedding(source_words, units)
        self.target_embedding = nn.Embedding(target_words, units)
        self.encoder = nn.LSTM(units, units, bidirectional=True, batch_first=True)
        self.decoder = nn.LSTM(units, units, num_layers=2, batch_first=True)
        self.keys = nn.Linear(2 * units, units, bias=False)
        self.attention = nn.Linear(3 * units, units, bias=False)
        self.output = nn.Linear(units, target_words, bias=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Word numbers (batch, source steps) and (batch, target steps) to scores (batch, target steps, words).

        The encoder's forward and backward end states start the decoder's first and second layer.
        """
        memory, state = self.encoder(self.source_embedding(source))
        decoded, _ = self.decoder(self.target_embedding(target), state)
        weights = torch.softmax(torch.bmm(decoded, self.keys(memory).transpose(1, 2)), dim=-1)
        context = torch.bmm(weights, memory)
        return self.output(torch.tanh(self.attention(torch.cat((decoded, context), dim=-1))))
