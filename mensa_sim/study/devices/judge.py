"""Devices judged on models that they were not fitted to: each half of a device's models predicts the other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.io.csv_text import csv_text
from mensa_sim.study.devices.fit import FittedDevice, fit_device_rates, fit_energy
from mensa_sim.study.devices.runs import DeviceRun

NAME_WIDTH = 70
"""Characters of a device's name in the report: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run beside what the models of the other half say of it, in seconds and joules."""

    run: DeviceRun
    decode_s: float
    prompt_s: float | None
    energy_j: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDevice:
    """One device: its constants by all its runs, and how far each half of its models is off on the other."""

    device: str
    models: int
    fitted: FittedDevice
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
    """Every device with at least two models, in alphabetical order."""
    found = []
    for device in sorted({run.device for run in runs}):
        own = [run for run in runs if run.device == device]
        even, odd = model_halves(own)
        if odd:
            judged = (*_judged(even, odd), *_judged(odd, even))
            models = len({run.model for run in own})
            found.append(JudgedDevice(device=device, models=models, fitted=fit_device_rates(own), runs=judged))
    return tuple(found)


def model_halves(runs: Sequence[DeviceRun]) -> tuple[list[DeviceRun], list[DeviceRun]]:
    """The runs of every second model by size, and those of the others: both halves span the sizes."""
    order = sorted({(run.parameters, run.model) for run in runs})
    place = {model: index for index, (_, model) in enumerate(order)}
    return [run for run in runs if place[run.model] % 2 == 0], [run for run in runs if place[run.model] % 2]


def _judged(learnt: Sequence[DeviceRun], others: Sequence[DeviceRun]) -> Iterable[Judged]:
    rates = fit_device_rates(learnt)
    energies = {run.scope: fit_energy([each for each in learnt if each.scope == run.scope]) for run in others}
    for run in others:
        step_s = rates.seconds(run.step, run.bytes_per_s)
        energy = energies[run.scope]
        yield Judged(
            run=run,
            decode_s=step_s,
            prompt_s=None if run.prompt is None else rates.seconds(run.prompt, run.bytes_per_s),
            energy_j=None if energy is None else energy.joules(run, step_s),
        )


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
    """One line a device, the means, and the rows that were passed over."""
    lines = [
        f"{'device':{NAME_WIDTH}}{'runs':>6}{'models':>8}" + "".join(f"{each.title:>10}" for each in ERROR_COLUMNS)
    ]
    for device in devices:
        cells = "".join(each.cell(each.error(device)) for each in ERROR_COLUMNS)
        lines.append(f"{device.device[: NAME_WIDTH - 1]:{NAME_WIDTH}}{len(device.runs):6}{device.models:8}{cells}")
    means = "".join(each.cell(mean_of(devices, each.error)) for each in ERROR_COLUMNS)
    lines.append(f"{'mean of devices':{NAME_WIDTH + 14}}{means}")
    lines.append(
        "errors on the half of the models that the constants were not fitted to; roofline: bytes over bandwidth"
    )
    lines += [f"passed over: {count} rows, {reason}" for reason, count in passed_over.items()]
    return "\n".join(lines)


def judgement_csv(devices: Sequence[JudgedDevice]) -> str:
    """A row for each run: what was measured, and what the other half of the device's models says."""
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
            each.run.device,
            each.run.model,
            each.run.step.streamed_bytes + each.run.step.cache_bytes,
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
