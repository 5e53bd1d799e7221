"""What keeping prices on disk costs, and what finding them there brings, on one core.

python tests/benchmarks/bench_store.py [WORKLOAD ...] [--smallest]

The layers of the workloads, by default the 24 models, are priced on four systems: with prices in memory alone, then
with a file beside it that is empty, then anew with the file alone. CPU seconds count, so that a busy machine says the
same; graphs are traced before.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from smallest import SMALL_MODEL, parser

from mensa_sim.cost.prices.kept import FILE, KeptPrices
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS

SYSTEMS = ("edge_tpu", "base_hb", "eyeriss_v2", "mensa_g")


def priced_s(graphs: Sequence[LayerGraph], systems: Sequence[System], memo: PriceMemo) -> float:
    """CPU seconds until all layers have their prices."""
    start_s = time.process_time()
    for graph in graphs:
        for system in systems:
            price(graph, system, memo=memo)
    return time.process_time() - start_s


def main(names: Sequence[str]) -> None:
    """Print a line for each of the three."""
    graphs, systems = [load_workload(name) for name in names], [load_system(name) for name in SYSTEMS]
    memory_s = priced_s(graphs, systems, PriceMemo())
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / FILE
        memo = PriceMemo(KeptPrices(path))
        cold_s = priced_s(graphs, systems, memo)
        pairs, size_bytes = memo.priced, path.stat().st_size
        memo = PriceMemo(KeptPrices(path))
        warm_s = priced_s(graphs, systems, memo)
        if memo.priced:
            raise SystemExit(f"{memo.priced} pairs were not found again")
    print(f"{len(graphs)} workloads on {', '.join(SYSTEMS)}: {pairs:,} pairs of a layer and an accelerator")
    print(f"priced in memory: {memory_s:.2f} s, {memory_s / pairs * 1e3:.3f} ms a pair")
    print(f"priced and kept: {cold_s:.2f} s ({cold_s / memory_s:.2f}x), {size_bytes / pairs:.0f} bytes a pair on disk")
    print(f"found again: {warm_s:.2f} s, {warm_s / pairs * 1e3:.3f} ms a pair: {memory_s / warm_s:.1f} times as fast")


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("workloads", nargs="*", default=list(MODELS))
    arguments = made.parse_args()
    main([SMALL_MODEL] if arguments.smallest else arguments.workloads)
