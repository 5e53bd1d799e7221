"""A GPU that nobody measured: from its data sheet to an accelerator file, with what to expect of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from typer.testing import CliRunner

from mensa_sim.cli.main import app
from mensa_sim.cost.measured.file import read_timing_table
from mensa_sim.cost.measured.fits.fit import DeviceFit, family_of, predicted
from mensa_sim.cost.measured.fits.model import shapes_of
from mensa_sim.cost.measured.table import Kernel, Timing
from mensa_sim.cost.measured.timings import load_timings, on_figures
from mensa_sim.errors import FileError
from mensa_sim.hardware.accelerator import MeasuredDevice
from mensa_sim.hardware.files import load_accelerator
from mensa_sim.io.files import read_record, write_yaml
from mensa_sim.io.shipped import measured_files
from mensa_sim.study.datasheet.datasheet import GpuDatasheet
from mensa_sim.study.datasheet.request import DeviceRequest
from mensa_sim.study.datasheet.study import KERNELS, forecast_device
from mensa_sim.units import US_PER_S
from mensa_sim.workload.layer import LoopNest

SHEET = {
    "name": "my_card",
    "library": "from_ampere",
    "processors": 58,
    "cache_bytes": 50331648,
    "bytes_per_s": 300000000000,
    "peak_flops_per_s": 30300000000000,
    "clock_hz": 2040000000,
    "base_clock_hz": 795000000,
    "power_w": 72,
    "node_nm": 5,
    "source": "NVIDIA L4 datasheet (2023)",
}
UNMEASURED = {
    name: spec
    for name in ("gpu_l4", "gpu_p4", "gpu_p100", "gpu_v100", "gpu_h100_float32")
    if isinstance(spec := load_accelerator(name), MeasuredDevice)
}


def sheet(folder: Path, **changes: object) -> Path:
    path = folder / "card.yaml"
    path.write_text(write_yaml({name: each for name, each in {**SHEET, **changes}.items() if each is not None}))
    return path


def test_the_file_that_an_l4s_data_sheet_gives_says_what_the_shipped_one_does(tmp_path: Path) -> None:
    output = tmp_path / "deeper" / "my_card.yaml"
    output.parent.mkdir()
    found = forecast_device(DeviceRequest(sheet(tmp_path), output=output))
    assert output.read_text() == found.accelerator
    written, shipped = load_accelerator(output), UNMEASURED["gpu_l4"]
    assert isinstance(written, MeasuredDevice)
    assert Path(written.timings).resolve() == Path(shipped.timings).resolve()
    assert written.figures is not None
    assert written.figures.base_share == pytest.approx(795 / 2040)
    assert replace(written.figures, base_share=0.39) == shipped.figures
    assert written.power_mw is not None
    assert shipped.power_mw is not None
    assert written.power_mw.value == shipped.power_mw.value
    assert (written.macs_per_s, written.default_memory) == (shipped.macs_per_s, shipped.default_memory)


def test_each_kernels_time_is_that_of_a_layer_on_the_written_accelerator_with_the_error_that_the_fit_has(
    tmp_path: Path,
) -> None:
    found = forecast_device(DeviceRequest(sheet(tmp_path)))
    written = tmp_path / "my_card.yaml"
    written.write_text(found.accelerator)
    spec = load_accelerator(written)
    assert isinstance(spec, MeasuredDevice)
    timings = load_timings(Path(spec.timings), None, allow_fit=True, figures=spec.figures)
    assert [each.title for each in found.kernels] == list(KERNELS)
    for each in found.kernels:
        fitted = timings.fitted(KERNELS[each.title])
        assert fitted is not None
        assert (each.seconds, each.error_percent) == (fitted.seconds, fitted.error_percent)
        assert each.seconds > each.roofline_s
        assert each.error_percent < each.roofline_error_percent
        assert not each.caveats


def longest_s(folder: Path, **changes: object) -> float:
    return forecast_device(DeviceRequest(sheet(folder, **changes))).kernels[0].seconds


def test_a_board_with_more_power_runs_long_products_faster_and_never_below_its_base_clock(tmp_path: Path) -> None:
    as_stated = longest_s(tmp_path)
    assert longest_s(tmp_path, power_w=100) == as_stated  # at its base clock both
    assert longest_s(tmp_path, power_w=100, base_clock_hz=None) > as_stated  # not stated, so nothing holds it up
    lasts = longest_s(tmp_path, power_w=1000)
    assert lasts < as_stated * 0.6
    report = forecast_device(DeviceRequest(sheet(tmp_path))).report
    assert "795 MHz, 39 % of the boost clock, its base clock: 72 W would last for less" in report


@pytest.mark.parametrize(
    ("name", "share"),
    [("gpu_l4", 0.39), ("gpu_p4", 0.80), ("gpu_p100", 0.90), ("gpu_v100", 0.90), ("gpu_h100_float32", 0.92)],
)
def test_the_clock_that_lasts_on_each_shipped_card(name: str, share: float) -> None:
    """The rule of the board's power: boards of 70 W throttle, those of 250 W hardly, and an H100 with its 700 W."""
    figures = UNMEASURED[name].figures
    assert figures is not None
    assert 1 / (1 + figures.clock_excess(44.06)) == pytest.approx(share, abs=0.01)
    colder = replace(figures, base_share=None)
    assert colder.clock_excess(44.06) >= figures.clock_excess(44.06)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clock_hz": 2040, "base_clock_hz": None}, "clock_hz is 2040, which no GPU is below: it is in Hz"),
        ({"bytes_per_s": 300}, "bytes_per_s is 300"),
        ({"peak_flops_per_s": 30}, "FLOP/s at float32"),
        ({"base_clock_hz": 2100000000}, "base_clock_hz is above clock_hz"),
        ({"peak_flops_per_s": 485000000000000}, "peak_flops_per_s is that of 2050 MACs a processor"),  # int8, sparse
        ({"node_nm": None}, "node_nm: is required"),
        ({"power_w": None, "processors": None}, "power_w: is required"),
        ({"power_w": -1}, "power_w is -1"),
        ({"library": "ampere"}, "library"),
        ({"cores": 7424}, "cores"),
        ({"source": " "}, "source is empty"),
    ],
)
def test_a_data_sheet_that_lacks_a_figure_or_has_it_in_another_unit_is_refused_by_name(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(FileError) as refused:
        forecast_device(DeviceRequest(sheet(tmp_path, **changes)))
    assert said in str(refused.value)
    assert "card.yaml" in str(refused.value)


def test_the_command_prints_the_file_and_the_forecast_or_writes_it_so_that_a_run_takes_it(tmp_path: Path) -> None:
    path = str(sheet(tmp_path))
    printed = CliRunner().invoke(app, ["device", path])
    assert printed.exit_code == 0, printed.output
    assert "name: my_card" in printed.output
    assert "linear 4096 x 4096 x 4096" in printed.output
    output = tmp_path / "my_card.yaml"
    written = CliRunner().invoke(app, ["device", path, "--output", str(output)])
    assert written.exit_code == 0, written.output
    assert "name: my_card" not in written.output
    assert CliRunner().invoke(app, ["check", path, str(output)]).exit_code == 0


def test_every_kernel_that_is_shown_is_at_the_element_type_of_the_fits() -> None:
    assert {each.dtype for each in KERNELS.values()} == {"float32"}
    assert all(isinstance(each, Kernel) for each in KERNELS.values())
    assert GpuDatasheet.__doc__


# Peaks that their boards' power lasts for; the first two have no tensor cores, the third is one of a laptop's.
UNTHROTTLED = {
    "GTX 1080": ("before_ampere", 20, 2 * 2**20, 320.3, 8873, 1733, 1607, 180, 16),
    "Jetson Nano": ("before_ampere", 1, 2**18, 25.6, 235.8, 921.6, None, 10, 20),
    "RTX 3050 at 80 W": ("from_ampere", 20, 2 * 2**20, 192, 8910, 1740, 1665, 80, 8),
}


@pytest.mark.parametrize("card", UNTHROTTLED)
@pytest.mark.parametrize("size", [512, 4096, 16384])
def test_no_product_is_faster_than_a_cards_peak(tmp_path: Path, card: str, size: int) -> None:
    """The fits' own cards are slowed by their power, and what makes up for that there is no gain elsewhere."""
    library, processors, cache_bytes, gb_per_s, gflops, boost_mhz, base_mhz, power_w, node_nm = UNTHROTTLED[card]
    changes = {"library": library, "processors": processors, "cache_bytes": cache_bytes, "power_w": power_w}
    changes |= {"bytes_per_s": int(gb_per_s * 1e9), "peak_flops_per_s": int(gflops * 1e9), "node_nm": node_nm}
    changes |= {"clock_hz": int(boost_mhz * 1e6), "base_clock_hz": base_mhz and int(base_mhz * 1e6)}
    written = tmp_path / "my_card.yaml"
    written.write_text(forecast_device(DeviceRequest(sheet(tmp_path, **changes))).accelerator)
    spec = load_accelerator(written)
    assert isinstance(spec, MeasuredDevice)
    timings = load_timings(Path(spec.timings), None, allow_fit=True, figures=spec.figures)
    nests = {"linear": LoopNest(OX=size, C=size, K=size), "matmul": LoopNest(G=16, OX=size // 4, C=size // 4, K=size)}
    for operator, nest in nests.items():
        found = timings.fitted(Kernel(operator=operator, dtype="float32", nest=nest))
        assert found is not None
        assert found.seconds > nest.macs / (gflops * 1e9 / 2)


def errors_percent(accelerator: str, rows: Sequence[Timing]) -> Mapping[str, float]:
    """By family, the mean error of what an accelerator's fit says of rows of another table."""
    spec = load_accelerator(accelerator)
    assert isinstance(spec, MeasuredDevice)
    assert spec.figures is not None
    device = on_figures(read_record(Path(spec.timings), DeviceFit), spec.figures, accelerator)
    families: dict[str, list[Timing]] = {}
    for row in rows:
        families.setdefault(family_of(row.kernel), []).append(row)
    found: dict[str, float] = {}
    everything: list[float] = []
    for family, each in families.items():
        kernels = [row.kernel for row in each]
        fit = device.fit_of(kernels[0])
        assert fit is not None
        measured = np.array([row.median_us for row in each]) / US_PER_S
        errors = 100 * np.abs(predicted(fit, device.figures, shapes_of(kernels)) / measured - 1)
        found[family] = float(errors.mean())
        everything += errors.tolist()
    return {**found, "all": fmean(everything)}


def test_an_h200_by_an_h100s_fit_and_its_data_sheets_memory_is_as_far_off_as_is_said() -> None:
    rows = [each for each in read_timing_table(measured_files()["gpu_h200"]).timings if each.kernel.dtype == "float16"]
    errors = errors_percent("gpu_h200_by_h100", rows)
    said = {"linear": 11.2, "matmul": 7.7, "pointwise": 8.3, "convolution": 12.4, "depthwise": 8.6, "all": 10.3}
    assert len(rows) == 733
    assert {family: round(errors[family], 1) for family in said} == said


def test_an_h100_at_float32_by_its_data_sheet_is_as_far_off_on_large_kernels_as_is_said() -> None:
    rows = read_timing_table(measured_files()["gpu_h100"]).timings[-66:]
    assert {each.kernel.dtype for each in rows} == {"float32"}
    said = {"linear": 20, "matmul": 24, "convolution": 49, "add": 23}
    errors = errors_percent("gpu_h100_float32", rows)
    assert {family: round(errors[family]) for family in said} == said
