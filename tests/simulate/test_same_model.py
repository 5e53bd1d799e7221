"""Plans of one model, as the steps of a conversation at several contexts are, have its parameters in common."""

import pytest

from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.simulate.engine.engine import Engine
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.plan.residency import pins_of
from mensa_sim.simulate.record.spans import SpanRecorder
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

WIDTH = 1024
SIZE = WIDTH * WIDTH
"""Of the parameters of one layer: three of them fit the four MiB of the buffer beside a tile, four do not."""
OPTIONS = Options(parameters="best-value")


def plan(rows: int, model: str | None) -> Plan:
    nest = LoopNest(K=WIDTH, C=WIDTH, OX=rows, input_width=rows)
    layers = [
        Layer(
            name=name,
            operator="linear",
            nest=nest,
            parameters=(Parameter(name=f"{name}.weight", size_bytes=SIZE),),
            input_bytes=rows * WIDTH,
            output_bytes=rows * WIDTH,
            model_input_bytes=rows * WIDTH if name == "first" else 0,
            model_output_bytes=rows * WIDTH if name == "last" else 0,
        )
        for name in ("first", "last")
    ]
    edge = Edge(producer="first", consumer="last", size_bytes=rows * WIDTH)
    graph = LayerGraph(name=f"rows_{rows}", layers=tuple(layers), edges=(edge,))
    costs = price(graph, load_system("edge_tpu"))
    where = dict.fromkeys(("first", "last"), "edge_tpu")
    return make_plan(graph, costs, where, OPTIONS, model=model)


def moved_in_turn(plans: list[Plan]) -> list[int]:
    """Bytes that each of the plans moves, one after another."""
    recorder = SpanRecorder(max_spans=None)
    engine = Engine(load_system("edge_tpu"), plans, OPTIONS, recorder)
    waiting = [Request(each, stream=each.name, number=0, rank=(n,), arrival_ps=0) for n, each in enumerate(plans)]
    requests = list(waiting)
    engine.on_end = lambda _: engine.start(waiting.pop(0)) if waiting else None
    engine.start(waiting.pop(0))
    engine.run()
    spans = recorder.timeline([]).spans
    return [sum(s.size_bytes for s in spans if s.request == each.name) for each in requests]


@pytest.mark.parametrize(("model", "fetched"), [("one", 2 * SIZE), (None, 6 * SIZE)])
def test_what_one_plan_fetched_another_of_its_model_does_not_fetch_again(model: str | None, fetched: int) -> None:
    first, *others = moved_in_turn([plan(rows, model) for rows in (1, 2, 3)])
    assert first == 4 * WIDTH + 2 * SIZE
    assert first + sum(others) == 4 * (1 + 2 + 3) * WIDTH + fetched


def test_parameters_of_one_model_take_their_room_once() -> None:
    system = load_system("edge_tpu")
    one, several = (pins_of([plan(rows, model) for rows in (1, 2, 3)], system, OPTIONS) for model in ("one", None))
    assert one["edge_tpu"].size_bytes == 2 * SIZE
    assert len(one["edge_tpu"].units) == 6
    assert several["edge_tpu"].size_bytes > 2 * SIZE
