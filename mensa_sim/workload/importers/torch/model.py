"""Building a workload's torch model on `meta` tensors, and tracing it."""

import contextlib
import importlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mensa_sim.errors import FileError, TraceError
from mensa_sim.lookup import unknown_name
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.modules import importable, project_modules
from mensa_sim.workload.importers.reference import SHIPPED_MODELS, ModelReference, Source
from mensa_sim.workload.importers.torch.export import quietly, resized
from mensa_sim.workload.importers.torch.trace import graph_of, trace

LOGGER = logging.getLogger(__name__)


def import_model(workload: WorkloadFile, path: Path) -> tuple[LayerGraph, Iterable[Path]]:
    """The layer graph of a workload's model, and the files of the modules that building it imported.

    No weights are allocated, except those of a `.pt2` file. Every failure is a `UsageError` that names the file.
    """
    reference = workload.reference
    # Only a model that may run foreign code may import what lies beside its workload file.
    beside = importable(path.parent) if reference.source in (Source.MODULE, Source.FILE) else contextlib.nullcontext()
    with beside:
        if reference.source is Source.MODEL_FILE:
            graph = _exported_graph(reference.path_beside(path), workload, path)
        else:
            graph = _traced_graph(_callable(reference, path), workload, path)
    return graph, project_modules(reference)


def _traced_graph(build: Callable[..., Any], workload: WorkloadFile, path: Path) -> LayerGraph:
    """The graph of what a callable builds: without storage where the model allows that, else on the CPU."""
    for place, without_storage in _PLACES.items():
        last = place == tuple(_PLACES)[-1]
        try:
            with without_storage():
                module = _built(build, workload, path)
                graph = _traced(module, workload, path)
        except TraceError as error:
            if last or not _asks_for_values(error):
                raise
            LOGGER.info("%s: the model does not run on %s (%s)", workload.name, place, error)
        else:
            LOGGER.info("%s: traced on %s", workload.name, place)
            return graph
    raise AssertionError("the last place either gives a graph or raises")


_PLACES: Mapping[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "meta tensors": lambda: torch.device("meta"),
    "fake tensors": lambda: FakeTensorMode(allow_non_fake_inputs=True),
    "the CPU": contextlib.nullcontext,
}
"""Where a model is built and traced, in the order in which that is tried.

Meta tensors have no device of their own choice and no values; fake ones have a device; only real ones have values,
which some models read while they are built (torchvision's RegNets), and those take memory.
"""


def _asks_for_values(error: TraceError) -> bool:
    """Whether a model fails for want of a device or of values, and not for a mistake that it would make anywhere."""
    words = ("meta", "device", "cpu", "fake", "datadependent", "data-dependent", "item()")
    return any(word in str(error).lower() for word in words)


def _tensors(workload: WorkloadFile) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """The inputs by position, and those with a name."""
    tensors = [torch.zeros(entry.shape, dtype=getattr(torch, entry.dtype)) for entry in workload.inputs]
    named = {entry.name: tensor for entry, tensor in zip(workload.inputs, tensors, strict=True) if entry.name}
    return ([] if named else tensors), named


def _traced(module: torch.nn.Module, workload: WorkloadFile, path: Path) -> LayerGraph:
    tensors, named = _tensors(workload)
    try:
        return trace(
            module,
            named or tensors,
            name=workload.name,
            parameter_bits=workload.parameter_bits,
            activation_bits=workload.activation_bits,
        )
    except TraceError as error:
        refusal = _refusal(module, tensors, named)
        if refusal is not None:
            shapes = ", ".join(str(list(entry.shape)) for entry in workload.inputs)
            raise TraceError(f"{path}: inputs: the model fails on {shapes}: {_line(refusal)}") from error
        raise TraceError(f"{path}: {error}") from error


def _exported_graph(file: Path, workload: WorkloadFile, path: Path) -> LayerGraph:
    try:
        with quietly():
            program = torch.export.load(file)
    except Exception as error:  # the loader raises whatever its unpickler and archive reader do
        raise TraceError(f"{path}: model: {file} is no exported program: {_line(error)}") from error
    try:
        if workload.inputs:
            tensors, named = _tensors(workload)
            program = resized(program, named or tensors, name=workload.name)
        return graph_of(
            program,
            name=workload.name,
            parameter_bits=workload.parameter_bits,
            activation_bits=workload.activation_bits,
        )
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from error


def _refusal(module: torch.nn.Module, inputs: Sequence[Any], named: Mapping[str, Any]) -> Exception | None:
    """What the model itself says against its inputs, apart from tracing; none if it runs.

    A complaint about `meta` is about tracing and not about the inputs: it asks for values that no trace has.
    """
    try:
        with torch.no_grad():
            module(*inputs, **named)
    except Exception as error:  # a user's model may raise anything
        return None if "meta" in str(error).lower() else error
    return None


def _callable(reference: ModelReference, path: Path) -> Callable[..., Any]:
    """What `module:callable` names."""
    module = _imported(reference, path)
    found = getattr(module, reference.callable_name, None)
    shipped = reference.source is Source.SHIPPED
    if found is None or (shipped and not str(getattr(found, "__module__", "")).startswith(SHIPPED_MODELS)):
        choices = [name for name, value in vars(module).items() if _is_model(value, module.__name__)]
        error = unknown_name(reference.callable_name, choices, f"callable in {reference.location}")
        raise FileError(str(path), [f"model: {error}"])
    if not callable(found):
        raise FileError(str(path), [f"model: {reference.callable_name} in {reference.location} cannot be called"])
    called: Callable[..., Any] = found
    return called


def _is_model(value: object, module_name: str) -> bool:
    """Whether a module's own public class or function, which may be the one that was meant."""
    if not isinstance(value, type | FunctionType):
        return False
    return value.__module__ == module_name and not value.__name__.startswith("_")


def _imported(reference: ModelReference, path: Path) -> Any:
    try:
        if reference.source is Source.FILE:
            return _imported_file(reference.path_beside(path))
        return importlib.import_module(reference.location)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if reference.location == missing or reference.location.startswith(f"{missing}."):
            where = f"none beside {path} and none installed (the environment variable PYTHONPATH adds places)"
            raise FileError(str(path), [f"model: there is no module {missing}: {where}"]) from error
        message = f"model: {reference.location} imports {missing}, which is not installed"
        raise FileError(str(path), [message]) from error
    except Exception as error:  # importing runs a user's code, which may raise anything
        raise FileError(str(path), [f"model: importing {reference.location} failed: {_line(error)}"]) from error


def _imported_file(file: Path) -> Any:
    """A module from a file that lies on no search path, run anew each time."""
    name = f"_mensa_sim_model_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _built(build: Callable[..., Any], workload: WorkloadFile, path: Path) -> torch.nn.Module:
    """The module that the callable gives for the workload's arguments, in inference mode."""
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):
        signature = None
    if signature is not None:
        _check_arguments(signature, workload, path)
    try:
        module = build(**workload.arguments)
    except Exception as error:  # a user's model may raise anything
        raise TraceError(f"{path}: model: building {workload.model} failed: {_line(error)}") from error
    if not isinstance(module, torch.nn.Module):
        raise TraceError(f"{path}: model: {workload.model} gives {_kind(module)}, not a torch.nn.Module")
    return module.eval()


def _check_arguments(signature: inspect.Signature, workload: WorkloadFile, path: Path) -> None:
    """Every argument that the callable does not know, and every one that it misses, at once."""
    parameters = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    faults = []
    for name in workload.arguments:
        if name not in parameters and not takes_any:
            faults.append(f"arguments.{name}: {unknown_name(name, parameters, 'argument')}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in workload.arguments:
            faults.append(f"arguments.{name}: is required by {workload.model}")
    if faults:
        raise FileError(str(path), faults)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _line(error: BaseException) -> str:
    """An error of others on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
