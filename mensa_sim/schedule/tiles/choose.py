"""Which layers of a placed graph are cut into pieces over a pool of equal accelerators, and along which axis."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.table import CostTable
from mensa_sim.cost.tiles.pieces import SPLIT_AXES, Piece, SplitAxis, axis_size, needed, pieces_of, whole_piece
from mensa_sim.cost.tiles.rewrite import with_reads
from mensa_sim.objective import objective_named
from mensa_sim.schedule.data_plan import Split, SplitPart
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.tiles.estimate import PoolOption, Surroundings, common_parts, largest, option_of
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
        self,
        costs: CostTable,
        able: Container[str],
        around: Surroundings,
        problem: Problem,
        memo: PriceMemo | None = None,
    ) -> None:
        self._costs, self._around, self._problem = costs, around, problem
        self._planes = planes_of(costs.graph)
        self._options = self._priced(
            [layer.name for layer in costs.graph.layers if layer.name in able], memo or PriceMemo()
        )
        self._read: dict[tuple[str, str, int, int], dict[tuple[int, int], int]] = {}
        self._beside = {
            name: [name, *(each for each in self._neighbours(name) if each in self._options)] for name in self._options
        }

    def best(self, rest: tuple[float, float]) -> list[Split]:
        """The cuts of the least estimated objective that is found from two starts: all whole, and each the best alone.

        `rest` are the energy and the latency of all layers that stand elsewhere.
        """
        whole = dict.fromkeys(self._options, 0)
        rates = self._rates(self._total(whole, rest))
        alone = {}
        for name, options in self._options.items():
            values = [_weighed(self._around.cost(option), rates) for option in options]
            alone[name] = values.index(min(values))
        settled = [self._settled(start, rest) for start in (whole, alone)]
        values = [self._problem.value(*self._total(chosen, rest)) for chosen in settled]
        return self._splits(settled[values.index(min(values))])

    def _total(self, chosen: Mapping[str, int], rest: tuple[float, float]) -> tuple[float, float]:
        each = [self._cost(name, chosen) for name in chosen]
        return rest[0] + sum(pj for pj, _ in each), rest[1] + sum(ps for _, ps in each)

    def _rates(self, at: tuple[float, float]) -> tuple[float, float]:
        """What a pJ and a ps of a layer add to the objective where all of them come to that."""
        point = self._problem.total_pj(*at), at[1]
        per_pj, per_ps = objective_named(self._problem.objective).rates(point, point)
        return per_pj, per_ps + per_pj * self._problem.static_pj_per_ps

    def _neighbours(self, name: str) -> tuple[str, ...]:
        return (*self._costs.graph.predecessors(name), *self._costs.graph.successors(name))

    def _priced(self, names: Sequence[str], memo: PriceMemo) -> dict[str, list[PoolOption]]:
        """By layer, it whole and in every cut, by what the largest piece costs; those that the accelerators can run."""
        first = self._around.system.accelerator(self._around.pool[0])
        cuts: list[tuple[str, SplitAxis, tuple[int, ...], list[Piece]]] = []
        found: dict[str, list[PoolOption]] = {}
        graph = self._costs.graph
        for name in names:
            layer, plane = graph[name], self._planes[name]
            found[name] = [option_of(None, (1,), [whole_piece(layer, plane)], self._costs.cost(name, first.name))]
            for axis in SPLIT_AXES:
                sizes = even_sizes(axis_size(layer, plane, axis), len(self._around.pool))
                if len(sizes) > 1:
                    pieces = pieces_of(layer, plane, axis, sizes)
                    cuts.append((name, axis, sizes, [with_reads(graph, self._planes, each, layer) for each in pieces]))
        if not cuts:
            return found
        layers = [replace(largest(pieces).layer, name=str(place)) for place, (*_, pieces) in enumerate(cuts)]
        alone = replace(self._around.system, accelerators=(first,), links=(), families={})
        table = price(LayerGraph(name=graph.name, layers=tuple(layers), edges=()), alone, self._costs.objective, memo)
        for place, (name, axis, sizes, pieces) in enumerate(cuts):
            cost = table.costs.get((str(place), first.name, STREAMED))
            if cost is not None:
                found[name].append(option_of(axis, sizes, pieces, cost))
        return found

    def _settled(self, start: Mapping[str, int], rest: tuple[float, float]) -> dict[str, int]:
        """The best option of each layer beside those of its neighbours, until none changes."""
        chosen = dict(start)
        for _ in range(SWEEPS):
            before, rates = dict(chosen), self._rates(self._total(chosen, rest))
            for name, options in self._options.items():
                if len(options) > 1:
                    values = []
                    for place in range(len(options)):
                        chosen[name] = place
                        values.append(sum(_weighed(self._cost(other, chosen), rates) for other in self._beside[name]))
                    chosen[name] = values.index(min(values))
            if chosen == before:
                break
        return chosen

    def _cost(self, name: str, chosen: Mapping[str, int]) -> tuple[float, float]:
        """Dynamic energy and time of a layer, where what has room stays on the accelerator that makes it."""
        graph, option = self._costs.graph, self._options[name][chosen[name]]
        read, at_home, elsewhere = graph[name].model_input_bytes, 0, dict[tuple[int, int], int]()
        for producer in graph.predecessors(name):
            if producer not in chosen:
                read += graph.edge_bytes(producer, name)
                continue
            stays = self._stays(producer, chosen)
            for (holder, reader), size_bytes in self._parts(producer, name, chosen).items():
                read += size_bytes
                if stays[holder]:
                    at_home += size_bytes
                    if holder != reader:
                        elsewhere[holder, reader] = elsewhere.get((holder, reader), 0) + size_bytes
        made_here = zip(option.pieces, self._stays(name, chosen), strict=True)
        kept = sum(piece.layer.output_bytes for piece, at in made_here if at)
        made = sum(piece.layer.output_bytes for piece in option.pieces)
        return self._around.cost(option, elsewhere, at_home / max(1, read), kept / max(1, made))

    def _stays(self, name: str, chosen: Mapping[str, int]) -> list[bool]:
        """Of each piece, whether its output may live where it is made.

        That is where it has room beside the inputs made there, and ways lead to all that read it.
        """
        graph, option = self._costs.graph, self._options[name][chosen[name]]
        readers = graph.successors(name)
        if graph[name].model_output_bytes or not all(reader in chosen for reader in readers):
            return [False] * len(option.pieces)
        held = [0] * len(self._around.pool)
        for other in (name, *(each for each in graph.predecessors(name) if each in chosen)):
            for place, piece in enumerate(self._options[other][chosen[other]].pieces):
                held[place] += piece.layer.output_bytes
        stay = [size_bytes <= self._around.room_bytes for size_bytes in held[: len(option.pieces)]]
        for reader in readers:
            for holder, taker in self._parts(name, reader, chosen):
                if holder != taker and self._around.ways[holder, taker] is None:
                    stay[holder] = False
        return stay

    def _parts(self, producer: str, reader: str, chosen: Mapping[str, int]) -> dict[tuple[int, int], int]:
        """What each accelerator reads of what each one makes, by (holder, reader)."""
        key = producer, reader, chosen[producer], chosen[reader]
        if key not in self._read:
            plane, found = self._planes[producer], dict[tuple[int, int], int]()
            made = [piece.made for piece in self._options[producer][chosen[producer]].pieces]
            for read in self._planes[reader].reads:
                if read.producer == producer:
                    needs = [needed(piece, read, plane) for piece in self._options[reader][chosen[reader]].pieces]
                    common_parts(needs, made, self._costs.graph.edge_bytes(producer, reader), found)
            self._read[key] = found
        return self._read[key]

    def _splits(self, chosen: Mapping[str, int]) -> list[Split]:
        pool = self._around.pool
        options = {name: self._options[name][place] for name, place in chosen.items()}
        return [
            Split(
                layer=name,
                axis=option.axis,
                parts=tuple(SplitPart(accelerator=on, size=size) for on, size in zip(pool, option.sizes, strict=False)),
            )
            for name, option in options.items()
            if option.axis is not None
        ]


def _weighed(cost: tuple[float, float], rates: tuple[float, float]) -> float:
    return cost[0] * rates[0] + cost[1] * rates[1]
