"""Cost of one simulated layer execution, in bare simpy timeouts timed in the same run, and memory against time.

Run from the repository: python tests/benchmarks/bench_simulate.py [--smallest]
"""

import statistics
import sys
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import simpy

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "simulate"))

from simulation_problems import accelerator, chain, cost, layer, system, table
from smallest import parser

from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.simulate.scenario.arrivals import ClosedLoop, Poisson
from mensa_sim.simulate.scenario.run import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is simulated."""

    layers: int
    requests: int
    repeats: int
    timeouts: int
    peaks: tuple[int, ...]
    """Requests whose peak of memory is told."""


GOAL_TIMEOUTS = 30
"""Of the plainest case, in bare timeouts a layer: a choice."""
WHOLE = Size(layers=50, requests=60, repeats=7, timeouts=100_000, peaks=(20, 200))
SMALLEST = Size(layers=3, requests=2, repeats=1, timeouts=100, peaks=(2,))


def contended(
    layers: int, requests: int, options: Options, *, poisson: bool = False, in_step: bool = False
) -> tuple[Scenario, dict[str, Scheduled]]:
    """Three accelerators that share one memory, each with a stream of a chain of layers with head, body and tail.

    Unless they go in step no two have the same layers, so that hardly anything happens at the same instant.
    """
    platform = system([accelerator(name, parameter_buffer=4000) for name in ("one", "two", "three")])
    streams, workloads = [], {}
    for index, name in enumerate(("one", "two", "three")):
        graph = chain(*(layer(f"l{i}", parameter_bytes=800, output_bytes=100) for i in range(layers)), name=name)
        more = 0 if in_step else index
        costs = [
            cost(
                each.name,
                name,
                compute=700 + 13 * i + 101 * more,
                head=100,
                body=800 + 7 * i + 31 * more,
                weight=800,
                tail=50,
            )
            for i, each in enumerate(graph.layers)
        ]
        on = {each.name: name for each in graph.layers}
        workloads[name] = Scheduled(graph=graph, costs=table(graph, platform, costs), assignment=on)
        arrivals = Poisson(rate_per_s=3000, requests=requests) if poisson else ClosedLoop(requests=requests)
        streams.append(Stream(name=name, workload=name, arrivals=arrivals))
    return Scenario(name="contended", streams=tuple(streams), options=options), workloads


def bare_timeout_s(events: int) -> float:
    """Processor seconds of one timeout of one process."""

    def tick(environment: simpy.Environment):
        for _ in range(events):
            yield environment.timeout(1)

    environment = simpy.Environment()
    environment.process(tick(environment))
    start = time.process_time()
    environment.run()
    return (time.process_time() - start) / events


def layer_s(size: Size, in_step: bool, options: Options, max_spans: int) -> float:
    """Processor seconds of one layer execution."""
    scenario, workloads = contended(size.layers, size.requests, options, in_step=in_step)
    leakage = {name: {} for name in workloads}
    start = time.process_time()
    simulate_scenario(scenario, workloads, max_spans=max_spans, leakage_mw=leakage)
    return (time.process_time() - start) / (size.requests * size.layers * len(workloads))


def peak_bytes(layers: int, requests: int) -> int:
    """Peak of allocated memory while a run keeps no span; Poisson streams below capacity."""
    scenario, workloads = contended(layers, requests, PLAIN, poisson=True)
    tracemalloc.start()
    simulate_scenario(scenario, workloads, max_spans=0, leakage_mw={name: {} for name in workloads})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    """Print medians of repeated runs: each is timed just after bare timeouts, for other work slows both down."""
    size = SMALLEST if parser(__doc__).parse_args().smallest else WHOLE
    cases = {
        "no spans kept": (False, PLAIN, 0),
        "no spans kept, prefetch": (False, Options(prefetch=True), 0),
        "no spans kept, all options": (False, FULL, 0),
        "spans kept": (False, PLAIN, 10**9),
        "spans kept, all options": (False, FULL, 10**9),
        "no spans kept, three streams in step": (True, PLAIN, 0),
    }
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(size.repeats):
        for name, case in cases.items():
            bare_s = bare_timeout_s(size.timeouts)
            rows[name].append((layer_s(size, *case), bare_s))
    for name, times in rows.items():
        each = statistics.median(layer for layer, _ in times)
        ratios = [layer / bare for layer, bare in times]
        print(
            f"layer execution, {name}: {each * 1e6:.1f} us = {statistics.median(ratios):.1f} bare simpy timeouts"
            f" ({min(ratios):.1f} to {max(ratios):.1f} in {size.repeats} runs)"
            f"{f'; goal {GOAL_TIMEOUTS}' if cases[name] == (False, PLAIN, 0) else ''}"
        )
    for requests in size.peaks:
        peak = peak_bytes(size.layers, requests)
        print(f"peak memory of {requests} requests a stream, no spans kept: {peak / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
