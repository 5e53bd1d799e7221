"""What a notebook does with a run: tables, figures, data frames, files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mensa_sim.api.shown import DrawnResult
from mensa_sim.study.request.command import results_folder
from mensa_sim.study.run.result import BesideBaseline, RunResult
from mensa_sim.study.scenario.scenario import ScenarioResult

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mensa_sim.report.page.drawn import Drawn


class _Simulation(DrawnResult, BesideBaseline[Any]):
    """What an inference and a scenario have alike."""

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{self.main.workload} on {self.main.system}"

    @property
    def folder(self) -> Path:
        """A folder of workload, system and the choices that are no defaults."""
        return results_folder(f"{self.main.workload}-{self.main.system}", self.choices, said=("system",))


class Run(_Simulation, RunResult):
    """One inference: `main` on the system, `baseline` on the baseline, `ratios` between them (above 1 is better).

    >>> import mensa_sim as ms
    >>> result = ms.run("small_cnn")
    >>> result
    <Run: small_cnn on mensa_g>
    >>> result.summary()["macs"] == result.main.macs == sum(layer.macs for layer in result.main.layers)
    True
    >>> sorted(result.files())
    ['layers.csv', 'report.html', 'schedule.yaml', 'summary.json', 'timeline.json']
    """

    __slots__ = ()

    def table(self) -> "RenderableType":
        """Layers, totals beside the baseline, distance from the optimum, coverage."""
        from mensa_sim.report.page.tables import run_tables

        return run_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.run.figures import run_figures

        return run_figures(self)

    def files(self) -> Mapping[str, str]:
        """layers.csv, schedule.yaml, report.html, timeline.json and summary.json: name to text."""
        from mensa_sim.report.run.files import run_files

        return run_files(self)

    def _csv(self) -> str:
        from mensa_sim.report.run.summary import layers_csv

        return layers_csv(self)


class ScenarioRun(_Simulation, ScenarioResult):
    """Several workloads with arrivals: `main` on the system, `baseline` on the baseline.

    >>> import mensa_sim as ms
    >>> result = ms.run_scenario("ar_headset")
    >>> result
    <ScenarioRun: ar_headset on mensa_g>
    >>> {stream.deadline_misses for stream in result.main.metrics.streams.values()}
    {0}
    """

    __slots__ = ()

    def table(self) -> "RenderableType":
        """Streams, load of accelerators and memories, energy and power beside the baseline."""
        from mensa_sim.report.scenario.files import scenario_tables

        return scenario_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.scenario.figures import scenario_figures

        return scenario_figures(self)

    def files(self) -> Mapping[str, str]:
        """streams.csv, report.html, timeline.json and summary.json: name to text."""
        from mensa_sim.report.scenario.folder import scenario_files

        return scenario_files(self)

    def _csv(self) -> str:
        from mensa_sim.report.scenario.files import streams_csv

        return streams_csv(self)
