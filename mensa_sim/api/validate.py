"""What a notebook types to hold predictions against measured silicon, and what it does with the errors."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.api.shown import Shown, with_methods
from mensa_sim.errors import MensaError
from mensa_sim.study.request.command import made_of, results_folder
from mensa_sim.study.run.given import system_files_given, workload_files_given
from mensa_sim.study.validate.file import OF_LAYER, Measurement, read_measurements
from mensa_sim.study.validate.reference_rows import reference_measurements
from mensa_sim.study.validate.request import ValidateRequest
from mensa_sim.study.validate.validate import ValidateResult, shipped_files_of_measurements, shipped_measurements
from mensa_sim.study.validate.validate import validate as validate_measurements


class Validation(Shown, ValidateResult):
    """Predictions beside measurements: `rows` of both, `groups` with their scores, `failures` with their reasons."""

    __slots__ = ()
    shown_by = "validate.validate:VALIDATION"

    @property
    def _title(self) -> str:
        return f"{len(self.rows)} rows, {len(self.failures)} without prediction"

    @property
    def folder(self) -> Path:
        """A folder of the measurements and the choices that are no defaults."""
        data = self.choices.get("data")
        named = ["validate", *(Path(name).stem for name, digest in self.inputs.items() if digest == data)]
        return results_folder("-".join(named), self.choices, said=("data",))


@asks(ValidateRequest)
def validate(request: ValidateRequest) -> Validation:
    """Predictions beside measurements: those of a file, else the shipped ones; those of a reference folder beside them.

    Raises `UsageError` for a file that cannot be read. A row that the model refuses is among the failures.
    """
    with tempfile.TemporaryDirectory() as scratch:
        data = request.data
        measurements = list(read_measurements(Path(data)) if data is not None else shipped_measurements())
        files = shipped_files_of_measurements() if data is None else (Path(data), *_files(measurements))
        if request.reference is not None:
            measurements += reference_measurements(Path(request.reference), Path(scratch))
        found = validate_measurements(
            measurements, allow_code=request.allow_code, cache=request.cache, progress=request.progress
        )
    return with_methods(replace(found, **made_of("validate", request, files)), Validation)


def _files(measurements: Sequence[Measurement]) -> Iterator[Path]:
    """Those that their workloads and systems are read from; none of what cannot be read."""
    workloads = dict.fromkeys(each.workload_path.partition(OF_LAYER)[0] for each in measurements)
    systems = dict.fromkeys(each.system_path for each in measurements)
    for files_of, names in ((workload_files_given, workloads), (system_files_given, systems)):
        for name in names:
            with suppress(MensaError):
                yield from files_of(name)
