"""What a notebook does with a run: tables, figures, data frames, files."""

from pathlib import Path
from typing import Any

from mensa_sim.api.shown import Shown
from mensa_sim.study.request.command import results_folder
from mensa_sim.study.run.result import BesideBaseline, RunResult
from mensa_sim.study.scenario.scenario import ScenarioResult


class _Simulation(Shown, BesideBaseline[Any]):
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
    shown_by = "run.files:INFERENCE"


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
    shown_by = "scenario.page:SCENARIO_RUN"
