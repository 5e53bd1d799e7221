"""The 24 models in stacks on `mensa_g`: CPU time of scheduling and simulating them, beside its goal.

python tests/benchmarks/bench_stacks.py [MODEL ...] [--system mensa_g] [--kept] [--smallest]

Graphs are traced before the clock runs. Every model has a process of its own and, without --kept, prices of its own;
with it, prices come from where all commands keep them.
"""

import multiprocessing
import time

from smallest import SMALL_MODEL, parser

from mensa_sim.cost.prices.memo import PriceMemo, shared_memo
from mensa_sim.hardware.files import load_system
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.study.reproduce.paper import MODELS
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.load import load_workload

GOAL_S = 60.0
"""Of wall time, for all 24 models on two processes."""
PROCESSES = 2


def seconds(task: tuple[str, str, bool]) -> tuple[str, float, float]:
    """CPU seconds and EDP, in J s, of a model on a system."""
    model, system, kept = task
    graph, hardware = load_workload(model), load_system(system)
    begin = time.process_time()
    result = evaluate(graph, hardware, Goal(flow="stacks"), on_chip=FULL, memo=shared_memo() if kept else PriceMemo())
    return model, time.process_time() - begin, result.objective_value("edp")


def main() -> None:
    """Print a line for each model, and the sum beside the goal."""
    made = parser(__doc__)
    made.add_argument("models", nargs="*", help="all 24 if none is given")
    made.add_argument("--system", default="mensa_g")
    made.add_argument("--kept", action="store_true", help="with the prices that commands keep")
    arguments = made.parse_args()
    models = [SMALL_MODEL] if arguments.smallest else arguments.models or list(MODELS)
    for model in models:
        load_workload(model)
    begin, total = time.perf_counter(), 0.0
    with multiprocessing.get_context("spawn").Pool(PROCESSES, maxtasksperchild=1) as pool:
        tasks = [(model, arguments.system, arguments.kept) for model in models]
        for model, cpu_s, edp_j_s in pool.imap(seconds, tasks, chunksize=1):
            total += cpu_s
            print(f"{model}: {cpu_s:.2f} CPU s, {edp_j_s:.6g} J s", flush=True)
    print(
        f"{len(models)} models in stacks on {arguments.system}: {total:.1f} CPU s, {time.perf_counter() - begin:.1f} s "
        f"on {PROCESSES} processes, imports included (goal: {GOAL_S:g} s for 24 models)"
    )


if __name__ == "__main__":
    main()
