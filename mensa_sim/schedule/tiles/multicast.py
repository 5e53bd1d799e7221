"""What several pieces of a layer take from one memory, and one of them reads for all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from mensa_sim.cost.layer_cost import MEMORY, STREAMED, LayerCost
from mensa_sim.cost.moved import Fed, moved_cost
from mensa_sim.cost.table import CostTable
from mensa_sim.cost.tiles.pieces import READ_BY_ALL, piece_name
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import Split
from mensa_sim.workload.dims import Operand


@dataclass(frozen=True, slots=True, kw_only=True)
class Multicast:
    """Who hears what, of all split layers of a plan."""

    heard: Mapping[str, frozenset[Operand]] = field(default_factory=dict)
    """By piece, the operands that another one reads for it."""
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the piece that reads parameters for others, those others."""


def multicast_of(costs: CostTable, assignment: Mapping[str, str], splits: Sequence[Split]) -> Multicast:
    """Of the pieces that run at once on one memory's channel, the one that reads most of what they share reads it.

    The others listen: equal pieces take the same tiles at the same time, and one that needs less hears more than that.
    """
    heard: dict[str, frozenset[Operand]] = {}
    readers: dict[str, tuple[str, ...]] = {}
    for split in splits:
        for operand in READ_BY_ALL[split.axis] if split.together else ():
            names = [piece_name(split.layer, number) for number in range(1, len(split.parts) + 1)]
            for alike in _by_channel(costs, assignment, names):
                reader = max(alike, key=lambda name: _read_bytes(costs.cost(name, assignment[name]), operand))
                others = tuple(name for name in alike if name != reader)
                if others:
                    heard |= dict.fromkeys(others, frozenset({operand}))
                    if operand == "weight" and costs.graph[reader].parameters:
                        readers[reader] = others
    return Multicast(heard=heard, readers=readers)


def _by_channel(costs: CostTable, assignment: Mapping[str, str], names: Sequence[str]) -> Iterator[list[str]]:
    """The pieces that take turns on no accelerator, by the memory whose channel they share."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name in names:
        accelerator = assignment[name]
        if accelerator not in seen:
            seen.add(accelerator)
            found.setdefault(costs.system.accelerator(accelerator).memory, []).append(name)
    yield from found.values()


def _read_bytes(cost: LayerCost, operand: Operand) -> int:
    return sum(each.read_bytes for each in cost.traffic if each.level == MEMORY and each.operand == operand)


def with_multicast(costs: CostTable, assignment: Mapping[str, str], splits: Sequence[Split]) -> CostTable:
    """The costs where pieces take from memory what nobody reads for them: what a prediction of pieces adds up."""
    own = dict(costs.costs)
    for name, operands in multicast_of(costs, assignment, splits).heard.items():
        accelerator = assignment[name]
        if isinstance(costs.system.accelerator(accelerator).spec, PeArray):
            cost = costs.cost(name, accelerator)
            own[name, accelerator, STREAMED] = moved_cost(cost, costs.graph[name], costs.system, Fed(heard=operands))
    return costs.with_costs(own, costs.in_room)
