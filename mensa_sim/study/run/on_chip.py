"""What stayed on chip in a run, and what ran in tiles or in pieces for that: flat records that reports render."""

from collections.abc import Mapping

from mensa_sim.cost.table import CostTable
from mensa_sim.cost.tiles.pieces import piece_name
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, Split, Stack
from mensa_sim.simulate.metrics.inference import Metrics
from mensa_sim.study.run.placement import Placement
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeResult:
    """A tensor that lived on chip in the first inference."""

    tensor: str
    """The layer that made it."""
    home: str
    start_ps: int
    """When its producer began to make it: from then on it takes its room."""
    end_ps: int
    """When its last reader ended."""
    size_bytes: int
    saved_bytes: int
    """What it would move at least in memory: written once, and read by each of its readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackResult:
    """Layers that one accelerator ran tile by tile in the first inference."""

    layers: tuple[str, ...]
    accelerator: str
    tiles: int
    rows: int
    """Of the last layer in a tile."""
    start_ps: int
    end_ps: int
    alone_bytes: int
    """What its layers move over memory one by one."""
    moved_bytes: int
    """What they move as a stack: tensors at its ends, and parameters as often as tiles need them again."""
    tensors: Mapping[str, int]
    """By the layer that makes it, what each tensor inside would move at least: written once, read by each reader."""

    @property
    def saved_bytes(self) -> int:
        """Of memory traffic; negative where it gains otherwise."""
        return self.alone_bytes - self.moved_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """A layer that ran in pieces in the first inference."""

    layer: str
    axis: str
    parts: Mapping[str, float]
    """By accelerator, its share of the axis."""
    pieces: int
    start_ps: int
    end_ps: int
    """Of the first and the last piece."""
    whole_ps: int | None = None
    """What the whole layer takes on one accelerator with its memory to itself; none where nobody priced it."""


def homes_of(placement: Placement, measured: Metrics) -> tuple[HomeResult, ...]:
    """The tensors with a home on chip, in the order of their producers."""
    graph, found = placement.costs.graph, []
    for home in (placement.schedule.data or LAYER_BY_LAYER).homes:
        readers = [name for name in graph.successors(home.tensor) if graph.edge_bytes(home.tensor, name)]
        found.append(
            HomeResult(
                tensor=home.tensor,
                home=home.home,
                start_ps=measured.layers[home.tensor].start_ps,
                end_ps=max(measured.layers[name].end_ps for name in readers),
                size_bytes=home.size_bytes,
                saved_bytes=home.size_bytes + sum(graph.edge_bytes(home.tensor, name) for name in readers),
            )
        )
    return tuple(found)


def stacks_of(placement: Placement, measured: Metrics) -> tuple[StackResult, ...]:
    """The stacks, in the order of their first layers."""
    costs, alone = placement.costs, placement.alone or placement.costs
    return tuple(
        StackResult(
            layers=stack.layers,
            accelerator=stack.accelerator,
            tiles=stack.tiles,
            rows=stack.rows,
            start_ps=min(measured.layers[name].start_ps for name in stack.layers),
            end_ps=max(measured.layers[name].end_ps for name in stack.layers),
            alone_bytes=memory_bytes(alone, stack),
            moved_bytes=memory_bytes(costs, stack),
            tensors=_inside(costs.graph, stack),
        )
        for stack in sorted(
            (placement.schedule.data or LAYER_BY_LAYER).stacks,
            key=lambda each: measured.layers[each.layers[0]].start_ps,
        )
    )


def memory_bytes(costs: CostTable, stack: Stack) -> int:
    """What a stack's layers move over memory at the costs of a table."""
    return sum(costs.cost(name, stack.accelerator).memory_bytes for name in stack.layers)


def _inside(graph: LayerGraph, stack: Stack) -> dict[str, int]:
    """What tensors inside a stack would move in memory; of one that is also read elsewhere, the reads inside."""
    found: dict[str, int] = {}
    for name in stack.layers:
        read = {reader: graph.edge_bytes(name, reader) for reader in graph.successors(name)}
        own = sum(size for reader, size in read.items() if reader in stack.layers)
        leaves = graph[name].model_output_bytes or own < sum(read.values())
        if own:
            found[name] = own + (0 if leaves else graph[name].output_bytes)
    return found


def splits_of(placement: Placement, measured: Metrics) -> tuple[SplitResult, ...]:
    """The layers that ran in pieces, in the order of the plan."""
    found, whole = [], placement.whole
    for split in (placement.schedule.data or LAYER_BY_LAYER).splits:
        names = [piece_name(split.layer, number) for number in range(1, len(split.parts) + 1)]
        found.append(
            SplitResult(
                layer=split.layer,
                axis=split.axis,
                parts=shares_of_parts(split),
                pieces=len(names),
                start_ps=min(measured.layers[name].start_ps for name in names),
                end_ps=max(measured.layers[name].end_ps for name in names),
                whole_ps=None
                if whole is None
                else whole.costs.latency_ps(split.layer, whole.schedule.assignment[split.layer]),
            )
        )
    return tuple(found)


def shares_of_parts(split: Split) -> dict[str, float]:
    """By accelerator, its share of the axis."""
    size, parts = sum(part.size for part in split.parts), dict.fromkeys((p.accelerator for p in split.parts), 0.0)
    for part in split.parts:
        parts[part.accelerator] += part.size / size
    return parts
