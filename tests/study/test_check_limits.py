"""What a chip without fault cannot run is told when its file is checked, with the reason and what becomes of it."""

from pathlib import Path

import pytest

import mensa_sim as ms
from mensa_sim.io.shipped import shipped_root

CHIP = """
name: chip
placement: cpu_die
technology: cmos_22nm
clock_hz: 500000000
dataflow: {axes: [{size: 8, dims: [K]}, {size: 8, dims: [C]}], stationary: weight}
buffers:
  parameter: {capacity_bytes: 4096, read_bits: 512, write_bits: 512, min_bits: 64}
  activation: {capacity_bytes: 4096, read_bits: 512, write_bits: 512, min_bits: 64}
registers: {weight: {bytes: 1}}
vector_unit: {lanes: 8}
"""


def told(text: str, folder: Path, caplog: pytest.LogCaptureFixture) -> str:
    """What is noted of a chip's file, which has no fault."""
    path = folder / "chip.yaml"
    path.write_text(text)
    assert ms.check([path]) == []
    return caplog.text


def test_of_a_chip_that_runs_everything_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert told(CHIP, tmp_path, caplog) == ""


def test_a_chip_that_takes_no_convolution_says_so_and_that_it_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = told(f"{CHIP}refuses: [conv2d]\n", tmp_path, caplog)
    assert "chip cannot run convolutions and depthwise convolutions (it does not run conv2d)" in text
    assert "a workload with such a layer is refused" in text


def test_a_buffer_that_no_tile_fits_is_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = told(CHIP.replace("4096", "64"), tmp_path, caplog)
    assert "chip cannot run convolutions" in text
    assert "its smallest takes 128 of 64 bytes in the parameter buffer" in text
    assert "additions" not in text


def test_what_the_cpu_of_a_systems_host_runs_goes_there(caplog: pytest.LogCaptureFixture) -> None:
    folder = shipped_root() / "accelerator_specs/systems"
    assert ms.check([folder / "coral_dev_board.yaml", folder / "mensa_g.yaml"]) == []
    (line,) = caplog.text.splitlines()
    assert "coral cannot run products of two activations" in line
    assert "such layers run on its host's CPU, cortex_a53" in line
