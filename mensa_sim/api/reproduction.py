"""What a notebook does with a check of the paper's claim, and with how it survives other choices."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.api.shown import DrawnResult
from mensa_sim.arguments import checked
from mensa_sim.report.page.output_folder import MARKER
from mensa_sim.study.reproduce.reproduce import ReproduceResult, forget_finished
from mensa_sim.study.reproduce.store import FOLDER as UNFINISHED
from mensa_sim.study.request.command import results_folder
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mensa_sim.report.page.drawn import Drawn


class Resumed(DrawnResult):
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

    @property
    def _title(self) -> str:
        return f"{len(self.runs.models)} models beside the paper"

    @property
    def folder(self) -> Path:
        """A folder of the choices that are no defaults."""
        return results_folder("reproduce", self.choices)

    def table(self) -> "RenderableType":
        """Every figure beside the paper's, and what explains the distance."""
        from mensa_sim.report.reproduce.tables import reproduce_tables

        return reproduce_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.reproduce.page import reproduce_figures

        return reproduce_figures(self)

    def files(self) -> Mapping[str, str]:
        """models.csv, report.html and summary.json: name to text."""
        from mensa_sim.report.reproduce.files import models_csv, reproduce_json
        from mensa_sim.report.reproduce.page import reproduce_html

        return {"models.csv": models_csv(self), "report.html": reproduce_html(self), MARKER: reproduce_json(self)}

    def _csv(self) -> str:
        from mensa_sim.report.reproduce.files import models_csv

        return models_csv(self)


class Sensitivity(Resumed, SensitivityResult):
    """Headlines as taken, with one choice at a time decided otherwise, and with all."""

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{len(self.models)} models, {len(self.swings)} choices decided otherwise"

    @property
    def folder(self) -> Path:
        """A folder of the choices that are no defaults."""
        return results_folder("sensitivity", self.choices)

    def table(self) -> "RenderableType":
        """The headlines under every choice, and their intervals under all."""
        from mensa_sim.report.sensitivity.files import sensitivity_tables

        return sensitivity_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.sensitivity.page import sensitivity_figures

        return sensitivity_figures(self)

    def files(self) -> Mapping[str, str]:
        """report.html, summary.json and swings.csv: name to text."""
        from mensa_sim.report.sensitivity.files import sensitivity_json, swings_csv
        from mensa_sim.report.sensitivity.page import sensitivity_html

        return {"report.html": sensitivity_html(self), MARKER: sensitivity_json(self), "swings.csv": swings_csv(self)}

    def _csv(self) -> str:
        from mensa_sim.report.sensitivity.files import swings_csv

        return swings_csv(self)
