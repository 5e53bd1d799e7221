"""What the tiles of a stack make, hold and move, against a walk over explicit sets of rows."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.stacks.tile import stack_tiles
from mensa_sim.cost.stacks.tiling import tiling_of
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

CHANNELS = 2
COLUMNS = 2


@st.composite
def chains(draw: st.DrawFn, *, dense: bool = False) -> LayerGraph:
    """Convolutions, pooling and additions of any earlier tensor of the same rows, under strides, dilations, padding.

    If `dense`, no window leaves rows out; else some lie in padding alone, and images of one row count their columns.
    """
    layers: list[Layer] = []
    edges: list[Edge] = []
    rows = draw(st.integers(6 if dense else 1, 16))
    made: list[tuple[int, bool]] = []
    matrix = False
    for index in range(draw(st.integers(3, 6))):
        name = f"l{index}"
        size = rows * COLUMNS * CHANNELS
        like = [number for number in range(index - 1) if made[number] == made[-1]]
        if index and like and draw(st.booleans()):
            other = f"l{draw(st.sampled_from(like))}"
            layers.append(Layer(name=name, operator="add", vector_ops=size, input_bytes=2 * size, output_bytes=size))
            edges += [Edge(producer=p, consumer=name, size_bytes=size) for p in (f"l{index - 1}", other)]
        else:
            taps, stride = draw(st.integers(1, 4)), draw(st.sampled_from((1, 1, 2, 3)))
            dilation = draw(st.integers(1, 3))
            if dense:
                stride, dilation = min(stride, taps), 1
            reach = dilation * (taps - 1) + 1
            padding = reach // 2 * draw(st.integers(0, 2 if dense else 5))
            outputs = max(1, (rows + padding - reach) // stride + 1)
            matrix = outputs == taps == rows == 1
            loops = LoopNest(
                K=CHANNELS,
                C=CHANNELS,
                OY=outputs,
                OX=COLUMNS,
                FY=taps,
                stride_y=stride,
                dilation_y=dilation,
                input_height=rows,
                input_width=COLUMNS,
            )
            pools = draw(st.booleans())
            layers.append(
                Layer(
                    name=name,
                    operator="max_pool" if pools else "conv2d",
                    nest=None if pools else loops,
                    window=loops if pools else None,
                    input_bytes=size,
                    model_input_bytes=0 if index else size,
                    output_bytes=outputs * COLUMNS * CHANNELS,
                )
            )
            if index:
                edges.append(Edge(producer=f"l{index - 1}", consumer=name, size_bytes=size))
            rows = outputs
        made.append((rows, matrix))
    return LayerGraph(name="chain", layers=tuple(layers), edges=tuple(edges))


def rows_read(graph: LayerGraph, name: str, producer: str | None, row: int) -> set[int]:
    """The rows of one of its inputs that a row of a layer reads, position by position.

    If any of a tensor that was made in other rows than the window's, then all of it.
    """
    loops = graph[name].nest or graph[name].window
    if loops is None:
        return {row}
    span = loops.stride_y * (loops.OY - 1) + loops.dilation_y * (loops.FY - 1) + 1
    padding = max(0, span - loops.input_height) // 2
    places = {loops.stride_y * row + loops.dilation_y * tap - padding for tap in range(loops.FY)}
    columns = loops.OY == loops.FY == loops.input_height == 1
    read = {row} if columns else {place for place in places if 0 <= place < loops.input_height}
    wanted = COLUMNS if columns else loops.input_height
    made = wanted if producer is None else planes_of(graph)[producer].rows
    return set(range(made)) if read and made != wanted else read


class Walk:
    """Tile by tile, layer by layer: every row is made when it is first asked for, with all rows before it."""

    def __init__(self, graph: LayerGraph, stack: list[str], rows: int) -> None:
        self.graph, self.stack = graph, stack
        self.inputs = {p for name in stack for p in self.sources(name) if p not in stack}
        self.made: dict[str | None, list[int]] = {name: [] for name in [*stack, *self.inputs]}
        self.tile_of: dict[tuple[str | None, int], int] = {}
        self.uses: list[tuple[int, int, str | None, int]] = []
        """Tile, step, tensor, row."""
        planes = planes_of(graph)
        self.tiles = -(-planes[stack[-1]].rows // rows)
        sinks = [n for n in stack if not any(n in self.sources(m) for m in stack)]
        for tile in range(self.tiles):
            for sink in sinks:
                own = planes[sink].rows
                end = min(own, (tile + 1) * rows) if sink == stack[-1] else -(-own * (tile + 1) // self.tiles)
                self.make(sink, end, tile)
            if tile == self.tiles - 1:
                for name in reversed(stack):
                    if leaves(graph, stack, name):
                        self.make(name, planes[name].rows, tile)

    def sources(self, name: str) -> list[str | None]:
        return list(self.graph.predecessors(name)) or [None]

    def make(self, tensor: str | None, end: int, tile: int) -> None:
        """All rows below `end` that are not there yet."""
        for row in range(len(self.made[tensor]), end):
            self.made[tensor].append(row)
            self.tile_of[tensor, row] = tile
            if tensor in self.inputs or tensor is None:
                continue
            for producer in self.sources(tensor):
                for read in rows_read(self.graph, tensor, producer, row):
                    self.make(producer, read + 1, tile)
                    self.uses.append((tile, self.stack.index(tensor), producer, read))

    def held(self, tile: int, step: int) -> dict[str | None, int]:
        """Rows of each tensor that lie there while the layer of a step runs in a tile."""
        found: dict[str | None, int] = {}
        for tensor in self.made:
            readers = [n for n in self.stack if tensor in self.sources(n)]
            if not readers:
                continue
            last = self.stack.index(readers[-1])
            come = self.stack.index(readers[0] if tensor in self.inputs else str(tensor))
            count, leaves_after = 0, -1
            for row in self.made[tensor]:
                leaves_after = max([leaves_after, *(u[0] for u in self.uses if u[2:] == (tensor, row))])
                arrived = (self.tile_of[tensor, row], come) <= (tile, step)
                count += arrived and (tile, step) <= (leaves_after, last)
            found[tensor] = count
        return found


def leaves(graph: LayerGraph, stack: list[str], name: str) -> bool:
    return not graph.successors(name) or any(reader not in stack for reader in graph.successors(name))


@settings(max_examples=40)
@given(chains(), st.data())
def test_tiles_make_hold_and_move_what_a_walk_over_rows_does(graph: LayerGraph, data: st.DataObject) -> None:
    names = [layer.name for layer in graph.layers]
    begin = data.draw(st.integers(0, len(names) - 1))
    stack = names[begin : data.draw(st.integers(begin + 1, len(names)))]
    planes = planes_of(graph)
    rows = data.draw(st.integers(1, planes[stack[-1]].rows))
    readers = {name: graph.successors(name) for name in names}
    tiling, walk = tiling_of(planes, stack, [rows], readers), Walk(graph, stack, rows)
    assert (tiling is None) == any(not walk.made[name] for name in stack)
    if tiling is None:
        return
    (size,) = tiling.sizes
    assert size.tiles == walk.tiles
    other = data.draw(st.integers(1, planes[stack[-1]].rows))
    beside, alone = (tiling_of(planes, stack, sizes, readers) for sizes in ([other, rows], [other]))
    assert beside is not None
    assert alone is not None
    assert beside.sizes == (*alone.sizes, size)
    for name in stack:
        come = [sum(walk.tile_of[name, row] == tile for row in walk.made[name]) for tile in range(walk.tiles)]
        assert tiling.flows[name].come.tolist() == come
    row_bits: dict[str | None, int] = {name: planes[name].row_bits for name in planes}
    first = graph.layers[0].nest or graph.layers[0].window
    assert first is not None
    row_bits[None] = CHANNELS * 8 * (1 if first.OY == first.FY == first.input_height == 1 else COLUMNS)
    assert size.read_bits == sum(len(walk.made[name]) * row_bits[name] for name in walk.inputs)
    assert size.written_bits == sum(planes[n].size_bits for n in stack if leaves(graph, stack, n))
    held = np.array(
        [
            [
                sum(count * row_bits[name] for name, count in walk.held(tile, step).items() if name not in once(walk))
                for tile in range(walk.tiles)
            ]
            for step in reversed(range(len(stack)))
        ]
    )
    assert tiling.held_bits().tolist() == held.tolist()


@settings(max_examples=20)
@given(chains(), st.integers(1, 100), st.integers(1, 16))
def test_no_elementwise_operation_is_lost_between_tiles(graph: LayerGraph, vector_ops: int, rows: int) -> None:
    layers = {layer.name: replace(layer, vector_ops=vector_ops) for layer in graph.layers}
    planes, readers = planes_of(graph), {name: graph.successors(name) for name in layers}
    tiling = tiling_of(planes, list(layers), [min(rows, planes[graph.layers[-1].name].rows)], readers)
    if tiling is None:  # a layer lies in padding alone
        return
    for tiles in stack_tiles(tiling, layers, planes).layers:
        name = tiles.layer.name
        found = sum(tile.layer.vector_ops * tile.times for tile in tiles.tiles)
        assert not tiles.tiles or found * planes[name].rows >= vector_ops * tiling.flows[name].come.sum()


PARTS = {
    "a grouped convolution": LoopNest(B=2, G=3, K=2, C=2, OY=6, OX=4, FY=3, FX=3, input_height=8, input_width=6),
    "heads": LoopNest(B=2, G=3, K=5, C=4, OX=6, input_width=6),
    "a product of one head": LoopNest(B=2, K=5, C=4, OX=6, input_width=6),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("rows", [1, 2, 3, 6])
def test_the_tiles_of_all_copies_do_what_the_layer_does_and_no_more(part: str, rows: int) -> None:
    """Each tile has all groups of a convolution, and heads are copies of their own; no padding, so no tap is lost."""
    nest = PARTS[part]
    layer = Layer(
        name="a",
        operator="matmul" if nest.OY == 1 else "conv2d",
        nest=nest,
        parameters=() if nest.OY == 1 else (Parameter(name="w", size_bytes=nest.weight_elements),),
        summed_elements=2 * nest.output_elements,
        input_bytes=nest.input_elements + (nest.weight_elements if nest.OY == 1 else 0),
        model_input_bytes=nest.input_elements + (nest.weight_elements if nest.OY == 1 else 0),
        output_bytes=nest.output_elements,
    )
    graph = LayerGraph(name="one", layers=(layer,), edges=())
    planes = planes_of(graph)
    tiling = tiling_of(planes, ["a"], [rows], {"a": ()})
    assert tiling is not None
    assert layer.weights_are_activations == (nest.OY == 1)
    (tiles,) = stack_tiles(tiling, {"a": layer}, planes).layers
    each = [(tile.layer, tile.times * planes["a"].copies) for tile in tiles.tiles]
    assert sum(tile.macs * times for tile, times in each) == layer.macs
    assert sum(tile.summed_elements * times for tile, times in each) == layer.summed_elements


@pytest.mark.parametrize(("made", "high", "block"), [(1, 4, None), (2, 4, 2), (4, 4, 1), (3, 4, None), (1, 1, 1)])
def test_a_tensor_made_as_other_rows_is_gone_over_in_blocks_and_one_of_a_single_row_is_read_whole(
    made: int, high: int, block: int | None
) -> None:
    size = 24
    before = LoopNest(K=size // made, C=1, OX=made, input_width=made)
    window = LoopNest(K=1, C=size // high, OY=3, FY=2 if high > 1 else 4, input_height=high, input_width=1)
    layers = (
        Layer(name="a", operator="linear", nest=before, output_bytes=size),
        Layer(name="b", operator="conv2d", nest=window, input_bytes=size, output_bytes=3),
    )
    edges = (Edge(producer="a", consumer="b", size_bytes=size),)
    (read,) = planes_of(LayerGraph(name="two", layers=layers, edges=edges))["b"].reads
    assert (read.whole, read.block) == (block is None, block or 1)


def once(walk: Walk) -> set[str | None]:
    """Inputs that pass in order: no row of theirs is read by two layers, nor in two tiles."""
    reads = Counter((tensor, row) for _, _, tensor, row in set(walk.uses))
    return walk.inputs - {tensor for (tensor, _), times in reads.items() if times > 1}


class FreshWalk:
    """Tile by tile from nothing: from the last layer back, the rows between the first and the last that are read."""

    def __init__(self, graph: LayerGraph, stack: list[str], rows: int) -> None:
        planes = planes_of(graph)
        self.sources = {name: list(graph.predecessors(name)) or [None] for name in stack}
        self.tiles = -(-planes[stack[-1]].rows // rows)
        self.spans: list[dict[str | None, range]] = []
        """By tile, the rows of each tensor that come."""
        self.reads: list[list[tuple[str, str | None, range]]] = []
        """By tile: a layer, a tensor, the rows of it that the layer goes over."""
        reached = dict.fromkeys(stack, 0)
        for tile in range(self.tiles):
            spans: dict[str | None, range] = {}
            reads: list[tuple[str, str | None, range]] = []
            for name in reversed(stack):
                own, last = planes[name].rows, tile == self.tiles - 1
                wanted = [row for _, tensor, span in reads if tensor == name for row in span]
                if name == stack[-1]:
                    span = range(tile * rows, min(own, (tile + 1) * rows))
                elif not any(name in self.sources[other] for other in stack):
                    span = range(-(-own * tile // self.tiles), -(-own * (tile + 1) // self.tiles))
                elif leaves(graph, stack, name) and (wanted or last):
                    span = range(min([reached[name], *wanted]), own if last else max(wanted) + 1)
                else:
                    span = range(min(wanted), max(wanted) + 1) if wanted else range(0)
                spans[name] = span
                reached[name] = max([reached[name], *(row + 1 for row in span)])
                for producer in self.sources[name] if span else []:
                    touched = {each for row in span for each in rows_read(graph, name, producer, row)}
                    if touched:
                        reads.append((name, producer, range(min(touched), max(touched) + 1)))
            for tensor in {producer for name in stack for producer in self.sources[name] if producer not in stack}:
                rows_of = [row for _, other, span in reads if other == tensor for row in span]
                spans[tensor] = range(min(rows_of), max(rows_of) + 1) if rows_of else range(0)
            self.spans.append(spans)
            self.reads.append(reads)

    def held(self, tile: int, step: int, stack: list[str]) -> dict[str | None, int]:
        """Rows that lie there while a layer runs, of what the stack makes: from its making to its last reader."""
        found: dict[str | None, int] = {}
        for name in stack:
            readers = [other for other in stack if name in self.sources[other]]
            if readers and stack.index(name) <= step <= stack.index(readers[-1]):
                found[name] = len(self.spans[tile][name])
        return found


@settings(max_examples=40)
@given(chains(dense=True), st.data())
def test_making_shared_rows_again_never_needs_less_room_than_keeping_them(
    graph: LayerGraph, data: st.DataObject
) -> None:
    """Why no stack makes rows again, which costs work: a tile that starts from nothing needs ever more rows of each
    earlier layer, and those take more room than what waits for the next tile otherwise. (Where windows leave rows out,
    as dilated ones do, those come too with what is kept.)"""
    names = [layer.name for layer in graph.layers]
    begin = data.draw(st.integers(0, len(names) - 1))
    stack = names[begin : data.draw(st.integers(begin + 1, len(names)))]
    planes = planes_of(graph)
    rows = data.draw(st.integers(1, planes[stack[-1]].rows))
    kept, again = Walk(graph, stack, rows), FreshWalk(graph, stack, rows)
    at = [(tile, step) for tile in range(again.tiles) for step in range(len(stack))]

    def bits(held: dict[str | None, int]) -> int:
        return sum(count * planes[name].row_bits for name, count in held.items() if name in planes and name in stack)

    assert max(bits(again.held(*each, stack)) for each in at) >= max(bits(kept.held(*each)) for each in at)
