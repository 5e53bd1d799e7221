"""Architectures and problems as Timeloop wrote them before version 0.4, and as it writes them with its results.

The first form, `arch`, is a list of storage from the inside out beside the arithmetic, each with its instances.
"""

import re
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from mensa_sim.io.faults import Location
from mensa_sim.io.yaml_text import TAG
from mensa_sim.study.convert.foreign import ForeignFile, text_number
from mensa_sim.study.convert.timeloop.constraints import take_targets

_NODE, _COMPONENT = ("name", "attributes", "local", "subtree"), ("name", "attributes", "class", "subclass", "enabled")
"""Keys of a node of a tree and of a component that are read."""
_MESHES = ("meshX", "meshY")
_COUNTS = ("instances", *_MESHES)
NETWORKS = ("noc", "legacy", "reductiontree", "simplemulticast")
"""What classes of networks have in their names."""
_COUNTED = re.compile(r"(.*)\[(\d{1,9})\.\.(\d{1,9})\]")
_DASHED = {"data-spaces": "data_spaces", "read-write": "read_write"}

_CNN = "CMRSNPQ"
MAX_INSTANCES = 2**20
"""Of a component; more is taken for a mistake."""
BUILT_IN: dict[str, Any] = {
    "dimensions": list(_CNN),
    "coefficients": [{"name": name} for name in ("Wstride", "Hstride", "Wdilation", "Hdilation")],
    "data_spaces": [
        {"name": "Weights", "projection": ["C", "M", "R", "S"]},
        {
            "name": "Inputs",
            "projection": ["N", "C", [["R", "Wdilation"], ["P", "Wstride"]], [["S", "Hdilation"], ["Q", "Hstride"]]],
        },
        {"name": "Outputs", "projection": ["N", "M", "Q", "P"], "read_write": True},
    ],
}
"""The shape that the tool calls `cnn-layer`."""


def problem_of(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem whose sizes stand apart from its shape, with the keys of version 0.4."""
    problem = dict(problem)
    if "instance" not in problem:
        problem["instance"] = {key: value for key, value in problem.items() if key not in ("shape", "version")}
        problem = {key: value for key, value in problem.items() if key not in problem["instance"]}
    shape = problem.setdefault("shape", "cnn-layer")  # the tool's default
    if isinstance(shape, str) and shape.lower().replace("_", "-") == "cnn-layer":
        problem["shape"] = _built_in(problem["instance"])
    elif isinstance(shape, dict):
        problem["shape"] = shape = {_DASHED.get(key, key): value for key, value in shape.items()}
        if isinstance(shape.get("data_spaces"), list):
            shape["data_spaces"] = [
                {_DASHED.get(key, key): value for key, value in space.items()} if isinstance(space, dict) else space
                for space in shape["data_spaces"]
            ]
    return problem


def _built_in(instance: Any) -> dict[str, Any]:
    """It, with K for the output channels where the sizes say K."""
    renamed = "K" if isinstance(instance, dict) and "K" in instance and "M" not in instance else "M"

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(each) for each in value]
        if isinstance(value, dict):
            return {key: put(each) for key, each in value.items()}
        return renamed if value == "M" else value

    shape: dict[str, Any] = put(BUILT_IN)
    return shape


def subtree_of_lists(file: ForeignFile) -> list[Any]:
    """The tree of the first form: its storage from the outside in, then its arithmetic."""
    arch = file.data["arch"]
    storage = arch.get("storage") if isinstance(arch, dict) else None
    if not isinstance(storage, list) or not all(isinstance(each, dict) for each in storage):
        raise file.fault(("arch", "storage"), "is required: a list of mappings")
    if not isinstance(arch.get("arithmetic"), dict):
        raise file.fault(("arch", "arithmetic"), "is required: a mapping")
    for key in arch:
        if key not in ("storage", "arithmetic", "version"):
            file.notes.leave(("arch", key))
    local = []
    for given, kind in (*((each, each.get("name")) for each in reversed(storage)), (arch["arithmetic"], "compute")):
        attributes = {key: value for key, value in given.items() if key != "name"}
        meshes = [text_number(attributes.get(mesh)) for mesh in _MESHES]
        if "instances" not in attributes and None not in meshes:
            attributes["instances"] = prod(meshes)
        local.append({"name": given.get("name", kind), "class": kind, "attributes": attributes})
    return [{"name": "chip", "local": local}]


def nodes_of_subtree(
    file: ForeignFile, subtree: Any, beside: Sequence[ForeignFile]
) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Nodes of version 0.4 for a tree of `local` and `subtree`, outermost first, each with its place.

    There each component says how many there are of it; a fan-out stands here where the count grows. Constraints may
    stand in files `beside` the tree's.
    """
    targets: dict[str, dict[str, Any]] = {}
    for source in (file, *beside):
        take_targets(source, targets)
    used: set[tuple[str, str]] = set()
    outer, outer_mesh = "", (1, 1)
    for place, data, counted in _components(file, subtree, ("architecture",), 1):
        attributes = data.get("attributes") or {}
        if not isinstance(attributes, dict):
            raise file.fault((*place, "attributes"), "must be a mapping")
        name = _COUNTED.sub(r"\1", str(data.get("name")))
        if TAG in data:  # a container, for what its attributes say of those inside it
            yield place, {TAG: "Container", "name": name, "attributes": attributes}
            continue
        if any(mark in str(data.get("class", "")).lower() for mark in NETWORKS):
            file.notes.leave((f"{name} ({data['class']})",))
            continue
        instances = _instances(file, attributes, counted, (*place, "attributes"))
        mesh = _mesh(file, attributes, instances, (*place, "attributes"))
        spread = [count // before for count, before in zip(mesh, outer_mesh, strict=True)]
        if any(count % before for count, before in zip(mesh, outer_mesh, strict=True)):
            raise file.fault(place, f"{instances} instances, {mesh[0]} of them along meshX, do not follow from {outer}")
        if max(spread) > 1:
            constraints = {key: each for key, each in targets.get(outer, {}).items() if key == "spatial"}
            used.add((outer, "spatial"))
            fan_out = {"meshX": spread[0], "meshY": spread[1]}
            yield place, {TAG: "Container", "name": outer or name, "spatial": fan_out, "constraints": constraints}
        kept = {key: each for key, each in targets.get(name, {}).items() if key != "spatial"}
        used |= {(name, key) for key in kept}
        bare = {key: each for key, each in attributes.items() if key not in _COUNTS}
        yield place, data | {TAG: "Component", "name": name, "attributes": bare, "constraints": kept}
        outer, outer_mesh = name, mesh
    for target, kinds in targets.items():
        for kind in kinds:
            if (target, kind) not in used:
                file.notes.leave(("targets", target, kind))


def _components(
    file: ForeignFile, data: Any, place: Location, instances: int
) -> Iterator[tuple[Location, dict[str, Any], int]]:
    """Containers, marked by a tag, and components with how many there are of each in all."""
    if not isinstance(data, list):
        raise file.fault((*place, "subtree"), "must be a list")
    for node in data:
        if not isinstance(node, dict):
            raise file.fault((*place, "subtree"), "must hold mappings")
        here = (*place, str(node.get("name")))
        count = instances * _count(file, node, here)
        yield here, {TAG: "Container", **_known(file, node, _NODE)}, count
        local = node.get("local") or []
        if not isinstance(local, list) or not all(isinstance(component, dict) for component in local):
            raise file.fault((*here, "local"), "must be a list of mappings")
        for component in local:
            inside = (*here, str(component.get("name")))
            yield inside, _known(file, component, _COMPONENT), count * _count(file, component, inside)
        if "subtree" in node:
            yield from _components(file, node["subtree"], here, count)


def _known(file: ForeignFile, data: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """What is read of a node or a component; the rest is told."""
    for key in data:
        if key not in (*keys, TAG):
            file.notes.leave(("architecture.subtree[*]", key))
    return {key: data[key] for key in keys if key in data}


def _count(file: ForeignFile, node: dict[str, Any], place: Location) -> int:
    """2 of `PE[0..1]`."""
    found = _COUNTED.fullmatch(str(node.get("name")))
    count = int(found.group(3)) - int(found.group(2)) + 1 if found else 1
    if count < 1:
        raise file.fault(place, "ends before it begins")
    return count


def _instances(file: ForeignFile, attributes: dict[str, Any], counted: int, place: Location) -> int:
    """Those that a component states itself, else as many as stand in the tree."""
    value = attributes.get("instances", counted)
    number = text_number(value)
    if number is None or not 1 <= number <= MAX_INSTANCES or number != int(number):
        raise file.fault((*place, "instances"), f"{str(value)[:40]!r} is not a number of instances")
    return int(number)


def _mesh(file: ForeignFile, attributes: dict[str, Any], instances: int, place: Location) -> tuple[int, int]:
    """Instances along both meshes; all along the first where none is said."""
    stated: dict[str, int] = {}
    for name in _MESHES:
        value = attributes.get(name)
        number = float(instances) if value is None else text_number(value)
        if number is None or not 1 <= number <= instances or number != int(number) or instances % int(number):
            raise file.fault((*place, name), f"{str(value)[:40]!r} does not divide {instances} instances")
        if value is not None:
            stated[name] = int(number)
    across = stated.get("meshX", instances // stated.get("meshY", 1))
    down = stated.get("meshY", instances // across)
    if across * down != instances:
        raise file.fault((*place, "meshY"), f"{across} x {down} are not its {instances} instances")
    return across, down
