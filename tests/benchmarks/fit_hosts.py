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
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.validate.file import Measurement
from mensa_sim.study.validate.fitted_constants import may_be_fitted
from mensa_sim.study.validate.reference_rows import HOST_PARTS, reference_measurements
from mensa_sim.study.validate.validate import shipped_measurements
from mensa_sim.units import PS_PER_MS
from mensa_sim.workload.load import load_workload

HOSTS: Mapping[str, tuple[str, ...]] = {
    "coral_usb3": ("overhead", "out", "link"),
    "coral_usb3_jetson": ("overhead", "in", "out", "link"),
    "coral_usb3_500mhz": ("in",),
    "coral_usb2": ("overhead", "in", "out", "link"),
    "coral_pcie": ("overhead", "out", "both"),
    "coral_dev_board": ("out", "both", "instructions"),
    "coral_dev_board_micro": ("overhead", "in", "link"),
}
"""What is fitted of each, "both" being one rate of inputs and parameters. The shipped constants come from the same fit
by sums of the simulation's parts, whose predictions agree within 1 %."""


MEMO = PriceMemo()
graph_of = lru_cache(load_workload)
load_host = lru_cache(load_system)
Values = tuple[tuple[str, float], ...]
"""Constants by their names in `HOSTS`."""


def with_host(system: System, values: Mapping[str, float]) -> System:
    """The system with an overhead in ms, rates in MB/s and instructions of a layer in kB."""
    assert system.host is not None
    name = system.accelerators[0].memory
    memory = system.memories[name]
    link = values.get("both", values.get("link", memory.effective_bytes_per_s / 1e6)) * 1e6
    arriving = values.get("both", values.get("in", system.host.in_bytes_per_s / 1e6)) * 1e6
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


@cache
def latency_ms(name: str, values: Values, path: str) -> float:
    """Predicted: kept, as the fits without a model begin where the one with all of them ended."""
    system = with_host(load_host(name), dict(values))
    goal = Goal(scheduler=f"single:{system.accelerators[0].name}", objective="latency")
    return evaluate(graph_of(path), system, goal, memo=MEMO, explained=False).steady.latency_ps / PS_PER_MS


def latencies_ms(name: str, values: Values, rows: Sequence[Measurement]) -> np.ndarray:
    """Predicted, by row."""
    return np.array([latency_ms(name, values, row.workload_path) for row in rows])


def shipped(name: str) -> Values:
    """The constants of a host as its file has them."""
    system = load_host(name)
    assert system.host is not None
    values = {
        "overhead": max(0.01, system.host.overhead_ps / PS_PER_MS),
        "in": system.host.in_bytes_per_s / 1e6,
        "out": system.host.out_bytes_per_s / 1e6,
        "instructions": system.host.instruction_bytes_per_layer / 1e3,
        "link": system.memory_of(system.accelerators[0].name).effective_bytes_per_s / 1e6,
        "both": system.host.in_bytes_per_s / 1e6,
    }
    return tuple((each, values[each]) for each in HOSTS[name])


def fitted(name: str, start: Values, rows: Sequence[Measurement]) -> Values:
    """The constants of least squares."""
    measured = np.array([row.measured for row in rows])

    def values_at(point: np.ndarray) -> Values:
        return tuple((each, float(np.exp(value))) for (each, _), value in zip(start, point, strict=True))

    def residuals(point: np.ndarray) -> np.ndarray:
        return np.log(latencies_ms(name, values_at(point), rows) / measured)

    begin = [np.log(value) for _, value in start]
    return values_at(least_squares(residuals, begin, diff_step=1e-3, xtol=1e-4, ftol=1e-5).x)


def error_percent(name: str, values: Values, rows: Sequence[Measurement]) -> np.ndarray:
    """Absolute errors, by row."""
    return 100 * abs(latencies_ms(name, values, rows) / np.array([row.measured for row in rows]) - 1)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        found = [*shipped_measurements(), *reference_measurements(Path(sys.argv[1]), Path(scratch))]
        for name in [each for each in sys.argv[2:] if each in HOSTS] or HOSTS:
            rows = [
                row for row in found if (row.system, row.metric) == (name, "latency_ms") and row.group != HOST_PARTS
            ]
            learn = [row for row in rows if may_be_fitted(row.workload, row.system, row.metric)]
            judge = [row for row in rows if row not in learn]
            workloads = sorted({row.workload for row in rows})
            halved = sorted({row.workload for row in learn})
            values = fitted(name, shipped(name), learn)
            text = ", ".join(f"{key} {value:.4g}" for key, value in values)
            others = ""
            if judge:
                others = f"; {len(judge)} others {error_percent(name, values, judge).mean():.1f} %"
            print(f"{name}: {text} on {len(learn)} rows{others}", flush=True)
            if "--no-loo" not in sys.argv:
                held_out("each", name, values, rows, [[each] for each in workloads])
            held_out("each half", name, values, learn, [halved[::2], halved[1::2]])


def held_out(what: str, name: str, start: Values, rows: Sequence[Measurement], parts: Sequence[Sequence[str]]) -> None:
    """Prints the error of each part of the workloads under the fit to the others."""
    errors: list[float] = []
    for part in parts:
        own = [row for row in rows if row.workload in part]
        others = [row for row in rows if row.workload not in part]
        errors += list(error_percent(name, fitted(name, start, others), own))
    print(f"  {what} left out: {np.mean(errors):.1f} % mean, {max(errors):.1f} % largest", flush=True)


if __name__ == "__main__":
    main()
