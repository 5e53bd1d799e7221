"""The files of a results folder: name to text."""

from mensa_sim.report.run.page import report_html
from mensa_sim.report.run.summary import layers_csv, summary_json
from mensa_sim.report.scenario.files import scenario_json, streams_csv
from mensa_sim.report.scenario.page import scenario_html
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.schedule.files import schedule_yaml
from mensa_sim.study.run.result import RunResult, SystemResult
from mensa_sim.study.scenario.scenario import ScenarioResult, ScenarioSystemResult


def run_files(result: RunResult) -> dict[str, str]:
    """What a run of one workload writes."""
    main = result.main
    return {
        "layers.csv": layers_csv(result),
        "schedule.yaml": schedule_yaml(main.problem, main.schedule),
        "report.html": report_html(result),
        "timeline.json": perfetto_json(
            _title(main), main.timeline, tuple(main.accelerators), {main.workload: main.graph}, main.problem.static_mw
        ),
        "summary.json": summary_json(result),
    }


def scenario_files(result: ScenarioResult) -> dict[str, str]:
    """What a run of a scenario writes."""
    main = result.main
    return {
        "streams.csv": streams_csv(result),
        "report.html": scenario_html(result),
        "timeline.json": perfetto_json(
            _title(main), main.timeline, tuple(main.metrics.accelerators), main.graphs, main.static_mw
        ),
        "summary.json": scenario_json(result),
    }


def _title(main: SystemResult | ScenarioSystemResult) -> str:
    return f"{main.workload} on {main.system}"
