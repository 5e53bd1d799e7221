"""Where the tensors of a placed graph live: planned under the flow that the goal asks for."""

from dataclasses import replace

from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.simulate.scenario.run import Scheduled
from mensa_sim.study.run.placement import Placement


def with_data_plan(placement: Placement) -> Placement:
    """The placement with a data plan; one that its schedule's file has stands as it is."""
    found = placement.schedule
    return placement if found.data else replace(placement, schedule=replace(found, data=_planned(placement)))


def _planned(placement: Placement) -> DataPlan:
    return LAYER_BY_LAYER


def data_of(placement: Placement) -> DataPlan:
    """The data plan of a placement that has been given one."""
    return placement.schedule.data or LAYER_BY_LAYER


def scheduled(placement: Placement) -> Scheduled:
    """The placement as a scenario runs it."""
    costs, found = placement.costs, placement.schedule
    return Scheduled(graph=costs.graph, costs=costs, assignment=found.assignment, data=data_of(placement))
