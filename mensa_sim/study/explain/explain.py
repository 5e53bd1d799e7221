"""Why a layer stands where it stands: what it costs everywhere, what copies that takes, and what would change it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.lookup import unknown_name
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER
from mensa_sim.schedule.evaluate import Prediction, evaluate
from mensa_sim.schedule.homes.plan import order_of, tensors_at_home
from mensa_sim.schedule.homes.step import HomeCosts, live_at, step_of
from mensa_sim.schedule.homes.tensors import HomeTensor, tensors_of
from mensa_sim.schedule.margins import with_copies
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, unit_assignment
from mensa_sim.schedule.unit import Refusal
from mensa_sim.study.explain.levels import MappingUse, mapping_use
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import Layer

_ACTIVATIONS: tuple[Operand, ...] = ("input", "output")
LARGEST_FACTOR = 1024.0
"""Improvements above this factor are not looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One accelerator for the layer's unit, every other unit staying where it is; layer by layer."""

    accelerator: str
    refusal: str | None = None
    latency_ps: int = 0
    energy_pj: float = 0.0
    """Dynamic energy of the unit, without copies."""
    copies_ps: int = 0
    """Time of copying the tensors that it makes or reads."""
    copies_pj: float = 0.0
    bound: str = ""
    """The resource that sets the time of the unit's slowest layer."""
    value: float | None = None
    """Objective value of the whole schedule with the unit there; none where it cannot run."""
    caveats: tuple[str, ...] = ()
    """What a reader must know of measured costs there: fits with their errors, estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult(Provenance):
    """The explanation of one layer; a recurrent group is explained as a whole."""

    layer: str
    unit: str
    accelerator: str
    reason: str
    """What the scheduler says."""
    places: tuple[Place, ...]
    """In the system's order of accelerators."""
    runner_up: str | None
    margin: float | None
    """The runner-up's value over the present one, less 1: negative where moving the unit alone would be better."""
    to_change: str
    """What the runner-up would need to win."""
    runs: str = ""
    """Under a flow with stacks: which it lies in, which pieces it runs in, or why it runs by itself."""
    output: str = ""
    """Where its output lives until it is read, and why it left the chip if it did; empty where nothing is planned."""
    widths: Mapping[str, int] = field(default_factory=dict)
    """Bits of an element of each operand that it is priced at: weight (or parameter), input, output, and of a sum."""
    use: MappingUse | None = None
    """The layer's mapping where it runs; none without a loop nest, and on a measured accelerator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A hand-over between accelerators in a schedule."""

    producer: str
    consumer: str
    size_bytes: int
    source: str
    target: str
    reason: str
    """Why the consumer stands where it stands."""


def explain(problem: Problem, costs: CostTable, schedule: Schedule, layer: str) -> ExplainResult:
    """Explain where a layer runs; `UnknownNameError` for a layer that the graph does not have."""
    unit_of = {name: index for index, unit in enumerate(problem.units) for name in unit.layers}
    if layer not in unit_of:
        raise unknown_name(layer, unit_of, "layer")
    unit, assignment = unit_of[layer], unit_assignment(problem, schedule)
    prediction = evaluate(problem, assignment)
    places = tuple(_place(problem, costs, assignment, prediction, unit, a) for a in range(len(problem.accelerators)))
    here = places[assignment[unit]]
    allowed = [places[a] for a in problem.units[unit].allowed if a != assignment[unit]]
    second = min(allowed, key=lambda place: place.value or 0.0, default=None)
    return ExplainResult(
        layer=layer,
        unit=problem.units[unit].name,
        accelerator=here.accelerator,
        reason=schedule.reasons.get(layer, ""),
        places=places,
        runner_up=second.accelerator if second else None,
        margin=second.value / here.value - 1 if second and second.value is not None and here.value else None,
        to_change=_to_change(problem, costs, prediction, unit, here, second),
        output="" if schedule.data is None else tensor_text(costs, schedule, layer),
        widths=_widths(costs.graph[layer]),
        use=use_at(problem, costs, layer, here.accelerator),
    )


def _widths(layer: Layer) -> dict[str, int]:
    """By operand; of a layer that multiplies nothing, of its parameters where it has any, and its activations."""
    operands = OPERANDS if layer.nest is not None or layer.parameters else _ACTIVATIONS
    found = {operand: layer.element_bits(operand) for operand in operands}
    return found | ({} if layer.accumulator_bits is None else {"sum": layer.accumulator_bits})


def use_at(problem: Problem, costs: CostTable, layer: str, accelerator: str) -> MappingUse | None:
    """The layer's mapping on an accelerator; none without a loop nest, and on a measured one."""
    spec = costs.system.accelerator(accelerator).spec
    if not isinstance(spec, PeArray):
        return None
    return mapping_use(costs.cost(layer, accelerator), spec, problem.objective)


def moves(problem: Problem, schedule: Schedule) -> tuple[Move, ...]:
    """Every tensor that is read on another accelerator than it was made on."""
    assignment = unit_assignment(problem, schedule)
    return tuple(
        Move(
            producer=problem.units[tensor.producer].name,
            consumer=problem.units[reader].name,
            size_bytes=tensor.size_bytes,
            source=problem.accelerators[assignment[tensor.producer]],
            target=problem.accelerators[assignment[reader]],
            reason=schedule.reasons.get(problem.units[reader].layers[0], ""),
        )
        for tensor in problem.tensors
        for reader in tensor.readers
        if assignment[reader] != assignment[tensor.producer]
    )


def _place(
    problem: Problem, costs: CostTable, assignment: Sequence[int], prediction: Prediction, unit: int, accelerator: int
) -> Place:
    name = problem.accelerators[accelerator]
    option = problem.units[unit].options[accelerator]
    if isinstance(option, Refusal):
        return Place(accelerator=name, refusal=option.reason)
    there = with_copies(problem, assignment, unit, accelerator)
    here = with_copies(problem, assignment, unit, assignment[unit])
    bandwidth = costs.system.memory_of(name).effective_bytes_per_s
    slowest = max(_layer_costs(problem, costs, unit, name), key=lambda cost: cost.latency_ps(bandwidth))
    return Place(
        accelerator=name,
        latency_ps=option.latency_ps,
        energy_pj=option.energy_pj,
        copies_ps=there[0] - option.latency_ps,
        copies_pj=there[1] - option.energy_pj,
        caveats=costs.caveats(dict.fromkeys(problem.units[unit].layers, name)),
        bound=slowest.bound(bandwidth),
        value=problem.value(prediction.dynamic_pj + there[1] - here[1], prediction.serial_ps + there[0] - here[0]),
    )


def _layer_costs(problem: Problem, costs: CostTable, unit: int, accelerator: str) -> list[LayerCost]:
    return [costs.cost(layer, accelerator) for layer in problem.units[unit].layers]


def _to_change(
    problem: Problem, costs: CostTable, prediction: Prediction, unit: int, here: Place, second: Place | None
) -> str:
    """The least factor on memory bandwidth, or on the speed of array and buffers, with which the runner-up wins."""
    if second is None or second.value is None or here.value is None:
        return "no other accelerator may run it"
    if second.value < here.value:
        return f"nothing: {second.accelerator} would be better by itself"
    found = _layer_costs(problem, costs, unit, second.accelerator)
    bandwidth = costs.system.memory_of(second.accelerator).effective_bytes_per_s
    saved_ps = here.latency_ps + here.copies_ps - second.latency_ps - second.copies_ps
    saved_pj = here.energy_pj + here.copies_pj - second.energy_pj - second.copies_pj

    def wins(latency_ps: float) -> bool:
        faster_ps = second.latency_ps - latency_ps + saved_ps
        return problem.value(prediction.dynamic_pj - saved_pj, prediction.serial_ps - faster_ps) < (here.value or 0.0)

    def with_bandwidth(factor: float) -> bool:
        return wins(sum(cost.latency_ps(bandwidth * factor) for cost in found))

    def with_speed(factor: float) -> bool:
        faster = (replace(cost, clock_hz=round(cost.clock_hz * factor)) for cost in found)
        return wins(sum(cost.latency_ps(bandwidth) for cost in faster))

    ways = ((with_bandwidth, "times the memory bandwidth"), (with_speed, "times the speed of array and buffers"))
    needs = [f"{factor:.3g} {what}" for test, what in ways if (factor := _least_factor(test)) is not None]
    if needs:
        return f"{second.accelerator} would win with {' or with '.join(needs)}"
    return f"{second.accelerator} would not win however fast it were: its energy and the copies decide"


def _least_factor(wins: Callable[[float], bool]) -> float | None:
    """The least factor above 1 that wins, by bisection, rounded up to three digits; none up to `LARGEST_FACTOR`."""
    low, high = 1.0, LARGEST_FACTOR
    if not wins(high):
        return None
    while high - low > 1e-3 * low:
        middle = (low + high) / 2
        low, high = (low, middle) if wins(middle) else (middle, high)
    parts = 10.0 ** (2 - math.floor(math.log10(high)))
    return math.ceil(high * parts) / parts


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
