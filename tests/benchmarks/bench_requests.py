"""How the time and memory of a scenario grow with its requests, of 1,000 streams on 64 accelerators.

python tests/benchmarks/bench_requests.py [--smallest] [--requests 10000,100000,1000000]

Each accelerator has a memory of its own and streams that keep it busy for six tenths of the time, each of a chain of
three layers that prefetch and whose parameters stay. 10 million requests take ten times as long as 1 million. No
request is kept once it has ended, but for the spans that a trace shows and its latency while its stream has had few.
"""

import math
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "simulate"))

from simulation_problems import accelerator, chain, cost, everything_on, layer, memory, system, table
from smallest import parser

from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.scenario.arrivals import Poisson
from mensa_sim.simulate.scenario.run import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream

LAYERS = 3
LAYER_S = 110e-9
"""Of computation: the longest part of each layer."""
LOAD = 0.6


def scenario(requests: int, streams: int, accelerators: int) -> tuple[Scenario, dict[str, Scheduled]]:
    """Streams of equal rates, dealt out to the accelerators one after another."""
    names = [f"acc{index}" for index in range(accelerators)]
    platform = system(
        [accelerator(name, f"of_{name}", parameter_buffer=4000, activation_buffer=4000) for name in names],
        {f"of_{name}": memory(32 * 10**9) for name in names},
    )
    workloads = {}
    for name in names:
        layers = (layer(f"l{place}", parameter_bytes=500, output_bytes=300) for place in range(LAYERS))
        graph = chain(*layers, name=f"on_{name}")
        costs = [cost(each.name, name, compute=110, head=100, body=500, weight=500, tail=300) for each in graph.layers]
        workloads[graph.name] = Scheduled(
            graph=graph, costs=table(graph, platform, costs), assignment=everything_on(graph, name)
        )
    rate = LOAD / (LAYERS * LAYER_S) / (streams / accelerators)
    arrivals = Poisson(rate_per_s=rate, requests=max(1, requests // streams))
    dealt = (names[index % accelerators] for index in range(streams))
    own = tuple(
        Stream(name=f"s{index}", workload=f"on_{name}", arrivals=arrivals, priority=index % 3)
        for index, name in enumerate(dealt)
    )
    return Scenario(name="many", streams=own, policy="priority", options=FULL), workloads


def main() -> None:
    """Print a line per number of requests."""
    made = parser(__doc__)
    made.add_argument("--requests", default="10000,100000,1000000")
    arguments = made.parse_args()
    requests, streams, accelerators = ("8,16", 4, 2) if arguments.smallest else (arguments.requests, 1000, 64)
    print("goals: exponent 1, less than 4 GB")
    before: tuple[int, float] | None = None
    for count in map(int, requests.split(",")):
        drawn, workloads = scenario(count, streams, accelerators)
        leakage: dict[str, dict[str, float]] = {f"acc{index}": {} for index in range(accelerators)}
        start = time.process_time()
        simulate_scenario(drawn, workloads, leakage_mw=leakage)
        taken = time.process_time() - start
        exponent = "" if before is None else f", exponent {math.log(taken / before[1], count / before[0]):.2f}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{count} requests of {streams} streams on {accelerators} accelerators: {taken:.1f} CPU s, "
            f"{1e6 * taken / count:.0f} us each, {peak} MiB{exponent}",
            flush=True,
        )
        before = count, taken


if __name__ == "__main__":
    main()
