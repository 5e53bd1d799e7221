"""The files of a scenario's results folder: name to text."""

from mensa_sim.report.scenario.files import scenario_json, streams_csv
from mensa_sim.report.scenario.page import scenario_html
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.study.scenario.scenario import ScenarioResult


def scenario_files(result: ScenarioResult) -> dict[str, str]:
    """What a run of a scenario writes."""
    main = result.main
    return {
        "streams.csv": streams_csv(result),
        "report.html": scenario_html(result),
        "timeline.json": perfetto_json(
            f"{main.workload} on {main.system}",
            main.timeline,
            tuple(main.metrics.accelerators),
            main.graphs,
            main.static_mw,
        ),
        "summary.json": scenario_json(result),
    }
