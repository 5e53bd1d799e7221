"""Prices of stacks: all that is planned to cross memory is charged, and time is that of a walk over their tiles."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from mensa_sim.cost.counts.tally import Repeats
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.cost.prices.cases import PricedCase
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.rooms import with_room
from mensa_sim.cost.prices.together import costs_together
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.stacks.parts import Parts, two_products
from mensa_sim.cost.stacks.planes import Plane, planes_of
from mensa_sim.cost.stacks.price import StackPricer, TileCase, TiledLayer, TiledStack
from mensa_sim.cost.stacks.tile import stack_tiles
from mensa_sim.cost.stacks.tiling import Tiling, tiling_of
from mensa_sim.cost.stacks.traffic import can_stack
from mensa_sim.cost.table import Rooms
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.memory import Memory
from mensa_sim.schedule.stacks.plan import latency_ps
from mensa_sim.units import transfer_ps
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

LEVELS = "parameter_buffer", "activation_buffer"


class Stacks:
    """The stacks of a graph on an accelerator."""

    def __init__(
        self, graph: LayerGraph, accelerator: str, bytes_per_s: float | None = None, rooms: Rooms | None = None
    ) -> None:
        self.graph, system = graph, load_system(accelerator)
        memory = system.memory_of(accelerator)
        self.memory = memory if bytes_per_s is None else replace(memory, bandwidth_bytes_per_s=bytes_per_s)
        self.layers = {layer.name: layer for layer in graph.layers}
        self.planes: dict[str, Plane] = dict(planes_of(graph))
        ends = {layer.name: ("",) if layer.model_output_bytes else () for layer in graph.layers}
        self.readers = {name: (*graph.successors(name), *ends[name]) for name in self.layers}
        placed = system.accelerator(accelerator)
        self.placed = replace(placed, spec=with_room(placed.array, rooms or {}))
        self.pricer = StackPricer(self.placed, self.memory, "edp", self.layers, PriceMemo())

    def tilings(self, lengths: Sequence[int], rows: Sequence[int]) -> Iterator[Tiling]:
        names = list(self.layers)
        for begin in range(len(names)):
            for length in lengths:
                run = names[begin : begin + length]
                if len(run) == length and all(can_stack(self.layers[name]) for name in run):
                    allowed = [size for size in rows if size <= self.planes[run[-1]].rows]
                    found = (tiling_of(self.planes, run, [size], self.readers) for size in allowed)
                    yield from (tiling for tiling in found if tiling is not None)

    def tiled(self, tiling: Tiling) -> TiledStack | None:
        return self.pricer.tiled(stack_tiles(tiling, self.layers, self.planes))


def attention(heads: int = 4, rows: int = 64, width: int = 32) -> LayerGraph:
    """Scores, their softmax and context of a self-attention: keys and values are multiplied with as parameters are."""
    size = heads * rows * width
    scores = LoopNest(G=heads, K=rows, C=width, OX=rows, input_width=rows)
    context = LoopNest(G=heads, K=width, C=rows, OX=rows, input_width=rows)
    layers = (
        Layer(
            name="scores",
            nest=scores,
            input_bytes=2 * size,
            model_input_bytes=2 * size,
            output_bytes=heads * rows * rows,
            operator="matmul",
            vector_ops=heads * rows * rows + 1,
        ),
        Layer(
            name="softmax",
            input_bytes=heads * rows * rows,
            output_bytes=heads * rows * rows,
            operator="softmax",
            vector_ops=5 * heads * rows * rows,
        ),
        Layer(
            name="context",
            nest=context,
            input_bytes=heads * rows * rows + size,
            model_input_bytes=size,
            output_bytes=size,
            model_output_bytes=size,
            operator="matmul",
        ),
    )
    edges = (
        Edge(producer=one.name, consumer=other.name, size_bytes=one.output_bytes) for one, other in pairwise(layers)
    )
    return LayerGraph(name="attention", layers=layers, edges=tuple(edges))


def chain(*parameters: tuple[int, int, int]) -> LayerGraph:
    """Square convolutions of 16 rows: of input and output channels and taps."""
    layers, edges = [], []
    for place, (inputs, outputs, taps) in enumerate(parameters):
        nest = LoopNest(K=outputs, C=inputs, OY=16, OX=16, FY=taps, FX=taps, input_height=16, input_width=16)
        last = place == len(parameters) - 1
        layers.append(
            Layer(
                name=f"l{place}",
                operator="conv2d",
                nest=nest,
                parameters=(Parameter(name=f"p{place}", size_bytes=nest.weight_elements),),
                input_bytes=inputs * 256,
                model_input_bytes=0 if place else inputs * 256,
                output_bytes=outputs * 256,
                model_output_bytes=outputs * 256 if last else 0,
            )
        )
        if place:
            edges.append(Edge(producer=f"l{place - 1}", consumer=f"l{place}", size_bytes=inputs * 256))
    return LayerGraph(name="chain", layers=tuple(layers), edges=tuple(edges))


def under(first: LoopNest) -> LayerGraph:
    """A convolution over 16 rows and columns, then two of 3 x 3 that keep its size."""
    graph = chain((first.C, first.K, 1), (first.K, 16, 3), (16, 16, 3))
    made = [first, *(replace(graph[name].nest or first, OY=first.OY, OX=first.OX) for name in ("l1", "l2"))]
    made[1:] = (replace(nest, input_height=first.OY, input_width=first.OX) for nest in made[1:])
    sizes = {f"l{place}": nest.output_elements for place, nest in enumerate(made)}
    layers = tuple(
        replace(
            layer,
            nest=nest,
            parameters=(Parameter(name=layer.name, size_bytes=nest.weight_elements),),
            input_bytes=nest.input_elements,
            output_bytes=nest.output_elements,
            model_output_bytes=layer.model_output_bytes and nest.output_elements,
        )
        for layer, nest in zip(graph.layers, made, strict=True)
    )
    edges = tuple(replace(edge, size_bytes=sizes[edge.producer]) for edge in graph.edges)
    return replace(graph, layers=layers, edges=edges)


STEPS_OVER = LoopNest(K=8, C=8, OY=6, OX=6, stride_y=3, stride_x=3, input_height=16, input_width=16)
IN_PADDING_ALONE = LoopNest(K=8, C=8, OY=10, OX=16, FY=3, stride_y=3, input_height=16, input_width=16)


@pytest.mark.parametrize(
    "graph",
    [attention(), chain((3, 16, 3), (16, 32, 1), (32, 16, 3)), under(STEPS_OVER), under(IN_PADDING_ALONE)],
)
def test_all_that_a_stack_is_planned_to_move_is_charged(graph: LayerGraph) -> None:
    stacks, kept = Stacks(graph, "edge_tpu"), 0
    for tiling in stacks.tilings((2, 3), (1, 4, 16)):
        planned, tiled = stacks.pricer.traffic(tiling.sizes[0]), stacks.tiled(tiling)
        costs = None if tiled is None else stacks.pricer.costs(tiled)
        if planned is None or costs is None:
            continue
        moved = planned.read_bytes + planned.written_bytes + planned.parameter_bytes
        assert sum(cost.memory_bytes for cost in costs.values()) == pytest.approx(moved, abs=8 * len(costs))
        held = max(cost.buffered_bytes["parameter"] for cost in costs.values())
        assert held >= sum(planned.kept.values())
        kept += bool(planned.kept)
    assert kept


@pytest.mark.parametrize("cut", [Parts(rows=64, parts=1), Parts(rows=20, parts=3), Parts(rows=64, parts=4)])
def test_the_parts_of_two_products_do_what_the_layers_do_and_are_charged_what_they_move(cut: Parts) -> None:
    """What does not divide each does once more, and a softmax scales all sums for every part but the first."""
    stacks = Stacks(attention(), "edge_tpu")
    products = two_products(list(stacks.layers.values()), stacks.planes, stacks.readers)
    assert products is not None
    tiled, planned, tiles = (
        products.tiled(stacks.pricer, cut),
        products.traffic(cut),
        4 * -(-64 // cut.rows) * cut.parts,
    )
    done = [sum(tile.vector_ops * times for tile, _, times in each.tiles) for each in tiled.layers]
    scores = 4 * 64 * 64
    assert done == [scores + tiles, 5 * scores + (cut.parts - 1) * 4 * 64 * 32, 0]
    assert (
        [sum(times for *_, times in each.tiles) for each in tiled.layers]
        == [tiles, 1, tiled.tiles]
        == [tiles, 1, tiles]
    )
    for each in tiled.layers[::2]:
        assert sum(tile.macs * times for tile, _, times in each.tiles) == stacks.layers[each.name].macs
    costs = stacks.pricer.costs(tiled)
    assert costs is not None
    moved = planned.read_bytes + planned.written_bytes + planned.parameter_bytes
    assert sum(cost.memory_bytes for cost in costs.values()) == moved
    # A row of the queries has 32 bytes and its sums have 128, so that 32 rows leave room for 32 of 64 scores.
    small = Stacks(attention(), "edge_tpu", rooms={"activation_buffer": 6144})
    assert list(products.fitting(small.pricer)) == [Parts(rows=32, parts=parts) for parts in (2, 3, 4)]


def walked_ps(stacks: Stacks, tiled: TiledStack) -> int:
    """Tile after tile, and layer after layer in each: what it computes beside what it moves, by ports that keep up."""
    bandwidth, total = stacks.memory.effective_bytes_per_s, 0
    for index, layer in enumerate(tiled.layers):
        crossing = sum(move.read_bits + move.write_bits for move in layer.crossings if not move.loads)
        assert crossing == 0
        most = max(range(len(layer.tiles)), key=lambda place: layer.tiles[place][2])
        for place, (*_, times) in enumerate(layer.tiles):
            first, middle, last = alone(stacks, layer, place)
            for tile in range(times):
                stays = tiled.stay.get(layer.name, 0) if tile == 0 and place == most else 0
                time_ps = max(middle.on_chip_ps, own_ps(stacks.memory, middle.memory_bytes + stays))
                if tile == 0 and place == most and index in (0, len(tiled.layers) - 1):
                    time_ps = max(time_ps, (last if index else first).latency_ps(bandwidth))
                total += time_ps
    return total


def alone(stacks: Stacks, layer: TiledLayer, place: int) -> list[LayerCost]:
    """One tile of a layer as the first, the middle and the last layer of a stack."""
    tile, case, _ = layer.tiles[place]
    layers = [TiledLayer(name=name, tiles=((tile, case, 1),), crossings=()) for name in ("first", "middle", "last")]
    costs = stacks.pricer.costs(TiledStack(layers=tuple(layers), tiles=1, stay={}))
    assert costs is not None
    return list(costs.values())


@pytest.mark.parametrize("left_bytes", [(2048, 2048), (1024, 2048), (2048, 600), (700, 500), (64, 200), (1, 1)])
def test_a_tile_is_mapped_to_what_others_leave_of_the_levels(left_bytes: tuple[int, int]) -> None:
    stacks = Stacks(chain((8, 16, 3), (16, 8, 1)), "pascal", rooms=dict.fromkeys(LEVELS, 2048))
    array, taken_bytes = stacks.pricer.accelerator, (2048 - left_bytes[0], 2048 - left_bytes[1])
    less = with_room(array, dict(zip(LEVELS, left_bytes, strict=True)))
    energy = energy_model(stacks.placed, stacks.memory)
    for layer in stacks.layers.values():
        steps = Steps(nest=layer.nest, steps=1, resident=False)
        for kept in (frozenset[Operand](), frozenset[Operand]({"input"})):
            fetches: dict[Operand, int] = {"weight": 1, "input": int(not kept), "output": 1}
            case = TileCase(kept=kept, fetches=(1, int(not kept), 1), taken_bytes=taken_bytes)
            tile = TiledLayer(name=layer.name, tiles=((layer, case, 1),), crossings=())
            found = stacks.pricer.costs(TiledStack(layers=(tile,) * 3, tiles=1, stay={}))
            pricer = Pricer(layer, less, stacks.memory, energy, steps, "edp")
            asked = PricedCase(pricer=pricer, repeats=Repeats(steps=1, fetches=fetches), kept=kept)
            (mapped,) = costs_together([asked])
            assert (found is None) == (mapped is None)
            for each in (found or {}).values():
                assert mapped is not None
                assert (each.compute_cycles, each.memory_bytes) == (mapped.compute_cycles, mapped.memory_bytes)
                assert each.dynamic_pj == mapped.dynamic_pj


def own_ps(memory: Memory, size_bytes: int) -> int:
    return transfer_ps(size_bytes, memory.effective_bytes_per_s)


@pytest.mark.parametrize("bytes_per_s", [1e9, 4e9, 8e9])
@pytest.mark.parametrize("rows", [1, 3, 5, 16])
@pytest.mark.parametrize(
    "parameters", [((8, 64, 1), (64, 64, 3), (64, 16, 1)), ((64, 512, 1), (512, 256, 1)), ((3, 16, 1), (16, 16, 3))]
)
def test_a_stack_takes_as_long_as_its_tiles_one_after_another(
    parameters: tuple[tuple[int, int, int], ...], rows: int, bytes_per_s: float
) -> None:
    stacks = Stacks(chain(*parameters), "edge_tpu", bytes_per_s)
    (tiling,) = stacks.tilings((len(parameters),), (rows,))
    tiled = stacks.tiled(tiling)
    costs = None if tiled is None else stacks.pricer.costs(tiled)
    assert tiled is not None
    assert costs is not None
    byte_ps = own_ps(stacks.memory, 1)
    found = latency_ps(costs, stacks.memory.effective_bytes_per_s)
    assert found == pytest.approx(walked_ps(stacks, tiled), abs=3 * tiled.tiles * len(costs) * byte_ps)


def test_what_one_layer_computes_hides_no_parameters_of_another() -> None:
    """A stack of one tile has no other tile to compute meanwhile, and no room for what comes too early."""
    stacks = Stacks(chain((8, 256, 3), (256, 2048, 1)), "edge_tpu", 1e9)
    (tiling,) = stacks.tilings((2,), (16,))
    tiled = stacks.tiled(tiling)
    costs = None if tiled is None else stacks.pricer.costs(tiled)
    assert costs is not None
    bandwidth = stacks.memory.effective_bytes_per_s
    moved = 256 * 2048 + 2048 * 256
    assert costs["l1"].memory_bytes == moved
    assert latency_ps(costs, bandwidth) >= costs["l0"].on_chip_ps + own_ps(stacks.memory, moved)


@pytest.mark.parametrize(("left_bytes", "again_bytes"), [(128, 0), (200, 0), (50, 16 * 78), (0, 16 * 128)])
def test_a_norm_reads_again_what_of_a_row_does_not_fit_beside_the_rows_of_its_stack(
    left_bytes: int, again_bytes: int
) -> None:
    graph = chain((8, 8, 1), (8, 8, 1), (8, 8, 3))
    norm = replace(graph["l1"], operator="layer_norm", nest=None, parameters=(), slices=16, slice_elements=128)
    graph = replace(graph, layers=(graph["l0"], norm, graph["l2"]))

    def of_last_two(rooms: Rooms) -> tuple[Stacks, Tiling]:
        stacks = Stacks(graph, "edge_tpu", rooms=rooms)
        return stacks, next(tiling for tiling in stacks.tilings((2,), (1,)) if "l0" not in tiling.layers)

    _, tiling = of_last_two({})
    held_bytes = tiling.sizes[0].most_held_bits // 8
    stacks, tiling = of_last_two({"activation_buffer": held_bytes + left_bytes})
    tiled = stacks.tiled(tiling)
    assert tiled is not None
    (moved,) = (move for move in tiled.layers[0].crossings if move.operand == "input")
    assert moved.read_bits == 8 * (16 * 128 + again_bytes)


@pytest.mark.parametrize("zeros", [0.0, 0.9])
def test_rows_cross_memory_as_the_accelerator_codes_them(zeros: float) -> None:
    graph = chain((8, 8, 3), (8, 8, 3))
    layers = tuple(replace(each, input_zeros=zeros, output_zeros=zeros) for each in graph.layers)
    stacks = Stacks(replace(graph, layers=layers), "eyeriss_v1")
    tiled = stacks.tiled(next(stacks.tilings((2,), (4,))))
    costs = None if tiled is None else stacks.pricer.costs(tiled)
    code = stacks.placed.array.run_length
    assert costs is not None
    assert code is not None
    coded_bytes = 8 * 256 * code.share(8, zeros)
    assert costs["l0"].memory_read_bytes == pytest.approx(8 * 8 * 9 + coded_bytes, abs=1)
    assert costs["l1"].memory_write_bytes == pytest.approx(coded_bytes, abs=4)


def test_an_array_that_waits_for_what_comes_and_leaves_computes_beside_none_of_it() -> None:
    """The closed form: Eyeriss stands still while rows come and leave, and only parameters come beside its work."""
    stacks = Stacks(chain((8, 8, 3), (8, 8, 3)), "eyeriss_v1")
    tiled = stacks.tiled(next(stacks.tilings((2,), (4,))))
    costs = None if tiled is None else stacks.pricer.costs(tiled)
    assert costs is not None
    waits_ps = own_ps(stacks.memory, 8 * 256)
    for each in costs.values():
        assert each.on_chip_ps > own_ps(stacks.memory, 8 * 8 * 9)
        found = each.latency_ps(stacks.memory.effective_bytes_per_s)
        assert found == pytest.approx(each.on_chip_ps + waits_ps, rel=1e-3)
