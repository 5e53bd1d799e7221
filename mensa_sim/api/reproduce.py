"""What a notebook types to check the claim, to decide between systems, and to hold predictions against silicon."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.api.shown import Plain, Shown, with_methods
from mensa_sim.arguments import checked
from mensa_sim.io.atomic import refuse_unwritable
from mensa_sim.report.page.quantities import factor_text
from mensa_sim.study.decide.decide import decide as decide_request
from mensa_sim.study.decide.request import DecideRequest
from mensa_sim.study.decide.result import DecideResult
from mensa_sim.study.near_data.request import NearDataRequest, ReproducePimRequest
from mensa_sim.study.near_data.study import PimStudy
from mensa_sim.study.near_data.study import reproduce_pim as reproduce_pim_request
from mensa_sim.study.near_data.worth import NearDataStudy
from mensa_sim.study.near_data.worth import near_data as near_data_request
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.reproduce import reproduce as reproduce_request
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.reproduce.workers import FOLDER as UNFINISHED
from mensa_sim.study.reproduce.workers import FinishedModels
from mensa_sim.study.request.command import made_of, results_folder
from mensa_sim.study.sensitivity.request import SensitivityRequest
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult
from mensa_sim.study.sensitivity.sensitivity import sensitivity as sensitivity_request
from mensa_sim.study.validate.file import read_measurements
from mensa_sim.study.validate.reference_rows import reference_measurements
from mensa_sim.study.validate.request import ValidateRequest
from mensa_sim.study.validate.validate import ValidateResult, shipped_files_of_measurements, shipped_measurements
from mensa_sim.study.validate.validate import validate as validate_measurements


class Resumed(Plain):
    """The result of a study that keeps what is done in its folder, until the result is saved there."""

    __slots__ = ()

    keeps = (UNFINISHED,)

    @checked
    def save(self, folder: str | Path | None = None, *, force: bool = False) -> Mapping[str, str]:
        """Writes the files as other results do, and forgets what was kept of the study on the way."""
        files = super().save(folder, force=force)
        FinishedModels(self.folder if folder is None else Path(folder), ()).clear()
        return files


class Reproduction(Resumed, ReproduceResult):
    """The paper's figures beside ours: `rows` of both, `deviations` with what closes them."""

    __slots__ = ()
    shown_by = "reproduce.page:REPRODUCTION"
    command_name = "reproduce"

    @property
    def _title(self) -> str:
        return f"{len(self.runs.models)} models beside the paper"


class Sensitivity(Resumed, SensitivityResult):
    """Headlines as taken, with one choice at a time decided otherwise, and with all."""

    __slots__ = ()
    shown_by = "sensitivity.page:SENSITIVITY"
    command_name = "sensitivity"

    @property
    def _title(self) -> str:
        return f"{len(self.models)} models, {len(self.swings)} choices decided otherwise"


class PimGains(Plain, PimStudy):
    """Published gains of units in the memory: `rows`, each with ours beside it."""

    __slots__ = ()
    shown_by = "near_data.gains:GAINS"
    command_name = "reproduce-pim"

    @property
    def _title(self) -> str:
        return f"{len(self.rows)} published gains"


class NearData(Plain, NearDataStudy):
    """What units in the memory are worth: `rows` with gains in time and energy, `failures` with their reasons."""

    __slots__ = ()
    shown_by = "near_data.worth:WORTH"
    command_name = "near-data"

    @property
    def _title(self) -> str:
        return f"{len(self.rows)} decoding steps in {self.worlds} worlds"


@asks(ReproduceRequest)
def reproduce(request: ReproduceRequest) -> Reproduction:
    """Run the 24 models on the paper's systems and set every figure beside the paper's.

    With an `output` folder the models that are done are kept there, so that a call that was cut off goes on where it
    was, until `save` writes the results there. With `jobs` above 1 a script must guard its own start
    (`if __name__ == "__main__":`), as worker processes import it.
    """
    if request.output is not None:
        refuse_unwritable(Path(request.output))
    return with_methods(reproduce_request(request), Reproduction)


@asks(ReproducePimRequest)
def reproduce_pim(request: ReproducePimRequest) -> PimGains:
    """Published gains of units in the memory, each computed here against the baseline of its publication.

    `print` shows each beside the published one, and why they differ; `output` gets a row for each.
    """
    return with_methods(reproduce_pim_request(request), PimGains)


@asks(NearDataRequest)
def near_data(request: NearDataRequest) -> NearData:
    """Decoding steps on an NPU alone and with units in its memory: gains in time and energy, with intervals.

    `output` gets a row for each. With `jobs` above 1 a script must guard its own start.
    """
    return with_methods(near_data_request(request), NearData)


@asks(SensitivityRequest)
def sensitivity(request: SensitivityRequest) -> Sensitivity:
    """Vary every constant and stated choice, one at a time and jointly: does the conclusion survive?

    Output folder and jobs are as for `reproduce`.
    """
    if request.output is not None:
        refuse_unwritable(Path(request.output))
    return with_methods(sensitivity_request(request), Sensitivity)


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
        named = f"validate-{Path(next(iter(self.inputs))).stem}" if "data" in self.choices else "validate"
        return results_folder(named, self.choices, said=("data",))


@asks(ValidateRequest)
def validate(request: ValidateRequest) -> Validation:
    """Predictions beside measurements: those of a file, else the shipped ones; those of a reference folder beside them.

    Raises `UsageError` for a file that cannot be read. A row that the model refuses is among the failures.
    """
    with tempfile.TemporaryDirectory() as scratch:
        data = request.data
        files = shipped_files_of_measurements() if data is None else (Path(data),)
        measurements = list(read_measurements(Path(data)) if data is not None else shipped_measurements())
        if request.reference is not None:
            measurements += reference_measurements(Path(request.reference), Path(scratch))
        found = validate_measurements(
            measurements, allow_code=request.allow_code, cache=request.cache, progress=request.progress
        )
    return with_methods(replace(found, **made_of("validate", request, files)), Validation)


class Decision(Resumed, DecideResult):
    """Which system is better: `best`, its `lead`, `certain.share` of the worlds, and what `turns` it."""

    __slots__ = ()
    shown_by = "decide.page:DECISION"

    @property
    def _title(self) -> str:
        return (
            f"{self.best} over {self.runner_up}, {factor_text(self.lead)}, best in {self.certain.share:.0%} of worlds"
        )

    @property
    def folder(self) -> Path:
        """A folder of workloads, systems and the choices that are no defaults."""
        return results_folder("-".join((*self.shares, "decide")), self.choices)


@asks(DecideRequest)
def decide(request: DecideRequest) -> Decision:
    """Which of several systems is the better one for several workloads, each with its best schedule.

    Says by how much, in how many of the worlds that the technology leaves open, and at which value of which price,
    choice or field it turns. Output folder and jobs are as for `reproduce`.
    """
    if request.output is not None:
        refuse_unwritable(Path(request.output))
    return with_methods(decide_request(request), Decision)
