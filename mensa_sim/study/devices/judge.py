"""Devices judged on runs that they were not fitted to: the other half of their models, or others altogether."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.io.csv_text import csv_text
from mensa_sim.study.devices.constants import USUAL, FittedDevice
from mensa_sim.study.devices.fit import FittedDevices, fit_device_rates, fit_energy
from mensa_sim.study.devices.runs import DeviceRun

NAME_WIDTH = 70
"""Characters of a device's name in the report: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run beside what others say of it, in seconds and joules."""

    run: DeviceRun
    decode_s: float
    prompt_s: float | None
    energy_j: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDevice:
    """One device: its constants by all runs, and how far it is off on those that it was not fitted to."""

    device: str
    models: int
    fitted: Mapping[str, FittedDevice]
    """By its formats of weights; to the runs that may be fitted to where others are judged."""
    runs: tuple[Judged, ...]

    @property
    def decode_percent(self) -> float | None:
        """Mean error of the time of a decoding step."""
        return _percent((each.decode_s, each.run.decode_s) for each in self.runs)

    @property
    def prompt_percent(self) -> float | None:
        """Mean error of the time of a prompt."""
        return _percent((each.prompt_s, each.run.prompt_s) for each in self.runs)

    @property
    def energy_percent(self) -> float | None:
        """Mean error of the energy of a token, within one scope of what was metered."""
        return _percent((each.energy_j, each.run.energy_j) for each in self.runs)

    @property
    def roofline_percent(self) -> float | None:
        """Mean error of the plain roofline: bytes of a step over the quoted bandwidth."""
        return _percent((each.run.roofline_s, each.run.decode_s) for each in self.runs)


def judge_devices(runs: Sequence[DeviceRun]) -> tuple[JudgedDevice, ...]:
    """Every device with at least two models, in alphabetical order, by the other halves of all devices' models."""
    by_device: dict[str, list[DeviceRun]] = {}
    for run in sorted(runs, key=lambda run: run.kin.device):
        by_device.setdefault(run.kin.device, []).append(run)
    halves = {device: model_halves(own) for device, own in by_device.items()}
    learnt = [[run for half in halves.values() for run in half[side]] for side in (0, 1)]
    fits, whole = [fit_device_rates(side) for side in learnt], fit_device_rates(runs)
    return tuple(
        _judged_device([*_judged(fits[0], even, odd), *_judged(fits[1], odd, even)], whole)
        for even, odd in halves.values()
        if odd
    )


def judge_others(runs: Sequence[DeviceRun], others: Sequence[DeviceRun]) -> tuple[JudgedDevice, ...]:
    """Every device of the others, in alphabetical order, by constants fitted to the runs alone."""
    fitted = fit_device_rates(runs)
    found = []
    for device in sorted({run.kin.device for run in others}):
        learnt = [run for run in runs if run.kin.device == device]
        found.append(
            _judged_device(_judged(fitted, learnt, [run for run in others if run.kin.device == device]), fitted)
        )
    return tuple(found)


def _judged_device(judged: Sequence[Judged], fitted: FittedDevices) -> JudgedDevice:
    kin = {each.run.kin.weights: each.run.kin for each in judged}
    return JudgedDevice(
        device=judged[0].run.kin.device,
        models=len({each.run.model for each in judged}),
        fitted={weights: fitted.of(kin[weights]) for weights in sorted(kin)},
        runs=tuple(judged),
    )


def model_halves(runs: Sequence[DeviceRun]) -> tuple[list[DeviceRun], list[DeviceRun]]:
    """The runs of every second model by size, and those of the others: both halves span the sizes."""
    order = sorted({(run.parameters, run.model) for run in runs})
    place = {model: index for index, (_, model) in enumerate(order)}
    return [run for run in runs if place[run.model] % 2 == 0], [run for run in runs if place[run.model] % 2]


def _judged(fitted: FittedDevices, learnt: Sequence[DeviceRun], others: Sequence[DeviceRun]) -> list[Judged]:
    """Runs of a device; its energies are those of its learnt runs of the same scope."""
    energies = {run.scope: fit_energy([each for each in learnt if each.scope == run.scope]) for run in others}
    rates = {run.kin: fitted.of(run.kin) for run in others}
    found = []
    for run in others:
        step_s, energy = rates[run.kin].seconds(run.step), energies[run.scope]
        found.append(
            Judged(
                run=run,
                decode_s=step_s,
                prompt_s=None if run.prompt is None else rates[run.kin].seconds(run.prompt),
                energy_j=None if energy is None else energy.joules(run, step_s),
            )
        )
    return found


def mean_of(devices: Sequence[JudgedDevice], figure: Callable[[JudgedDevice], float | None]) -> float | None:
    """The mean of a figure over the devices that have it."""
    known = [value for value in map(figure, devices) if value is not None]
    return sum(known) / len(known) if known else None


def _percent(pairs: Iterable[tuple[float | None, float | None]]) -> float | None:
    errors = [abs(one / other - 1) for one, other in pairs if one and other]
    return 100 * sum(errors) / len(errors) if errors else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorColumn:
    """A column of errors in the report."""

    title: str
    error: Callable[[JudgedDevice], float | None]

    def cell(self, percent: float | None) -> str:
        """An error, or that there is none."""
        return f"{'-' if percent is None else f'{percent:.1f} %':>10}"


ERROR_COLUMNS = (
    ErrorColumn(title="decoding", error=lambda device: device.decode_percent),
    ErrorColumn(title="prompt", error=lambda device: device.prompt_percent),
    ErrorColumn(title="energy", error=lambda device: device.energy_percent),
    ErrorColumn(title="roofline", error=lambda device: device.roofline_percent),
)
"""Of decoding time, time of the prompt, energy of a token; and of decoding time by the plain roofline."""


def judgement_text(devices: Sequence[JudgedDevice], passed_over: Mapping[str, int]) -> str:
    """One line a device, the means over devices and over runs, what was fitted, and the rows that were passed over."""
    lines = [
        f"{'device':{NAME_WIDTH}}{'runs':>6}{'models':>8}" + "".join(f"{each.title:>10}" for each in ERROR_COLUMNS)
    ]
    for device in devices:
        cells = "".join(each.cell(each.error(device)) for each in ERROR_COLUMNS)
        lines.append(f"{device.device[: NAME_WIDTH - 1]:{NAME_WIDTH}}{len(device.runs):6}{device.models:8}{cells}")
    together = JudgedDevice(device="", models=0, fitted={}, runs=tuple(run for each in devices for run in each.runs))
    for name, error in (
        ("mean of devices", lambda column: mean_of(devices, column.error)),
        ("mean of runs", lambda column: column.error(together)),
    ):
        lines.append(f"{name:{NAME_WIDTH + 14}}" + "".join(each.cell(error(each)) for each in ERROR_COLUMNS))
    lines.append("errors on runs that the constants were not fitted to; roofline: bytes of a step over the bandwidth")
    lines += [f"passed over: {count} rows, {reason}" for reason, count in passed_over.items()]
    lines += ["", f"{'fitted to all runs':{NAME_WIDTH}}" + "".join(f"{name:>{len(name) + 2}}" for name in USUAL)]
    for device in devices:
        for weights, constants in device.fitted.items():
            name = f"{device.device}, {weights.rpartition(', ')[2]}".removesuffix(", ")
            values = "".join(f"{getattr(constants, each):{len(each) + 2}.3g}" for each in USUAL)
            lines.append(f"{name[: NAME_WIDTH - 1]:{NAME_WIDTH}}{values}")
    return "\n".join(lines)


def judgement_csv(devices: Sequence[JudgedDevice]) -> str:
    """A row for each run: what was measured, and what runs that it was kept from say."""
    header = (
        "device",
        "model",
        "step_bytes",
        "decode_s",
        "decode_s_predicted",
        "prompt_s",
        "prompt_s_predicted",
        "energy_j",
        "energy_j_predicted",
        "roofline_s",
    )
    rows = (
        (
            each.run.kin.device,
            each.run.model,
            each.run.step.read_bytes,
            each.run.decode_s,
            each.decode_s,
            each.run.prompt_s,
            each.prompt_s,
            each.run.energy_j,
            each.energy_j,
            each.run.roofline_s,
        )
        for device in devices
        for each in device.runs
    )
    return csv_text(header, rows)
