"""A network under construction: layers of given sizes, one after another, through the makers that importers share."""

from collections.abc import Sequence
from dataclasses import replace

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Site, Tensor
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
        return self._builder.input(self._next("input").node, shape)

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
        site = self._next("depthwise" if depthwise else "conv")
        weight = self._weight(site, channels, 1 if depthwise else inputs, taps, taps)
        output = self._made(site, 1, channels, out, out)
        convolution(
            self._builder,
            site,
            data=data,
            weight=weight,
            bias=None,
            output=output,
            stride=(stride, stride),
            dilation=(1, 1),
            groups=inputs if depthwise else 1,
        )
        return self._relu(output)

    def add(self, left: Tensor, right: Tensor) -> Tensor:
        """The sum of two tensors of one shape."""
        site = self._next("add")
        output = self._made(site, *left.shape)
        elementwise(self._builder, site, operator="add", operands=(left, right), output=output)
        return output

    def pooled(self, data: Tensor) -> Tensor:
        """The mean over rows and columns: [1, channels]."""
        site = self._next("pool")
        output = self._made(site, 1, data.shape[1])
        self._mean(site, data, output, taps=data.shape[2:], made=(1, 1))
        return output

    def columns(self, data: Tensor) -> Tensor:
        """The mean over rows, columns as time steps: [side, channels]."""
        site = self._next("columns")
        output = self._made(site, data.shape[3], data.shape[1])
        self._mean(site, data, output, taps=(data.shape[2], 1), made=(1, data.shape[3]))
        return output

    def _mean(self, site: Site, data: Tensor, output: Tensor, *, taps: Sequence[int], made: tuple[int, int]) -> None:
        """A pooling over [1, channels, rows, columns] whose output has `made` rows and columns, in whatever order."""
        shown = replace(output, shape=(1, data.shape[1], *made))
        pool(self._builder, site, operator="avg_pool", data=data, outputs=(shown,), taps=taps, stride=(1,), mean=True)

    def joined(self, left: Tensor, right: Tensor) -> Tensor:
        """A row of either sequence in every step of both: [steps of both, features]."""
        site = self._next("joined")
        output = self._made(site, left.shape[0] + right.shape[0], left.shape[1])
        elementwise(self._builder, site, operator="add", operands=(left, right), output=output)
        return output

    def linear(self, data: Tensor, units: int) -> Tensor:
        """A fully connected layer on [steps, features], step after step as it is called in a stream."""
        steps, depth = data.shape
        site = self._next("linear")
        weight, bias = self._weight(site, units, depth), self._weight(site, units)
        output = self._made(site, steps, units)
        self._builder.add(
            Operation(
                site=site,
                operator="linear",
                reads=(data, weight, bias),
                writes=(output,),
                nest=matrix_nest(rows=1, columns=units, depth=depth),
                steps=steps,
                has_bias=True,
            )
        )
        return output

    def lstm(self, data: Tensor, cells: int) -> Tensor:
        """One LSTM layer over [steps, features]."""
        steps, depth = data.shape
        site = self._next("lstm")
        weights = CellWeights(
            input=self._weight(site, 4 * cells, depth),
            hidden=self._weight(site, 4 * cells, cells),
            input_bias=self._weight(site, 4 * cells),
            hidden_bias=self._weight(site, 4 * cells),
        )
        output = self._made(site, steps, cells)
        stacked_recurrent(
            self._builder,
            site,
            kind="lstm",
            data=data,
            batch_first=False,
            cells=[[weights]],
            initial=None,
            results=(output,),
        )
        return output

    def graph(self, *outputs: Tensor) -> LayerGraph:
        """The graph of all layers so far."""
        for output in outputs:
            self._builder.output(output.id)
        return self._builder.build()

    def _relu(self, data: Tensor) -> Tensor:
        site = self._next("relu")
        output = self._made(site, *data.shape)
        elementwise(self._builder, site, operator="relu", operands=(data,), output=output)
        return output

    def _next(self, kind: str) -> Site:
        name = f"{kind}{self._count}"
        self._count += 1
        return Site(node=name, name=name, source=name)

    def _weight(self, site: Site, *shape: int) -> Tensor:
        name = f"{site.node}.{'weight' if len(shape) > 1 else 'bias'}.{self._count}"
        self._count += 1
        return self._builder.constant(name, shape, name=name)

    def _made(self, site: Site, *shape: int) -> Tensor:
        empty = Tensor(id=f"{site.node}.out", shape=shape, stored=0)
        return Tensor(id=empty.id, shape=shape, stored=empty.elements)
