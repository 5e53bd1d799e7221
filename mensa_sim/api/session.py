"""What a notebook types and the command line calls: from a workload to a result."""

from pathlib import Path
from typing import Any

from mensa_sim.api.asks import asks
from mensa_sim.api.shown import Plain, Shown, with_methods
from mensa_sim.errors import UsageError
from mensa_sim.io.at_hand import file_of
from mensa_sim.io.atomic import refuse_unwritable_file
from mensa_sim.study.families.families import FamilyStudy, study_families
from mensa_sim.study.families.request import FamiliesRequest
from mensa_sim.study.request.command import results_folder
from mensa_sim.study.request.fields import TraceRequest, WorkloadRequest
from mensa_sim.study.run.given import graph_given
from mensa_sim.study.run.request import RunRequest
from mensa_sim.study.run.result import BesideBaseline, RunResult
from mensa_sim.study.run.run import run as run_request
from mensa_sim.study.scenario.scenario import ScenarioResult, is_scenario
from mensa_sim.study.scenario.scenario import run_scenario as run_scenario_request
from mensa_sim.workload.graph import LayerGraph


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
    shown_by = "run.page:INFERENCE"


class ScenarioRun(_Simulation, ScenarioResult):
    """Several workloads with arrivals: `main` on the system, `baseline` on the baseline.

    >>> import mensa_sim as ms
    >>> result = ms.run_scenario("voice_assistant")
    >>> result
    <ScenarioRun: voice_assistant on mensa_g>
    >>> {stream.deadline_misses for stream in result.main.metrics.streams.values()}
    {0}
    """

    __slots__ = ()
    shown_by = "scenario.page:SCENARIO_RUN"


class Families(Plain, FamilyStudy):
    """Layers by family: the paper's `rows`, the `clustering` found, and `affinities` to each accelerator."""

    __slots__ = ()
    shown_by = "families.families:FAMILIES_FOUND"
    command_name = "families"

    @property
    def _title(self) -> str:
        return f"{self.layers} layers of {len(self.workloads)} workloads"


@asks(RunRequest)
def run(request: RunRequest) -> Run:
    """Trace, price, schedule and simulate a workload on a system, beside a baseline.

    A workload is the bare name of a shipped one, a file, a layer graph that `trace` gave, or a `torch.nn.Module` with
    its example `inputs`; system and baseline are a name, a file, or what `load_system` gave. A dict stands for a file
    that says the same. `scheduler` is a name or a function of your own (see `OwnScheduler`); without it, and without an
    `objective`, each system is scheduled as its file says, else by `mensa` for `edp`. `overrides` are texts as for
    `--set`, or field to value. Raises `UsageError` for bad input and `InfeasibleError` where no schedule exists.

    >>> import mensa_sim as ms
    >>> slow = {"accelerators.pascal.clock_hz": 1_000_000}
    >>> result = ms.run("small_cnn", scheduler="single:pascal", baseline="mensa_g", overrides=slow)
    >>> result.ratios.latency < 0.01
    True
    >>> def first(problem):
    ...     return [problem.accelerators[0]] * len(problem.units)
    >>> ms.run("small_cnn", scheduler=first).main.scheduler
    'first'
    """
    refuse_scenario(request, "`run_scenario` takes one")
    return with_methods(run_request(request), Run)


@asks(RunRequest)
def run_scenario(request: RunRequest) -> ScenarioRun:
    """Run a scenario, several workloads with arrivals, on a system and on a baseline; `seed` replaces the file's."""
    return with_methods(run_scenario_request(request), ScenarioRun)


def refuse_scenario(
    request: WorkloadRequest, instead: str = "only `mensa-sim run` and `mensa-sim compare` take one, and by itself"
) -> None:
    """`UsageError` where several workloads stand for one; where no command leads here, `instead` names functions."""
    if is_scenario(request.workload):
        raise UsageError(f"{file_of(request.workload)} is a scenario of several workloads: {instead}")


@asks(FamiliesRequest)
def families(request: FamiliesRequest) -> Families:
    """Families of the layers of workloads, by default the 24 models; `save` writes the clusters as YAML."""
    refuse_unwritable_file(request.save)
    return with_methods(study_families(request), Families)


@asks(TraceRequest)
def trace(request: TraceRequest) -> LayerGraph:
    """The layer graph of a workload: a file, the bare name of a shipped one, or a `torch.nn.Module` with its inputs.

    Inputs are example tensors, by position or by name; their values never matter and nothing is computed. `name` and
    the bits (8 by default) are those of a module; a file says its own.

    >>> import mensa_sim as ms
    >>> from torch import nn, zeros
    >>> graph = ms.trace(nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)), zeros(1, 16), name="mlp")
    >>> [layer.name for layer in graph.layers], graph.macs, graph.parameter_bytes
    (['0', '2'], 640, 676)
    """
    return graph_given(request)
