"""What a notebook types to explore a design space and to compare results."""

from collections.abc import Sequence
from pathlib import Path

from mensa_sim.api.result import Exploration, with_methods
from mensa_sim.io.shipped import find
from mensa_sim.report.page.output_folder import write_folder
from mensa_sim.study.compare.diff import Difference
from mensa_sim.study.compare.diff import diff as diff_paths
from mensa_sim.study.explore.explore import STUDY, ExploreRequest, Progress
from mensa_sim.study.explore.explore import explore as explore_request
from mensa_sim.study.space.files import read_space


def explore(
    space: str | Path,
    *,
    folder: str | Path | None = None,
    trials: int | None = None,
    timeout_s: float | None = None,
    jobs: int = 1,
    cluster: str | None = None,
    resume: bool = False,
    force: bool = False,
    overrides: Sequence[str] = (),
    allow_code: bool = False,
    cache: bool = True,
    progress: Progress = lambda done, wanted: None,
) -> Exploration:
    """Explore a design space, a file or the bare name of a shipped one, and write its results into a folder.

    The study lies there too: `resume` goes on with it, `force` starts anew. With `jobs` above 1 a script must guard its
    own start (`if __name__ == "__main__":`), as worker processes import it. Raises `UsageError` before any
    design is run for whatever can be known to be wrong.
    """
    folder = explore_folder(space) if folder is None else Path(folder)
    _refuse_foreign(folder, force=force)
    result = explore_request(
        ExploreRequest(
            space=str(space),
            folder=folder,
            trials=trials,
            timeout_s=timeout_s,
            jobs=jobs,
            cluster=cluster,
            resume=resume,
            fresh=force,
            overrides=tuple(overrides),
            allow_code=allow_code,
            cache=cache,
        ),
        progress,
    )
    exploration = with_methods(result, Exploration)
    exploration.save(folder, force=True)
    return exploration


def explore_folder(space: str | Path) -> Path:
    """Where the results of a space go unless told otherwise."""
    return Path("results") / f"explore-{read_space(find('spaces', str(space))).name}"


def _refuse_foreign(folder: Path, *, force: bool) -> None:
    """Refuses a folder that somebody else uses before any work is done."""
    if not (folder / STUDY).exists():
        write_folder(folder, {}, force=force)


def diff(before: str | Path, after: str | Path) -> Difference:
    """What changed between two results: folders, or their summary.json."""
    return diff_paths(Path(before), Path(after))
