"""Where a graph forks into branches that may run beside one another, and what becomes of schedules that move them."""

from collections.abc import Sequence
from itertools import permutations

from mensa_sim.schedule.problem import Problem


def forks_of(problem: Problem) -> list[list[tuple[int, ...]]]:
    """By fork its branches: chains of units, each the sole reader of the one before it.

    A graph forks behind a unit that several read, and at its start where several read nothing. A chain ends before what
    reads others too, and where the graph forks again; a fork of which one chain is left has none beside it.
    """
    made_by = [sorted({tensor.producer for tensor in read}) for read in problem.incoming]
    read_by = [sorted({reader for tensor in made for reader in tensor.readers}) for made in problem.outgoing]
    found = []
    for heads in ([unit for unit, producers in enumerate(made_by) if not producers], *read_by):
        chains = [_chain(head, made_by, read_by) for head in heads if len(made_by[head]) <= 1]
        found += [chains] if len(chains) > 1 else []
    return found


def _chain(unit: int, made_by: Sequence[Sequence[int]], read_by: Sequence[Sequence[int]]) -> tuple[int, ...]:
    chain = [unit]
    while len(read_by[unit]) == 1 and len(made_by[read_by[unit][0]]) == 1:
        (unit,) = read_by[unit]
        chain.append(unit)
    return tuple(chain)


def with_branches_moved(problem: Problem, where: Sequence[int], weights: tuple[float, float]) -> list[tuple[int, ...]]:
    """An assignment with what of a branch is on one accelerator on another, and with two exchanged along a branch.

    Those that gain if the branches of a fork take as long as the accelerator with the most of their work, as if all
    went through memory and copies cost nothing: by what a pJ and a ps more add, the most promising first.
    """
    gains: dict[tuple[int, ...], float] = {}
    for fork in forks_of(problem):
        units = [unit for branch in fork for unit in branch]
        now = _busiest(problem, units, where, weights)
        for branch in fork:
            there = {where[unit] for unit in branch}
            for one, other in permutations(range(len(problem.accelerators)), 2):
                ways = ({one: other}, {one: other, other: one}) if other in there else ({one: other},)
                for places in ways if one in there else ():
                    moved = _changed(problem, where, branch, places)
                    gains[moved] = now - _busiest(problem, units, moved, weights)
    return sorted((each for each, gain in gains.items() if gain > 0), key=lambda each: -gains[each])


def _busiest(problem: Problem, units: Sequence[int], where: Sequence[int], weights: tuple[float, float]) -> float:
    """The weighted sum of the energy of units and of the time of the accelerator that works longest on them."""
    work_ps, pj = dict[int, int](), 0.0
    for unit in units:
        option = problem.units[unit].option(where[unit])
        work_ps[where[unit]] = work_ps.get(where[unit], 0) + option.latency_ps
        pj += option.energy_pj
    return weights[0] * pj + weights[1] * max(work_ps.values())


def _changed(problem: Problem, where: Sequence[int], branch: Sequence[int], places: dict[int, int]) -> tuple[int, ...]:
    found = list(where)
    for unit in branch:
        place = places.get(where[unit], where[unit])
        found[unit] = place if place in problem.units[unit].allowed else where[unit]
    return tuple(found)
