"""What a notebook types to check the paper's claim, and whether it survives other choices."""

from collections.abc import Mapping
from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.api.shown import Plain, with_methods
from mensa_sim.arguments import checked
from mensa_sim.io.atomic import refuse_unwritable
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
from mensa_sim.study.sensitivity.request import SensitivityRequest
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult
from mensa_sim.study.sensitivity.sensitivity import sensitivity as sensitivity_request


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
    refuse_unwritable(request.output)
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
    refuse_unwritable(request.output)
    return with_methods(sensitivity_request(request), Sensitivity)
