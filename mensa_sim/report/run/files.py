"""The files of a run's results folder: name to text."""

from mensa_sim.report.run.page import report_html
from mensa_sim.report.run.summary import layers_csv, summary_json
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.schedule.files import schedule_yaml
from mensa_sim.study.run.result import RunResult


def run_files(result: RunResult) -> dict[str, str]:
    """What a run of one workload writes."""
    main = result.main
    return {
        "layers.csv": layers_csv(result),
        "schedule.yaml": schedule_yaml(main.problem, main.schedule),
        "report.html": report_html(result),
        "timeline.json": perfetto_json(
            f"{main.workload} on {main.system}",
            main.timeline,
            tuple(main.accelerators),
            {main.workload: main.graph},
            main.problem.static_mw,
        ),
        "summary.json": summary_json(result),
    }
