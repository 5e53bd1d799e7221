"""Which layers of a placed graph run as stacks: cut by the objective, as far as it is known of layers one by one."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice

from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.stacks.parts import Parts, two_products
from mensa_sim.cost.stacks.planes import Plane, planes_of
from mensa_sim.cost.stacks.price import StackPricer, TiledStack
from mensa_sim.cost.stacks.tile import StackTiles, stack_tiles
from mensa_sim.cost.stacks.tiling import TilingSize, tiling_of
from mensa_sim.cost.stacks.traffic import can_stack
from mensa_sim.cost.table import CostTable, InRoom, Rooms
from mensa_sim.errors import InfeasibleError
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import Stack
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule
from mensa_sim.schedule.stacks.alike import alike_layers
from mensa_sim.schedule.stacks.cut import Cutter, Segment, stacks_on
from mensa_sim.schedule.stacks.expected import ExpectedCost, at_rates
from mensa_sim.schedule.stacks.tilings import TilingSizes, tile_rows

UNKNOWN_TILES = "{accelerator} was measured, or a host feeds it: what it takes for a tile is not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedStack:
    """A stack and what its layers cost in it."""

    stack: Stack
    costs: Mapping[str, LayerCost]


class StackPlanner:
    """Finds and prices stacks of a graph on a system, whose layers cost by themselves what a table says."""

    def __init__(self, costs: CostTable, problem: Problem, memo: PriceMemo | None = None) -> None:
        """`memo` carries prices of tiles from one graph and command to the next."""
        self._costs, self._problem = costs, problem
        self._memo = PriceMemo() if memo is None else memo
        graph = costs.graph
        self._planes: Mapping[str, Plane] = planes_of(graph)
        self._layers = {layer.name: layer for layer in graph.layers}
        self._readers = {
            layer.name: (*graph.successors(layer.name), *(("",) if layer.model_output_bytes else ()))
            for layer in graph.layers
        }
        self._tiles: dict[tuple[tuple[str, ...], int], StackTiles | None] = {}
        """By layers and rows; none where they are no stack."""
        self._pricers: dict[str, StackPricer] = {}
        self._expected: dict[str, ExpectedCost] = {}
        self._known: dict[Stack, PricedStack | None] = {}
        """None where they do not fit."""
        self._alike = graph.made_once("alike layers", lambda: alike_layers(graph, self._planes, self._readers))
        self._first: dict[tuple[int, ...], tuple[str, ...]] = {}
        """Of stacks of alike layers the first that was asked for."""
        names, units = problem.accelerators, problem.units
        self._able = {
            name: {
                layer
                for unit in units
                if unit.pin is None or names[unit.pin] == name
                for layer in unit.layers
                if costs.runs(layer, name)
            }
            for name in names
        }
        """By accelerator, the layers that may run there."""
        self._tilings = graph.made_once("tilings", lambda: TilingSizes(self._planes, self._readers))

    def plan(self, schedule: Schedule, *, crowded: bool = False) -> list[PricedStack]:
        """The stacks of a schedule's layers where they are, cut by its objective around what it predicts.

        In the largest tiles that fit; if asked in smaller ones where those crowd their layers (`crowded`).
        """
        assignment, found = schedule.assignment, list[PricedStack]()
        for names in self._neighbours(lambda name: assignment.get(name)):
            found += self._stacks(names, [assignment[names[0]]], schedule, crowded)
        return found

    def over(self, accelerators: Collection[str], schedule: Schedule, *, crowded: bool = False) -> list[PricedStack]:
        """The stacks of all that may run on some accelerators, were each there where it costs least."""
        found = list[PricedStack]()
        for names in self._neighbours(lambda name: any(name in self._able[each] for each in accelerators) or None):
            found += self._stacks(names, accelerators, schedule, crowded)
        return found

    def elsewhere(self, stacks: Sequence[PricedStack], schedule: Schedule) -> list[PricedStack]:
        """The same layers as stacks of other accelerators, in the largest tiles that fit, where the objective gains."""
        rates = self._rates(schedule)
        found: list[PricedStack] = []
        for accelerator in self._problem.accelerators:
            pricer = self._pricer(accelerator)
            if pricer is not None:
                others = [each.stack.layers for each in stacks if each.stack.accelerator != accelerator]
                largest = [stack for layers in others for stack in self._largest(pricer, accelerator, layers)]
                found += [each for each in self._gaining(pricer, largest, rates) if each is not None]
        return found

    def _largest(self, pricer: StackPricer, accelerator: str, layers: tuple[str, ...]) -> list[Stack]:
        """The stack in the largest tiles of rows that fit, if any does."""
        tiling = tiling_of(self._planes, layers, tile_rows(self._planes[layers[-1]].rows), self._readers)
        if tiling is None or not self._able[accelerator].issuperset(layers):
            return []
        fitting = (size.rows for size in tiling.sizes if pricer.traffic(size) is not None)
        return [self._stack(layers, accelerator, rows) for rows in islice(fitting, 1)]

    def _stack(self, layers: Sequence[str], accelerator: str, rows: int, parts: int = 1) -> Stack:
        tiles = self._row_tiles(layers, rows) * parts
        return Stack(layers=tuple(layers), accelerator=accelerator, tiles=tiles, rows=rows)

    def _row_tiles(self, layers: Sequence[str], rows: int) -> int:
        """Tiles of rows over all copies."""
        plane = self._planes[layers[-1]]
        return -(-plane.rows // rows) * plane.copies

    def refusal(self, accelerator: str, layers: tuple[str, ...], schedule: Schedule) -> str | None:
        """Why layers are no stack of an accelerator by themselves, for people; none where the objective gains."""
        pricer = self._pricer(accelerator)
        if pricer is None:
            return UNKNOWN_TILES.format(accelerator=accelerator)
        largest = self._largest(pricer, accelerator, layers)
        if not largest:
            return f"the rows between them do not fit {accelerator}, however few a tile has"
        (found,) = self._gaining(pricer, largest, self._rates(schedule))
        return "the objective gains nothing" if found is None else None

    def priced(self, stack: Stack) -> PricedStack:
        """A given stack with its costs; `InfeasibleError` where its accelerator cannot run it."""
        pricer, fault = self._pricer(stack.accelerator), self._fault(stack)
        tiled = None if pricer is None or fault else self._tiled(pricer, stack)
        found = None if pricer is None or tiled is None else pricer.costs(tiled)
        if found is None:
            what = f"{stack.accelerator} cannot run {stack.layers[0]} to {stack.layers[-1]} as a stack"
            raise InfeasibleError(
                f"{what}: {fault or f'{stack.tiles} tiles of {stack.rows} rows do not fit its levels'}"
            )
        return PricedStack(stack=stack, costs=found)

    def _fault(self, stack: Stack) -> str | None:
        """Why layers can be no stack, or not of so many tiles, whatever the room."""
        layers = stack.layers
        for name in layers:
            if name not in self._layers:
                return f"there is no layer {name}"
            if not can_stack(self._layers[name]):
                return f"{name} runs in steps"
        if self._pricer(stack.accelerator) is None:
            return UNKNOWN_TILES.format(accelerator=stack.accelerator)
        for place, name in enumerate(layers):
            later = [read.producer for read in self._planes[name].reads if read.producer in layers[place:]]
            if later:
                return f"{name} stands before {later[0]}, whose output it reads"
        tiles, last = self._row_tiles(layers, stack.rows), layers[-1]
        products = two_products([self._layers[name] for name in layers], self._planes, self._readers)
        if stack.tiles != tiles and (products is None or stack.tiles % tiles):
            several = "" if products is None else " or a multiple of that"
            return f"of tiles of {stack.rows} rows {last} has {tiles}{several}, not {stack.tiles}"
        ends = (layers[place:] for place in reversed(range(len(layers))))
        torn = (end[0] for end in ends if tiling_of(self._planes, end, [stack.rows], self._readers) is None)
        first = next(torn, None) if stack.tiles == tiles else None
        return None if first is None else f"{first} cannot be cut into tiles with what comes after it"

    def _tiled(self, pricer: StackPricer, stack: Stack) -> TiledStack | None:
        """The stack, to be priced; none where it does not fit."""
        parts = stack.tiles // self._row_tiles(stack.layers, stack.rows)
        if parts != 1:
            products = two_products([self._layers[name] for name in stack.layers], self._planes, self._readers)
            return None if products is None else products.tiled(pricer, Parts(rows=stack.rows, parts=parts))
        key = stack.layers, stack.rows
        if key not in self._tiles:
            tiling = tiling_of(self._planes, stack.layers, [stack.rows], self._readers)
            self._tiles[key] = None if tiling is None else stack_tiles(tiling, self._layers, self._planes)
        tiles = self._tiles[key]
        return None if tiles is None else pricer.tiled(tiles)

    def _rates(self, schedule: Schedule) -> tuple[float, float]:
        """What a pJ and a ps count in the objective, around the schedule's prediction."""
        return self._problem.rates(schedule.prediction.dynamic_pj, schedule.prediction.latency_ps)

    def _neighbours(self, run_of: Callable[[str], object | None]) -> Iterator[list[str]]:
        """Layers side by side in the graph's order of one run, at least two, each of which can be in a stack."""
        layers = self._costs.graph.layers
        for run, names in groupby(layers, lambda each: run_of(each.name) if can_stack(each) else None):
            found = [layer.name for layer in names]
            if run is not None and len(found) > 1:
                yield found

    def _pricer(self, accelerator: str) -> StackPricer | None:
        """None where an accelerator was measured, or a host feeds it: nobody knows what it would do with a tile."""
        system = self._costs.system
        if system.array_of(accelerator) is None:
            return None
        placed, memory = system.accelerator(accelerator), system.memory_of(accelerator)
        if accelerator not in self._pricers:
            objective = self._problem.objective
            self._pricers[accelerator] = StackPricer(placed, memory, objective, self._layers, self._memo)
        return self._pricers[accelerator]

    def _stacks(
        self, order: Sequence[str], accelerators: Collection[str], schedule: Schedule, crowded: bool
    ) -> list[PricedStack]:
        """The best cut of neighbours whose stacks, and single layers, run on any of some accelerators."""
        rates, costs = self._rates(schedule), self._costs
        values = {
            accelerator: {
                name: self._value({name: costs.cost(name, accelerator)}, accelerator, rates)
                for name in order
                if name in self._able[accelerator]
            }
            for accelerator in accelerators
        }
        alone = [min(each[name] for each in values.values() if name in each) for name in order]
        ways = (way for each in accelerators for way in self._ways(each, order, rates))
        cutter = Cutter(alone, ways, crowded=crowded)
        found: dict[Segment, PricedStack] = {}
        while asked := cutter.asked():
            for segment, priced in self._priced(order, asked):
                if priced is None:
                    cutter.tell(segment, None)
                else:
                    found[segment] = priced
                    cutter.tell(segment, self._value(priced.costs, segment.accelerator, rates))
        return [found[each] for each in cutter.best() if each in found]

    def _ways(self, accelerator: str, order: Sequence[str], rates: tuple[float, float]) -> Iterator[Iterator[Segment]]:
        """The stacks of neighbours on an accelerator, with their expected values."""
        pricer, costs = self._pricer(accelerator), self._costs
        if pricer is None:
            return
        if accelerator not in self._expected:
            alone = {name: costs.cost(name, accelerator) for name in self._able[accelerator]}
            self._expected[accelerator] = ExpectedCost(alone, costs.system.memory_of(accelerator), pricer.traffic)
        expected = self._expected[accelerator]

        def expect(size: TilingSize) -> float | None:
            return expected.value(size, rates)

        yield from stacks_on(accelerator, order, self._able[accelerator], self._tilings, expect)
        for end in range(2, len(order) + 1):
            yield self._in_parts(pricer, expected, order, end, rates)

    def _priced(
        self, order: Sequence[str], segments: Sequence[Segment]
    ) -> Iterator[tuple[Segment, PricedStack | None]]:
        """Each segment, and what it costs if its tiles have mappings that fit; those of one accelerator together."""
        for accelerator in dict.fromkeys(each.accelerator for each in segments):
            here, pricer = [each for each in segments if each.accelerator == accelerator], self._pricer(accelerator)
            stacks = [self._stack(order[s.begin : s.end], accelerator, s.rows, s.parts) for s in here]
            yield from zip(here, [] if pricer is None else self._together(pricer, stacks), strict=True)

    def _in_parts(
        self, pricer: StackPricer, expected: ExpectedCost, order: Sequence[str], end: int, rates: tuple[float, float]
    ) -> Iterator[Segment]:
        """Cuts of two products, the second the last before `end`, along the channels between them; the best first."""
        earlier, accelerator = range(end - 2, -1, -1), pricer.accelerator.name
        begin = next((index for index in earlier if self._layers[order[index]].nest is not None), None)
        if begin is None:
            return
        names = order[begin:end]
        products = two_products([self._layers[name] for name in names], self._planes, self._readers)
        if products is None or not self._able[accelerator].issuperset(names):
            return
        for cut in products.fitting(pricer):
            if cut.parts > 1:
                value = at_rates(expected.of(names, products.traffic(cut)), rates)
                yield Segment(
                    begin=begin, end=end, value=value, accelerator=accelerator, rows=cut.rows, parts=cut.parts
                )

    def _gaining(
        self, pricer: StackPricer, stacks: Sequence[Stack], rates: tuple[float, float]
    ) -> list[PricedStack | None]:
        """Each stack, if the objective is better with it than with its layers one by one."""
        return [priced if priced and self._gains(priced, rates) else None for priced in self._together(pricer, stacks)]

    def _together(self, pricer: StackPricer, stacks: Sequence[Stack]) -> list[PricedStack | None]:
        """Each stack with its costs, if it fits; of those of alike layers the first is priced."""
        firsts = {stack: self._first_like(stack) for stack in stacks if stack not in self._known}
        new = dict.fromkeys(first for first in firsts.values() if first not in self._known)
        tiled = {stack: self._tiled(pricer, stack) for stack in new}
        pricer.expect(each for each in tiled.values() if each is not None)
        for stack, each in tiled.items():
            costs = None if each is None else pricer.costs(each)
            self._known[stack] = None if costs is None else PricedStack(stack=stack, costs=costs)
        self._known |= {stack: _named(self._known[first], stack) for stack, first in firsts.items()}
        return [self._known[stack] for stack in stacks]

    def _first_like(self, stack: Stack) -> Stack:
        """The first that was asked for of stacks that differ in names alone."""
        alike = tuple(self._alike[name] for name in stack.layers)
        return replace(stack, layers=self._first.setdefault(alike, stack.layers))

    def _gains(self, priced: PricedStack, rates: tuple[float, float]) -> bool:
        on = priced.stack.accelerator
        alone = {name: self._costs.cost(name, on) for name in priced.stack.layers}
        return self._value(priced.costs, on, rates) < self._value(alone, on, rates)

    def _value(self, costs: Mapping[str, LayerCost], accelerator: str, rates: tuple[float, float]) -> float:
        """What layers one after another add to the objective."""
        bandwidth = self._costs.system.memory_of(accelerator).effective_bytes_per_s
        return sum(cost.energy_pj for cost in costs.values()) * rates[0] + latency_ps(costs, bandwidth) * rates[1]


def _named(priced: PricedStack | None, stack: Stack) -> PricedStack | None:
    """What another stack costs whose layers differ in names alone."""
    if priced is None or priced.stack == stack:
        return priced
    costs = zip(stack.layers, priced.costs.values(), strict=True)
    return PricedStack(stack=stack, costs={name: cost.of(name, stack.accelerator) for name, cost in costs})


def latency_ps(costs: Mapping[str, LayerCost], bandwidth_bytes_per_s: float) -> int:
    """Of layers one after another, with their memory to themselves."""
    return sum(cost.latency_ps(bandwidth_bytes_per_s) for cost in costs.values())


def with_stacks(costs: CostTable, stacks: Sequence[PricedStack]) -> CostTable:
    """The table with what layers cost in their stacks, in any residency, where they run in one."""
    stacked = {(name, priced.stack.accelerator): cost for priced in stacks for name, cost in priced.costs.items()}
    own = {
        (layer, accelerator, residency): stacked.get((layer, accelerator), cost)
        for (layer, accelerator, residency), cost in costs.costs.items()
    }
    return costs.with_costs(own, None if costs.in_room is None else _RoomsBeside(costs.in_room, stacked))


@dataclass(frozen=True, slots=True)
class _RoomsBeside:
    """What layers cost with less room, but for those in stacks: a stack's room is its own."""

    in_room: InRoom
    stacked: Collection[tuple[str, str]]

    def __call__(self, layer: str, accelerator: str, rooms: Rooms) -> Mapping[Residency, LayerCost] | None:
        return None if (layer, accelerator) in self.stacked else self.in_room(layer, accelerator, rooms)

    def expect(self, asks: Iterable[tuple[str, str, Rooms]]) -> None:
        """What will be asked for: it takes less time together."""
        self.in_room.expect(ask for ask in asks if ask[:2] not in self.stacked)
