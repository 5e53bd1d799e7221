"""What a notebook types to hold predictions against measured silicon."""

import tempfile
from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.hardware.files import load_system
from mensa_sim.report.page.output_folder import write_folder
from mensa_sim.study.validate.file import read_measurements
from mensa_sim.study.validate.fitted_constants import FittedConstant
from mensa_sim.study.validate.fitted_constants import fitted_constants as constants_of
from mensa_sim.study.validate.reference_rows import reference_measurements
from mensa_sim.study.validate.request import ValidateRequest
from mensa_sim.study.validate.validate import Validation, shipped_measurements
from mensa_sim.study.validate.validate import validate as validate_measurements


@asks(ValidateRequest)
def validate(request: ValidateRequest) -> Validation:
    """Predictions beside measurements: those of a file, else the shipped ones; those of a reference folder beside them.

    Raises `UsageError` for a file that cannot be read. A row that the model refuses is among the failures.
    """
    with tempfile.TemporaryDirectory() as scratch:
        data = request.data
        measurements = list(read_measurements(Path(data)) if data is not None else shipped_measurements())
        if request.reference is not None:
            measurements += reference_measurements(Path(request.reference), Path(scratch))
        return validate_measurements(
            measurements, allow_code=request.allow_code, cache=request.cache, progress=request.progress
        )


def fitted_constants() -> tuple[FittedConstant, ...]:
    """The constants of shipped specs that measurements decided."""
    return constants_of(load_system)


def write_validation(result: Validation, folder: Path, *, force: bool = False) -> None:
    """Write summary.json and report.html into a folder, each whole or not at all."""
    from mensa_sim.report.validate.validate import validation_html, validation_json

    constants = fitted_constants()
    contents = {"summary.json": validation_json(result, constants), "report.html": validation_html(result, constants)}
    write_folder(folder, contents, force=force)
