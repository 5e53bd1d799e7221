"""Which tensors live on chip: the choice that costs least, as a mixed-integer program over the steps of a schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from mensa_sim.cost.moved import Fed
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.routes import from_level
from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.linear_program import SEARCH_LIMIT_S, TOLERANCE, LinearProgram
from mensa_sim.schedule.homes.step import AtHome, HomeCosts, Step, gain, live_at, step_of, weighed
from mensa_sim.schedule.homes.tensors import HomeTensor

HOME_NODES = 2000
"""Of HiGHS's search: what is not proved by then keeps its gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenHomes:
    """The tensors that live on chip."""

    tensors: tuple[HomeTensor, ...]
    gap: float = 0.0
    """All layers beside them cost at most this share above the cheapest choice, by the program's prices."""


def gap_above(bound: float, cost: float) -> float:
    """By which share a cost may be above the least, where none is below the bound; 0 within the solver's tolerance."""
    found = cost / bound - 1 if bound > 0 else 0.0
    return found if found > TOLERANCE else 0.0


@dataclass(slots=True)
class _Place:
    """What a layer costs in each mode: with its output at home or not, in each room."""

    layer: str
    live: list[HomeTensor]
    makes: bool
    """Whether its output is one of them."""
    modes: dict[bool, list[tuple[float, AtHome]]] = field(default_factory=dict)
    """By whether its output is at home: what it costs with all inputs there, and what it holds."""
    input_cost: float = 0.0
    """More, where inputs that could be at home are not."""


class Chooser:
    """The program of one accelerator; `per_pj` and `per_ps` are what energy and time add to the objective."""

    def __init__(
        self,
        costs: CostTable,
        accelerator: str,
        assignment: Mapping[str, str],
        tensors: Sequence[HomeTensor],
        order: Sequence[str],
        kept: frozenset[str],
        home_costs: HomeCosts,
        rates: tuple[float, float],
    ) -> None:
        self._costs, self._accelerator, self._assignment, self._kept = costs, accelerator, assignment, kept
        self._home_costs, self._rates = home_costs, rates
        self._bandwidth = costs.system.memory_of(accelerator).effective_bytes_per_s
        self._capacity = costs.system.accelerator(accelerator).spec.buffer_bytes["activation"]
        self._tensors = list(tensors)
        live = live_at(tensors, {accelerator: order})
        home_costs.expect(step for layer, found in live.items() for step in self._steps(layer, found))
        self._places = [self._place(layer, found) for layer, found in live.items()]
        self._number_of = {place.layer: number for number, place in enumerate(self._places)}

    def choose(self) -> ChosenHomes:
        """The best choice found, and what no choice costs less than."""
        program = LinearProgram()
        away = {each.layer: program.variable(self._away_cost(each), integral=True) for each in self._tensors}
        roomy = [self._roomy(place) for place in self._places]
        known = sum(program.costs)
        for place, fits in zip(self._places, roomy, strict=True):
            known += self._add_roomy(program, place, away) if fits else self._add_tight(program, place, away)
        if all(roomy):
            # Nothing competes: over slow links, readers elsewhere may pay more than from memory.
            stay = tuple(tensor for tensor in self._tensors if program.costs[away[tensor.layer]] >= 0)
            return ChosenHomes(tensors=stay)
        # Those that gain where they are away are so in any case: no cost of the program is negative.
        gaining = [column for column in away.values() if program.costs[column] < 0]
        gained = sum(program.costs[column] for column in gaining)
        for column in gaining:
            program.lows[column], program.costs[column] = 1.0, 0.0
        solved = program.solve(SEARCH_LIMIT_S, known - gained, HOME_NODES)
        if solved.values is None:
            return ChosenHomes(tensors=(), gap=gap_above(max(0.0, solved.bound) + gained, known))
        stay = tuple(tensor for tensor in self._tensors if solved.values[away[tensor.layer]] < 0.5)
        cost = float(sum(c * v for c, v in zip(program.costs, solved.values, strict=True))) + gained
        return ChosenHomes(tensors=stay, gap=gap_above(max(0.0, solved.bound) + gained, cost))

    def _away_cost(self, tensor: HomeTensor) -> float:
        """What its readers pay where it is read in memory, each its share of the bytes."""
        found = self._away_from_links(tensor)
        for number in sorted(self._number_of[name] for name in tensor.readers if name in self._number_of):
            place = self._places[number]
            read = sum(other.readers.get(place.layer, 0) for other in place.live)
            found += place.input_cost * tensor.readers[place.layer] / read
        return found

    def _away_from_links(self, tensor: HomeTensor) -> float:
        """More that readers on other accelerators pay where it comes from memory and not over links; may be negative.

        Of each reader beside no other tensor over links: where several come, time that one alone would hide may show.
        """
        found = 0.0
        for name, size_bytes in tensor.remote.items():
            way = from_level(self._costs.system, self._accelerator, self._assignment[name])
            if way is not None:
                fed = Fed(inputs=((way, size_bytes),))
                found += gain(self._costs, name, self._assignment[name], fed, self._rates)
        return found

    def _roomy(self, place: _Place) -> bool:
        """Whether all that could live there fits beside the best mapping of each mode."""
        live_bytes = sum(tensor.size_bytes for tensor in place.live)
        best = [min(options, key=lambda option: option[0])[1] for options in place.modes.values()]
        modes = len(place.modes) == 1 + place.makes
        return modes and all(live_bytes + held.beside_bytes <= self._capacity for held in best)

    def _add_roomy(self, program: LinearProgram, place: _Place, away: Mapping[str, int]) -> float:
        """A place without a conflict: its output costs more in memory, and that is all."""
        best = {output: min(cost for cost, _ in options) for output, options in place.modes.items()}
        if len(best) == 1:
            (cost,) = best.values()
            program.variable(cost, low=1.0)
            return cost
        program.variable(min(best.values()), low=1.0)
        more = max(0.0, best[False] - best[True])
        program.costs[away[place.layer]] += more
        return min(best.values()) + more

    def _add_tight(self, program: LinearProgram, place: _Place, away: Mapping[str, int]) -> float:
        """A place where not everything fits: one mode is chosen, and what lives there fits beside what it holds."""
        chosen: dict[bool, list[int]] = {False: [], True: []}
        room: list[tuple[int, float]] = []
        read = [tensor for tensor in place.live if place.layer in tensor.readers]
        for output, options in place.modes.items():
            for cost, held in options:
                column = program.variable(cost, integral=True)
                chosen[output].append(column)
                room.append((column, float(held.beside_bytes)))
                if held.as_they_lie:
                    for tensor in read:
                        program.row([(column, 1.0), (away[tensor.layer], 1.0)], high=1.0)
        if place.makes:
            own = away[place.layer]
            program.row([*((column, 1.0) for column in chosen[False]), (own, -1.0)], low=0.0, high=0.0)
            program.row([*((column, 1.0) for column in chosen[True]), (own, 1.0)], low=1.0, high=1.0)
        else:
            program.row([(column, 1.0) for column in chosen[False]], low=1.0, high=1.0)
        # What lives there is all of it less what is away.
        live_bytes = float(sum(tensor.size_bytes for tensor in place.live))
        gone = [(away[tensor.layer], -float(tensor.size_bytes)) for tensor in place.live]
        program.row([*room, *gone], high=self._capacity - live_bytes)
        return min(cost for cost, held in place.modes[False] if not held.as_they_lie)

    def _place(self, layer: str, live: list[HomeTensor]) -> _Place:
        makes = any(tensor.layer == layer for tensor in live)
        place = _Place(layer=layer, live=live, makes=makes)
        away, *beside = self._steps(layer, live)
        for step in beside:
            options = self._options(step)
            if options:
                place.modes[step.output] = options
        in_memory = min(cost for cost, _ in self._options(away))
        place.input_cost = max(0.0, in_memory - min(cost for cost, _ in place.modes[False]))
        return place

    def _steps(self, layer: str, live: Sequence[HomeTensor]) -> list[Step]:
        """The layer with nothing at home, then beside what lives there but for its output, then beside all of it."""
        others = [tensor for tensor in live if tensor.layer != layer]
        some = [[], others] if len(others) == len(live) else [[], others, live]
        return [step_of(self._costs.graph, layer, self._accelerator, each) for each in some]

    def _options(self, step: Step) -> list[tuple[float, AtHome]]:
        found = self._home_costs.options(step, parameters=step.layer in self._kept)
        return [(weighed(each.cost, self._bandwidth, *self._rates), each) for each in found]
