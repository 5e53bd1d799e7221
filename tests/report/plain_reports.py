"""Results of the studies whose page is a finding, figures and tables, made up; names in them try to be markup."""

from dataclasses import fields, replace
from typing import Any

import mensa_sim as ms
from mensa_sim.cost.datasheet import DeviceWork
from mensa_sim.study.calibrate.calibrate import JudgedKernels
from mensa_sim.study.devices.constants import USUAL, FittedDevice, RunPhase
from mensa_sim.study.devices.judge import Judged, JudgedDevice
from mensa_sim.study.devices.runs import DeviceRun, Kin
from mensa_sim.study.near_data.study import PUBLISHED, RecomputedGain
from mensa_sim.study.near_data.worth import Cell, GainInWorlds, WorthRow
from mensa_sim.study.reproduce.outcome import Outcome

MADE: dict[str, Any] = {"versions": {"mensa-sim": "0"}, "inputs": {"file.csv": "0"}, "command": "mensa-sim"}


def found_families(name: str) -> ms.Families:
    """Five layers."""
    sizes = ((16, 8, 8), (64, 64, 16), (1024, 1024, 1), (10, 512, 1), (96, 96, 4))
    layers = [
        {"name": f"{name} {place}", "operator": "linear", "dims": {"K": k, "C": c, "OX": x}}
        for place, (k, c, x) in enumerate(sizes)
    ]
    return ms.families([{"name": "tiny", "layers": layers}])


def found_gains(name: str) -> ms.PimGains:
    """A range that is published, and one figure."""
    rows = [replace(PUBLISHED.gains[0], work=name, against=name, reason=name), PUBLISHED.gains[-1]]
    return ms.PimGains(rows=tuple(RecomputedGain(gain=gain, ours=2.0) for gain in rows), **MADE)


def found_worth(name: str) -> ms.NearData:
    """A step with and without a limit of power, and one that could not be taken."""
    zeros: dict[str, Any] = dict.fromkeys((each.name for each in fields(Outcome)), 0) | {
        "energy_by_resource_pj": {"npu": {"mac": 1e9}}
    }
    alone, together = (Outcome(**zeros | {"latency_ps": ps}) for ps in (4 * 10**9, 2 * 10**9))
    cell = Cell(model=name, parameters=10**9, bits=4, context=512, workload="file")
    gain = GainInWorlds(taken=2.0, worlds=(1.5, 4.0))
    row = WorthRow(system=name, cell=cell, limit_w=None, alone=alone, together=together, time=gain, energy=gain)
    return ms.NearData(rows=(row, replace(row, limit_w=2.0)), failures=(name,), worlds=2, **MADE)


def found_devices(name: str) -> ms.DeviceFits:
    """A device with two runs, one of which says all that a run can."""
    kin = Kin(device=name, setup=name, board=name, kernels=name, weights=f"{name}, 4 bits", unit="CPU")
    phase = RunPhase(work=DeviceWork(streamed_bytes=10**9), bytes_per_s=1e10)
    whole = DeviceRun(
        kin=kin, model=name, parameters=1, step=phase, prompt=phase, decode_s=0.2, prompt_s=1.0, energy_j=0.5
    )
    runs = (whole, replace(whole, prompt=None, prompt_s=None, energy_j=None))
    constants = FittedDevice(**dict.fromkeys(USUAL, 1.0))
    device = JudgedDevice(
        device=name,
        models=2,
        fitted={kin.weights: constants},
        runs=tuple(Judged(run=run, decode_s=0.18, prompt_s=1.5, energy_j=0.6) for run in runs),
    )
    return ms.DeviceFits(devices=(device,), passed_over={name: 3}, boards_left_out=(device,), **MADE)


def found_calibration(name: str) -> ms.Calibrated:
    """A field that was fitted, judged on kernels of two operators."""
    judged = tuple(
        JudgedKernels(operator=each, rows=3, error_percent=5.0, error_before_percent=50.0) for each in (name, "linear")
    )
    return ms.Calibrated(spec=name, text="", fitted={"clock_hz": (1e9, 7e8)}, rows=6, judged=judged, left_out=1, **MADE)


PLAIN = (found_families, found_gains, found_worth, found_devices, found_calibration)
"""What makes a result of each study whose report is plain, of a name that stands wherever one can."""
