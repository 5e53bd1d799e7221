"""What each further level of memory costs the search: seconds of CPU to price a model with two levels, and with more.

    python tests/benchmarks/bench_levels.py [WORKLOAD ...] [--objective NAME] [--smallest]

Each hierarchy is that of a shipped accelerator. SRAMs are taken away from the inside until each operand passes two
levels at most; one by one they come back, and then SRAMs of half the size are put inside until one passes five. The
goal: five levels cost at most four times two.
"""

import gc
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from smallest import SMALL_MODEL, parser

from mensa_sim.cli import GARBAGE_AFTER
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.objective import DEFAULT_OBJECTIVE, OBJECTIVES
from mensa_sim.workload.dims import OPERANDS
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

MACHINES = ("edge_tpu", "simba_chiplet", "hexagon_hvx", "ethos_u55")
TWO, FIVE = 2, 5


def deepest(levels: tuple[Level, ...]) -> int:
    """Levels on the way of the operand that passes most."""
    return max(sum(operand in level.serves for level in levels) for operand in OPERANDS)


def ladder(spec: PeArray) -> dict[int, tuple[Level, ...]]:
    """The levels of an accelerator by how many an operand passes, from two to five."""
    levels = list(spec.levels)
    found: dict[int, tuple[Level, ...]] = {}
    while levels:
        found.setdefault(deepest(tuple(levels)), tuple(levels))
        del levels[next((i for i, level in enumerate(levels) if level.ported), 0)]
    levels = list(spec.levels)
    names = count(1)
    while deepest(tuple(levels)) < FIVE:
        outer = next(i for i, level in enumerate(levels) if level.ported and level.serves == _widest(levels))
        half = max(1, levels[outer].capacity_bytes // 2)
        levels.insert(outer, replace(levels[outer], name=f"inner_{next(names)}", capacity_bytes=half))
        found.setdefault(deepest(tuple(levels)), tuple(levels))
    return {depth: found[depth] for depth in range(TWO, FIVE + 1) if depth in found}


def _widest(levels: list[Level]) -> tuple[str, ...]:
    """What the outermost SRAM that serves most operands serves."""
    return max((level.serves for level in levels if level.ported), key=len)


def with_levels(system: System, levels: tuple[Level, ...]) -> System:
    """The system with another hierarchy in its first accelerator, and no other accelerator."""
    first = system.accelerators[0]
    return replace(system, accelerators=(replace(first, spec=replace(first.array, levels=levels)),))


def seconds(graph: LayerGraph, system: System, objective: str) -> float:
    start_s = time.process_time()
    price(graph, system, objective)
    return time.process_time() - start_s


def main(machines: Sequence[str], names: list[str], objective: str) -> None:
    graphs = [load_workload(name) for name in names]
    gc.collect()
    gc.set_threshold(GARBAGE_AFTER)  # a full collection takes half of what two levels do, and fell on any of them
    for machine in machines:
        system = load_system(machine)
        two_s = 0.0
        for depth, levels in ladder(system.accelerators[0].array).items():
            spent_s = sum(seconds(graph, with_levels(system, levels), objective) for graph in graphs)
            two_s = spent_s if depth == TWO else two_s
            print(f"{machine:16} {depth} levels: {spent_s:6.2f} s of CPU, {spent_s / two_s:4.1f} times two levels")


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("workloads", nargs="*", default=["mobilenet_v2", "lstm"])
    made.add_argument("--objective", choices=OBJECTIVES, default=DEFAULT_OBJECTIVE)
    arguments = made.parse_args()
    machines, names = (MACHINES[:1], [SMALL_MODEL]) if arguments.smallest else (MACHINES, arguments.workloads)
    main(machines, names, arguments.objective)
