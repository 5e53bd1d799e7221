"""Wall time and peak memory of the command line: help, a first run, a run from the cache.

python tests/benchmarks/bench_run.py [WORKLOAD] [--smallest]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from smallest import SMALL_MODEL, parser

REPETITIONS = 5


def timed(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak MiB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Print a line per command: the median over the repetitions, and the first run alone."""
    made = parser(__doc__)
    made.add_argument("workload", nargs="?", default="lstm")
    arguments = made.parse_args()
    workload, repetitions = (SMALL_MODEL, 1) if arguments.smallest else (arguments.workload, REPETITIONS)
    program = [sys.executable, "-m", "mensa_sim"]
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "MENSA_SIM_CACHE": str(Path(scratch) / "cache")}
        run = [*program, "run", workload, "--output", str(Path(scratch) / "results")]
        seconds, mebibytes = timed(run, environment)
        print(f"first run {workload}: {seconds:.2f} s, peak {mebibytes:.0f} MiB")
        for name, command in ((f"repeated run {workload}", run), ("help", [*program, "--help"])):
            samples = [timed(command, environment) for _ in range(repetitions)]
            seconds = statistics.median(sample[0] for sample in samples)
            print(f"{name}: {seconds:.2f} s (median of {repetitions}), peak {max(s[1] for s in samples):.0f} MiB")


if __name__ == "__main__":
    main()
