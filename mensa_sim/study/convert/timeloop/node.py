"""The nodes of an architecture: containers and components in the order of the file, those of parallel branches too."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mensa_sim.io.faults import Location
from mensa_sim.io.yaml_text import TAG
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import ForeignFile, text_number
from mensa_sim.study.convert.timeloop.older import MAX_INSTANCES, NETWORKS, nodes_of_subtree, subtree_of_lists

CONTAINERS, _COMPONENTS, _GROUPS = ("Container",), ("Component", "Element"), ("Parallel", "Hierarchical", "Pipelined")
_PARALLEL = _GROUPS[0]
_NOTHING = "Nothing"
"""A branch of a parallel group that holds nothing."""
DRAM = "DRAM"
COMPUTE = ("mac", "compute", "multiplier")
"""What classes that compute have in their names."""
DUMMIES = ("dummy", "toll")
READ = ("name", "class", "subclass", "attributes", "constraints", "spatial", "nodes", "enabled", TAG)
ATTRIBUTES = (
    *("entries", "depth", "sizeKB", "width", "datawidth", "block_size", "cluster_size"),
    *("read_bandwidth", "write_bandwidth", "shared_bandwidth", "bandwidth", "multiple_buffering"),
    *("vector_access_energy", "multiplier_width", "adder_width", "global_cycle_seconds", "type"),
)
_RENAMED = {
    **dict.fromkeys(("memory_depth", "data_storage_depth"), "depth"),
    **dict.fromkeys(("memory_width", "data_storage_width"), "width"),
    **dict.fromkeys(("word_bits", "word-bits", "word_width"), "datawidth"),
    **dict.fromkeys(("block-size", "n_words"), "block_size"),
    **{name.replace("_", "-"): name for name in ("cluster_size", "multiple_buffering", "vector_access_energy")},
}
"""Further names that the tool reads an attribute by."""
_SPATIAL = ("factors", "permutation", "split", "no_iteration_over_dataspaces", "maximize_dims")
_DATASPACE = ("keep", "keep_only", "bypass")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureNode:
    """A container or a component."""

    place: Location
    name: str
    component: bool
    kind: str
    """Class and subclass in small letters."""
    attributes: Mapping[str, Any]
    constraints: Mapping[str, Any]
    spatial: Mapping[str, int]
    """Instances along `meshX` and `meshY`."""

    @property
    def computes(self) -> bool:
        """Whether it multiplies."""
        return any(mark in self.kind for mark in COMPUTE)

    @property
    def dummy(self) -> bool:
        """Whether it stands for nothing that holds data."""
        return any(mark in self.kind for mark in (*DUMMIES, *NETWORKS)) or self.attributes.get("entries") == 0


def nodes_of(file: ForeignFile, constraints: Sequence[ForeignFile]) -> list[ArchitectureNode]:
    """Every node, outermost first; attributes of a container hold for what is inside it."""
    architecture = file.data.get("architecture", {})
    if "architecture" not in file.data:
        given = list(nodes_of_subtree(file, subtree_of_lists(file), constraints))
    elif isinstance(architecture, dict) and "subtree" in architecture:
        given = list(nodes_of_subtree(file, architecture["subtree"], constraints))
    elif isinstance(architecture, dict) and isinstance(architecture.get("nodes"), list):
        given = _placed(architecture["nodes"], ("architecture", "nodes"))
    else:
        raise file.fault(("architecture", "nodes"), "is required: a list, as version 0.4 has it")
    for key in architecture:
        if key not in ("nodes", "subtree", "version"):
            file.notes.leave(("architecture", key))
    return list(_nodes(file, given, {}))


def _placed(data: list[Any], place: Location) -> list[tuple[Location, Any]]:
    return [((*place, index), each) for index, each in enumerate(data)]


def _nodes(
    file: ForeignFile, data: list[tuple[Location, Any]], inherited: Mapping[str, Any], *, beside: bool = False
) -> Iterator[ArchitectureNode]:
    """Those of a group; `beside` others, where it is a branch of a parallel one."""
    for here, each in data:
        tag = each.get(TAG) if isinstance(each, dict) else None
        if tag in _GROUPS and isinstance(each.get("nodes"), list):
            inside = _placed(each["nodes"], (*here, "nodes"))
            yield from _nodes(file, inside, inherited, beside=beside or tag == _PARALLEL)
        elif tag in CONTAINERS or tag in _COMPONENTS:
            if each.get("enabled", True) is not False:
                node = _node(file, each, here, inherited, component=tag in _COMPONENTS)
                if beside and max(node.spatial.values(), default=1) > 1:
                    raise file.fault((*here, "spatial"), "a branch of a !Parallel has several instances, others not")
                if tag in CONTAINERS:
                    inherited = node.attributes
                yield node
        elif tag != _NOTHING:
            raise file.fault(here, f"must be one of !{', !'.join((*CONTAINERS, *_COMPONENTS, *_GROUPS, _NOTHING))}")


def _node(
    file: ForeignFile, data: dict[str, Any], place: Location, inherited: Mapping[str, Any], *, component: bool
) -> ArchitectureNode:
    merged = [key for key in data if key.startswith("<<")]
    if merged:
        raise file.fault((*place, merged[0]), "inherits from elsewhere; convert the file that the tool worked out")
    parts: dict[str, dict[str, Any]] = {}
    for key in ("attributes", "constraints", "spatial"):
        value = data.get(key) or {}
        if not isinstance(value, dict):
            raise file.fault((*place, key), "must be a mapping")
        parts[key] = value
    for key in data:
        if key not in READ:
            file.notes.leave(("architecture.nodes[*]", key))
    for key, said in parts["constraints"].items():
        known = {"dataspace": _DATASPACE, "spatial": _SPATIAL}.get(key, ())
        if known and not isinstance(said, dict):
            raise file.fault((*place, "constraints", key), "must be a mapping")
        for name in said if known else ():
            if name not in known:
                file.notes.leave(("architecture.nodes[*].constraints", key, name))
        if not known:
            file.notes.leave(("architecture.nodes[*].constraints", key))
    name = data.get("name")
    if not isinstance(name, str) or not name.strip():
        raise file.fault((*place, "name"), "is required, a text")
    technology = DRAM if parts["attributes"].get("technology") == DRAM else ""
    return ArchitectureNode(
        place=place,
        name=name,
        component=component,
        kind=f"{data.get('class', '')} {data.get('subclass', '')} {technology}".lower(),
        attributes={**inherited, **_attributes(file, parts["attributes"], (*place, "attributes"))},
        constraints=parts["constraints"],
        spatial={mesh: _lanes(file, value, (*place, "spatial", mesh)) for mesh, value in parts["spatial"].items()},
    )


def _attributes(file: ForeignFile, given: Mapping[str, Any], place: Location) -> dict[str, Any]:
    """Each by the one name that we read it by."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = _RENAMED.get(key, key)
        if name not in ATTRIBUTES and (key, value) != ("technology", DRAM):
            file.notes.leave(("architecture.nodes[*].attributes", key))
        if found.setdefault(name, value) != value:
            raise file.fault((*place, key), f"is {name} a second time, with another value")
    return found


def _lanes(file: ForeignFile, value: Any, place: Location) -> int:
    number = text_number(value)
    if (
        place[-1] not in ("meshX", "meshY")
        or number is None
        or not 1 <= number <= MAX_INSTANCES
        or number != int(number)
    ):
        raise file.fault(place, f"{str(value)[:40]!r} is not a number of instances along meshX or meshY")
    return int(number)
