"""Homes in memories on the chip that several accelerators share: which tensors save the most, as a program."""

from collections.abc import Collection, Mapping, Sequence

from mensa_sim.cost.moved import Fed
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.hardware.routes import from_shared, to_shared
from mensa_sim.hardware.system import System
from mensa_sim.schedule.data_plan import DataPlan, Home
from mensa_sim.schedule.exact.linear_program import SEARCH_LIMIT_S, TOLERANCE, LinearProgram
from mensa_sim.schedule.homes.choose import HOME_NODES
from mensa_sim.schedule.homes.step import gain
from mensa_sim.schedule.homes.tensors import HomeTensor, readers_of
from mensa_sim.workload.graph import LayerGraph, units_in_order


def shared_tensors(
    graph: LayerGraph, system: System, assignment: Mapping[str, str], memory: str, stacks: Sequence[Sequence[str]] = ()
) -> dict[str, HomeTensor]:
    """The tensors that may live in a memory on the chip, by the layer that makes each.

    Who makes and who reads it reaches the memory and has a PE array; it does not leave the model, and no recurrent
    group or stack makes or reads it.
    """
    units = units_in_order(graph, stacks)
    place = {layer.name: index for index, layers in enumerate(units) for layer in layers}
    single = (layers[0].name for layers in units if len(layers) == 1)
    able = {name for name in single if system.array_of(assignment[name]) is not None}
    capacity_bytes, reached = system.room_for_tensors(memory), set(system.memories[memory].reached_by)
    found = {}
    for layer in graph.layers:
        readers = readers_of(graph, layer.name)
        names = {layer.name, *readers}
        if not readers or not names <= able or not {assignment[name] for name in names} <= reached:
            continue
        if layer.model_output_bytes or layer.output_bytes > capacity_bytes:
            continue
        found[layer.name] = HomeTensor(
            layer=layer.name,
            home=memory,
            size_bytes=layer.output_bytes,
            first=place[layer.name],
            last=max(place[name] for name in readers),
            readers=readers,
        )
    return found


def choose_shared(
    costs: CostTable,
    assignment: Mapping[str, str],
    stacks: Sequence[Sequence[str]],
    taken: Collection[str],
    rates: tuple[float, float],
) -> tuple[list[Home], float]:
    """The homes in memories on the chip that save the most, of the tensors that are not `taken` elsewhere, and a gap.

    Each memory in turn, exactly by what each tensor saves alone: what two of one layer save beside each other may be
    less where its time is the array's.
    """
    homes: list[Home] = []
    gap, gone = 0.0, set(taken)
    for name in costs.system.on_chip_memories():
        able = shared_tensors(costs.graph, costs.system, assignment, name, stacks)
        values = {layer: _saves(costs, assignment, each, rates) for layer, each in able.items() if layer not in gone}
        worth = [able[layer] for layer, value in values.items() if value > 0]
        chosen, own_gap = _best([(each, values[each.layer]) for each in worth], costs.system.room_for_tensors(name))
        homes += [Home(tensor=each.layer, home=name, size_bytes=each.size_bytes) for each in chosen]
        gone |= {each.layer for each in chosen}
        gap = max(gap, own_gap)
    return homes, gap


def tensors_in_shared(
    graph: LayerGraph, system: System, assignment: Mapping[str, str], data: DataPlan
) -> list[HomeTensor]:
    """The tensors that live in memories on the chip by a plan; `UsageError` for a home that a tensor cannot have."""
    found = []
    stacks = [stack.layers for stack in data.stacks]
    for memory in dict.fromkeys(home.home for home in data.homes if home.home in system.memories):
        if not system.memories[memory].on_chip:
            raise UsageError(f"homes: {memory} is no memory on the chip, so nothing has its home there")
        able = shared_tensors(graph, system, assignment, memory, stacks)
        for home in data.homes:
            if home.home == memory:
                tensor = able.get(home.tensor)
                if tensor is None or tensor.size_bytes != home.size_bytes:
                    raise UsageError(f"homes: {home.tensor} cannot live in {memory} with {home.size_bytes} bytes")
                found.append(tensor)
    return found


def _saves(costs: CostTable, assignment: Mapping[str, str], tensor: HomeTensor, rates: tuple[float, float]) -> float:
    """What the objective gains where a tensor alone lives there."""
    system = costs.system
    into, out_of = to_shared(system, tensor.home), from_shared(system, tensor.home)
    cases = {tensor.layer: Fed(output=(into, out_of))}
    cases |= {name: Fed(inputs=((out_of, size),)) for name, size in tensor.readers.items()}
    return sum(gain(costs, name, assignment[name], fed, rates) for name, fed in cases.items())


def _best(tensors: Sequence[tuple[HomeTensor, float]], capacity_bytes: int) -> tuple[list[HomeTensor], float]:
    """Those that save the most and fit at each place in the order, and at most by what share others would save more."""
    places = sorted({each.first for each, _ in tensors})
    live = {place: [n for n, (each, _) in enumerate(tensors) if each.first <= place <= each.last] for place in places}
    tight = {
        place: numbers
        for place, numbers in live.items()
        if sum(tensors[number][0].size_bytes for number in numbers) > capacity_bytes
    }
    if not tight:
        return [each for each, _ in tensors], 0.0
    program = LinearProgram()
    away = [program.variable(value, integral=True) for _, value in tensors]
    for numbers in tight.values():
        sizes = [(away[number], float(tensors[number][0].size_bytes)) for number in numbers]
        program.row(sizes, low=sum(size for _, size in sizes) - capacity_bytes)
    most = sum(value for _, value in tensors)
    solved = program.solve(SEARCH_LIMIT_S, most, HOME_NODES)
    if solved.values is None:
        return [], 0.0
    stay = [each for number, (each, _) in enumerate(tensors) if solved.values[away[number]] < 0.5]
    lost = sum(value for number, (_, value) in enumerate(tensors) if solved.values[away[number]] >= 0.5)
    gap = (lost - max(0.0, solved.bound)) / most if most else 0.0
    return stay, gap if gap > TOLERANCE else 0.0
