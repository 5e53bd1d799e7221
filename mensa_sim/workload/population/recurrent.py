"""Recurrent models with gates of drawn sizes: LSTMs, transducers, and LSTMs behind convolutions."""

import math
from functools import cache

import numpy as np

from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.families.paper import FAMILIES
from mensa_sim.workload.population.network import Network
from mensa_sim.workload.population.statistics import Choices

GATES = 4
"""Of an LSTM layer."""
SMALLEST_GATE = FAMILIES[3].parameter_bytes[0]
LARGEST_GATE = FAMILIES[3].macs[1]
"""At one MAC per byte the range of MACs, not that of footprints, ends the family."""
LEAST_BYTES = GATES * SMALLEST_GATE
"""Of a model: one layer of the smallest gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentShape:
    """Equal LSTM layers, as wide as what they read."""

    layers: int
    cells: int

    @property
    def gate_parameters(self) -> int:
        """Input and hidden half of one gate, without biases."""
        return 2 * self.cells**2


@cache
def largest_gate(mean_parameters: float) -> float:
    """The upper end of an even law in the logarithm, from the family's lower end, that gives the mean over gates.

    A model of a given size has the more gates the smaller they are, so the mean over gates is the harmonic one over
    models: ln(b / a) / (1 / a - 1 / b).
    """

    from scipy.optimize import brentq

    def excess(high: float) -> float:
        return math.log(high / SMALLEST_GATE) / (1 / SMALLEST_GATE - 1 / high) - mean_parameters

    return float(brentq(excess, SMALLEST_GATE * (1 + 1e-9), LARGEST_GATE))


def recurrent_shape(size_bytes: float, mean_parameters: float, draw: np.random.Generator) -> RecurrentShape:
    """LSTM layers of about so many bytes together, with gates from the law of gates."""
    low, high = math.log(SMALLEST_GATE), math.log(largest_gate(mean_parameters))
    gate = math.exp(draw.uniform(low, high))
    layers = max(1, round(size_bytes / (GATES * gate)))
    gate = min(max(size_bytes / (GATES * layers), SMALLEST_GATE), LARGEST_GATE)
    cells = min(8 * round(math.sqrt(gate / 2) / 8), 8 * math.floor(math.sqrt(LARGEST_GATE / 2) / 8))
    return RecurrentShape(layers=layers, cells=max(cells, 8 * math.ceil(math.sqrt(SMALLEST_GATE / 2) / 8)))


def stacked(network: Network, data: Tensor, shape: RecurrentShape) -> Tensor:
    """The layers one upon another; the first reads as many features as it has cells."""
    for _ in range(shape.layers):
        data = network.lstm(data, shape.cells)
    return data


def lstm_model(network: Network, shape: RecurrentShape, choices: Choices, draw: np.random.Generator) -> Tensor:
    """An LSTM over a sequence whose last outputs are classified in every step."""
    return stacked(network, network.input(_steps(choices, draw), shape.cells), shape)


def transducer(network: Network, shape: RecurrentShape, choices: Choices, draw: np.random.Generator) -> Tensor:
    """Encoder over frames, prediction network over labels, joint network once for each of both (Graves 2012)."""
    frames = _steps(choices, draw)
    labels = max(1, round(frames * choices.labels_per_step))
    predicting = min(shape.layers - 1, round(shape.layers * choices.prediction_share))
    audio = network.input(frames, shape.cells)
    encoded = stacked(network, audio, RecurrentShape(layers=shape.layers - predicting, cells=shape.cells))
    text = network.input(labels, shape.cells)
    predicted = stacked(network, text, RecurrentShape(layers=predicting, cells=shape.cells))
    return network.linear(network.joined(encoded, predicted), 2 * math.ceil(SMALLEST_GATE / shape.cells / 2))


def behind_convolutions(
    network: Network, features: Tensor, choices: Choices, mean_parameters: float, draw: np.random.Generator
) -> Tensor:
    """LSTM layers over the columns of convolutional features, a projection to their width between."""
    layers = int(draw.integers(choices.recurrent_layers[0], choices.recurrent_layers[1] + 1))
    shape = recurrent_shape(GATES * layers * mean_parameters, mean_parameters, draw)
    columns = network.linear(network.columns(features), shape.cells)
    return stacked(network, columns, shape)


def _steps(choices: Choices, draw: np.random.Generator) -> int:
    low, high = choices.steps
    return round(math.exp(draw.uniform(math.log(low), math.log(high))))
