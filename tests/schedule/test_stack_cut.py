"""The cut of a sequence of layers into stacks: against all cuts of small chains, and on published networks."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mensa_sim as ms
from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.stacks.tiling import TilingSize, tiling_of
from mensa_sim.cost.stacks.traffic import Room, StackTraffic, can_stack, room_of, stack_traffic, weights_of
from mensa_sim.hardware.files import load_accelerator
from mensa_sim.schedule.stacks.cut import AT_ONCE, DOUBT, Cutter, Segment, stacks_on
from mensa_sim.schedule.stacks.expected import ExpectedCost
from mensa_sim.schedule.stacks.tilings import TilingSizes, tile_rows
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter
from mensa_sim.workload.load import load_workload


@st.composite
def small_chains(draw: st.DrawFn) -> LayerGraph:
    """Square convolutions, some of whose outputs are added to a later one's."""
    layers: list[Layer] = []
    edges: list[Edge] = []
    channels, rows = 2, draw(st.sampled_from([6, 8]))
    for index in range(draw(st.integers(2, 5))):
        size = channels * rows * rows
        if index > 1 and draw(st.booleans()):
            layers.append(Layer(name=f"l{index}", operator="add", input_bytes=2 * size, output_bytes=size))
            sources = (f"l{index - 1}", f"l{index - 2}")
        else:
            taps = draw(st.sampled_from([1, 3]))
            nest = LoopNest(
                K=channels, C=channels, OY=rows, OX=rows, FY=taps, FX=taps, input_height=rows, input_width=rows
            )
            layers.append(
                Layer(
                    name=f"l{index}",
                    operator="conv2d",
                    nest=nest,
                    parameters=(Parameter(name=f"p{index}", size_bytes=nest.weight_elements),),
                    input_bytes=size,
                    model_input_bytes=0 if index else size,
                    output_bytes=size,
                )
            )
            sources = (f"l{index - 1}",) if index else ()
        edges += [Edge(producer=source, consumer=f"l{index}", size_bytes=size) for source in sources]
    return LayerGraph(name="small", layers=tuple(layers), edges=tuple(edges))


class Bytes:
    """What layers and stacks move, as numbers to be kept small."""

    def __init__(self, graph: LayerGraph, room: Room) -> None:
        self.room, self.order = room, [layer.name for layer in graph.layers]
        self.planes = planes_of(graph)
        self.layers = {layer.name: layer for layer in graph.layers}
        self.weights = {name: weights_of(layer) for name, layer in self.layers.items()}
        self.readers = {name: graph.successors(name) for name in self.order}

    @property
    def alone(self) -> list[float]:
        each = self.layers.values()
        return [float(layer.input_bytes + layer.output_bytes + layer.parameter_bytes) for layer in each]

    def price(self, stack: TilingSize) -> float | None:
        if not can_stack(self.layers[stack.layers[-1]]):
            return None
        moved = stack_traffic(stack, self.weights, self.room)
        return None if moved is None else float(moved.read_bytes + moved.written_bytes + moved.parameter_bytes)

    def cut(self) -> list[Segment]:
        tilings = TilingSizes(self.planes, self.readers)
        return Cutter(self.alone, stacks_on("", self.order, self.order, tilings, self.price)).best()


def every_cut(count: int) -> Iterator[list[tuple[int, int]]]:
    """All ways to divide a sequence into runs."""
    for marks in range(2 ** (count - 1)):
        ends = [index + 1 for index in range(count - 1) if marks >> index & 1] + [count]
        yield list(zip([0, *ends[:-1]], ends, strict=True))


def least(moved: Bytes, begin: int, end: int) -> float:
    """The least that a run moves in any tile size, asked afresh."""
    if end - begin == 1:
        return moved.alone[begin]
    found = []
    names = moved.order[begin:end]
    for rows in tile_rows(moved.planes[names[-1]].rows):
        tiling = tiling_of(moved.planes, names, [rows], moved.readers)
        if tiling is not None:
            found.append(moved.price(tiling.sizes[0]))
    return min((value for value in found if value is not None), default=float("inf"))


@settings(max_examples=40)
@given(small_chains(), st.sampled_from([20, 60, 120, 400]), st.sampled_from([8, 40, 100]))
def test_no_cut_of_a_small_network_moves_less(graph: LayerGraph, activations: int, parameters: int) -> None:
    moved = Bytes(graph, Room(activation_bytes=activations, parameter_bytes=parameters))
    found = sum(segment.value for segment in moved.cut())
    cuts = every_cut(len(moved.order))
    assert found == min(sum(least(moved, *run) for run in cut) for cut in cuts)


@settings(max_examples=40)
@given(st.data())
def test_no_cut_is_better_by_the_values_that_were_told(data: st.DataObject) -> None:
    """Expected ones do not matter where few stacks there are, of several tile sizes, some of which do not fit."""
    values = st.integers(1, 40)
    alone = data.draw(st.lists(values, min_size=2, max_size=5))
    runs = [(begin, end) for end in range(2, len(alone) + 1) for begin in range(end - 1)]
    true = {
        (*run, rows): data.draw(st.one_of(st.none(), values))
        for run in data.draw(st.lists(st.sampled_from(runs), unique=True, max_size=AT_ONCE))
        for rows in range(data.draw(st.integers(1, 2)), 0, -1)
    }
    ways = (
        iter(
            [Segment(begin=run[0], end=run[1], rows=key[2], value=data.draw(values)) for key in true if key[:2] == run]
        )
        for run in dict.fromkeys(key[:2] for key in true)
    )
    cutter = Cutter(alone, ways)
    while asked := cutter.asked():
        for each in asked:
            cutter.tell(each, true[each.begin, each.end, each.rows])
    fits = {run: [value for key, value in true.items() if key[:2] == run and value] for run in runs}
    least = {run: next(iter(values), 99) for run, values in fits.items()}  # the largest tiles that fit
    singles = {(place, place + 1): value for place, value in enumerate(alone)}
    found = sum(singles.get((s.begin, s.end)) or true[s.begin, s.end, s.rows] or 0 for s in cutter.best())
    assert found == min(sum((least | singles)[run] for run in cut) for cut in every_cut(len(alone)))


def test_a_stack_that_is_expected_to_be_hardly_worse_is_tried_and_one_that_is_much_worse_is_not() -> None:
    pairs = AT_ONCE + 1
    expected = {"near": 1 + DOUBT * pairs / 2, "far": 1 + DOUBT * pairs * 2}
    best = [Segment(begin=2 * pair, end=2 * pair + 2, value=1.0, accelerator="best") for pair in range(pairs)]
    rivals = [Segment(begin=0, end=2, value=value, accelerator=name) for name, value in expected.items()]
    cutter, told = Cutter([9.0] * 2 * pairs, (iter([each]) for each in (*best, *rivals))), set[str]()
    while asked := cutter.asked():
        for each in asked:
            cutter.tell(each, 1.0 if each in best else 0.5)
            told.add(each.accelerator)
    assert told == {"best", "near"}
    assert [each.accelerator for each in cutter.best()] == ["near", *["best"] * (pairs - 1)]


@pytest.mark.parametrize(("told", "crowded", "rows"), [(10, True, 2), (10, False, 4), (6.2, True, 4)])
def test_smaller_tiles_are_tried_where_larger_ones_cost_far_more_than_expected(
    told: float, crowded: bool, rows: int
) -> None:
    """Six are expected of tiles of two rows, and seven told; of one row more is expected than they cost."""
    values = {4: (5.0, told), 2: (6.0, 7.0 if told > 7 else 1.0), 1: (7.0, 1.0)}
    way = (Segment(begin=0, end=2, rows=size, value=expected) for size, (expected, _) in values.items())
    cutter = Cutter([9.0, 9.0], [way], crowded=crowded)
    while asked := cutter.asked():
        for each in asked:
            cutter.tell(each, values[each.rows][1])
    assert [each.rows for each in cutter.best()] == [rows]


def activation_bytes(moved: Bytes, cut: Sequence[Segment]) -> int:
    """What crosses memory of activations under a cut."""
    total = 0
    for each in cut:
        names = moved.order[each.begin : each.end]
        if len(names) == 1:
            total += moved.layers[names[0]].input_bytes + moved.layers[names[0]].output_bytes
            continue
        tiling = tiling_of(moved.planes, names, [each.rows], moved.readers)
        assert tiling is not None
        traffic = stack_traffic(tiling.sizes[0], moved.weights, moved.room)
        assert traffic is not None
        total += traffic.read_bytes + traffic.written_bytes
    return total


@pytest.mark.parametrize(
    ("workload", "at_most_mb"),
    [
        ("mobilenet_v1", 3.0),
        ("efficientnet_edgetpu_s", 8.8),
        ("resnet50", 23.2),
        ("deeplab_v3_mobilenet_v2", 30.8),
        ("posenet_mobilenet_v1", 12.3),
    ],
)
def test_published_networks_move_few_activations_through_pascals_buffers(workload: str, at_most_mb: float) -> None:
    room = room_of(load_accelerator("pascal"))
    assert room == Room(activation_bytes=262144, parameter_bytes=131072)
    moved = Bytes(load_workload(workload), room)
    assert activation_bytes(moved, moved.cut()) <= at_most_mb * 1e6


def test_what_moves_as_it_does_by_itself_is_expected_to_cost_what_it_costs_by_itself() -> None:
    """Parameters and input come while it works, as the price has it too."""
    dims = {"K": 16, "C": 8, "OY": 8, "OX": 8, "FY": 3, "FX": 3}
    alone = ms.place({"name": "n", "layers": [{"name": "a", "operator": "conv2d", "dims": dims}]}, system="pascal")
    cost, memory = alone.costs.cost("a", "pascal"), alone.costs.system.memory_of("pascal")
    parameters = alone.costs.graph.layers[0].parameter_bytes
    moved = StackTraffic(
        read_bytes=cost.memory_read_bytes - parameters,
        written_bytes=cost.memory_write_bytes,
        fetched_bytes={"a": parameters},
        kept={},
    )
    energy_pj, latency_ps = ExpectedCost({"a": cost}, memory, lambda size: moved).of(["a"], moved)
    assert energy_pj == pytest.approx(cost.energy_pj)
    assert latency_ps == pytest.approx(
        max(cost.on_chip_ps, cost.memory_bytes * PS_PER_S / memory.effective_bytes_per_s)
    )
