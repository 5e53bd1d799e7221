"""A layer graph: layers in topological order, the bytes that flow between them, and how much of it we understand."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any, TypeVar, cast

from mensa_sim.errors import InfeasibleError
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.workload.layer import Layer
from mensa_sim.workload.order import CircleError, circles, in_order

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Activations that one layer makes and another reads, over all steps."""

    producer: str
    consumer: str
    size_bytes: int
    whole: bool = False
    """Whether a row of the reader's needs more than the same rows: they come in another order, or it goes over all."""

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise ValueError(f"{self.producer} -> {self.consumer}: {self.size_bytes} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many operator nodes of the traced model were costed, fused, re-indexed or not understood."""

    costed: int = 0
    fused: int = 0
    layout: int = 0
    unsupported: int = 0
    unsupported_operators: tuple[str, ...] = ()
    module_parameters: int = 0
    """Elements of the traced module's parameters, `sum(p.numel())`; 0 where no module was traced."""
    unheld_parameters: int = 0
    """Those of them that no layer holds under their own name: unread, or computed into others before the model runs."""
    unheld_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LayerGraph:
    """The layers of a model and their data flow.

    `layers` are kept in topological order; layers that are not ordered by the data keep the order they were
    given in. Names are unique, edges join known layers, and there is no cycle (a recurrent group's feedback is
    its `recurrent` mark, not an edge).
    """

    name: str
    layers: tuple[Layer, ...]
    edges: tuple[Edge, ...]
    coverage: Coverage = field(default_factory=Coverage)
    _readers: Mapping[str, Mapping[str, int]] = field(init=False, repr=False, compare=False)
    """By layer, who reads its output, in the order of the edges, and how many bytes flow there."""
    _sources: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _by_name: Mapping[str, Layer] = field(init=False, repr=False, compare=False)
    _made: dict[Hashable, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<LayerGraph: {self.name}, {len(self.layers)} layers, {self.macs} MACs>"

    def __post_init__(self) -> None:
        by_name = {layer.name: layer for layer in self.layers}
        if len(by_name) != len(self.layers):
            raise ValueError(f"{self.name}: two layers are called {repeated(layer.name for layer in self.layers)[0]}")
        readers: dict[str, dict[str, int]] = {name: {} for name in by_name}
        sources: dict[str, list[str]] = {name: [] for name in by_name}
        for edge in self.edges:
            for end in (edge.producer, edge.consumer):
                if end not in by_name:
                    raise ValueError(f"{self.name}: an edge names the unknown layer {end}")
            if edge.consumer in readers[edge.producer]:
                raise ValueError(f"{self.name}: two edges from {edge.producer} to {edge.consumer}")
            readers[edge.producer][edge.consumer] = edge.size_bytes
            sources[edge.consumer].append(edge.producer)
        try:
            order = in_order(readers)
        except CircleError as error:
            raise ValueError(f"{self.name}: the layers form a cycle") from error
        object.__setattr__(self, "layers", tuple(by_name[name] for name in order))
        object.__setattr__(self, "_readers", readers)
        object.__setattr__(self, "_sources", {name: tuple(found) for name, found in sources.items()})
        object.__setattr__(self, "_by_name", MappingProxyType(by_name))

    def __getitem__(self, name: str) -> Layer:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def predecessors(self, name: str) -> tuple[str, ...]:
        """The layers whose output this one reads, in a fixed order."""
        return self._sources[name]

    def successors(self, name: str) -> tuple[str, ...]:
        """The layers that read this one's output, in a fixed order."""
        return tuple(self._readers[name])

    def edge_bytes(self, producer: str, consumer: str) -> int:
        """Bytes that flow from one layer to another."""
        return self._readers[producer][consumer]

    def made_once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is made of the graph and of its key alone."""
        if key not in self._made:
            self._made[key] = make()
        return cast(Made, self._made[key])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return self.made_once("macs", lambda: sum(layer.macs for layer in self.layers))

    @property
    def parameter_bytes(self) -> int:
        """Footprint of all parameters; a tensor that several layers name counts once."""
        return self.made_once("parameter_bytes", lambda: unique_parameter_bytes(self.layers))

    @property
    def groups(self) -> Mapping[str, tuple[Layer, ...]]:
        """The recurrent groups: name to members in order."""
        members: dict[str, list[Layer]] = {}
        for layer in self.layers:
            if layer.group is not None:
                members.setdefault(layer.group, []).append(layer)
        return {group: tuple(layers) for group, layers in members.items()}


def unique_parameter_bytes(layers: Iterable[Layer]) -> int:
    """Footprint of the parameters of some layers, a shared tensor counted once."""
    sizes = {parameter.name: parameter.size_bytes for layer in layers for parameter in layer.parameters}
    return sum(sizes.values())


def units_in_order(graph: LayerGraph, stacks: Sequence[Sequence[str]] = ()) -> tuple[tuple[Layer, ...], ...]:
    """Single layers, whole groups and stacks of layers in topological order, ties by the place of their first layer.

    Raises `InfeasibleError` where data leaves a group or a stack and comes back to it through a layer outside.
    """
    return _units(graph, stacks) if stacks else graph.made_once("units", lambda: _units(graph, ()))


def unit_text(layers: Sequence[Layer]) -> str:
    """What messages call a unit of several layers."""
    first = layers[0]
    return f"stack of {first.name}" if first.group is None else f"recurrent group {first.group}"


def _units(graph: LayerGraph, stacks: Sequence[Sequence[str]]) -> tuple[tuple[Layer, ...], ...]:
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
