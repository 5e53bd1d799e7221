"""`schedule.yaml`: a schedule as a file that a person can edit and `--schedule` reads back."""

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mensa_sim.errors import FileError
from mensa_sim.flow import IN_TILES, LAYERS, STACKS, FlowName
from mensa_sim.io.files import read_record, write_yaml
from mensa_sim.lookup import nearest, unknown_name
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import DataPlan, Home, KeptParameters, Split, Stack
from mensa_sim.schedule.problem import Problem, fault_at
from mensa_sim.schedule.schedule import Schedule, schedule_of
from mensa_sim.schedule.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLayer:
    """One row of the file: a layer, where it runs, and why it was put there."""

    layer: str
    accelerator: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFile:
    """The file: layers in order of execution, and where tensors live.

    All else but `problem` is for people, and is predicted anew.
    """

    problem: str
    """Workload and system: `lstm on mensa_g`."""
    scheduler: str
    objective: str
    value: float = 0.0
    """Predicted objective value, in powers of pJ and ps."""
    bound: float | None = None
    flow: FlowName | None = None
    """How data flows between the layers; without it, that is planned anew."""
    layers: tuple[PlacedLayer, ...]
    homes: tuple[Home, ...] = ()
    """Of the tensors that live on chip."""
    homes_gap: float = 0.0
    """How far they may be from the best choice."""
    parameters: tuple[KeptParameters, ...] = ()
    """Those that stay on chip."""
    stacks: tuple[Stack, ...] = ()
    """Layers that run tile by tile."""
    splits: tuple[Split, ...] = ()
    """Layers that stand in `layers` as their pieces."""


def schedule_yaml(problem: Problem, schedule: Schedule) -> str:
    """The text of `schedule.yaml`; the same schedule gives the same bytes."""
    head: dict[str, object] = {
        "problem": problem.name,
        "scheduler": schedule.scheduler,
        "objective": schedule.objective,
        "value": float(schedule.value),
    }
    if schedule.bound is not None:
        head["bound"] = float(schedule.bound)
    rows = []
    for layer, accelerator in schedule.assignment.items():
        row = {"layer": layer, "accelerator": accelerator}
        if schedule.reasons.get(layer):
            row["reason"] = schedule.reasons[layer]
        rows.append(row)
    if schedule.data is None:
        return write_yaml({**head, "layers": rows})
    data = asdict(schedule.data)
    parameters = [{**kept, "layers": list(kept["layers"])} for kept in data["parameters"]]
    splits = [{**split, "parts": list(split["parts"])} for split in data["splits"]]
    stacks = stacks_data(schedule.data)
    lists = {"homes": list(data["homes"]), "parameters": parameters, "stacks": stacks, "splits": splits}
    held = {name: found for name, found in lists.items() if found}
    gap = {"homes_gap": float(schedule.data.homes_gap)} if schedule.data.homes_gap else {}
    return write_yaml({**head, "flow": schedule.data.flow, **gap, "layers": rows, **held})


def stacks_data(plan: DataPlan) -> list[dict[str, object]]:
    """The stacks of a plan as files and summaries say them."""
    return [{**asdict(stack), "layers": list(stack.layers)} for stack in plan.stacks]


def read_schedule(path: Path, problem: Problem) -> Schedule:
    """The schedule in a file, predicted anew under the problem.

    Raises `FileError` with every contradiction to the problem: another workload or system, layers missing, unknown or
    twice, accelerators unknown or unable, pins not kept, groups torn apart, a consumer before its producer.
    """
    content = read_record(path, ScheduleFile)
    unit_of = {layer: index for index, unit in enumerate(problem.units) for layer in unit.layers}
    faults = _unknown_names(content, problem, unit_of)
    rows: dict[str, PlacedLayer] = {}
    for row in content.layers:
        rows.setdefault(row.layer, row)
    places = {name: index for index, name in enumerate(problem.accelerators)}
    assignment = []
    for unit in problem.units:
        place, unit_faults = _place_of(unit, rows, places, problem)
        assignment.append(place)
        faults += unit_faults
    order = list(dict.fromkeys(unit_of[row.layer] for row in content.layers if row.layer in unit_of))
    faults += _order_faults(problem, order)
    faults += _data_faults(content, problem, unit_of)
    faults += _stack_faults(content, unit_of)
    if faults:
        raise FileError(str(path), faults)
    reasons = [rows[unit.layers[0]].reason or "as the file says" for unit in problem.units]
    found = schedule_of(problem, content.scheduler, assignment, order=order, reasons=reasons)
    if content.flow is None:
        return found
    data = DataPlan(
        flow=content.flow,
        homes=content.homes,
        homes_gap=content.homes_gap,
        parameters=content.parameters,
        stacks=content.stacks,
        splits=content.splits,
    )
    return replace(found, data=data)


def _data_faults(content: ScheduleFile, problem: Problem, unit_of: dict[str, int]) -> list[str]:
    """What lives or stays somewhere and is not made, has two places, or belongs to another flow."""
    faults = _unknown_or_twice("homes", [home.tensor for home in content.homes], problem.name, unit_of)
    if content.homes and content.flow in (None, LAYERS):
        faults.append(f"homes: the flow is {content.flow or 'not given'}; tensors have homes under another one")
    if content.parameters and content.flow is None:
        faults.append("parameters: the flow is not given, so what stays on chip is planned anew")
    for kept in content.parameters:
        if kept.accelerator not in problem.accelerators:
            error = unknown_name(kept.accelerator, problem.accelerators, "accelerator")
            faults.append(f"parameters: {error}")
        faults += _unknown_or_twice("parameters", kept.layers, problem.name, unit_of)
    names = [kept.accelerator for kept in content.parameters]
    return [*faults, *_unknown_or_twice("parameters", names, problem.name, names)]


def _unknown_or_twice(field: str, names: Sequence[str], problem: str, known: Container[str]) -> list[str]:
    faults = [f"{field}: {problem} has no layer {name!r}" for name in names if name not in known]
    return faults + [f"{field}: {name} stands {count} times" for name, count in Counter(names).items() if count > 1]


def _stack_faults(content: ScheduleFile, unit_of: dict[str, int]) -> list[str]:
    """Stacks of layers that there are not, that stand in two, on another accelerator, or in a flow that has none."""
    placed = {row.layer: row.accelerator for row in content.layers}
    layers = [layer for stack in content.stacks for layer in stack.layers]
    faults = _unknown_or_twice("stacks", layers, content.problem, unit_of)
    for stack in content.stacks:
        elsewhere = [layer for layer in stack.layers if placed.get(layer, stack.accelerator) != stack.accelerator]
        faults += [f"stacks: {layer} runs on {placed[layer]}, its stack on {stack.accelerator}" for layer in elsewhere]
    if content.stacks and content.flow not in (STACKS, IN_TILES):
        faults.append(f"stacks: the flow is {content.flow or 'not given'}; layers run in stacks under {STACKS}")
    return faults


def _unknown_names(content: ScheduleFile, problem: Problem, unit_of: dict[str, int]) -> list[str]:
    faults = []
    if content.problem != problem.name:
        faults.append(f"problem: the file is for {content.problem!r}, not for {problem.name!r}")
    times = Counter(row.layer for row in content.layers)
    for layer, count in times.items():
        if layer not in unit_of:
            near = nearest(layer, list(unit_of))
            hint = "" if near is None else f"; did you mean {near!r}?"
            faults.append(f"layers: {problem.name} has no layer {layer!r}{hint}")
        elif count > 1:
            faults.append(f"layers: {layer} stands {count} times")
    for row in content.layers:
        if row.accelerator not in problem.accelerators:
            error = unknown_name(row.accelerator, problem.accelerators, "accelerator")
            faults.append(f"layers: {row.layer}: {error}")
    missing = [layer for layer in unit_of if layer not in times]
    return [*faults, *(f"layers: {layer} is missing" for layer in missing)]


def _place_of(
    unit: Unit, rows: dict[str, PlacedLayer], places: dict[str, int], problem: Problem
) -> tuple[int, list[str]]:
    """The unit's accelerator, and what is wrong with it; names that are unknown were reported before."""
    wanted = {rows[layer].accelerator for layer in unit.layers if layer in rows} & set(places)
    if len(wanted) > 1:
        where = ", ".join(f"{layer} on {rows[layer].accelerator}" for layer in unit.layers if layer in rows)
        return 0, [f"layers: group {unit.name} runs on one accelerator, the file says {where}"]
    if not wanted:
        return 0, []
    place = places[wanted.pop()]
    fault = fault_at(problem, unit, place)
    return place, [] if fault is None else [f"layers: {fault}"]


def _order_faults(problem: Problem, order: list[int]) -> list[str]:
    position = {index: number for number, index in enumerate(order)}
    return [
        f"layers: {problem.units[reader].name} stands before {problem.units[tensor.producer].name}, "
        "whose output it reads"
        for tensor in problem.tensors
        for reader in tensor.readers
        if tensor.producer in position and reader in position and position[reader] < position[tensor.producer]
    ]
