"""Two products as a stack that is cut along the channels between them: attention over its keys, an MLP over its middle.

The first product makes some channels of a tile of rows, and the second adds what they give to sums that stay on chip.
So parameters (keys and values) come once for each tile of rows, however long the rows between the products are. A
softmax over channels that come in parts is kept up to date by scaling the sums: one operation on each for every part
(Milakov and Gimelshein, arXiv 1805.02867; Dao et al., NeurIPS 2022, arXiv 2205.14135).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from mensa_sim.cost.counts.axis import full_and_rest
from mensa_sim.cost.stacks.over_tiles import RowMove
from mensa_sim.cost.stacks.planes import WITHIN_ROWS, Plane, is_matrix
from mensa_sim.cost.stacks.price import StackPricer, TileCase, TiledLayer, TiledStack
from mensa_sim.cost.stacks.traffic import StackTraffic, weights_of
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SOFTMAX = frozenset({"softmax", "log_softmax"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """How it is cut."""

    rows: int
    """Of a tile, of one copy."""
    parts: int
    """Of the channels between the products, made one after another for each tile of rows."""


class TwoProducts:
    """A product, what follows it within its rows, and a product of all its channels."""

    def __init__(self, layers: Sequence[Layer], planes: Mapping[str, Plane]) -> None:
        self._layers, self._first, self._last = layers, layers[0], layers[-1]
        self._nests = _nest_of(layers[0]), _nest_of(layers[-1])
        plane = planes[layers[-1].name]
        self.rows, self._copies = plane.rows, plane.copies
        self.channels = self._nests[0].K * (1 if self._by_head else self._nests[0].G)
        self.names = tuple(layer.name for layer in layers)

    @property
    def _by_head(self) -> bool:
        return self._copies > 1

    def tiles(self, cut: Parts) -> int:
        """Tiles over all copies and parts."""
        return -(-self.rows // cut.rows) * cut.parts * self._copies

    def fitting(self, pricer: StackPricer) -> Iterator[Parts]:
        """The cuts that fit the level of activations, those of the most rows first, in the fewest parts that do."""
        capacity_bits = pricer.accelerator.buffer_bytes.get("activation", 0) * BITS_PER_BYTE
        for tiles in range(1, self.rows + 1):
            rows = -(-self.rows // tiles)
            held_bits = self._input_bits(rows) + self._sum_bits(rows, pricer)
            part = (capacity_bits - held_bits) // (rows * self._first.element_bits("output"))
            if part > 0:
                fewest = -(-self.channels // min(part, self.channels))
                # Parts of a few channels leave most of an array idle, so those after twice as many are not tried.
                yield from (Parts(rows=rows, parts=parts) for parts in range(fewest, 2 * fewest + 1))
                return

    def traffic(self, cut: Parts) -> StackTraffic:
        """What crosses memory."""
        tiles = -(-self.rows // cut.rows)
        return StackTraffic(
            read_bytes=bits_to_bytes(self._input_bits(self.rows) * self._copies),
            written_bytes=self._last.output_bytes,
            fetched_bytes={layer.name: weights_of(layer).size_bytes * tiles for layer in self._ends},
            kept={},
        )

    @property
    def _ends(self) -> tuple[Layer, Layer]:
        return self._first, self._last

    def _input_bits(self, rows: int) -> int:
        return rows * self._nests[0].C * self._first.element_bits("input")

    def _sum_bits(self, rows: int, pricer: StackPricer) -> int:
        return rows * self._nests[1].K * self._wide(pricer)

    def _wide(self, pricer: StackPricer) -> int:
        """Bits of a sum that parts are added to."""
        return self._last.accumulator_bits or pricer.accelerator.accumulator_bits

    def tiled(self, pricer: StackPricer, cut: Parts) -> TiledStack:
        """The stack in such a cut, to be priced."""
        return TiledStack(
            layers=tuple(self._tiled(layer, cut, pricer) for layer in self._layers), tiles=self.tiles(cut), stay={}
        )

    def _tiled(self, layer: Layer, cut: Parts, pricer: StackPricer) -> TiledLayer:
        crossings = tuple(self._moves(layer, cut, pricer))
        if layer.nest is None:
            within = (self._rescaled(layer, cut), _within(layer), 1)
            return TiledLayer(name=layer.name, tiles=(within,), crossings=crossings)
        case = self._case(layer, cut, pricer)
        tiles = [(self._tile(layer, rows, part, pricer), case, times) for rows, part, times in self._kinds(cut)]
        return TiledLayer(name=layer.name, tiles=tuple(tiles), crossings=crossings)

    def _kinds(self, cut: Parts) -> Iterator[tuple[int, int, int]]:
        """Rows, channels and how many tiles have so many, over all copies."""
        part = -(-self.channels // cut.parts)
        for rows, _, row_tiles in full_and_rest(self.rows, cut.rows):
            for channels, _, times in full_and_rest(self.channels, part):
                yield rows, channels, row_tiles * times * self._copies

    def _tile(self, layer: Layer, rows: int, part: int, pricer: StackPricer) -> Layer:
        nest = _nest_of(layer)
        own = {"OX": rows, "input_width": rows, "B": 1, **({"G": 1} if self._by_head else {})}
        first = layer is self._first
        tile = replace(nest, **own, **({"K": part} if first else {"C": part}))
        weights = tile.weight_elements * layer.element_bits("weight") if layer.weights_are_activations else 0
        output_bits = layer.element_bits("output") if first else self._wide(pricer)
        share = rows * part, self.rows * self._copies * self.channels
        sizes = [-(-parameter.size_bytes * part // self.channels) for parameter in layer.parameters]
        return replace(
            layer,
            nest=tile,
            vector_ops=-(-layer.vector_ops * share[0] // share[1]),
            parameters=tuple(Parameter(name=str(index), size_bytes=size) for index, size in enumerate(sizes)),
            input_bytes=bits_to_bytes(tile.input_elements * layer.element_bits("input") + weights),
            output_bytes=bits_to_bytes(tile.output_elements * output_bits),
            output_bits=output_bits,
        )

    def _case(self, layer: Layer, cut: Parts, pricer: StackPricer) -> TileCase:
        """Beside the first product lie the sums of the second, beside the second the input of the first."""
        others = self._sum_bits(cut.rows, pricer) if layer is self._first else self._input_bits(cut.rows)
        return replace(_within(layer), taken_bytes=(0, bits_to_bytes(others)))

    def _rescaled(self, layer: Layer, cut: Parts) -> Layer:
        if layer.operator not in SOFTMAX:
            return layer
        sums = self.rows * self._copies * self._nests[1].K
        return replace(layer, vector_ops=layer.vector_ops + (cut.parts - 1) * sums)

    def _moves(self, layer: Layer, cut: Parts, pricer: StackPricer) -> list[RowMove]:
        """Rows come once and leave once; sums are read again for every part but the first."""
        if layer is self._first:
            return [RowMove(operand="input", read_bits=self._input_bits(self.rows) * self._copies, write_bits=0)]
        if layer is not self._last:
            return []
        again = (cut.parts - 1) * self._sum_bits(self.rows, pricer) * self._copies
        leave = RowMove(operand="output", read_bits=0, write_bits=layer.output_bytes * BITS_PER_BYTE)
        return [leave, RowMove(operand="output", read_bits=0, write_bits=again, stays=True)] if again else [leave]


def _within(layer: Layer) -> TileCase:
    """On chip before and after."""
    kept: frozenset[Operand] = frozenset({"input", "output"}) if layer.nest else frozenset()
    return TileCase(kept=kept, fetches=(1, 0, 0), taken_bytes=(0, 0))


def _nest_of(layer: Layer) -> LoopNest:
    if layer.nest is None:
        raise ValueError(f"{layer.name}: is no product")
    return layer.nest


def two_products(
    layers: Sequence[Layer], planes: Mapping[str, Plane], readers: Mapping[str, Collection[str]]
) -> TwoProducts | None:
    """The layers as two products with what lies between them; none where they are something else."""
    first, *between, last = layers
    if not (_is_product(first) and _is_product(last)):
        return None
    if any(layer.nest is not None or layer.operator not in WITHIN_ROWS or layer.parameters for layer in between):
        return None
    alike = len({planes[layer.name].copies for layer in layers}) == 1
    for layer, follower in pairwise(layers):
        plane = planes[follower.name]
        rows = [read for read in plane.reads if not read.weight]
        chained = len(rows) == 1 and rows[0].producer == layer.name and rows[0].in_rows
        if not chained or rows[0].from_memory or tuple(readers[layer.name]) != (follower.name,):
            return None
    starts = [read for read in planes[first.name].reads if not read.weight]
    return TwoProducts(layers, planes) if alike and len(starts) == 1 else None


def _is_product(layer: Layer) -> bool:
    nest = layer.nest
    return (
        nest is not None
        and not layer.summed_elements
        and is_matrix(nest)
        and (nest.FX, nest.stride_x) == (1, 1)
        and nest.input_width == nest.OX
    )
