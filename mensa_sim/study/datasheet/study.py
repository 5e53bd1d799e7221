"""A data sheet in; an accelerator file out, with the times of some kernels and how wrong they may be."""

from collections.abc import Mapping
from pathlib import Path

from mensa_sim.cost.measured.fits.fit import DeviceFit, OperatorFit, outside
from mensa_sim.cost.measured.fits.model import roofline_s, shapes_of
from mensa_sim.cost.measured.table import Kernel
from mensa_sim.cost.measured.timings import on_figures
from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
from mensa_sim.io.files import read_record
from mensa_sim.records import dataclass
from mensa_sim.study.datasheet.datasheet import GpuDatasheet
from mensa_sim.study.datasheet.request import DeviceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelsFile:
    """What `kernels.yaml` holds."""

    kernels: Mapping[str, Kernel]


KERNELS = read_record(Path(__file__).with_name("kernels.yaml"), KernelsFile).kernels
"""What is predicted to show what to expect: one of each kind, inside the sizes that were measured (a choice)."""
_TITLE_WIDTH = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelForecast:
    """One kernel on a device that nobody measured."""

    title: str
    seconds: float
    roofline_s: float
    """What the data sheet's peak and bandwidth allow at most."""
    error_percent: float
    """Mean error of the same constants on a measured device that they were not fitted to."""
    roofline_error_percent: float
    """The roofline's on the same kernels."""
    caveats: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Of the report."""
        span = f"{_time(self.seconds / (1 + self.error_percent / 100))} to "
        span += _time(self.seconds * (1 + self.error_percent / 100))
        errors = f"{self.error_percent:8.0f} %{self.roofline_error_percent:9.0f} %"
        return f"{self.title:{_TITLE_WIDTH}}{_time(self.seconds):>9}{span:>20}{_time(self.roofline_s):>10}{errors}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceForecast:
    """What a data sheet leads to expect."""

    datasheet: GpuDatasheet
    accelerator: str
    """The text of its accelerator's file."""
    kernels: tuple[KernelForecast, ...]
    lasting_hz: float
    """Clock of long products: what the board's power lasts for, and at least the base clock."""

    @property
    def report(self) -> str:
        """What the command prints."""
        sheet, share = self.datasheet, self.lasting_hz / self.datasheet.clock_hz
        base = sheet.figures.base_share
        why = "for which its power lasts" if share == 1 else f"as {sheet.power_w:g} W last for no more"
        why = (
            f"its base clock: {sheet.power_w:g} W would last for less"
            if base is not None and share <= base < 1
            else why
        )
        lines = [
            f"{sheet.name} at float32, by its data sheet and constants of a T4 and an A100 in common",
            f"long products run at {self.lasting_hz / 1e6:.0f} MHz, {100 * share:.0f} % of the boost clock, {why}"
            + ("; its base clock is not stated" if base is None and share < 1 else ""),
            "",
            "kernel".ljust(_TITLE_WIDTH) + "     time    within its error  roofline     error  its error",
        ]
        lines += [kernel.line for kernel in self.kernels]
        lines += [f"{each.title}: {text}" for each in self.kernels for text in each.caveats]
        lines.append(
            "errors: means over kernels of a device that the constants were not fitted to; the roofline's there"
        )
        return "\n".join(lines)


def forecast_device(request: DeviceRequest) -> DeviceForecast:
    """Read a data sheet, price the kernels, write the file; `FileError` with every fault of the data sheet."""
    path = Path(request.datasheet)
    refuse_unwritable_file(request.output)
    sheet = read_record(path, GpuDatasheet)
    fit = on_figures(read_record(sheet.fit_path, DeviceFit), sheet.figures, str(path))
    found = DeviceForecast(
        datasheet=sheet,
        accelerator=sheet.accelerator_text(),
        kernels=tuple(_forecast(title, kernel, fit) for title, kernel in KERNELS.items()),
        lasting_hz=sheet.clock_hz / (1 + sheet.figures.clock_excess(_pj_per_mac(fit))),
    )
    if request.output is not None:
        write_atomically(Path(request.output), found.accelerator.encode())
    return found


def _forecast(title: str, kernel: Kernel, fit: DeviceFit) -> KernelForecast:
    own = fit.operators[fit.family_for(kernel)]
    beyond = outside(own, kernel)
    return KernelForecast(
        title=title,
        seconds=fit.seconds(kernel),
        roofline_s=float(roofline_s(fit.figures, shapes_of([kernel]))[0]),
        error_percent=own.error_percent,
        roofline_error_percent=own.roofline_error_percent,
        caveats=(f"{' and '.join(beyond)} outside the measured sizes",) if beyond else (),
    )


def _pj_per_mac(fit: DeviceFit) -> float:
    """What a MAC takes of the board's power at the home node, by the fits of products."""
    powered: list[OperatorFit] = [each for each in fit.operators.values() if each.form == "powered_product"]
    return powered[0].constants["board_pj_per_mac"]


def _time(seconds: float) -> str:
    scale, unit = (1, "s") if seconds >= 1 else (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")
    return f"{seconds * scale:.3g} {unit}"
