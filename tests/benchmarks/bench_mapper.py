"""How fast the mapper is: mappings per second, and seconds for whole models, cold, on one core.

    python tests/benchmarks/bench_mapper.py [WORKLOAD ...]

Without arguments every shipped workload is priced on the six accelerators of the Mensa comparison. A mapping counts
once for each residency that it is priced for. Graphs are loaded before the clock starts; every window is counted anew.
"""

import resource
import sys
import time

from mensa_sim.cost import search
from mensa_sim.cost.price import price
from mensa_sim.cost.window import axis_histogram, window_histogram
from mensa_sim.hardware.files import load_system
from mensa_sim.shipped import shipped_files
from mensa_sim.workload.load import load_workload

SYSTEMS = ("edge_tpu", "base_hb", "eyeriss_v2", "mensa_g")
KIB = 1024


def main(names: list[str]) -> None:
    graphs = [load_workload(name) for name in names or shipped_files("workloads")]
    systems = [load_system(name) for name in SYSTEMS]
    loaded_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB
    made = 0
    inside_s = 0.0
    best, begin = search.Search.best, search.Search.__init__

    def counted_begin(self: search.Search, *arguments: object) -> None:
        nonlocal inside_s
        start = time.process_time()
        begin(self, *arguments)  # type: ignore[arg-type]
        inside_s += time.process_time() - start

    def counted_best(self: search.Search, case: search.Case) -> search.Priced | None:
        nonlocal made, inside_s
        start = time.process_time()
        found = best(self, case)
        inside_s += time.process_time() - start
        made += 0 if self.empty else len(self.orders) * len(self.grid.tiles)
        return found

    search.Search.__init__, search.Search.best = counted_begin, counted_best  # type: ignore[method-assign, assignment]
    total_s = 0.0
    for graph in graphs:
        axis_histogram.cache_clear()
        window_histogram.cache_clear()
        start, before = time.process_time(), made
        for system in systems:
            price(graph, system)
        spent_s = time.process_time() - start
        total_s += spent_s
        print(f"{graph.name:28} {len(graph.layers):5} layers {spent_s:7.2f} s {made - before:12,} mappings")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB
    print(f"{len(graphs)} workloads on {', '.join(SYSTEMS)}: {total_s:.2f} s, peak {peak_mib:.0f} MiB", end=" ")
    print(f"({loaded_mib:.0f} MiB before pricing)")
    print(f"{made:,} mappings in {inside_s:.2f} s of search: {made / inside_s / 1e6:.2f} million per second")


if __name__ == "__main__":
    main(sys.argv[1:])
