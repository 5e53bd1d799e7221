"""How long scheduling takes: 10,000 layers on 8 accelerators beside 2 memories.

python tests/benchmarks/bench_schedule.py [--smallest]
"""

import random
import time
from dataclasses import replace

from smallest import parser

from mensa_sim.hardware.routes import Leg, Route
from mensa_sim.schedule.policies.registry import SCHEDULERS, schedule
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option, Refusal, Unit, UnitTensor


def large_problem(layers: int, accelerators: int, memories: int, seed: int = 0) -> Problem:
    """Blocks of four branches with a skip connection around each, one layer in fifty refused somewhere."""
    draw = random.Random(seed)
    units = [_unit(index, accelerators, draw) for index in range(layers)]
    tensors = []
    for start in range(0, layers - 6, 5):
        size = draw.randint(1_000, 500_000)
        branches = tuple(range(start + 1, start + 5))
        tensors.append(UnitTensor(producer=start, readers=(*branches, start + 5), size_bytes=size))
        tensors += [
            UnitTensor(producer=b, readers=(start + 5,), size_bytes=draw.randint(1_000, 500_000)) for b in branches
        ]
    names = [f"m{index}" for index in range(memories)]
    stages = [
        Leg(resource="read", bandwidth_bytes_per_s=24e9, pj_per_byte={"memory": 32.0}),
        Leg(resource="link", bandwidth_bytes_per_s=32e9, pj_per_byte={"link": 16.0}, latency_ps=100_000),
        Leg(resource="write", bandwidth_bytes_per_s=192e9, pj_per_byte={"memory": 16.0}),
    ]
    route = Route(legs=tuple(stages))
    return Problem(
        name=f"{layers} layers on {accelerators} accelerators",
        accelerators=tuple(f"a{index}" for index in range(accelerators)),
        memories=tuple(names[index % memories] for index in range(accelerators)),
        units=tuple(units),
        tensors=tuple(tensors),
        routes={(s, t): route for s in names for t in names if s != t},
        static_mw=20.0 + sum(5.0 + index for index in range(accelerators)),
        families={},
    )


def _unit(index: int, accelerators: int, draw: random.Random) -> Unit:
    work_ps = draw.randint(10**6, 10**9)
    options: list[Option | Refusal] = []
    for _ in range(accelerators):
        latency_ps = round(work_ps * draw.uniform(0.5, 4))
        energy_pj = work_ps / 1000 * draw.uniform(0.5, 4)
        options.append(Option(latency_ps=latency_ps, energy_pj=energy_pj, compute_ps=latency_ps // 2))
    if draw.random() < 0.02:
        options[draw.randrange(accelerators)] = Refusal(reason="no buffer holds one tile")
    return Unit(
        name=f"u{index}",
        layers=(f"u{index}",),
        options=tuple(options),
        family=draw.randint(1, 5),
        parameter_bytes=draw.randint(1_000, 4_000_000),
        macs_per_step=draw.randint(10**5, 10**8),
    )


def main() -> None:
    """Print one line per scheduler, objective and way of execution."""
    made = parser(__doc__)
    made.add_argument("--layers", type=int, default=10_000)
    made.add_argument("--accelerators", type=int, default=8)
    made.add_argument("--memories", type=int, default=2)
    arguments = made.parse_args()
    layers = 12 if arguments.smallest else arguments.layers
    problem = large_problem(layers, arguments.accelerators, arguments.memories)
    print(f"{problem.name}, {len(problem.tensors)} tensors")
    for execution in ("serial", "parallel"):
        for name in SCHEDULERS:
            for objective in ("edp", "latency", "energy") if name == "optimal" else ("edp",):
                begin_s = time.perf_counter()
                found = schedule(replace(problem, objective=objective, execution=execution), name)
                spent_s = time.perf_counter() - begin_s
                gap = "" if found.gap is None else f"gap {found.gap:.3%}, {found.proof}"
                print(f"{execution:9}{name:12}{objective:8}{spent_s:8.2f} s  value {found.value:.6e} {gap}", flush=True)


if __name__ == "__main__":
    main()
