"""Commands about measured devices: measure kernels, import others' timings, calibrate to a table."""

from dataclasses import replace

from mensa_sim.cli.options import Paged, Quiet
from mensa_sim.cli.printing import write
from mensa_sim.cli.results import deliver_page
from mensa_sim.cli.steps import counted, counting
from mensa_sim.measurement.request import ImportTimingsRequest, MeasureModelsRequest, MeasureRequest
from mensa_sim.study.calibrate.request import CalibrateRequest
from mensa_sim.study.datasheet.request import DeviceRequest
from mensa_sim.study.devices.request import FitDevicesRequest
from mensa_sim.study.request.fields import counts_of


def measure(request: MeasureRequest, quiet: Quiet = False) -> None:
    """Time the kernels of workloads' layers on a device; a table that is there is continued."""
    from mensa_sim.api import measured as api

    count = counted(counts_of(MeasureRequest), quiet=quiet)
    told = replace(request, progress=lambda step: count(step.done, step.total, str(step.kernel)))
    result = api.measure.of(told)
    if quiet:
        return
    _say(f"{result.measured} kernels measured, {len(result.table.timings)} in {request.output}")
    for kernel, reason in result.skipped.items():
        _say(f"skipped {kernel}: {reason}")


def measure_models(request: MeasureModelsRequest, quiet: Quiet = False) -> None:
    """Time workloads' whole models on a device, into measurements that `validate` reads."""
    from mensa_sim.api import measured as api

    timings = api.measure_models.of(counting(request, quiet=quiet))
    if not quiet:
        _say(f"{len(timings)} models measured, in {request.output}")


def import_timings(request: ImportTimingsRequest, quiet: Quiet = False) -> None:
    """Turn a table that others measured into a timing table."""
    from mensa_sim.api import measured as api

    table = api.import_timings.of(request)
    if not quiet:
        _say(f"{len(table.timings)} kernels in {request.output}")


def calibrate(request: CalibrateRequest, told: Paged) -> None:
    """Fit a few constants of a spec to half of a table, and judge them on the other half.

    Without --field, SPEC is a device's name, and what is fitted is the efficiency of its kernels: a file that a
    measured accelerator can name under `timings`.
    """
    from mensa_sim.api import measured as api

    deliver_page(api.calibrate.of, request, told)


def device(request: DeviceRequest) -> None:
    """Predict a GPU that nobody measured from its data sheet: an accelerator file, and what to expect of it."""
    from mensa_sim.api import measured as api

    found = api.device.of(request)
    if request.output is None:
        _say(found.accelerator)
    _say(found.report)
    if request.output is not None:
        _say(f"written to {request.output}")


def fit_devices(request: FitDevicesRequest, told: Paged) -> None:
    """Fit what devices reach to published runs of language models, and judge it on runs that were kept apart."""
    from mensa_sim.api import measured as api

    deliver_page(api.fit_devices.of, request, told)


def _say(text: str) -> None:
    write(f"{text}\n")
