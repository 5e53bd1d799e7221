"""What is placed and run as one piece: a layer, or a whole recurrent group."""

from collections.abc import Sequence

from mensa_sim.errors import InfeasibleError
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer
from mensa_sim.workload.order import CircleError, circles, in_order


def units_in_order(graph: LayerGraph, stacks: Sequence[Sequence[str]] = ()) -> tuple[tuple[Layer, ...], ...]:
    """Single layers, whole groups and stacks of layers in topological order, ties by the place of their first layer.

    Raises `InfeasibleError` where data leaves a group or a stack and comes back to it through a layer outside.
    """
    stacked = {name: names[0] for names in stacks for name in names}
    members: dict[tuple[str, str], list[Layer]] = {}
    unit_of: dict[str, tuple[str, str]] = {}
    for layer in graph.layers:
        unit = ("layer", layer.name) if layer.group is None else ("group", layer.group)
        if layer.name in stacked:
            unit = ("stack", stacked[layer.name])
        members.setdefault(unit, []).append(layer)
        unit_of[layer.name] = unit
    readers: dict[tuple[str, str], dict[tuple[str, str], None]] = {unit: {} for unit in members}
    for edge in graph.edges:
        if unit_of[edge.producer] != unit_of[edge.consumer]:
            readers[unit_of[edge.producer]][unit_of[edge.consumer]] = None
    try:
        order = in_order(readers)
    except CircleError as error:
        kinds = {"group": "recurrent groups", "stack": "stacks of"}
        stuck = sorted(f"{kinds[kind]} {name}" for found in circles(readers) for kind, name in found if kind in kinds)
        raise InfeasibleError(
            f"{graph.name}: the {', '.join(stuck)} cannot run as one piece each: "
            "data leaves one of them and comes back through a layer outside it"
        ) from error
    return tuple(tuple(members[unit]) for unit in order)
