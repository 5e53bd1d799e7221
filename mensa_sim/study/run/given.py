"""What a request names or holds: a name or a path is loaded, an object that is at hand is taken as it is."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.files import load_system, system_files
from mensa_sim.hardware.overrides import HeldSetting, changes_of, shared_overrides
from mensa_sim.hardware.system import System
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.study.request.command import override_texts
from mensa_sim.study.request.fields import Overrides, TraceRequest, WorkloadRequest
from mensa_sim.study.run.request import BASELINE, RunRequest
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_generation, load_workload, refuse_unsupported, workload_files

T = TypeVar("T")


def graph_given(request: WorkloadRequest) -> LayerGraph:
    """The layer graph of a workload by name or path, of a module that is at hand, or the graph itself."""
    workload = request.workload
    own = (request.name, request.parameter_bits, request.activation_bits) if isinstance(request, TraceRequest) else ()
    if isinstance(workload, str | Path | Mapping):
        if request.inputs is not None or any(each is not None for each in own):
            raise UsageError("inputs, name and bits belong to a module at hand; a workload file says its own")
        return load_workload(workload, allow_code=request.allow_code, strict=request.strict, cache=request.cache)
    if not isinstance(workload, LayerGraph):
        from mensa_sim.workload.importers.torch.model import graph_of_module

        name, *bits = own or (None, None, None)
        parameter_bits, activation_bits = (8 if each is None else each for each in bits)
        workload = graph_of_module(
            workload, request.inputs, name=name, parameter_bits=parameter_bits, activation_bits=activation_bits
        )
    if request.strict:
        refuse_unsupported(workload, workload.name)
    return workload


def generation_given(workload: Any, *, allow_code: bool) -> Generation | None:
    """The model of a workload by name, path or dict that generates; none for any other, and for what is at hand."""
    return load_generation(workload, allow_code=allow_code) if isinstance(workload, str | Path | Mapping) else None


def generation_asked(request: RunRequest) -> Generation | None:
    """The model of a workload that generates, with the lengths that a request states; none for any other workload."""
    workload = request.workload
    found = generation_given(workload, allow_code=request.allow_code)
    asked = {"prompt_tokens": request.prompt_tokens, "new_tokens": request.new_tokens}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if found is None and given:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{options}: {file_of(workload)} does not generate")
    try:
        return replace(found, generate=replace(found.generate, **given)) if found and given else found
    except ValueError as error:
        raise UsageError(str(error)) from error


def system_given(system: Given | System, overrides: Overrides = ()) -> System:
    """The system by name, path or dict, or the system itself, which overrides come too late for."""
    texts = override_texts(overrides)
    if isinstance(system, System):
        if texts:
            raise UsageError(f"{system.name} is loaded already: give the overrides to load_system")
        return system
    return load_system(system, overrides=texts)


def sides_given(request: RunRequest) -> tuple[System, System, tuple[HeldSetting, ...]]:
    """The system and the baseline of a request, and which setting holds on which.

    A setting of a technology file that both use holds on both; a baseline that is at hand stays as it is.
    """
    texts, named = override_texts(request.overrides), request.baseline or BASELINE
    system, baseline = system_given(request.system, texts), system_given(named)
    shared = () if isinstance(named, System) else shared_overrides(texts, system, baseline)
    if shared:
        baseline = system_given(named, shared)
    return system, baseline, changes_of([(system.name, texts), (baseline.name, shared)])


def if_it_can(request: RunRequest, run: Callable[[], T]) -> tuple[T | None, str]:
    """What a run on the baseline gives; where that cannot run the workload, nothing and why not.

    Raises `InfeasibleError` that says so where the baseline was asked for.
    """
    try:
        return run(), ""
    except InfeasibleError as error:
        if request.baseline is None:
            return None, f"without a baseline, since {BASELINE} cannot run it ({error}); name another with --baseline"
        raise InfeasibleError(f"the baseline cannot run it: {error}; name another with --baseline") from error


def workload_files_given(workload: object) -> tuple[Path, ...]:
    """The files behind a workload that was given by name, path or dict; a module or a graph at hand has none."""
    return workload_files(workload) if isinstance(workload, str | Path | Mapping) else ()


def system_files_given(*systems: Given | System) -> tuple[Path, ...]:
    """The files behind the systems that were given by name, path or dict."""
    return tuple(file for system in systems if not isinstance(system, System) for file in system_files(system))
