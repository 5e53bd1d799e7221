"""A layer of a placed graph: why it stands there, and how it runs: in a stack, in pieces, or by itself."""

from dataclasses import replace

from mensa_sim.cost.stacks.traffic import can_stack
from mensa_sim.cost.tiles.pieces import piece_name
from mensa_sim.flow import FLOWS, STACKS
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan, Split, Stack
from mensa_sim.schedule.stacks.plan import StackPlanner
from mensa_sim.study.explain.explain import ExplainResult, explain, use_at
from mensa_sim.study.run.on_chip import memory_bytes, shares_of_parts
from mensa_sim.study.run.placement import Placement


def explain_placed(placement: Placement, layer: str) -> ExplainResult:
    """The explanation of a layer where its data flow is planned; one that runs in pieces is explained whole.

    `UnknownNameError` for a layer that the graph does not have.
    """
    data = placement.schedule.data or LAYER_BY_LAYER
    split = next((each for each in data.splits if each.layer == layer), None)
    if split is not None and placement.whole is not None:
        whole = placement.whole
        found = explain(whole.problem, whole.costs, whole.schedule, layer)
        return replace(found, runs=_split_text(data, split))
    # Where stacks were placed as such, they are the units whose costs are compared.
    stacks = {stack.layers for stack in data.stacks}
    stacked = any(len(unit.layers) > 1 and unit.layers in stacks for unit in placement.problem.units)
    alone = placement.alone or placement.costs
    costs = placement.costs if stacked else alone
    found = explain(placement.problem, costs, placement.schedule, layer)
    if stacked:
        found = replace(found, use=use_at(placement.problem, alone, layer, found.accelerator))
    flows = list(FLOWS)
    if flows.index(placement.goal.flow) < flows.index(STACKS):
        return found
    return replace(found, runs=_runs_text(placement, data, layer))


def _runs_text(placement: Placement, data: DataPlan, layer: str) -> str:
    stack = next((stack for stack in data.stacks if layer in stack.layers), None)
    return (
        f"it runs by itself: {_why_alone(placement, data, layer)}" if stack is None else _stack_text(placement, stack)
    )


def _stack_text(placement: Placement, stack: Stack) -> str:
    text = (
        f"it runs in a stack of {len(stack.layers)} layers on {stack.accelerator}, from {stack.layers[0]} to "
        f"{stack.layers[-1]}, in {stack.tiles} tiles of {stack.rows} rows of the last"
    )
    if placement.alone is None:
        return text
    moved_bytes, alone_bytes = (memory_bytes(costs, stack) for costs in (placement.costs, placement.alone))
    return f"{text}, which moves {moved_bytes} bytes over memory; one by one they move {alone_bytes}"


def _split_text(data: DataPlan, split: Split) -> str:
    names = {piece_name(split.layer, number) for number in range(1, len(split.parts) + 1)}
    homes = sum(home.tensor in names for home in data.homes)
    shares = ", ".join(f"{share:.0%} on {name}" for name, share in shares_of_parts(split).items())
    how = "at once" if split.together else "each as soon as what it reads is there"
    lives = f"; the output of {homes} of them lives on chip until it is read" if homes else ""
    return f"it runs in {len(split.parts)} pieces by {split.axis}, {how}: {shares}{lives}"


def _why_alone(placement: Placement, data: DataPlan, layer: str) -> str:
    """Why no stack has the layer."""
    costs, where = placement.costs, placement.schedule.assignment
    if data.splits:
        return "the layers around it run in pieces"
    if not can_stack(costs.graph[layer]):
        return "it runs in steps, or reads a part of its parameters alone, so it cannot run in tiles"
    order = [each.name for each in costs.graph.layers]
    place = order.index(layer)
    near = [order[n : n + 2] for n in (place - 1, place) if 0 <= n < len(order) - 1]
    pairs = [
        pair for pair in near if where[pair[0]] == where[pair[1]] and all(can_stack(costs.graph[name]) for name in pair)
    ]
    if not pairs:
        return f"no layer beside it in order runs on {where[layer]} and can run in tiles"
    planner = StackPlanner(placement.alone or costs, placement.problem)
    reasons = [
        f"with {pair[pair[0] == layer]}, {why}"
        for pair in pairs
        if (why := planner.refusal(where[layer], (pair[0], pair[1]), placement.schedule)) is not None
    ]
    if len(reasons) == len(pairs):
        return "; ".join(reasons)
    return "the stacks beside it cost less without it, or no plan with it in one is better when simulated"
