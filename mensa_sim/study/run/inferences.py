"""A first inference of a placed model and a steady one after it."""

from itertools import islice

from mensa_sim.simulate.inference import simulate_in_turn
from mensa_sim.simulate.metrics.inference import latency_and_energy, ungated_pj
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.record.causes import CauseRecorder
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.study.run.flows import data_of
from mensa_sim.study.run.placement import Placement
from mensa_sim.study.run.result import SteadyState


def inferences(
    placement: Placement, on_chip: Options, watcher: CauseRecorder | None = None, *, later: bool = False
) -> tuple[Timeline, SteadyState]:
    """A first inference, or a later one, and what that takes, as planning has simulated them where nobody watches."""
    costs, assignment = placement.costs, placement.schedule.assignment
    if watcher is None and placement.recorded is not None and not costs.system.gated:
        recorded = placement.recorded()
        steady_ps, _ = recorded.totals[1]
        steady_pj = ungated_pj(steady_ps, recorded.energies_pj(1), costs.system)
        timeline = next(islice(recorded.one_by_one(), later, None))
        return timeline, SteadyState(latency_ps=steady_ps, energy_pj=steady_pj)
    first, second = simulate_in_turn(costs.graph, costs, assignment, on_chip, 2, watcher, data_of(placement))
    steady_ps, steady_pj = latency_and_energy(second, costs.system)
    return second if later else first, SteadyState(latency_ps=steady_ps, energy_pj=steady_pj)
