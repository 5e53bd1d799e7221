"""What a run of one workload is shown by and writes."""

from mensa_sim.report.page.report import Report
from mensa_sim.report.run.figures import run_figures
from mensa_sim.report.run.page import report_html
from mensa_sim.report.run.summary import layers_csv, summary_json
from mensa_sim.report.run.tables import run_tables
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.schedule.files import schedule_yaml
from mensa_sim.study.run.result import RunResult


def _schedule_and_timeline(result: RunResult) -> dict[str, str]:
    main = result.main
    return {
        "schedule.yaml": schedule_yaml(main.problem, main.schedule),
        "timeline.json": perfetto_json(
            f"{main.workload} on {main.system}",
            main.timeline,
            tuple(main.accelerators),
            {main.workload: main.graph},
            main.problem.static_mw,
        ),
    }


INFERENCE = Report(
    table=run_tables,
    figures=run_figures,
    page=report_html,
    summary=summary_json,
    rows=layers_csv,
    rows_file="layers.csv",
    more=_schedule_and_timeline,
)
