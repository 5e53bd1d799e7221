"""How fast the mapper is: mappings per second, seconds and peak memory, cold, on one core.

    python tests/benchmarks/bench_mapper.py [WORKLOAD ...] [--smallest]

Without arguments the 24 models are priced on the accelerators of the Mensa comparison. A mapping counts once for each
residency that it is decided for: most are ruled out by a bound on all that share their tiles, the others are priced one
by one. The time is that of the whole price, set-up, exact counts and records included, and garbage is looked for as
seldom as in a command. Graphs are loaded before the clock starts; equal layers are priced once, all else is worked out
anew. The models are priced together, as explorations do, which takes a quarter less time than one after another.
"""

import gc
import resource
import time
from collections.abc import Sequence

from smallest import SMALL_MODEL, parser

from mensa_sim.cli import GARBAGE_AFTER
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.search import Mapped, Search
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price, price_ahead
from mensa_sim.hardware.files import load_system
from mensa_sim.objective import DEFAULT_OBJECTIVE
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS

SYSTEMS = ("edge_tpu", "base_hb", "eyeriss_v2", "pascal", "pavlov", "jacquard")

KIB = 1024


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB


def main(names: list[str]) -> None:
    graphs = [load_workload(name) for name in names]
    systems = [load_system(name) for name in SYSTEMS]
    loaded_mib = peak_mib()
    made = 0
    best = Search.best

    def counted_best(self: Search, residencies: Sequence[BufferCase]) -> list[list[Mapped | None]]:
        nonlocal made
        found = best(self, residencies)
        for each in found:
            made += sum(count for count, mapped in zip(self.candidates, each, strict=True) if mapped is not None)
        return found

    Search.best = counted_best  # type: ignore[method-assign]
    memo = PriceMemo()
    gc.set_threshold(GARBAGE_AFTER)
    start_cpu_s, start_s = time.process_time(), time.perf_counter()
    for system in systems:
        begun_s, before = time.process_time(), made
        price_ahead(graphs, system, DEFAULT_OBJECTIVE, memo)
        for graph in graphs:
            price(graph, system, memo=memo)
        spent_s = time.process_time() - begun_s
        print(f"{system.name:28} {spent_s:7.2f} s {made - before:12,} mappings")
    cpu_s, wall_s = time.process_time() - start_cpu_s, time.perf_counter() - start_s
    print(f"{len(graphs)} workloads on {', '.join(SYSTEMS)}: {cpu_s:.2f} s CPU, {wall_s:.2f} s wall", end=" ")
    print(f"({memo.priced:,} pairs of layer and accelerator priced)")
    print(f"{made:,} mappings: {made / cpu_s / 1e6:.2f} million per second of CPU, {made / wall_s / 1e6:.2f} of wall")
    print(f"peak memory {peak_mib():.0f} MiB ({loaded_mib:.0f} MiB before pricing)")


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("workloads", nargs="*", default=list(MODELS))
    arguments = made.parse_args()
    main([SMALL_MODEL] if arguments.smallest else arguments.workloads)
