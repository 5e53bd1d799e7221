"""What a notebook does with a searched design space: the table, the files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.api.shown import DrawnResult
from mensa_sim.arguments import checked
from mensa_sim.report.page.output_folder import MARKER
from mensa_sim.study.explore.explore import explore_folder
from mensa_sim.study.explore.result import ExploreResult

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mensa_sim.report.page.drawn import Drawn


class Exploration(DrawnResult, ExploreResult):
    """A searched design space: `designs` that were run, `front` of those that none beats in every objective."""

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{self.space.file.name}, {self.trials} designs"

    @property
    def folder(self) -> Path:
        """A folder of the space's name."""
        return explore_folder(self.space.file.name)

    def table(self) -> "RenderableType":
        """The front, the systems beside it, and which parameters matter."""
        from mensa_sim.report.explore.tables import explore_tables

        return explore_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.explore.page import explore_figures

        return explore_figures(self)

    def files(self) -> Mapping[str, str]:
        """designs.csv, report.html, summary.json and a system for each design of the front: name to text."""
        from mensa_sim.report.explore.files import designs_csv, explore_json, front_files
        from mensa_sim.report.explore.page import explore_html

        return {
            "designs.csv": designs_csv(self),
            "report.html": explore_html(self),
            **front_files(self),
            MARKER: explore_json(self),
        }

    @checked
    def to_optuna(self, path: str | Path) -> None:
        """Writes every design that was run as a study of Optuna's own, a file that optuna-dashboard opens."""
        from mensa_sim.study.explore.dashboard import write_dashboard

        write_dashboard(self, Path(path))

    def _csv(self) -> str:
        from mensa_sim.report.explore.files import designs_csv

        return designs_csv(self)
