"""Every schedule of a small problem with branches in parallel: exact where memories and links are shared too."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product
from math import prod

from mensa_sim.schedule.exact.weighted import Candidate, evaluated
from mensa_sim.schedule.problem import Problem

MAX_SCHEDULES = 2000
"""Assignments times orders above which they are not all tried: a choice."""


class EverySchedule:
    """The least weighted sum of dynamic energy and makespan, at most `deadline_ps` where one is given."""

    def __init__(self, problem: Problem, deadline_ps: int | None = None) -> None:
        self.problem = problem
        orders = sorted(_orders(problem))
        self._found: list[Candidate] = []
        for assignment in product(*(unit.allowed for unit in problem.units)):
            # What one accelerator does before another one does something else makes no difference.
            alike = {
                tuple(tuple(unit for unit in order if assignment[unit] == place) for place in set(assignment)): order
                for order in orders
            }
            found = (evaluated(problem, assignment, order) for order in alike.values())
            self._found += (c for c in found if deadline_ps is None or c.prediction.latency_ps <= deadline_ps)

    def minimise(self, energy_weight: float, latency_weight: float) -> Candidate:
        """The optimum; its bound is its own value."""
        best = min(self._found, key=lambda candidate: candidate.weighted(energy_weight, latency_weight))
        value = best.weighted(energy_weight, latency_weight)
        return replace(best, bound=value, proof="exact: every schedule was tried")


def few_schedules(problem: Problem) -> bool:
    """Whether all of them can be tried."""
    most = MAX_SCHEDULES // prod(len(unit.allowed) for unit in problem.units)
    return most > 0 and sum(1 for _ in islice(_orders(problem), most + 1)) <= most


def _orders(problem: Problem) -> Iterator[list[int]]:
    """Every order of the units that takes no reader before its producer."""
    import networkx as nx  # slow to import, and few problems are small

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(problem.units)))
    graph.add_edges_from((tensor.producer, reader) for tensor in problem.tensors for reader in tensor.readers)
    return nx.all_topological_sorts(graph)
