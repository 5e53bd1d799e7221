"""The shipped GPUs against the kernels that they were fitted to: made anew, judged out of sample and on each other."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from gpu_rows import GPUS, TABLES, carried, error_percent, gpu_rows, of_family

from mensa_sim.cost.measured.fits.fit import DeviceFit, fit_device, predicted
from mensa_sim.cost.measured.fits.model import shapes_of
from mensa_sim.cost.measured.table import Timing
from mensa_sim.io.files import read_record
from mensa_sim.io.shipped import shipped_root

FAMILIES = ("add", "convolution", "layer_norm", "linear", "matmul", "relu", "softmax")
GOALS_PERCENT = {"linear": 15.0, "matmul": 15.0, "convolution": 25.0}
ACROSS = (("gpu_t4", "gpu_a100"), ("gpu_a100", "gpu_t4"))


def shipped(device: str) -> DeviceFit:
    return read_record(shipped_root() / "accelerator_specs" / "measured" / f"{device}.yaml", DeviceFit)


@pytest.fixture(scope="module")
def rows(reference: Path) -> Mapping[str, tuple[Timing, ...]]:
    return {device: gpu_rows(reference / "gpu", gpu) for device, gpu in GPUS.items()}


@pytest.fixture(scope="module")
def refitted(rows: Mapping[str, tuple[Timing, ...]]) -> Mapping[str, DeviceFit]:
    """What `calibrate` makes of the rows now: whole fits, each with its error of half the rows from the other half."""
    found = {
        device: fit_device(
            rows[device], device=gpu.name, dtype="float32", figures=gpu.figures, source=shipped(device).source
        )
        for device, gpu in GPUS.items()
    }
    return {device: fit for device, fit in found.items() if fit is not None}


@pytest.mark.parametrize("family", [*FAMILIES, "vector"])
@pytest.mark.parametrize("device", sorted(GPUS))
def test_the_shipped_file_is_what_its_rows_give_now(
    rows: Mapping[str, tuple[Timing, ...]], refitted: Mapping[str, DeviceFit], device: str, family: str
) -> None:
    """Digit for digit where the arithmetic is the same; other libraries may end a fit some digits away."""
    ours, theirs = refitted[device].operators[family], shipped(device).operators[family]
    assert (ours.form, ours.tiles, ours.shared, ours.rows) == (theirs.form, theirs.tiles, theirs.shared, theirs.rows)
    assert ours.error_percent == pytest.approx(theirs.error_percent, abs=0.2)
    assert ours.roofline_error_percent == pytest.approx(theirs.roofline_error_percent, abs=0.02)
    shapes = shapes_of([timing.kernel for timing in rows[device]])
    if family != "vector":
        shapes = shapes_of([timing.kernel for timing in of_family(rows[device], family)])
    one, other = (predicted(each, GPUS[device].figures, shapes) for each in (ours, theirs))
    assert float(np.abs(one / other - 1).mean()) < 0.005


@pytest.mark.parametrize("device", sorted(GPUS))
def test_the_shipped_file_says_what_it_was_fitted_to(rows: Mapping[str, tuple[Timing, ...]], device: str) -> None:
    fit = shipped(device)
    assert sorted(fit.operators) == sorted([*FAMILIES, "vector"])
    assert fit.figures == GPUS[device].figures
    assert (fit.device, fit.source) == (GPUS[device].name, GPUS[device].source)
    counted = sum(each.rows for family, each in fit.operators.items() if family != "vector")
    assert counted == len(rows[device])
    assert len(TABLES) == len(FAMILIES)


@pytest.mark.parametrize("family", sorted(GOALS_PERCENT))
@pytest.mark.parametrize("device", sorted(GPUS))
def test_half_of_a_gpus_rows_predict_the_other_half_within_the_goal_and_far_better_than_the_roofline(
    refitted: Mapping[str, DeviceFit], device: str, family: str
) -> None:
    fit = refitted[device].operators[family]
    assert fit.error_percent <= GOALS_PERCENT[family]
    assert fit.error_percent < fit.roofline_error_percent / 2


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("home", "other"), ACROSS)
def test_a_gpus_constants_predict_another_from_its_datasheet_better_than_the_roofline(
    rows: Mapping[str, tuple[Timing, ...]], home: str, other: str, family: str
) -> None:
    fit = carried(shipped(home).operators[family], GPUS[home], GPUS[other], node=False)
    error, roofline = error_percent(fit, GPUS[other].figures, of_family(rows[other], family))
    assert error < 0.6 * roofline


@pytest.mark.parametrize(("home", "other"), ACROSS)
def test_board_power_is_what_parts_the_two_gpus_in_long_products(
    rows: Mapping[str, tuple[Timing, ...]], home: str, other: str
) -> None:
    """A 70 W card cannot hold the clock that a 250 W card holds; without that, half of the error is of one sign."""
    fit, judged = shipped(home).operators["linear"], of_family(rows[other], "linear")
    figures = GPUS[other].figures
    plainly, _ = error_percent(fit, figures, judged)
    at_power, _ = error_percent(carried(fit, GPUS[home], GPUS[other], node=False), figures, judged)
    at_node, _ = error_percent(carried(fit, GPUS[home], GPUS[other], node=True), figures, judged)
    assert at_power < 0.6 * plainly
    assert at_node < at_power
