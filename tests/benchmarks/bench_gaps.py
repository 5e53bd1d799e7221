"""How far the schedulers are from the proven optimum on the 24 models, and how long the proof takes.

python tests/benchmarks/bench_gaps.py [--system mensa_g] [--parallel] [--smallest]
"""

import time
from dataclasses import replace

from smallest import SMALL_MODEL, parser

from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.policies.optimal import beside
from mensa_sim.schedule.policies.registry import schedule
from mensa_sim.schedule.problem import Problem
from mensa_sim.study.run.placement import Goal, price_problem
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS

HEURISTICS = ("mensa", "greedy", "heft")


def row(problem: Problem) -> str:
    """Seconds and gap of the optimum, then the gap of each heuristic to its bound."""
    start = time.process_time()
    best = schedule(problem, "optimal")
    seconds = time.process_time() - start
    gaps = [beside(schedule(problem, name), best).gap for name in HEURISTICS]
    cells = ["-" if gap is None else f"{100 * gap:.1f}" for gap in (best.gap, *gaps)]
    return f"{problem.objective:8s} {seconds:7.2f} " + " ".join(f"{cell:>8s}" for cell in cells)


def main() -> None:
    """Print a line per model and objective; gaps in percent of the proven bound, predicted against predicted."""
    made = parser(__doc__)
    made.add_argument("--system", default="mensa_g")
    made.add_argument("--parallel", action="store_true", help="branches may overlap; 10 s a problem")
    arguments = made.parse_args()
    system = load_system(arguments.system)
    print(f"{'model':26s} goal     CPU s   optimal " + " ".join(f"{name:>8s}" for name in HEURISTICS))
    for model in [SMALL_MODEL] if arguments.smallest else MODELS:
        graph = load_workload(model)
        for objective in ("energy", "latency", "edp"):
            _, problem = price_problem(graph, system, Goal(objective=objective))
            if arguments.parallel:
                problem = replace(problem, execution="parallel")
            print(f"{model:26s} {row(problem)}", flush=True)


if __name__ == "__main__":
    main()
