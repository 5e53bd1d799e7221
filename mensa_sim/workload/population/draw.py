"""Drawing a population: models of every kind whose layers have the published statistics, the same for a seed."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.families.paper import judged_together, memberships
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.population.convolutional import classifier, convolutional_trunk
from mensa_sim.workload.population.network import Network
from mensa_sim.workload.population.recurrent import (
    GATES,
    LEAST_BYTES,
    RecurrentShape,
    behind_convolutions,
    lstm_model,
    recurrent_shape,
    transducer,
)
from mensa_sim.workload.population.statistics import Choices, Statistics, size_law

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
