"""A network under construction: layers of given sizes, one after another, through the makers that importers share."""

import math
from collections.abc import Sequence
from dataclasses import replace

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Site, Spot, Tensor
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.operators.convolution import convolution
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.matrix import matrix_nest
from mensa_sim.workload.operators.pooling import pool
from mensa_sim.workload.operators.recurrent import CellWeights
from mensa_sim.workload.operators.recurrent_calls import stacked_recurrent


class Network:
    """Adds layers to a graph; every method gives the tensor that its layer makes. 8 bits throughout."""

    def __init__(self, name: str) -> None:
        self._builder = GraphBuilder(name)
        self._count = 0

    def input(self, *shape: int) -> Tensor:
        """A tensor that enters the model."""
        return self._builder.input(self._next("input").site.node, shape)

    def convolution(
        self,
        data: Tensor,
        channels: int,
        taps: int,
        *,
        stride: int = 1,
        depthwise: bool = False,
        side: int | None = None,
    ) -> Tensor:
        """A square filter and a ReLU over [1, channels, side, side], padded to side / stride unless a side is given.

        No biases: the published ranges of MACs per byte end at squares of sides (49, 64, 81, 400), as they do without.
        """
        inputs = data.shape[1]
        out = side or -(-data.shape[2] // stride)
        spot = self._next("depthwise" if depthwise else "conv")
        output = spot.new("out", (1, channels, out, out))
        convolution(
            spot,
            data=data,
            weight=self._weight(spot, channels, 1 if depthwise else inputs, taps, taps),
            bias=None,
            output=output,
            stride=(stride, stride),
            dilation=(1, 1),
            groups=inputs if depthwise else 1,
        )
        return self._elementwise("relu", output.shape, output)

    def add(self, left: Tensor, right: Tensor) -> Tensor:
        """The sum of two tensors of one shape."""
        return self._elementwise("add", left.shape, left, right)

    def pooled(self, data: Tensor) -> Tensor:
        """The mean over rows and columns: [1, channels]."""
        return self._mean("pool", data, taps=data.shape[2:], made=(1, 1))

    def columns(self, data: Tensor) -> Tensor:
        """The mean over rows, columns as time steps: [side, channels]."""
        return self._mean("columns", data, taps=(data.shape[2], 1), made=(1, data.shape[3]))

    def _mean(self, kind: str, data: Tensor, *, taps: Sequence[int], made: tuple[int, int]) -> Tensor:
        """A pooling over [1, channels, rows, columns] to `made` rows and columns, as [rows * columns, channels]."""
        spot, channels = self._next(kind), data.shape[1]
        shown = spot.new("out", (1, channels, *made))
        pool(spot, data=data, outputs=(shown,), taps=taps, stride=(1,), mean=True)
        return replace(shown, shape=(math.prod(made), channels))

    def joined(self, left: Tensor, right: Tensor) -> Tensor:
        """A row of either sequence in every step of both: [steps of both, features]."""
        return self._elementwise("add", (left.shape[0] + right.shape[0], left.shape[1]), left, right, kind="joined")

    def linear(self, data: Tensor, units: int) -> Tensor:
        """A fully connected layer on [steps, features], step after step as it is called in a stream."""
        steps, depth = data.shape
        spot = self._next("linear")
        weight, bias = self._weight(spot, units, depth), self._weight(spot, units)
        output = spot.new("out", (steps, units))
        nest = matrix_nest(rows=1, columns=units, depth=depth)
        spot.multiply("linear", operands=(data, weight), bias=bias, output=output, nest=nest, steps=steps)
        return output

    def lstm(self, data: Tensor, cells: int) -> Tensor:
        """One LSTM layer over [steps, features]."""
        steps, depth = data.shape
        spot = self._next("lstm")
        weights = CellWeights(
            input=self._weight(spot, 4 * cells, depth),
            hidden=self._weight(spot, 4 * cells, cells),
            input_bias=self._weight(spot, 4 * cells),
            hidden_bias=self._weight(spot, 4 * cells),
        )
        output = spot.new("out", (steps, cells))
        stacked_recurrent(
            spot, kind="lstm", data=data, batch_first=False, cells=[[weights]], initial=None, results=(output,)
        )
        return output

    def graph(self, *outputs: Tensor) -> LayerGraph:
        """The graph of all layers so far."""
        for output in outputs:
            self._builder.output(output.id)
        return self._builder.build()

    def _elementwise(self, operator: str, shape: Sequence[int], *operands: Tensor, kind: str = "") -> Tensor:
        spot = self._next(kind or operator)
        output = spot.new("out", shape)
        elementwise(spot, operator=operator, operands=operands, output=output)
        return output

    def _next(self, kind: str) -> Spot:
        name = f"{kind}{self._count}"
        self._count += 1
        return Spot(builder=self._builder, site=Site(node=name, name=name, source=name))

    def _weight(self, spot: Spot, *shape: int) -> Tensor:
        name = f"{spot.site.node}.{'weight' if len(shape) > 1 else 'bias'}.{self._count}"
        self._count += 1
        return self._builder.constant(name, shape, name=name)
