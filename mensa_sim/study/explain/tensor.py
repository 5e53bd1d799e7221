"""Where a layer's output lives between its readers, and why it left the chip if it did."""

from mensa_sim.cost.table import CostTable
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER
from mensa_sim.schedule.homes.plan import order_of, tensors_at_home
from mensa_sim.schedule.homes.step import HomeCosts, live_at, step_of
from mensa_sim.schedule.homes.tensors import HomeTensor, tensors_of
from mensa_sim.schedule.schedule import Schedule


def tensor_text(costs: CostTable, schedule: Schedule, layer: str) -> str:
    """What a schedule with a data plan does with a layer's output, for people."""
    data, graph = schedule.data or LAYER_BY_LAYER, costs.graph
    stack = next((stack for stack in data.stacks if layer in stack.layers[:-1]), None)
    if stack is not None:
        return f"its output stays on {stack.accelerator}, tile by tile, in the stack from {stack.layers[0]}"
    home = next((home for home in data.homes if home.tensor == layer), None)
    if home is not None and home.home in costs.system.memories:
        return (
            f"its output, {home.size_bytes} bytes, lives in {home.home}, on the chip, until its last reader has ended"
        )
    able, refused = tensors_of(graph, costs.system, schedule.assignment, [stack.layers for stack in data.stacks])
    if layer in refused:
        return f"its output goes through memory: {refused[layer]}"
    if layer not in able:
        return "no layer reads its output"
    tensor = able[layer]
    last = max({**tensor.readers, **tensor.remote}, key=[each.name for each in graph.layers].index)
    if any(home.tensor == layer for home in data.homes):
        return f"its output, {tensor.size_bytes} bytes, lives on {tensor.home} until {last} has read it"
    return f"its output goes through memory: {_crowded(costs, schedule, tensor)}"


def _crowded(costs: CostTable, schedule: Schedule, tensor: HomeTensor) -> str:
    """The layer beside which a tensor that might live on chip has no room; or that others save more."""
    data, graph = schedule.data or LAYER_BY_LAYER, costs.graph
    if not data.homes:
        return f"under the flow {data.flow} no plan with homes is better when simulated"
    order = order_of(graph, schedule.assignment, [stack.layers for stack in data.stacks])
    living = tensors_at_home(graph, costs.system, schedule.assignment, data)
    capacity_bytes = costs.system.accelerator(tensor.home).spec.buffer_bytes["activation"]
    home_costs = HomeCosts(costs, data)
    for name, live in live_at([*living, tensor], order).items():
        if tensor in live:
            step = step_of(graph, name, tensor.home, live)
            if home_costs.best(step, parameters=False) is None:
                taken = step.live_bytes - tensor.size_bytes
                return (
                    f"beside {name} there is no room for its {tensor.size_bytes} bytes: other tensors hold {taken} of "
                    f"the {capacity_bytes} there, and the layer needs some for its tiles"
                )
    return "the layers beside it would cost more in the room that is left than it saves"
