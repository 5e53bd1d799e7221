"""Devices judged on runs that they were not fitted to: the other half of their models, or others altogether.

Halves are drawn ten times, as one way to halve says little; devices whose board is left out altogether are told beside.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from mensa_sim.records import dataclass
from mensa_sim.study.devices.constants import FittedDevice
from mensa_sim.study.devices.fit import FittedDevices, fit_device_rates, fit_energy
from mensa_sim.study.devices.runs import DeviceRun, Kin

TIMES_HALVED, BOARD_FOLDS = 10, 8
"""How often each device's models are halved at random, and in how many parts boards are left out: choices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run beside what others say of it, in seconds and joules."""

    run: DeviceRun
    halving: int = 0
    """Which of the drawn halves it was judged by."""
    decode_s: float
    prompt_s: float | None
    energy_j: float | None


JUDGED_PAIRS: Mapping[str, Callable[[Judged], tuple[float | None, float | None]]] = {
    "decoding": lambda each: (each.run.decode_s, each.decode_s),
    "prompt": lambda each: (each.run.prompt_s, each.prompt_s),
    "energy": lambda each: (each.run.energy_j, each.energy_j),
    "roofline": lambda each: (each.run.decode_s, each.run.roofline_s),
}
"""Of decoding, of the prompt, of a token's energy, what was measured and what others say, in seconds and joules; and of
decoding what the plain roofline says: bytes of a step over the quoted bandwidth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDevice:
    """One device: its constants by all runs, and how far it is off on those that it was not fitted to."""

    device: str
    models: int
    fitted: Mapping[str, FittedDevice]
    """By its formats of weights; to the runs that may be fitted to where others are judged."""
    runs: tuple[Judged, ...]
    of_any: FittedDevice | None = None
    """One set for weights of any format, as device files have it; none where others are judged."""

    def error_percent(self, name: str) -> float | None:
        """Mean error of what a pair of `JUDGED_PAIRS` is of, over the runs that have both."""
        pairs = (JUDGED_PAIRS[name](each) for each in self.runs)
        errors = [abs(said / measured - 1) for measured, said in pairs if measured and said]
        return 100 * sum(errors) / len(errors) if errors else None


ANY_FORMAT = "any format"
"""What all weights are taken to have, for constants that tell none from another."""


def judge_devices(runs: Sequence[DeviceRun], halvings: int = TIMES_HALVED) -> tuple[JudgedDevice, ...]:
    """Every device with at least two models, in alphabetical order, by random halves of all devices' models."""
    own: dict[str, list[DeviceRun]] = {}
    for run in sorted(runs, key=lambda run: run.kin.device):
        own.setdefault(run.kin.device, []).append(run)
    judged: dict[str, list[Judged]] = {device: [] for device in own if len({run.model for run in own[device]}) > 1}
    for halving in range(halvings if judged else 0):
        halves = {device: model_halves(own[device], halving) for device in own}
        for side in (0, 1):
            fitted = fit_device_rates([run for half in halves.values() for run in half[side]])
            for device, found in judged.items():
                found += _judged(fitted, halves[device][side], halves[device][1 - side], halving)
    whole, of_any = fit_device_rates(runs), fit_device_rates([replace(run, kin=_of_any(run.kin)) for run in runs])
    return tuple(
        replace(_judged_device(found, whole), of_any=of_any.of(_of_any(found[0].run.kin))) for found in judged.values()
    )


def _of_any(kin: Kin) -> Kin:
    return replace(kin, weights=f"{kin.kernels}, {ANY_FORMAT}")


def judge_boards(runs: Sequence[DeviceRun]) -> tuple[JudgedDevice, ...]:
    """Every device by runs of other boards alone."""
    boards = sorted({run.kin.board for run in runs})
    return tuple(
        device
        for fold in (boards[start::BOARD_FOLDS] for start in range(min(BOARD_FOLDS, len(boards))))
        for device in judge_others(
            [run for run in runs if run.kin.board not in fold], [run for run in runs if run.kin.board in fold]
        )
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


def model_halves(runs: Sequence[DeviceRun], halving: int) -> tuple[list[DeviceRun], list[DeviceRun]]:
    """The runs of a device that are of a random half of its models, and the others; either has more."""
    models = sorted({run.model for run in runs})
    draw = random.Random(f"{runs[0].kin.device} {halving}")
    draw.shuffle(models)
    half = models[: (len(models) + draw.randrange(2)) // 2]
    return [run for run in runs if run.model in half], [run for run in runs if run.model not in half]


def _judged(
    fitted: FittedDevices, learnt: Sequence[DeviceRun], others: Sequence[DeviceRun], halving: int = 0
) -> list[Judged]:
    """Runs of a device; its energies are those of its learnt runs of the same scope."""
    energies = {run.scope: fit_energy([each for each in learnt if each.scope == run.scope]) for run in others}
    rates = {run.kin: fitted.of(run.kin) for run in others}
    found = []
    for run in others:
        step_s, energy = rates[run.kin].seconds(run.step), energies[run.scope]
        found.append(
            Judged(
                run=run,
                halving=halving,
                decode_s=step_s,
                prompt_s=None if run.prompt is None else rates[run.kin].seconds(run.prompt),
                energy_j=None if energy is None else energy.joules(run, step_s),
            )
        )
    return found


def mean_of(devices: Iterable[JudgedDevice], name: str) -> float | None:
    """The mean error of one of `JUDGED_PAIRS` over the devices that have it."""
    known = [percent for device in devices if (percent := device.error_percent(name)) is not None]
    return sum(known) / len(known) if known else None


def of_halvings(devices: Sequence[JudgedDevice], name: str) -> list[float]:
    """That mean in each of the halvings."""
    halvings = sorted({each.halving for device in devices for each in device.runs})
    found = (
        mean_of(
            (replace(device, runs=tuple(each for each in device.runs if each.halving == one)) for device in devices),
            name,
        )
        for one in halvings
    )
    return [mean for mean in found if mean is not None]


JUDGED_FIELDS = (
    *("run.kin.device", "run.model", "halving", "step_bytes=run.step.read_bytes"),
    *("run.decode_s", "decode_s_predicted=decode_s", "run.prompt_s", "prompt_s_predicted=prompt_s"),
    *("run.energy_j", "energy_j_predicted=energy_j", "run.roofline_s"),
)
"""Of a run, what tables have of it: what was measured, and what runs that it was kept from say."""
