"""Layers in pieces: what each makes and reads, beside a walk over every element."""

from itertools import pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mensa_sim.cost.datasheet import device_work
from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.tiles.pieces import Region, axis_size, piece_name, pieces_of
from mensa_sim.cost.tiles.rewrite import Cut, cut_graph, with_reads
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


def convolution(name: str, height: int, inputs: int, outputs: int, taps: int, stride: int, dilation: int, padding: int):
    """A convolution over rows alone (a column wide), with `padding` rows on each side; none where nothing is left."""
    reach = dilation * (taps - 1) + 1
    made = (height + 2 * padding - reach) // stride + 1
    # The nest's padding is what its sizes leave: only heights that the last output reaches are described exactly.
    assume(made >= 1 and (made - 1) * stride + reach == height + 2 * padding and padding < reach)
    nest = LoopNest(
        K=outputs,
        C=inputs,
        OY=made,
        FY=taps,
        OX=2,
        stride_y=stride,
        dilation_y=dilation,
        input_height=height,
        input_width=2,
    )
    return Layer(
        name=name,
        operator="conv",
        nest=nest,
        vector_ops=nest.output_elements,
        parameters=(Parameter(name=f"{name}.weight", size_bytes=nest.weight_elements),),
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )


@st.composite
def chains(draw: st.DrawFn) -> LayerGraph:
    """Two convolutions, the second reading the first."""

    def geometry() -> dict[str, int]:
        return {
            "taps": draw(st.integers(1, 4)),
            "stride": draw(st.integers(1, 3)),
            "dilation": draw(st.integers(1, 2)),
            "padding": draw(st.integers(0, 2)),
        }

    channels = [draw(st.integers(1, 6)) for _ in range(3)]
    first = convolution("a", draw(st.integers(1, 14)), channels[0], channels[1], **geometry())
    assert first.nest is not None
    second = convolution("b", first.nest.OY, channels[1], channels[2], **geometry())
    edge = Edge(producer="a", consumer="b", size_bytes=first.output_bytes)
    first = Layer(**{**vars_of(first), "model_input_bytes": first.input_bytes})
    second = Layer(**{**vars_of(second), "model_output_bytes": second.output_bytes})
    return LayerGraph(name="net", layers=(first, second), edges=(edge,))


def vars_of(layer: Layer) -> dict:
    return {name: getattr(layer, name) for name in layer.__dataclass_fields__}


def parts(draw: st.DrawFn, whole: int) -> tuple[int, ...]:
    cuts = sorted(draw(st.sets(st.integers(1, whole - 1), max_size=3))) if whole > 1 else []
    return tuple(stop - start for start, stop in pairwise([0, *cuts, whole]))


def rows_read(nest: LoopNest, padding: int, rows: range) -> set[int]:
    """Every row of the input that a tap of one of the rows touches."""
    touched = (nest.stride_y * row + nest.dilation_y * tap - padding for row in rows for tap in range(nest.FY))
    return {row for row in touched if 0 <= row < nest.input_height}


@settings(max_examples=50, deadline=None)
@given(chains(), st.data())
def test_each_piece_reads_of_each_the_elements_that_a_walk_touches(graph, data):
    planes = planes_of(graph)
    cuts: dict[str, Cut] = {}
    for layer in graph.layers:
        axis = data.draw(st.sampled_from(["rows", "channels"]))
        sizes = data.draw(st.composite(parts)(axis_size(layer, planes[layer.name], axis)))
        if len(sizes) > 1:
            cuts[layer.name] = Cut(axis=axis, sizes=sizes)
    cut = cut_graph(graph, cuts)
    first, second = graph["a"].nest, graph["b"].nest
    assert first is not None
    assert second is not None
    reach = second.dilation_y * (second.FY - 1) + 1
    padding = ((second.OY - 1) * second.stride_y + reach - second.input_height) // 2

    def regions(name: str, nest: LoopNest) -> list[tuple[str, range, range]]:
        """Rows and channels of each piece."""
        found, begin = [], 0
        if name not in cuts:
            return [(name, range(nest.OY), range(nest.K))]
        for number, size in enumerate(cuts[name].sizes, start=1):
            span = range(begin, begin + size)
            begin += size
            rows = cuts[name].axis == "rows"
            found.append((piece_name(name, number), span if rows else range(nest.OY), range(nest.K) if rows else span))
        return found

    for (reader, rows, _), (maker, made, channels) in product(regions("b", second), regions("a", first)):
        touched = rows_read(second, padding, rows)
        # What lies between two rows that a window skips comes with them: a tile of rows is one piece of memory.
        between = range(min(touched), max(touched) + 1) if touched else range(0)
        if "b" not in cuts or cuts["b"].axis == "channels":
            between = range(first.OY)  # as the whole layer does
        expected = first.OX * len(channels) * len(set(made) & set(between))
        edges = {(edge.producer, edge.consumer): edge.size_bytes for edge in cut.edges}
        assert edges.get((maker, reader), 0) == expected
    assert cut.macs == graph.macs
    assert cut.parameter_bytes == graph.parameter_bytes
    for name in ("a", "b"):
        own = [layer for layer in cut.layers if layer.name.split("#")[0] == name]
        assert sum(layer.output_bytes for layer in own) == graph[name].output_bytes
        assert sum(layer.vector_ops for layer in own) == graph[name].vector_ops
    assert sum(layer.model_output_bytes for layer in cut.layers) == graph["b"].output_bytes
    # A piece looked at alone reads as much as where the layers around it are cut too.
    for name, each in cuts.items():
        for piece in pieces_of(graph[name], planes[name], each.axis, each.sizes):
            assert with_reads(graph, planes, piece, graph[name]).layer == cut[piece.layer.name]


def test_readers_of_pieces_that_share_an_operand_wait_for_all_of_them():
    nest = LoopNest(K=4, C=4, OY=4, OX=4, input_height=4, input_width=4)
    layers = [
        Layer(
            name=name,
            operator="conv",
            nest=nest,
            parameters=(Parameter(name=name, size_bytes=16),),
            input_bytes=64,
            output_bytes=64,
            model_input_bytes=64 if name == "a" else 0,
        )
        for name in ("a", "b")
    ]
    graph = LayerGraph(name="net", layers=tuple(layers), edges=(Edge(producer="a", consumer="b", size_bytes=64),))
    rows = Cut(axis="rows", sizes=(2, 2))
    together = {(e.producer, e.consumer): e.size_bytes for e in cut_graph(graph, {"a": rows, "b": rows}).edges}
    assert together == {("a#1", "b#1"): 32, ("a#2", "b#2"): 32, ("a#1", "b#2"): 0, ("a#2", "b#1"): 0}
    tiles = Cut(axis="rows", sizes=(2, 2), together=False)
    one_by_one = {(e.producer, e.consumer): e.size_bytes for e in cut_graph(graph, {"a": tiles, "b": tiles}).edges}
    assert one_by_one == {("a#1", "b#1"): 32, ("a#2", "b#2"): 32}


@pytest.mark.parametrize("names", [("q", "k"), ("both",)])
def test_heads_take_their_part_of_both_operands(names: tuple[str, ...]) -> None:
    """Four heads of 8 x 8 products: a piece of two heads reads half of either, in tensors of their own or one."""
    size_bytes = 384 // len(names)
    nest = LoopNest(G=4, K=8, C=6, OX=8, input_width=8)
    product_layer = Layer(name="qk", operator="bmm", nest=nest, input_bytes=2 * 4 * 48, output_bytes=4 * 64)
    sources = [Layer(name=name, operator="copy", input_bytes=size_bytes, output_bytes=size_bytes) for name in names]
    graph = LayerGraph(
        name="net",
        layers=(*sources, product_layer),
        edges=tuple(Edge(producer=name, consumer="qk", size_bytes=size_bytes) for name in names),
    )
    cut = cut_graph(graph, {"qk": Cut(axis="groups", sizes=(2, 2))})
    assert {(e.producer, e.consumer): e.size_bytes for e in cut.edges} == {
        (source, f"qk#{number}"): size_bytes // 2 for source in names for number in (1, 2)
    }
    assert [layer.macs for layer in cut.layers if layer.nest] == [2 * 8 * 6 * 8] * 2


def test_parts_that_are_not_the_axis_are_refused():
    nest = LoopNest(K=4, C=4, OY=4, OX=4, input_height=4, input_width=4)
    layer = Layer(name="a", operator="conv", nest=nest, model_input_bytes=64, input_bytes=64, output_bytes=64)
    graph = LayerGraph(name="net", layers=(layer,), edges=())
    with pytest.raises(ValueError, match=r"a: \[1, 2\] rows are not its 4"):
        pieces_of(layer, planes_of(graph)["a"], "rows", (1, 2))


def test_a_runtimes_work_beside_a_layer_is_shared_by_its_pieces_and_never_done_twice() -> None:
    """As many logits are looked at as before, and each prompt is received once."""
    nest = LoopNest(K=12, C=4, OX=8, input_width=8)
    head = Layer(name="head", operator="linear", nest=nest, output_bytes=96, chooses=True, prompts=3)
    plane = planes_of(LayerGraph(name="net", layers=(head,), edges=()))["head"]
    work = [device_work(piece.layer) for piece in pieces_of(head, plane, "channels", (3, 9))]
    assert [sum(each.logits for each in work), sum(each.prompts for each in work)] == [96, 3]


@settings(max_examples=30)
@given(st.integers(1, 100), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_what_the_parts_of_a_cut_share_with_those_of_another_adds_up_to_the_tensor(
    size_bytes: int, rows: int, channels: int, others: int
) -> None:
    def cut(into: int) -> list[Region]:
        spans = [(part, part + 1) for part in range(into)]
        return [Region(rows=own, of_rows=rows, channels=span, of_channels=into) for own in spans_of for span in spans]

    spans_of = [(row, row + 1) for row in range(rows)]
    ours, theirs = cut(channels), cut(others)
    shared = [[one.common_bytes(other, size_bytes) for other in theirs] for one in ours]
    assert min(map(min, shared)) >= 0
    assert sum(map(sum, shared)) == size_bytes
