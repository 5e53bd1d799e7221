"""What a notebook does with a check of the paper's claim, and with how it survives other choices."""

from collections.abc import Mapping
from pathlib import Path

from mensa_sim.api.shown import Shown
from mensa_sim.arguments import checked
from mensa_sim.study.reproduce.reproduce import ReproduceResult, forget_finished
from mensa_sim.study.reproduce.store import FOLDER as UNFINISHED
from mensa_sim.study.request.command import results_folder
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult


class Resumed(Shown):
    """The result of a study that keeps what is done in its folder, until the result is saved there."""

    __slots__ = ()

    keeps = (UNFINISHED,)

    @checked
    def save(self, folder: str | Path | None = None, *, force: bool = False) -> Mapping[str, str]:
        """Writes the files as other results do, and forgets what was kept of the study on the way."""
        files = super().save(folder, force=force)
        forget_finished(self.folder if folder is None else Path(folder))
        return files


class Reproduction(Resumed, ReproduceResult):
    """The paper's figures beside ours: `rows` of both, `deviations` with what closes them."""

    __slots__ = ()
    shown_by = "reproduce.page:REPRODUCTION"

    @property
    def _title(self) -> str:
        return f"{len(self.runs.models)} models beside the paper"

    @property
    def folder(self) -> Path:
        """A folder of the choices that are no defaults."""
        return results_folder("reproduce", self.choices)


class Sensitivity(Resumed, SensitivityResult):
    """Headlines as taken, with one choice at a time decided otherwise, and with all."""

    __slots__ = ()
    shown_by = "sensitivity.page:SENSITIVITY"

    @property
    def _title(self) -> str:
        return f"{len(self.models)} models, {len(self.swings)} choices decided otherwise"

    @property
    def folder(self) -> Path:
        """A folder of the choices that are no defaults."""
        return results_folder("sensitivity", self.choices)
