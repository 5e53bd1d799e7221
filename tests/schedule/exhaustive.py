"""Every assignment and every order of a small problem: the oracle of the exact schedulers."""

from collections.abc import Iterator
from itertools import permutations, product

from mensa_sim.schedule.evaluate import Prediction, evaluate
from mensa_sim.schedule.problem import Problem


def every_order(problem: Problem) -> Iterator[tuple[int, ...]]:
    for order in permutations(range(len(problem.units))):
        position = {unit: number for number, unit in enumerate(order)}
        if all(position[t.producer] < position[reader] for t in problem.tensors for reader in t.readers):
            yield order


def every_prediction(problem: Problem) -> list[Prediction]:
    """Predictions of every assignment, and of every order where branches may overlap."""
    return [evaluate(problem, *placed) for placed in every_schedule(problem)]


def every_schedule(problem: Problem) -> list[tuple[tuple[int, ...], tuple[int, ...] | None]]:
    """Every assignment, with every order where branches may overlap."""
    orders = list(every_order(problem)) if problem.execution == "parallel" else [None]
    return [(places, order) for places in product(*(unit.allowed for unit in problem.units)) for order in orders]
