"""What a notebook types to explore a design space, to compare systems and to compare results."""

from collections.abc import Sequence
from pathlib import Path

from mensa_sim.report.output_folder import MARKER, write_folder
from mensa_sim.shipped import find
from mensa_sim.study.compare import CompareRequest, CompareResult
from mensa_sim.study.compare import compare as compare_request
from mensa_sim.study.diff import Difference
from mensa_sim.study.diff import diff as diff_paths
from mensa_sim.study.explore import STUDY, ExploreRequest, Progress
from mensa_sim.study.explore import explore as explore_request
from mensa_sim.study.explore_result import ExploreResult
from mensa_sim.study.files import read_space


def explore(
    space: str | Path,
    *,
    folder: Path | None = None,
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
) -> ExploreResult:
    """Explore a design space, a file or the bare name of a shipped one, and write its results into a folder.

    The study lies there too: `resume` goes on with it, `force` starts anew. With `jobs` above 1 a script must guard its
    own start (`if __name__ == "__main__":`), as worker processes import it. Raises `UsageError` before any
    design is run for whatever can be known to be wrong.
    """
    folder = folder or explore_folder(space)
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
    write_exploration(result, folder)
    return result


def explore_folder(space: str | Path) -> Path:
    """Where the results of a space go unless told otherwise."""
    return Path("results") / f"explore-{read_space(find('spaces', str(space))).name}"


def _refuse_foreign(folder: Path, *, force: bool) -> None:
    """Refuses a folder that somebody else uses before any work is done."""
    if not (folder / STUDY).exists():
        write_folder(folder, {}, force=force)


def write_exploration(result: ExploreResult, folder: Path) -> None:
    """Write the report, the tables and the designs of the front, each file whole or not at all."""
    from mensa_sim.report.explore import explore_html
    from mensa_sim.report.explore_files import designs_csv, explore_json, front_files

    contents = {
        "designs.csv": designs_csv(result),
        "report.html": explore_html(result),
        **front_files(result),
        MARKER: explore_json(result),
    }
    write_folder(folder, contents, force=True)


def compare(
    workload: str | Path,
    systems: Sequence[str],
    *,
    scheduler: str = "mensa",
    objective: str = "edp",
    timings: str = "fit",
    seed: int = 0,
    overrides: Sequence[str] = (),
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> CompareResult:
    """One workload on several systems; the first is the baseline."""
    return compare_request(
        CompareRequest(
            workload=str(workload),
            systems=tuple(systems),
            scheduler=scheduler,
            objective=objective,
            timings=timings,
            seed=seed,
            overrides=tuple(overrides),
            allow_code=allow_code,
            strict=strict,
            cache=cache,
        )
    )


def write_comparison(result: CompareResult, folder: Path, *, force: bool = False) -> None:
    """Write summary.json and report.html of a comparison into a folder."""
    from mensa_sim.report.compare import compare_html, compare_json

    write_folder(folder, {"report.html": compare_html(result), MARKER: compare_json(result)}, force=force)


def diff(before: str | Path, after: str | Path) -> Difference:
    """What changed between two results: folders, or their summary.json."""
    return diff_paths(Path(before), Path(after))
