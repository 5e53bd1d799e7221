"""CPU time and memory of the command line beside its goals: help, an import, runs and studies like one before.

    python tests/benchmarks/bench_run.py [WORKLOAD...] [--studies] [--smallest]

Goals are for a machine on which a bare `import numpy` takes 0.08 s of CPU: each time is also told as it would be there,
by that import timed beside it. `--studies` adds `reproduce` and `sensitivity`, whose first run takes minutes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from smallest import SMALL_MODEL, parser

REPETITIONS = 5
IMPORT_S = 0.08
"""Of the machine that the goals are for: a choice."""
GOALS_S = {
    "--help": 0.2,
    "import mensa_sim": 0.3,
    "run lstm": 0.4,
    "run mobilenet_v2": 0.5,
    "reproduce --jobs 2": 15.0,
    "sensitivity --jobs 2": 45.0,
}
"""Choices; those of studies are wall time on two cores, of which each may have as much CPU time."""


def timed(arguments: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """CPU seconds, those of its workers included, and peak MiB of one process."""
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Print a line per command: its first run, and the median of those like it."""
    made = parser(__doc__)
    made.add_argument("workloads", nargs="*", default=["lstm", "mobilenet_v2"])
    made.add_argument("--studies", action="store_true", help="reproduce and sensitivity too")
    arguments = made.parse_args()
    workloads, repetitions = ([SMALL_MODEL], 1) if arguments.smallest else (arguments.workloads, REPETITIONS)
    program = [sys.executable, "-m", "mensa_sim"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as scratch:
        if not arguments.smallest:
            environment["MENSA_SIM_CACHE"] = str(Path(scratch) / "cache")
        output = ["--output", str(Path(scratch) / "results"), "--force"]
        commands = {"--help": [*program, "--help"], "import mensa_sim": [sys.executable, "-c", "import mensa_sim"]}
        commands |= {f"run {name}": [*program, "run", name, *output] for name in workloads}
        if arguments.studies:
            studies = ("reproduce", "sensitivity")
            commands |= {f"{name} --jobs 2": [*program, name, "--jobs", "2", *output] for name in studies}
        bare = [sys.executable, "-c", "import numpy"]
        for name, command in commands.items():
            first_s, _ = timed(command, environment)
            samples = [timed(command, environment) for _ in range(1 if "--jobs" in command else repetitions)]
            again_s = statistics.median(sample[0] for sample in samples)
            there = IMPORT_S / statistics.median(timed(bare, environment)[0] for _ in range(repetitions))
            cores = 2 if "--jobs" in command else 1
            goal = f", goal {GOALS_S[name]} s" if name in GOALS_S else ""
            print(
                f"{name}: first {first_s:.2f} CPU s, again {again_s:.2f} = {again_s * there / cores:.2f} s a core on "
                f"the machine of the goals{goal}; peak {max(sample[1] for sample in samples):.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
