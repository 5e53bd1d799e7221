"""Which layers of a placed graph are cut into pieces over a pool of equal accelerators, and along which axis."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.table import CostTable
from mensa_sim.cost.tiles.pieces import SPLIT_AXES, Piece, Region, SplitAxis, axis_size, needed, pieces_of, whole_piece
from mensa_sim.schedule.data_plan import Split, SplitPart
from mensa_sim.schedule.tiles.estimate import PoolOption, Surroundings, elsewhere_bytes, largest, option_of
from mensa_sim.workload.graph import LayerGraph

SWEEPS = 4
"""Times that each layer is looked at again beside what its neighbours have become: a choice."""


def even_sizes(whole: int, parts: int) -> tuple[int, ...]:
    """Parts as equal as they can be, the larger first; fewer where there is not enough for all.

    >>> even_sizes(7, 4)
    (2, 2, 2, 1)
    """
    count = min(whole, parts)
    return tuple(whole // count + (number < whole % count) for number in range(count))


class SplitChooser:
    """Ways to split the `able` layers of a graph, which stand on a pool; each piece is priced as the layer it is."""

    def __init__(
        self, costs: CostTable, able: Container[str], around: Surroundings, memo: PriceMemo | None = None
    ) -> None:
        self._costs, self._around = costs, around
        self._planes = planes_of(costs.graph)
        self._options = self._priced(
            [layer.name for layer in costs.graph.layers if layer.name in able], memo or PriceMemo()
        )

    def choices(self) -> list[list[Split]]:
        """What is best where all activations cross the memory, and where they stay where they are made."""
        found: list[list[Split]] = []
        for value in (self._through_memory, self._at_home):
            splits = self._splits(self._settled(value))
            if splits and splits not in found:
                found.append(splits)
        return found

    def _priced(self, names: Sequence[str], memo: PriceMemo) -> dict[str, list[PoolOption]]:
        """By layer, it whole and in every cut, by what the largest piece costs; those that the accelerators can run."""
        first = self._around.system.accelerator(self._around.pool[0])
        cuts: list[tuple[str, SplitAxis, tuple[int, ...], list[Piece]]] = []
        found: dict[str, list[PoolOption]] = {}
        for name in names:
            layer, plane = self._costs.graph[name], self._planes[name]
            found[name] = [option_of(None, (1,), [whole_piece(layer, plane)], self._costs.cost(name, first.name))]
            for axis in SPLIT_AXES:
                sizes = even_sizes(axis_size(layer, plane, axis), len(self._around.pool))
                if len(sizes) > 1:
                    cuts.append((name, axis, sizes, pieces_of(layer, plane, axis, sizes)))
        if not cuts:
            return found
        layers = [replace(largest(pieces).layer, name=str(place)) for place, (*_, pieces) in enumerate(cuts)]
        alone = replace(self._around.system, accelerators=(first,), links=(), families={})
        graph = LayerGraph(name=self._costs.graph.name, layers=tuple(layers), edges=())
        table = price(graph, alone, self._costs.objective, memo)
        for place, (name, axis, sizes, pieces) in enumerate(cuts):
            cost = table.costs.get((str(place), first.name, STREAMED))
            if cost is not None:
                found[name].append(option_of(axis, sizes, pieces, cost))
        return found

    def _settled(self, value: Callable[[str, PoolOption, Mapping[str, PoolOption]], float]) -> dict[str, PoolOption]:
        """The best option of each layer beside those of its neighbours, until none changes."""
        chosen = {name: options[0] for name, options in self._options.items()}
        for _ in range(SWEEPS):
            before = dict(chosen)
            for name, options in self._options.items():
                if len(options) > 1:
                    values = [value(name, option, chosen) for option in options]
                    chosen[name] = options[min(range(len(options)), key=values.__getitem__)]
            if chosen == before:
                break
        return chosen

    def _through_memory(self, name: str, option: PoolOption, chosen: Mapping[str, PoolOption]) -> float:
        return self._around.through_memory(option)

    def _at_home(self, name: str, option: PoolOption, chosen: Mapping[str, PoolOption]) -> float:
        """With what it reads of others' and, if they have been looked at, what others read of its."""
        value = self._around.at_home(option, self._read_elsewhere(name, option, chosen))
        beside = {**chosen, name: option}
        for reader in self._costs.graph.successors(name):
            if reader in chosen:
                value += self._around.at_home(chosen[reader], self._read_elsewhere(reader, chosen[reader], beside))
        return value

    def _read_elsewhere(
        self, name: str, option: PoolOption, chosen: Mapping[str, PoolOption]
    ) -> dict[tuple[int, int], int]:
        graph, found = self._costs.graph, dict[tuple[int, int], int]()
        for read in self._planes[name].reads:
            if read.producer is not None and read.producer in chosen:
                plane = self._planes[read.producer]
                needs: list[Region] = [needed(piece, read, plane) for piece in option.pieces]
                made = [piece.made for piece in chosen[read.producer].pieces]
                elsewhere_bytes(needs, made, graph.edge_bytes(read.producer, name), found)
        return found

    def _splits(self, chosen: Mapping[str, PoolOption]) -> list[Split]:
        pool = self._around.pool
        return [
            Split(
                layer=name,
                axis=option.axis,
                parts=tuple(SplitPart(accelerator=on, size=size) for on, size in zip(pool, option.sizes, strict=False)),
            )
            for name, option in chosen.items()
            if option.axis is not None
        ]
