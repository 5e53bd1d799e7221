"""How the time of each stage grows with the layers of a graph: seconds of CPU, peak memory, the exponent between sizes.

    python tests/benchmarks/bench_growth.py [--smallest] [--layers 1000,10000,100000] [--shapes chain]

An exponent of 1 is a time that grows as the layers do. The goal is n log n up to 100,000 layers, in 4 GB. The graphs
are a chain, one layer that all others read, and blocks of branches with a skip around each; `optimal` stops its proof
by itself and says how far it may be from the best. `--flow layers` plans no homes for tensors.
"""

import functools
import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smallest import parser

import mensa_sim as ms
from mensa_sim.report.run.page import INFERENCE
from mensa_sim.schedule.policies.registry import schedule
from mensa_sim.simulate.inference import simulate
from mensa_sim.study.run.placement import Goal, price_problem
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SYSTEM = "mensa_g"
WIDTHS = (4, 8, 16, 32, 64, 128, 256)
"""Of the layers' inputs and outputs: many parameters stay on chip, and many do not."""
BRANCHES = 4
KIB = 1024


def linear(index: int) -> Layer:
    """A matrix product with parameters of its own."""
    wide, narrow = WIDTHS[index % len(WIDTHS)], WIDTHS[index // len(WIDTHS) % len(WIDTHS)]
    nest = LoopNest(K=wide, C=narrow, OX=8)
    return Layer(
        name=f"l{index}",
        operator="linear",
        nest=nest,
        parameters=(Parameter(name=f"w{index}", size_bytes=nest.weight_elements),),
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )


def chain(count: int) -> list[tuple[int, int]]:
    """Each layer reads the one before."""
    return [(index, index + 1) for index in range(count - 1)]


def wide(count: int) -> list[tuple[int, int]]:
    """All but the ends read the first layer, and the last layer reads them all."""
    inner = range(1, count - 1)
    return [*((0, index) for index in inner), *((index, count - 1) for index in inner)]


def blocks(count: int) -> list[tuple[int, int]]:
    """Blocks of branches that part and join, with a skip around each."""
    found = []
    for start in range(0, count - BRANCHES - 1, BRANCHES + 1):
        join = start + BRANCHES + 1
        found += [(start, start + 1 + branch) for branch in range(BRANCHES)]
        found += [(start + 1 + branch, join) for branch in range(BRANCHES) if join < count]
        found += [(start, join)] if join < count else []
    return found


SHAPES: Mapping[str, Callable[[int], list[tuple[int, int]]]] = {"chain": chain, "wide": wide, "blocks": blocks}


def graph_of(shape: str, count: int) -> LayerGraph:
    """A graph of so many layers."""
    layers = tuple(linear(index) for index in range(count))
    edges = [
        Edge(producer=f"l{one}", consumer=f"l{other}", size_bytes=layers[one].output_bytes)
        for one, other in SHAPES[shape](count)
    ]
    return LayerGraph(name=f"{shape}_{count}", layers=layers, edges=tuple(edges))


def stages_of(shape: str, count: int, schedulers: Sequence[str], flow: str) -> dict[str, float]:
    """Seconds of CPU of each stage; with `run`, of a whole run with its files."""
    spent_s: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start_s = time.process_time()
        done = work()
        spent_s[name] = time.process_time() - start_s
        return done

    graph = timed("graph", functools.partial(graph_of, shape, count))
    system = ms.load_system(SYSTEM)
    costs, problem = timed("price", lambda: price_problem(graph, system, Goal()))
    for scheduler in schedulers:
        found = timed(scheduler, functools.partial(schedule, problem, scheduler))
        if found.gap is not None:
            print(f"{shape} of {count} layers: {scheduler} at most {found.gap:.2%} from the best: {found.proof}")
    assignment = schedule(problem, "mensa").assignment
    for name, on_chip in (("plain", ms.PLAIN), ("full", ms.FULL)):
        timed(f"simulate {name}", functools.partial(simulate, graph, costs, assignment, on_chip))
    result = timed("run", lambda: ms.run(graph, system=SYSTEM, flow=flow))
    files = timed("files", lambda: INFERENCE.files(result))
    sizes = ", ".join(f"{name} {len(text) / 1e6:.2f} MB" for name, text in files.items())
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB
    print(f"{shape} of {count} layers: {sizes}; peak {peak_mib:.0f} MiB", flush=True)
    return spent_s


def main() -> None:
    """Print a line a stage: its seconds at each size, and the exponents between them."""
    made = parser(__doc__)
    made.add_argument("--layers", default="1000,10000,100000")
    made.add_argument("--shapes", default=",".join(SHAPES))
    made.add_argument("--schedulers", default="single:pascal,greedy,mensa,heft,throughput,optimal")
    made.add_argument("--flow", default="homes")
    arguments = made.parse_args()
    sizes = [4, 7] if arguments.smallest else [int(each) for each in arguments.layers.split(",")]
    for shape in ["blocks"] if arguments.smallest else arguments.shapes.split(","):
        spent_s = [stages_of(shape, size, arguments.schedulers.split(","), arguments.flow) for size in sizes]
        for stage in spent_s[0]:
            times = [max(each[stage], 1e-9) for each in spent_s]
            growth = [
                math.log(times[i + 1] / times[i]) / math.log(sizes[i + 1] / sizes[i]) for i in range(len(sizes) - 1)
            ]
            shown = " ".join(f"{size:>8,}: {each:8.3f} s" for size, each in zip(sizes, times, strict=True))
            exponents = " ".join(f"{each:5.2f}" for each in growth)
            print(f"{shape:8}{stage:16}{shown}  exponents {exponents} (goal 1, as n log n has)", flush=True)


if __name__ == "__main__":
    main()
