"""Which layers of a placed graph are cut into pieces over a pool of equal accelerators, and along which axis."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.table import CostTable
from mensa_sim.cost.tiles.pieces import SPLIT_AXES, axis_size, needed, pieces_of, whole_piece
from mensa_sim.cost.tiles.rewrite import with_reads
from mensa_sim.schedule.data_plan import Split, SplitPart
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.tiles.estimate import PoolOption, Surroundings, common_parts, least_work, work_of
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

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
    """Ways to split the `able` layers of a graph, which stand on a pool; pieces are priced as the layers they are.

    An option that nobody has priced is taken to cost what none is below, so only those are priced that could be chosen.
    """

    def __init__(
        self,
        costs: CostTable,
        able: Container[str],
        around: Surroundings,
        problem: Problem,
        memo: PriceMemo | None = None,
    ) -> None:
        self._costs, self._around, self._problem, self._memo = costs, around, problem, memo or PriceMemo()
        self._planes = planes_of(costs.graph)
        self._options = {layer.name: self._ways(layer) for layer in costs.graph.layers if layer.name in able}
        self._refused: set[tuple[str, int]] = set()
        self._read: dict[tuple[str, str, int, int], dict[tuple[int, int], int]] = {}
        self._known: dict[tuple[str, tuple[int, ...]], tuple[float, float]] = {}
        self._moved: dict[tuple[str, tuple[int, ...]], tuple[dict[tuple[int, int], int], float, float]] = {}
        self._staying: dict[tuple[str, tuple[int, ...]], list[bool]] = {}
        graph = costs.graph
        near = {
            each.name: (each.name, *graph.predecessors(each.name), *graph.successors(each.name))
            for each in graph.layers
        }
        makers = {name: self._within(graph.predecessors(name)) for name in self._options}
        self._beside = {name: self._within(near[name]) for name in self._options}
        self._felt = {name: self._within(chain(near[name], *map(near.__getitem__, makers[name]))) for name in makers}
        """The layers on whose options the cost of each depends."""

    def best(self, rest: tuple[float, float]) -> list[Split]:
        """The cuts of the least estimated objective that is found from two starts: all whole, and each the best alone.

        `rest` are the energy and the latency of all layers that stand elsewhere.
        """
        while True:
            whole = dict.fromkeys(self._options, 0)
            rates = self._problem.rates(*self._total(whole, rest))
            alone = {name: self._least(name, partial(self._alone, rates)) for name in self._options}
            settled = [self._settled(start, rest) for start in (whole, alone)]
            values = [self._problem.value(*self._total(chosen, rest)) for chosen in settled]
            chosen = settled[values.index(min(values))]
            new = [(name, place) for name, place in chosen.items() if not self._options[name][place].known]
            if not new:
                return self._splits(chosen)
            self._price(new)

    def _total(self, chosen: Mapping[str, int], rest: tuple[float, float]) -> tuple[float, float]:
        each = [self._cost(name, chosen) for name in chosen]
        return rest[0] + sum(pj for pj, _ in each), rest[1] + sum(ps for _, ps in each)

    def _within(self, names: Iterable[str]) -> list[str]:
        return [name for name in dict.fromkeys(names) if name in self._options]

    def _ways(self, layer: Layer) -> list[PoolOption]:
        """A layer whole, and in every cut, by what none is below."""
        graph, plane = self._costs.graph, self._planes[layer.name]
        cost, pool = self._costs.cost(layer.name, self._around.pool[0]), self._around.pool
        found = [PoolOption(None, (1,), [whole_piece(layer, plane)], [work_of(layer, cost)], known=True)]
        for axis in SPLIT_AXES:
            sizes = even_sizes(axis_size(layer, plane, axis), len(pool))
            if len(sizes) > 1:
                cut = pieces_of(layer, plane, axis, sizes)
                pieces = [with_reads(graph, self._planes, each, layer) for each in cut]
                least = [least_work(each.layer, self._around.system, cost, len(pieces)) for each in pieces]
                found.append(PoolOption(axis, sizes, pieces, least, known=False))
        return found

    def _price(self, some: Sequence[tuple[str, int]]) -> None:
        """Have options cost what their pieces do; none is one that has a piece which the accelerators cannot run."""
        first = self._around.pool[0]
        options = [self._options[name][place] for name, place in some]
        layers = [
            replace(piece.layer, name=f"{number}.{index}")
            for number, option in enumerate(options)
            for index, piece in enumerate(option.pieces)
        ]
        graph = LayerGraph(name=self._costs.graph.name, layers=tuple(layers), edges=())
        table = price(graph, self._around.system.with_one(first), self._costs.objective, self._memo)
        for number, ((name, place), option) in enumerate(zip(some, options, strict=True)):
            keys = [(f"{number}.{index}", first, STREAMED) for index in range(len(option.pieces))]
            if all(key in table.costs for key in keys):
                works = [work_of(piece.layer, table.costs[key]) for piece, key in zip(option.pieces, keys, strict=True)]
                self._options[name][place] = PoolOption(option.axis, option.sizes, option.pieces, works, known=True)
            else:
                self._refused.add((name, place))
        priced = {name for name, _ in some}
        self._known = {key: cost for key, cost in self._known.items() if key[0] not in priced}

    def _alone(self, rates: tuple[float, float], at: tuple[str, int]) -> float:
        return _weighed(self._around.cost(self._options[at[0]][at[1]]), rates)

    def _beside_others(self, chosen: dict[str, int], rates: tuple[float, float], at: tuple[str, int]) -> float:
        """What a layer and its neighbours add where it is chosen so."""
        chosen[at[0]] = at[1]
        return sum(_weighed(self._cost(other, chosen), rates) for other in self._beside[at[0]])

    def _least(self, name: str, value: Callable[[tuple[str, int]], float]) -> int:
        """The option of a layer of the least value."""
        places = [place for place in range(len(self._options[name])) if (name, place) not in self._refused]
        values = [value((name, place)) for place in places]
        return places[values.index(min(values))]

    def _settled(self, start: Mapping[str, int], rest: tuple[float, float]) -> dict[str, int]:
        """The best option of each layer beside those of its neighbours, until none changes."""
        chosen = dict(start)
        for _ in range(SWEEPS):
            before, rates = dict(chosen), self._problem.rates(*self._total(chosen, rest))
            for name, options in self._options.items():
                if len(options) > 1:
                    chosen[name] = self._least(name, partial(self._beside_others, chosen, rates))
            if chosen == before:
                break
        return chosen

    def _cost(self, name: str, chosen: Mapping[str, int]) -> tuple[float, float]:
        """Dynamic energy and time of a layer, where what has room stays on the accelerator that makes it."""
        key = name, tuple([chosen[each] for each in self._felt[name]])
        if key not in self._known:
            if key not in self._moved:
                self._moved[key] = self._moves(name, chosen)
            self._known[key] = self._around.cost(self._options[name][chosen[name]], *self._moved[key])
        return self._known[key]

    def _moves(self, name: str, chosen: Mapping[str, int]) -> tuple[dict[tuple[int, int], int], float, float]:
        """What comes over links, and the shares of what is read and made that do not cross the memory."""
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
        return elsewhere, at_home / max(1, read), kept / max(1, made)

    def _stays(self, name: str, chosen: Mapping[str, int]) -> list[bool]:
        """Of each piece, whether its output may live where it is made.

        That is where it has room beside the inputs made there, and ways lead to all that read it.
        """
        key = name, tuple([chosen[each] for each in self._beside[name]])
        if key not in self._staying:
            self._staying[key] = self._may_stay(name, chosen)
        return self._staying[key]

    def _may_stay(self, name: str, chosen: Mapping[str, int]) -> list[bool]:
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
