"""Drawing a population: models of every kind whose layers have the published statistics, the same for a seed."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.families.paper import FAMILIES, judged_together, memberships
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.population.convolutional import classifier, convolutional_trunk
from mensa_sim.workload.population.network import Network
from mensa_sim.workload.population.statistics import Choices, Statistics, size_law

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


OFF_PUBLISHED = 0.1
"""How far a population's mean gate and shares may lie from the published ones, as a share of them; others are drawn
again. A choice: eight models cannot hit three figures, and the paper rounds them."""
MAX_TRIES = 20_000
SIZED_KINDS = ("lstm", "transducer")
"""The kinds whose parameters the published shares are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnModel:
    """One model of a population."""

    kind: str
    graph: LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The models of one draw, kind by kind."""

    seed: int
    models: tuple[DrawnModel, ...]

    @property
    def gate_parameters(self) -> float:
        """Mean parameters of all gates, both halves joined."""
        gates = [
            sum(layer.nest.weight_elements for layer in layers if layer.nest is not None)
            for model in self.models
            for layers in judged_together(model.graph.layers)
            if layers[0].gate is not None
        ]
        return math.fsum(gates) / len(gates)

    def held(self, buffer_bytes: int) -> float:
        """Share of the bytes of LSTMs and transducers that a buffer holds, each model on its own."""
        sizes = [m.graph.parameter_bytes for m in self.models if m.kind in SIZED_KINDS]
        return sum(min(buffer_bytes, size) for size in sizes) / sum(sizes)

    @property
    def inside_families(self) -> float:
        """Share of the layers that lie inside their family's ranges."""
        members = [member for model in self.models for member in memberships(model.graph)]
        return sum(member.inside for member in members) / len(members)


def draw_population(seed: int, statistics: Statistics | None = None, choices: Choices | None = None) -> Population:
    """The population of a seed. Raises `ValueError` where no draw has the statistics."""
    statistics, choices = statistics or Statistics(), choices or Choices()
    draw = np.random.default_rng(seed)
    shapes = iter(_recurrent_shapes(statistics, draw))
    makers: Mapping[str, Callable[[Network], Tensor]] = {
        "cnn": lambda network: classifier(network, convolutional_trunk(network, choices, draw), draw),
        "lstm": lambda network: lstm_model(network, next(shapes), choices, draw),
        "transducer": lambda network: transducer(network, next(shapes), choices, draw),
        "rcnn": lambda network: behind_convolutions(
            network, convolutional_trunk(network, choices, draw), choices, statistics.gate_parameters, draw
        ),
    }
    models = []
    for kind, count in statistics.kinds.items():
        make = lookup(makers, kind, "kind of model")
        for number in range(count):
            network = Network(f"population_{seed}.{kind}_{number}")
            models.append(DrawnModel(kind=kind, graph=network.graph(make(network))))
    return Population(seed=seed, models=tuple(models))


def _recurrent_shapes(statistics: Statistics, draw: np.random.Generator) -> list[RecurrentShape]:
    """The LSTM stacks of LSTMs and transducers, in no order: sizes one from each of as many equal parts of their law.

    Drawn again until their mean gate and the shares that buffers hold are the published ones.
    """
    count = sum(statistics.kinds.get(kind, 0) for kind in SIZED_KINDS)
    law = size_law(statistics, LEAST_BYTES)
    for _ in range(MAX_TRIES):
        quantiles = (np.arange(count) + draw.uniform(size=count)) / count
        sizes = [law.size_bytes(float(quantile)) for quantile in quantiles]
        shapes = [recurrent_shape(size, statistics.gate_parameters, draw) for size in sizes]
        if _near(shapes, statistics):
            return [shapes[index] for index in draw.permutation(count)]
    raise ValueError(f"no population of {count} recurrent models has the statistics in {MAX_TRIES} draws")


def _near(shapes: Sequence[RecurrentShape], statistics: Statistics) -> bool:
    layers = sum(shape.layers for shape in shapes)
    gate = sum(shape.layers * shape.gate_parameters for shape in shapes) / layers
    sizes = [GATES * shape.layers * shape.gate_parameters for shape in shapes]
    wanted = [(gate, statistics.gate_parameters)]
    for buffer_bytes, share in statistics.held.items():
        wanted.append((sum(min(buffer_bytes, size) for size in sizes) / sum(sizes), share))
    return all(abs(found - published) <= OFF_PUBLISHED * published for found, published in wanted)
