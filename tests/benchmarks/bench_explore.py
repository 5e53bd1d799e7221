"""Designs per second of an exploration of one CNN, and how much a second worker process brings.

python tests/benchmarks/bench_explore.py [WORKLOAD] [--smallest] [--designs 1000,10000,100000] [--sampler tpe]

Each line is one exploration. The first evaluate nothing: their time is that of choosing designs, keeping them and
writing results, with the exponent between sizes. Then of a system-level field (the link, so that every pair of a layer
and an accelerator is priced once for all designs), of fields of every accelerator, and the latter again with two
processes. The mapping search, and how seldom garbage is looked for, are those of `mensa-sim run`. The graph is traced
before the clock starts, and no price is known before an exploration. The start of processes, about a second, is in both
times; the exploration of every accelerator is long enough (160 designs, 40 s of work for one core) for it to count as
little as in practice. On a machine that is busy otherwise wall time says little: the CPU time of two processes over
that of one bounds the speed-up that an idle one can give.
"""

import gc
import math
import multiprocessing.forkserver
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from smallest import SMALL_MODEL, parser

from mensa_sim.cli import GARBAGE_AFTER
from mensa_sim.io.files import write_yaml
from mensa_sim.io.store import cache_folder
from mensa_sim.report.explore.files import designs_csv, front_files
from mensa_sim.report.explore.page import EXPLORATION
from mensa_sim.study.explore.evaluate import Setup, Task
from mensa_sim.study.explore.explore import explore
from mensa_sim.study.explore.metrics import RUN
from mensa_sim.study.explore.request import ExploreRequest
from mensa_sim.study.explore.study_file import DesignOutcome
from mensa_sim.study.explore.workers import Workers
from mensa_sim.workload.load import load_workload

SYSTEM_LEVEL: dict[str, Any] = {
    "links.0.bandwidth_bytes_per_s": {"linear": {"low": 10**9, "high": 200 * 10**9, "step": 10**9}}
}
CLOCKS = {
    "fields": [f"accelerators.{name}.clock_hz" for name in ("pascal", "pavlov", "jacquard")],
    "linear": {"low": 125 * 10**5, "high": 2000 * 10**6, "step": 125 * 10**5},
}
EVERY_ACCELERATOR: dict[str, Any] = {"clocks": CLOCKS}
MANY: dict[str, Any] = {
    "links.0.bandwidth_bytes_per_s": {"linear": {"low": 10**9, "high": 400 * 10**9, "step": 10**9}},
    "accelerators.pascal.clock_hz": {"linear": {"low": 10**7, "high": 300 * 10**7, "step": 10**7}},
}
PAGE_GOAL_BYTES = 5_000_000


class NoWork(Workers):
    """Gives every design made-up metrics at once, some of which make a front."""

    capacity = 1

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._tasks: list[Task] = []

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def wait(self) -> DesignOutcome:
        task = self._tasks.pop()
        first, second = task.point
        metrics = {**dict.fromkeys(RUN, 1.0), "latency_ps": 1e6 / (1 + first), "energy_pj": 1e3 + first + 7 * second}
        return DesignOutcome(number=task.number, point=task.point, state="done", workloads=(metrics,))

    def close(self) -> None:
        pass


def without_evaluation(folder: Path, counts: list[int], sampler: str) -> None:
    """The time of everything but evaluations at each number of designs."""
    before: tuple[int, float] | None = None
    for count in counts:
        own = folder / f"no-work-{count}"
        own.mkdir()
        path, start = space(own, SMALL_MODEL, MANY, sampler), time.process_time()
        with patch("mensa_sim.study.explore.explore.Local", NoWork):
            result = explore(ExploreRequest(space=str(path), folder=own, trials=count))
        searched = time.process_time()
        page = EXPLORATION.page(result)
        size = len(designs_csv(result)) + len(EXPLORATION.summary(result)) + len(front_files(result))
        written = time.process_time()
        exponent = (
            "" if before is None else f", exponent {math.log((written - start) / before[1], count / before[0]):.2f}"
        )
        print(
            f"{count} designs by {sampler}, not evaluated: {searched - start:.1f} CPU s "
            f"({1e3 * (searched - start) / count:.2f} ms each), results {written - searched:.1f}, page "
            f"{len(page) / 1e6:.1f} MB, others {size / 1e6:.1f} MB, "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB{exponent}",
            flush=True,
        )
        before = count, written - start


def space(folder: Path, workload: str, parameters: dict[str, Any], sampler: str = "grid") -> Path:
    """Some parameters of Mensa-G."""
    data = {
        "name": "bench",
        "system": "mensa_g",
        "workloads": [workload],
        "parameters": parameters,
        "objectives": [{"metric": "energy_pj"}, {"metric": "latency_ps"}],
        "sampler": {"name": sampler},
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
    made.add_argument("--designs", default="1000,10000,100000", help="numbers of designs that are not evaluated")
    made.add_argument("--sampler", default="grid", help="what chooses those")
    arguments = made.parse_args()
    workload, trials = (SMALL_MODEL, 2) if arguments.smallest else (arguments.workload, None)
    designs = "4,8" if arguments.smallest else arguments.designs
    gc.set_threshold(GARBAGE_AFTER)
    load_workload(workload)
    os.environ["MENSA_SIM_CACHE"] = str(cache_folder())
    print(f"{workload}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(f"goals: exponent 1, a page of {PAGE_GOAL_BYTES / 1e6:.0f} MB")
        without_evaluation(folder, [int(count) for count in designs.split(",")], arguments.sampler)
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
