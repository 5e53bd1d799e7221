"""Cost of one simulated layer execution, in bare simpy timeouts timed in the same run, and memory against time.

Run from the repository: python tests/benchmarks/bench_simulate.py
"""

import statistics
import sys
import time
import tracemalloc
from pathlib import Path

import simpy

sys.path.insert(0, str(Path(__file__).parents[1] / "simulate"))

from simulation_problems import accelerator, chain, cost, layer, system, table

from mensa_sim.simulate.arrivals import ClosedLoop, Poisson
from mensa_sim.simulate.options import FULL, PLAIN, Options
from mensa_sim.simulate.run_scenario import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario import Scenario, Stream

LAYERS = 50
REPEATS = 5


def contended(requests: int, options: Options, poisson: bool = False) -> tuple[Scenario, dict[str, Scheduled]]:
    """Three accelerators that share one memory, each with streams of a chain of 50 layers with head, body and tail."""
    platform = system([accelerator(name, parameter_buffer=4000) for name in ("one", "two", "three")])
    streams, workloads = [], {}
    for name in ("one", "two", "three"):
        graph = chain(*(layer(f"l{i}", parameter_bytes=800, output_bytes=100) for i in range(LAYERS)), name=name)
        costs = [
            cost(each.name, name, compute=700 + 13 * i, head=100, body=800 + 7 * i, weight=800, tail=50)
            for i, each in enumerate(graph.layers)
        ]
        on = {each.name: name for each in graph.layers}
        workloads[name] = Scheduled(graph=graph, costs=table(graph, platform, costs), assignment=on)
        arrivals = Poisson(rate_per_s=3000, requests=requests) if poisson else ClosedLoop(requests=requests)
        streams.append(Stream(name=name, workload=name, arrivals=arrivals))
    return Scenario(name="contended", streams=tuple(streams), options=options), workloads


def bare_timeout_s(events: int = 200_000) -> float:
    """Seconds of one timeout of one process."""

    def tick(environment: simpy.Environment):
        for _ in range(events):
            yield environment.timeout(1)

    environment = simpy.Environment()
    environment.process(tick(environment))
    start = time.perf_counter()
    environment.run()
    return (time.perf_counter() - start) / events


def layer_s(options: Options, max_spans: int) -> float:
    """Seconds of one layer execution."""
    requests = 60
    scenario, workloads = contended(requests, options)
    leakage = {name: {} for name in workloads}
    start = time.perf_counter()
    simulate_scenario(scenario, workloads, max_spans=max_spans, leakage_mw=leakage)
    return (time.perf_counter() - start) / (requests * LAYERS * len(workloads))


def peak_bytes(requests: int) -> int:
    """Peak of allocated memory while a run keeps no span; Poisson streams below capacity."""
    scenario, workloads = contended(requests, PLAIN, poisson=True)
    tracemalloc.start()
    simulate_scenario(scenario, workloads, max_spans=0, leakage_mw={name: {} for name in workloads})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    """Print the medians of repeated runs, taken in turn."""
    cases = {
        "no spans kept": (PLAIN, 0),
        "no spans kept, prefetch": (Options(prefetch=True), 0),
        "no spans kept, all options": (FULL, 0),
        "spans kept": (PLAIN, 10**9),
    }
    bare: list[float] = []
    layers: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(REPEATS):
        bare.append(bare_timeout_s())
        for name, (options, max_spans) in cases.items():
            layers[name].append(layer_s(options, max_spans))
    timeout_s = statistics.median(bare)
    print(f"bare simpy timeout: {timeout_s * 1e6:.2f} us (median of {REPEATS})")
    for name, times in layers.items():
        each = statistics.median(times)
        print(f"layer execution, {name}: {each * 1e6:.1f} us = {each / timeout_s:.1f} timeouts")
    for requests in (20, 200):
        print(f"peak memory of {requests} requests a stream, no spans kept: {peak_bytes(requests) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
