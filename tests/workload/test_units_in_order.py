"""Units: groups whole, in topological order, ties by place; a group that data leaves and comes back to is refused."""

import pytest

from mensa_sim.errors import InfeasibleError
from mensa_sim.workload.graph import Edge, LayerGraph, units_in_order
from mensa_sim.workload.layer import Layer


def layer(name: str, group: str | None = None) -> Layer:
    return Layer(name=name, operator="linear", group=group, recurrent=group is not None)


def graph(layers: tuple[Layer, ...], *edges: tuple[str, str]) -> LayerGraph:
    joined = tuple(Edge(producer=producer, consumer=consumer, size_bytes=1) for producer, consumer in edges)
    return LayerGraph(name="net", layers=layers, edges=joined)


def test_a_group_stays_together_and_ties_keep_their_place() -> None:
    found = units_in_order(
        graph((layer("a"), layer("h", "g"), layer("b"), layer("c", "g"), layer("z")), ("b", "c"), ("c", "z"))
    )
    assert [[each.name for each in unit] for unit in found] == [["a"], ["b"], ["h", "c"], ["z"]]


def test_a_group_named_like_a_layer_is_another_unit() -> None:
    assert len(units_in_order(graph((layer("g"), layer("h", "g"))))) == 2


def test_data_that_leaves_a_group_and_comes_back_is_refused() -> None:
    circle = graph((layer("h", "g"), layer("out"), layer("c", "g")), ("h", "out"), ("out", "c"))
    with pytest.raises(InfeasibleError, match=r"groups g cannot run as one piece each"):
        units_in_order(circle)
