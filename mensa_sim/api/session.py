"""What a notebook types and the command line calls: from a workload to a result."""

from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.api.result import Run, ScenarioRun
from mensa_sim.api.shown import with_methods
from mensa_sim.errors import UsageError
from mensa_sim.io.at_hand import file_of
from mensa_sim.io.atomic import refuse_unwritable_file
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.study.families.families import FamilyStudy, study_families
from mensa_sim.study.families.request import FamiliesRequest
from mensa_sim.study.request.common import TraceRequest, WorkloadRequest
from mensa_sim.study.run.given import graph_given
from mensa_sim.study.run.request import RunRequest
from mensa_sim.study.run.run import run as run_request
from mensa_sim.study.scenario.scenario import is_scenario
from mensa_sim.study.scenario.scenario import run_scenario as run_scenario_request
from mensa_sim.workload.graph import LayerGraph

__all__ = [
    "FULL",
    "PLAIN",
    "Options",
    "Run",
    "ScenarioRun",
    "families",
    "is_scenario",
    "run",
    "run_scenario",
    "trace",
]


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
    refuse_scenario(request)
    return with_methods(run_request(request), Run)


@asks(RunRequest)
def run_scenario(request: RunRequest) -> ScenarioRun:
    """Run a scenario, several workloads with arrivals, on a system and on a baseline; `seed` replaces the file's."""
    return with_methods(run_scenario_request(request), ScenarioRun)


def refuse_scenario(request: WorkloadRequest) -> None:
    """`UsageError` where several workloads stand for one."""
    if is_scenario(request.workload):
        raise UsageError(
            f"{file_of(request.workload)} is a scenario of several workloads; `run` and `compare` on the command line "
            "take one, here `run_scenario` and `compare_scenario`"
        )


@asks(FamiliesRequest)
def families(request: FamiliesRequest) -> FamilyStudy:
    """Families of the layers of workloads, by default the 24 models; `save` writes the clusters as YAML."""
    if request.save is not None:
        refuse_unwritable_file(Path(request.save))
    return study_families(request)


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
