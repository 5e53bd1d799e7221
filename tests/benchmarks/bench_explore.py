"""Designs per second of an exploration of one CNN, and how much a second worker process brings.

python tests/benchmarks/bench_explore.py [WORKLOAD] [--smallest]

Each line is one exploration: of a system-level field (the link, so that every pair of a layer and an accelerator is
priced once for all designs), of fields of every accelerator, and the latter again with two processes. The mapping
search is that of `mensa-sim run`. The graph is traced before the clock starts, and no price is known before an
exploration. The start of processes, about a second, is in both times; the exploration of every accelerator is long
enough (160 designs, 40 s of work for one core) for it to count as little as in practice. On a machine that is busy
otherwise wall time says little: the CPU time of two processes over that of one bounds the speed-up that an idle one can
give.
"""

import multiprocessing.forkserver
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from smallest import SMALL_MODEL, parser

from mensa_sim.io.files import write_yaml
from mensa_sim.io.store import cache_folder
from mensa_sim.study.explore.explore import explore
from mensa_sim.study.explore.request import ExploreRequest
from mensa_sim.workload.load import load_workload

SYSTEM_LEVEL: dict[str, Any] = {
    "links.0.bandwidth_bytes_per_s": {"linear": {"low": 10**9, "high": 200 * 10**9, "step": 10**9}}
}
CLOCKS = {
    "fields": [f"accelerators.{name}.clock_hz" for name in ("pascal", "pavlov", "jacquard")],
    "linear": {"low": 125 * 10**5, "high": 2000 * 10**6, "step": 125 * 10**5},
}
EVERY_ACCELERATOR: dict[str, Any] = {"clocks": CLOCKS}


def space(folder: Path, workload: str, parameters: dict[str, Any]) -> Path:
    """A grid over some parameters of Mensa-G."""
    data = {
        "name": "bench",
        "system": "mensa_g",
        "workloads": [workload],
        "parameters": parameters,
        "objectives": [{"metric": "energy_pj"}, {"metric": "latency_ps"}],
        "sampler": {"name": "grid"},
        "references": [],
    }
    path = folder / "bench.yaml"
    path.write_text(write_yaml(data))
    return path


def cpu_seconds() -> float:
    """CPU time of this process and of its ended children, those of the server that forks workers among them."""
    multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]  # counted only once it has ended
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def begin_without_prices(folder: Path) -> None:
    """A cache folder for an exploration that has the graphs of the present one, and no prices."""
    cache = folder.with_name(f"{folder.name}-cache")
    cache.mkdir()
    for graph in Path(os.environ["MENSA_SIM_CACHE"]).glob("graph-*"):
        shutil.copy(graph, cache)
    os.environ["MENSA_SIM_CACHE"] = str(cache)


def timed(name: str, path: Path, folder: Path, jobs: int, trials: int | None) -> tuple[float, float]:
    """Wall and CPU seconds of an exploration of so many designs, or of all, report excluded."""
    begin_without_prices(folder)
    wall, cpu = time.perf_counter(), cpu_seconds()
    result = explore(ExploreRequest(space=str(path), folder=folder, jobs=jobs, trials=trials))
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    count = result.trials
    print(
        f"{name}, {jobs} process{'es' if jobs > 1 else ''}: {count} designs in {wall:.1f} s ({count / wall:.1f}/s), "
        f"{cpu:.1f} CPU s ({count / cpu:.1f} per CPU second)"
    )
    return wall, cpu


def main() -> None:
    """Print a line for each exploration, and the speed-up."""
    made = parser(__doc__)
    made.add_argument("workload", nargs="?", default="mobilenet_v1")
    arguments = made.parse_args()
    workload, trials = (SMALL_MODEL, 2) if arguments.smallest else (arguments.workload, None)
    load_workload(workload)
    os.environ["MENSA_SIM_CACHE"] = str(cache_folder())
    print(f"{workload}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print("goals: 150 designs per CPU second of one system-level field, 20 of every accelerator")
        timed("one system-level field", space(folder, workload, SYSTEM_LEVEL), folder / "system", 1, trials)
        path = space(folder, workload, EVERY_ACCELERATOR)
        one = timed("every accelerator", path, folder / "one", 1, trials)
        two = timed("every accelerator", path, folder / "two", 2, trials)
    print(
        f"speed-up of two processes: {one[0] / two[0]:.2f}x; CPU time of two over one: {two[1] / one[1]:.2f}, "
        f"which allows {2 * one[1] / two[1]:.2f}x"
    )


if __name__ == "__main__":
    main()
