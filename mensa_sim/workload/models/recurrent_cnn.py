"""Networks whose convolutions feed an LSTM: captions, text recognition, activities in video."""

import torch
from torch import Tensor, nn

from mensa_sim.workload.models.blocks import ConvNorm, conv_relu
from mensa_sim.workload.models.classic_cnns import alexnet, alexnet_convolutions


class LRCN(nn.Module):
    """Image captions (Donahue et al. 2015, arXiv 1411.4389, the factored two-layer model LRCN-2f).

    CaffeNet gives 1000 numbers per image; the first LSTM of 1000 units reads the words, the second the first's
    output and the image; a dense layer scores 8,801 words. Sizes as in the authors' COCO caption network.
    """

    def __init__(self, vocabulary: int = 8_801, units: int = 1000) -> None:
        super().__init__()
        self.image = alexnet(classes=units, pool_first=True)
        self.embedding = nn.Embedding(vocabulary, units)
        self.words = nn.LSTM(units, units, batch_first=True)
        self.joined = nn.LSTM(2 * units, units, batch_first=True)
        self.output = nn.Linear(units, vocabulary)

    def forward(self, image: Tensor, words: Tensor) -> Tensor:
        """Image (batch, 3, 227, 227) and word numbers (batch, steps) to scores (batch, steps, vocabulary)."""
        seen = self.image(image).unsqueeze(1).expand(-1, words.shape[1], -1)
        heard, _ = self.words(self.embedding(words))
        joined, _ = self.joined(torch.cat((heard, seen), dim=-1))
        return self.output(joined)


class VideoActivity(nn.Module):
    """Activities in video (Donahue et al. 2015, arXiv 1411.4389: LRCN-fc6 for UCF-101).

    CaffeNet up to its first dense layer for each of 16 frames, an LSTM of 256 units over the frames, class scores
    averaged over them.
    """

    def __init__(self, classes: int = 101, units: int = 256) -> None:
        super().__init__()
        self.convolutions = alexnet_convolutions(pool_first=True)
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.lstm = nn.LSTM(4096, units, batch_first=True)
        self.output = nn.Linear(units, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (batch, steps, 3, 227, 227) to class scores (batch, classes)."""
        batch, steps = frames.shape[:2]
        seen = torch.relu(self.fc6(self.convolutions(frames.flatten(0, 1)).flatten(1)))
        hidden, _ = self.lstm(seen.reshape(batch, steps, -1))
        return self.output(hidden).mean(dim=1)


class CRNN(nn.Module):
    """Text recognition (Shi, Bai and Yao 2015, arXiv 1507.05717, table 1): 8.3 million parameters.

    Seven convolutions turn a grey image 32 pixels high into a sequence, two bidirectional LSTM layers of 256 read
    it; the dense layer between them is in the authors' code. 36 letters and digits and the blank.
    """

    def __init__(self, classes: int = 37, units: int = 256) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *conv_relu(1, 64, 3, padding=1),
            nn.MaxPool2d(2),
            *conv_relu(64, 128, 3, padding=1),
            nn.MaxPool2d(2),
            *conv_relu(128, 256, 3, padding=1),
            *conv_relu(256, 256, 3, padding=1),
            nn.MaxPool2d((2, 1)),
            ConvNorm(256, 512, 3, activation=nn.ReLU),
            ConvNorm(512, 512, 3, activation=nn.ReLU),
            nn.MaxPool2d((2, 1)),
            *conv_relu(512, 512, 2),
        )
        self.lower = nn.LSTM(512, units, bidirectional=True, batch_first=True)
        self.between = nn.Linear(2 * units, units)
        self.upper = nn.LSTM(units, units, bidirectional=True, batch_first=True)
        self.output = nn.Linear(2 * units, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Grey images (batch, 1, 32, width) to class scores (batch, width / 4 - 1, classes)."""
        columns = self.convolutions(image).squeeze(2).transpose(1, 2)
        lower, _ = self.lower(columns)
        upper, _ = self.upper(self.between(lower))
        return self.output(upper)
