"""Fits the hosts of the shipped Coral systems anew from a folder of reference data, and shows how each fit does.

    python tests/benchmarks/fit_hosts.py FOLDER [SYSTEM...] [--no-loo]

Each host's constants are the least squares of the logarithm over its latencies that `may_be_fitted` admits. Printed:
the constants, the mean errors on the other rows, of each half of the workloads (every second by name) under the
constants that the other half gives and, without --no-loo, of each workload under those that all others give.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.study.calibrate.rule import may_be_fitted
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.validate.file import Measurement
from mensa_sim.study.validate.reference_rows import reference_measurements
from mensa_sim.study.validate.validate import shipped_measurements
from mensa_sim.units import PS_PER_MS
from mensa_sim.workload.load import load_workload

HOSTS: Mapping[str, tuple[str, ...]] = {
    "coral_usb3": ("overhead", "in", "out", "link"),
    "coral_usb3_jetson": ("overhead", "in", "out", "link"),
    "coral_usb3_500mhz": ("overhead", "in"),
    "coral_usb2": ("overhead", "in", "out", "link"),
    "coral_pcie": ("overhead", "out", "link"),
    "coral_dev_board": ("out", "link", "instructions"),
    "coral_dev_board_micro": ("overhead", "in", "link"),
}
"""What is fitted of each; a rate of inputs or parameters that is not is that of the other one. The shipped
constants come from the same fit by sums of the simulation's parts, whose predictions agree within 1 %."""


MEMO = PriceMemo()
graph_of = lru_cache(load_workload)


def with_host(system: System, values: Mapping[str, float]) -> System:
    """The system with an overhead in ms, rates in MB/s and instructions of a layer in kB."""
    assert system.host is not None
    name = system.accelerators[0].memory
    memory = system.memories[name]
    link = values.get("link", values.get("in", memory.effective_bytes_per_s / 1e6)) * 1e6
    arriving = values.get("in", link / 1e6) * 1e6
    host = replace(
        system.host,
        overhead_ps=round(values.get("overhead", system.host.overhead_ps / PS_PER_MS) * PS_PER_MS),
        in_bytes_per_s=round(arriving),
        out_bytes_per_s=round(values.get("out", system.host.out_bytes_per_s / 1e6) * 1e6),
        instruction_bytes_per_layer=round(
            values.get("instructions", system.host.instruction_bytes_per_layer / 1e3) * 1e3
        ),
    )
    efficiency = min(1.0, link / memory.bandwidth_bytes_per_s)
    return replace(system, host=host, memories={**system.memories, name: replace(memory, efficiency=efficiency)})


def latencies_ms(system: System, rows: Sequence[Measurement]) -> np.ndarray:
    """Predicted, by row."""
    goal = Goal(scheduler=f"single:{system.accelerators[0].name}", objective="latency")
    known = {
        path: evaluate(graph_of(path), system, goal, memo=MEMO, explained=False).steady.latency_ps
        for path in dict.fromkeys(row.workload_path for row in rows)
    }
    return np.array([known[row.workload_path] / PS_PER_MS for row in rows])


def fitted(system: System, names: Sequence[str], rows: Sequence[Measurement]) -> dict[str, float]:
    """The constants of least squares."""
    assert system.host is not None
    start = {
        "overhead": max(0.01, system.host.overhead_ps / PS_PER_MS),
        "in": system.host.in_bytes_per_s / 1e6,
        "out": system.host.out_bytes_per_s / 1e6,
        "instructions": system.host.instruction_bytes_per_layer / 1e3,
        "link": system.memory_of(system.accelerators[0].name).effective_bytes_per_s / 1e6,
    }
    measured = np.array([row.measured for row in rows])

    def residuals(point: np.ndarray) -> np.ndarray:
        values = dict(zip(names, np.exp(point), strict=True))
        return np.log(latencies_ms(with_host(system, values), rows) / measured)

    found = least_squares(residuals, [np.log(start[name]) for name in names], diff_step=1e-3, xtol=1e-4, ftol=1e-5)
    return dict(zip(names, (float(value) for value in np.exp(found.x)), strict=True))


def error_percent(system: System, rows: Sequence[Measurement]) -> np.ndarray:
    """Absolute errors, by row."""
    return 100 * abs(latencies_ms(system, rows) / np.array([row.measured for row in rows]) - 1)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        found = [*shipped_measurements(), *reference_measurements(Path(sys.argv[1]), Path(scratch))]
        for name in [each for each in sys.argv[2:] if each in HOSTS] or HOSTS:
            system, names = load_system(name), HOSTS[name]
            rows = [row for row in found if row.system == name and row.metric == "latency_ms"]
            learn = [row for row in rows if may_be_fitted(row.workload, row.system, row.metric)]
            judge = [row for row in rows if row not in learn]
            workloads = sorted({row.workload for row in rows})
            halved = sorted({row.workload for row in learn})
            values = fitted(system, names, learn)
            text = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
            others = ""
            if judge:
                others = f"; {len(judge)} others {error_percent(with_host(system, values), judge).mean():.1f} %"
            print(f"{name}: {text} on {len(learn)} rows{others}", flush=True)
            if "--no-loo" not in sys.argv:
                held_out("each", system, names, rows, [[each] for each in workloads])
            held_out("each half", system, names, learn, [halved[::2], halved[1::2]])


def held_out(
    name: str, system: System, names: Sequence[str], rows: Sequence[Measurement], parts: Sequence[Sequence[str]]
) -> None:
    """Prints the error of each part of the workloads under the fit to the others."""
    errors: list[float] = []
    for part in parts:
        own = [row for row in rows if row.workload in part]
        others = [row for row in rows if row.workload not in part]
        errors += list(error_percent(with_host(system, fitted(system, names, others)), own))
    print(f"  {name} left out: {np.mean(errors):.1f} % mean, {max(errors):.1f} % largest", flush=True)


if __name__ == "__main__":
    main()
