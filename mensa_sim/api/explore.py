"""What a notebook types to explore a design space and to compare results."""

import os
from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.api.shown import Shown, with_methods
from mensa_sim.arguments import checked
from mensa_sim.report.page.output_folder import refuse_foreign
from mensa_sim.study.compare.diff import Difference
from mensa_sim.study.compare.diff import diff as diff_paths
from mensa_sim.study.explore.dashboard import DASHBOARD
from mensa_sim.study.explore.explore import STUDY, explore_folder, folder_of
from mensa_sim.study.explore.explore import explore as explore_request
from mensa_sim.study.explore.request import ExploreRequest
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


@asks(ExploreRequest)
def explore(request: ExploreRequest) -> Exploration:
    """Explore a design space, a file or the bare name of a shipped one, and write its results into a folder.

    The study lies there too: `resume` goes on with it, `force` starts anew. With `jobs` above 1 a script must guard its
    own start (`if __name__ == "__main__":`), as worker processes import it. Raises `UsageError` before any
    design is run for whatever can be known to be wrong.
    """
    folder = folder_of(request)
    if not os.path.exists(folder / STUDY):
        refuse_foreign(folder, force=request.force)
    exploration = with_methods(explore_request(request), Exploration)
    exploration.save(folder, force=True)
    if request.dashboard:
        (folder / DASHBOARD).unlink(missing_ok=True)
        exploration.to_optuna(folder / DASHBOARD)
    return exploration


def diff(before: str | Path, after: str | Path) -> Difference:
    """What changed between two results: folders, or their summary.json."""
    return diff_paths(Path(before), Path(after))
