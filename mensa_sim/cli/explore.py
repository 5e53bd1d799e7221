"""The commands `explore`, `compare` and `diff`."""

from pathlib import Path
from typing import Annotated

import typer

from mensa_sim.cli.options import AsJson, Delivery, Export, Quiet
from mensa_sim.cli.printing import show, show_results, write
from mensa_sim.cli.results import deliver, formats_of
from mensa_sim.cli.steps import counting
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.explore.request import ExploreRequest


def explore(request: ExploreRequest, as_json: AsJson = False, quiet: Quiet = False, export: Export = None) -> None:
    """Search a design space for better systems; a killed search goes on with --resume."""
    from mensa_sim.api import explore as api
    from mensa_sim.report.explore.page import EXPLORATION
    from mensa_sim.study.explore.explore import folder_of

    formats = formats_of(export)
    result = api.explore.of(counting(request, quiet=quiet or as_json))
    if formats:
        result.export(formats, folder_of(request))
    if as_json:
        write(EXPLORATION.summary(result))
    elif not quiet:
        show(result.table())
        files = ["designs.csv", "front/", "report.html", "study.db", "summary.json"]
        show_results(folder_of(request), [*files, *(["optuna.db"] if request.dashboard else [])])


def compare(request: CompareRequest, told: Delivery) -> None:
    """Run a workload, several, or a scenario on several systems, side by side."""
    from mensa_sim.api import comparison as api
    from mensa_sim.study.scenario.scenario import is_scenario

    def compared() -> api.Comparison | api.Comparisons | api.ScenarioComparison:
        if len(request.workloads) > 1:
            return api.compare_workloads.of(request)
        return api.compare_scenario.of(request) if is_scenario(request.workload) else api.compare.of(request)

    deliver(compared, told, told.output)


def diff(
    before: Annotated[Path, typer.Argument(help="Folder of a result, or its summary.json.")],
    after: Annotated[Path, typer.Argument(help="Folder of another result, or its summary.json.")],
    as_json: AsJson = False,
) -> None:
    """Show what changed between two results, in what they were made from and in what came out."""
    from mensa_sim.api import explore as api_explore
    from mensa_sim.report.compare.diff import diff_json, diff_tables

    difference = api_explore.diff(before, after)
    if as_json:
        write(diff_json(difference))
    else:
        show(diff_tables(difference))
