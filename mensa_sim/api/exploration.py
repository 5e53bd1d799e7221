"""What a notebook does with a searched design space: the table, the files."""

from pathlib import Path

from mensa_sim.api.shown import Shown
from mensa_sim.arguments import checked
from mensa_sim.study.explore.explore import explore_folder
from mensa_sim.study.explore.result import ExploreResult


class Exploration(Shown, ExploreResult):
    """A searched design space: `designs` that were run, `front` of those that none beats in every objective."""

    __slots__ = ()
    shown_by = "explore.page:EXPLORATION"

    @property
    def _title(self) -> str:
        return f"{self.space.file.name}, {self.trials} designs"

    @property
    def folder(self) -> Path:
        """A folder of the space's name."""
        return explore_folder(self.space.file.name)

    @checked
    def to_optuna(self, path: str | Path) -> None:
        """Writes every design that was run as a study of Optuna's own, a file that optuna-dashboard opens."""
        from mensa_sim.study.explore.dashboard import write_dashboard

        write_dashboard(self, Path(path))
