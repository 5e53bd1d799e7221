"""One inference of a graph on a system."""

from collections.abc import Mapping

from mensa_sim.cost.table import CostTable
from mensa_sim.simulate.engine import Engine, Request
from mensa_sim.simulate.plan import make_plan
from mensa_sim.simulate.recorder import SpanRecorder
from mensa_sim.simulate.timeline import Timeline
from mensa_sim.workload.graph import LayerGraph


def simulate(graph: LayerGraph, costs: CostTable, assignment: Mapping[str, str]) -> Timeline:
    """The timeline of one inference under an assignment of every layer to an accelerator of `costs.system`.

    Nothing is prefetched and nothing stays on chip, so that one accelerator takes exactly the sum of its layers'
    `latency_ps`. The dynamic energy of all spans adds up (`math.fsum`) to that of the layers' costs and of the copies
    between memories. Raises `UsageError` or `InfeasibleError` as `make_plan` does.
    """
    recorder = SpanRecorder()
    engine = Engine(costs.system, recorder)
    engine.start(Request(f"{graph.name}#0", make_plan(graph, costs, assignment), rank=(0,)))
    engine.run()
    return recorder.timeline()
