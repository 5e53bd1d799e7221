"""One inference of a graph on a system, and the first beside later ones."""

from collections.abc import Mapping

from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.system import System
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.simulate.engine.engine import Engine
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.options import PLAIN, Options
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.record.recorder import Recorder, Recorders
from mensa_sim.simulate.record.spans import SpanRecorder
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.workload.graph import LayerGraph


def simulate(
    graph: LayerGraph,
    costs: CostTable,
    assignment: Mapping[str, str],
    options: Options = PLAIN,
    data: DataPlan = LAYER_BY_LAYER,
) -> Timeline:
    """The timeline of one inference under an assignment of every layer to an accelerator of `costs.system`.

    With the plain options nothing is prefetched and nothing stays on chip, and one accelerator takes exactly the sum
    of its layers' `latency_ps`; with others it never takes longer. The dynamic energy of all spans adds up
    (`math.fsum`) to that of the layers' costs and of the copies between memories. Raises `UsageError` or
    `InfeasibleError` as `make_plan` does.
    """
    return simulate_in_turn(graph, costs, assignment, options, inferences=1, data=data)[0]


def simulate_in_turn(
    graph: LayerGraph,
    costs: CostTable,
    assignment: Mapping[str, str],
    options: Options,
    inferences: int,
    beside: Recorder | None = None,
    data: DataPlan = LAYER_BY_LAYER,
) -> tuple[Timeline, ...]:
    """One timeline for each of several inferences, each starting when the one before has ended, at time 0 of its own.

    The first finds empty buffers, later ones the parameters that stay: two are enough to see first and steady state.
    `beside` is told of all that happens; `data` says where tensors live between layers.
    """
    recorder = SpanRecorder(max_spans=None)
    plan = make_plan(graph, costs, assignment, options, data=data)
    run_in_turn(plan, costs.system, options, inferences, recorder if beside is None else Recorders(recorder, beside))
    return tuple(recorder.one_by_one())


def run_in_turn(plan: Plan, system: System, options: Options, inferences: int, recorder: Recorder) -> None:
    """Run inferences of a plan, each starting when the one before has ended, and tell the recorder."""
    engine = Engine(system, [plan], options, recorder)

    def start(number: int) -> None:
        if number < inferences:
            now_ps = engine.clock.now_ps
            engine.start(Request(plan, stream=plan.graph.name, number=number, rank=(number,), arrival_ps=now_ps))

    engine.on_end = lambda request: start(request.number + 1)
    start(0)
    engine.run()
