"""What a notebook types and the command line calls: from a workload to a result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mensa_sim.api.files import check, list_kind, schema, show
from mensa_sim.api.result import Comparison, Run, ScenarioRun, with_methods
from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.io.atomic import write_atomically
from mensa_sim.io.json_text import json_line
from mensa_sim.schedule.policies.own import OwnScheduler
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.study.compare.compare import CompareRequest
from mensa_sim.study.compare.compare import compare as compare_request
from mensa_sim.study.explain.explain import Explanation, Move
from mensa_sim.study.explain.explain import explain as explain_layer
from mensa_sim.study.explain.explain import moves as moves_of
from mensa_sim.study.families.families import FamilyStudy, study_families
from mensa_sim.study.run.given import graph_given, system_given
from mensa_sim.study.run.placement import Placement, timings_named
from mensa_sim.study.run.placement import place as place_graph
from mensa_sim.study.run.request import RunRequest
from mensa_sim.study.run.run import run as run_request
from mensa_sim.study.run.scheduling import goal_on
from mensa_sim.study.scenario.scenario import is_scenario
from mensa_sim.study.scenario.scenario import run_scenario as run_scenario_request
from mensa_sim.workload.families.saved import families_yaml
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS

__all__ = [
    "FULL",
    "PLAIN",
    "Options",
    "Run",
    "ScenarioRun",
    "check",
    "compare",
    "explain",
    "families",
    "is_scenario",
    "list_kind",
    "moves",
    "place",
    "run",
    "run_scenario",
    "schema",
    "show",
    "trace",
]

Overrides = Sequence[str] | Mapping[str, object]
"""`FIELD=VALUE` texts as for `--set`, or field to value."""


def run(
    workload: object,
    inputs: object = None,
    *,
    system: str | Path | System = "mensa_g",
    scheduler: str | OwnScheduler | None = None,
    objective: str | None = None,
    baseline: str | Path | System = "edge_tpu",
    seed: int = 0,
    overrides: Overrides = (),
    pins: Mapping[str, str] | None = None,
    options: Mapping[str, float] | None = None,
    deadline_ms: float | None = None,
    schedule: str | Path | None = None,
    families: str | Path | None = None,
    parallel: bool = False,
    timings: str = "fit",
    on_chip: Options = FULL,
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> Run:
    """Trace, price, schedule and simulate a workload on a system, beside a baseline.

    A workload is the bare name of a shipped one, a file, a layer graph that `trace` gave, or a `torch.nn.Module` with
    its example `inputs`; system and baseline are a name, a file, or what `load_system` gave. `scheduler` is a name or
    a function of your own (see `OwnScheduler`); without it, and without an `objective`, each system is scheduled as its
    file says, else by `mensa` for `edp`.

    `overrides` set any field of the system, `pins` are layer to accelerator, `options` the scheduler's own
    (`mac_ratio`, ...), `schedule` is a schedule.yaml to take instead of a scheduler's, `families` a file of families,
    `parallel` lets branches overlap in the scheduler's prediction, `timings` says whether measured accelerators run
    only `exact` kernels of their tables or also what a `fit` predicts, `on_chip` what the simulation prefetches and
    keeps on chip. Raises `UsageError` for bad input and `InfeasibleError` where no schedule exists.

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
    request = RunRequest(
        workload=_workload(workload, inputs),
        system=_name_or(system),
        scheduler=scheduler,
        objective=objective,
        baseline=_name_or(baseline),
        seed=seed,
        overrides=_texts(overrides),
        pins=pins or {},
        options=options or {},
        deadline_ms=deadline_ms,
        schedule_file=None if schedule is None else str(schedule),
        families_file=None if families is None else str(families),
        parallel=parallel,
        timings=timings,
        on_chip=on_chip,
        allow_code=allow_code,
        strict=strict,
        cache=cache,
    )
    return with_methods(run_request(request), Run)


def run_scenario(
    scenario: str | Path,
    *,
    system: str | Path | System = "mensa_g",
    scheduler: str | OwnScheduler | None = None,
    objective: str | None = None,
    baseline: str | Path | System = "edge_tpu",
    seed: int | None = None,
    overrides: Overrides = (),
    options: Mapping[str, float] | None = None,
    timings: str = "fit",
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> ScenarioRun:
    """Run a scenario, several workloads with arrivals, on a system and on a baseline; `seed` replaces the file's."""
    request = RunRequest(
        workload=str(scenario),
        system=_name_or(system),
        scheduler=scheduler,
        objective=objective,
        baseline=_name_or(baseline),
        overrides=_texts(overrides),
        options=options or {},
        timings=timings,
        allow_code=allow_code,
        strict=strict,
        cache=cache,
    )
    return with_methods(run_scenario_request(request, seed=seed), ScenarioRun)


def compare(
    workload: object,
    systems: Sequence[str | Path | System],
    *,
    inputs: object = None,
    scheduler: str | OwnScheduler | None = None,
    objective: str | None = None,
    timings: str = "fit",
    seed: int = 0,
    overrides: Overrides = (),
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> Comparison:
    """One workload on several systems; the first is the baseline.

    >>> import mensa_sim as ms
    >>> ms.compare("small_cnn", ["edge_tpu", "mensa_g"])
    <Comparison: small_cnn on edge_tpu, mensa_g>
    """
    if isinstance(systems, str):
        raise UsageError(f"systems: {systems!r} is a text; give a list of at least two")
    request = CompareRequest(
        workload=_workload(workload, inputs),
        systems=tuple(_name_or(system) for system in systems),
        scheduler=scheduler,
        objective=objective,
        timings=timings,
        seed=seed,
        overrides=_texts(overrides),
        allow_code=allow_code,
        strict=strict,
        cache=cache,
    )
    return with_methods(compare_request(request), Comparison)


def _workload(workload: object, inputs: object) -> str | LayerGraph:
    """A name, or the graph of what is at hand."""
    if isinstance(workload, str | Path):
        if inputs is not None:
            raise UsageError("inputs belong to a module at hand; a workload file says its own")
        if is_scenario(str(workload)):
            raise UsageError(
                f"{workload} is a scenario of several workloads; `run` on the command line and `run_scenario` take it"
            )
        return str(workload)
    return workload if isinstance(workload, LayerGraph) else trace(workload, inputs)


def _name_or(system: str | Path | System) -> str | System:
    return system if isinstance(system, System) else str(system)


def _texts(overrides: Overrides) -> tuple[str, ...]:
    """`FIELD=VALUE` texts; a value is written as JSON, as `--set` reads it."""
    if isinstance(overrides, str):
        raise UsageError(f"overrides: {overrides!r} is a text; give a list of them, or a mapping of field to value")
    if isinstance(overrides, Mapping):
        return tuple(f"{field}={_json(field, value)}" for field, value in overrides.items())
    return tuple(overrides)


def _json(field: str, value: object) -> str:
    try:
        return json_line(value, spaced=True)
    except (TypeError, ValueError) as error:
        raise UsageError(f"overrides: {field}: {error}; give plain data, as a file has it") from error


def place(
    workload: object,
    inputs: object = None,
    *,
    system: str | Path | System = "mensa_g",
    scheduler: str | OwnScheduler | None = None,
    objective: str | None = None,
    overrides: Overrides = (),
    options: Mapping[str, float] | None = None,
    pins: Mapping[str, str] | None = None,
    timings: str = "fit",
    allow_code: bool = False,
    cache: bool = True,
) -> Placement:
    """Price and schedule a workload without simulating it: costs, problem and schedule.

    >>> import mensa_sim as ms
    >>> placement = ms.place("small_cnn", scheduler="optimal")
    >>> placement.schedule.gap
    0.0
    >>> placement.problem.accelerators
    ('pascal', 'pavlov', 'jacquard')
    """
    graph = graph_given(_workload(workload, inputs), allow_code=allow_code, strict=False, cache=cache)
    placed_on = system_given(_name_or(system), _texts(overrides))
    goal = goal_on(placed_on, scheduler=scheduler, objective=objective, options=options)
    return place_graph(graph, placed_on, replace(goal, pins=pins or {}, timings=timings_named(timings)))


def explain(placement: Placement, layer: str) -> Explanation:
    """Why a layer runs where it does: its cost everywhere, the runner-up, and what it would need to win.

    >>> import mensa_sim as ms
    >>> ms.explain(ms.place("small_cnn", scheduler="single:pascal"), "head.linear").accelerator
    'pascal'
    """
    return explain_layer(placement.problem, placement.costs, placement.schedule, layer)


def moves(placement: Placement) -> tuple[Move, ...]:
    """Every tensor that is read on another accelerator than it was made on."""
    return moves_of(placement.problem, placement.schedule)


def families(
    workloads: Sequence[str] | None = None,
    *,
    system: str = "mensa_g",
    objective: str = "edp",
    count: int | None = None,
    save: str | Path | None = None,
    allow_code: bool = False,
    cache: bool = True,
) -> FamilyStudy:
    """Families of the layers of workloads, by default the 24 models; `save` writes the clusters as YAML."""
    if isinstance(workloads, str):
        raise UsageError(f"workloads: {workloads!r} is a text; give a list of them")
    study = study_families(
        MODELS if workloads is None else workloads,
        system=system,
        objective=objective,
        count=count,
        allow_code=allow_code,
        cache=cache,
    )
    if save is not None:
        write_atomically(Path(save), families_yaml(study.clustering.clusters))
    return study


def trace(
    workload: object,
    inputs: object = None,
    *,
    name: str | None = None,
    parameter_bits: int | None = None,
    activation_bits: int | None = None,
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> LayerGraph:
    """The layer graph of a workload: a file, the bare name of a shipped one, or a `torch.nn.Module` with its inputs.

    Inputs are example tensors, by position or by name; their values never matter and nothing is computed. `name` and
    the bits (8 by default) are those of a module; a file says its own.

    >>> import mensa_sim as ms
    >>> from torch import nn, zeros
    >>> graph = ms.trace(nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)), zeros(1, 16), name="mlp")
    >>> [layer.name for layer in graph.layers], graph.macs, graph.parameter_bytes
    (['0', '2'], 640, 676)
    """
    if isinstance(workload, str | Path):
        if any(value is not None for value in (inputs, name, parameter_bits, activation_bits)):
            raise UsageError("inputs, name and bits belong to a module at hand; a workload file says its own")
        return load_workload(workload, allow_code=allow_code, strict=strict, cache=cache)
    from mensa_sim.workload.importers.torch.module import graph_of_module

    graph = graph_of_module(
        workload,
        inputs,
        name=name,
        parameter_bits=8 if parameter_bits is None else parameter_bits,
        activation_bits=8 if activation_bits is None else activation_bits,
    )
    return graph_given(graph, allow_code=True, strict=strict, cache=False)
