"""Building a workload's torch model on `meta` tensors, and tracing it."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram

from mensa_sim.errors import FileError, TraceError, UsageError
from mensa_sim.names import check_folder_name
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.callables import built, callable_of
from mensa_sim.workload.importers.messages import one_line
from mensa_sim.workload.importers.modules import importable, project_modules
from mensa_sim.workload.importers.reference import ModelReference, Source
from mensa_sim.workload.importers.torch.export import quietly, resized
from mensa_sim.workload.importers.torch.trace import graph_of, trace

LOGGER = logging.getLogger(__name__)


def build_module(workload: WorkloadFile, path: Path) -> torch.nn.Module:
    """A workload's model itself, with the weights that its own code gives it, in inference mode.

    Raises `UsageError` where it cannot be built, or where the file names no code that builds one.
    """
    reference = workload.reference
    if reference.source is Source.MODEL_FILE:
        raise FileError(str(path), [f"model: {reference.importer.title} is no code that builds a module"])
    with _beside(reference, path):
        return _built(callable_of(reference, path), workload, path)


def _beside(reference: ModelReference, path: Path) -> contextlib.AbstractContextManager[Any]:
    """Only a model that may run foreign code may import what lies beside its workload file."""
    foreign = reference.source in (Source.MODULE, Source.FILE)
    return importable(path.parent) if foreign else contextlib.nullcontext()


def import_model(workload: WorkloadFile, path: Path) -> tuple[LayerGraph, Iterable[Path]]:
    """The layer graph of a workload's model, and the files of the foreign modules that building it imported.

    No weights are allocated, except those of a `.pt2` file. Every failure is a `UsageError` that names the file.
    """
    reference = workload.reference
    with _beside(reference, path):
        if reference.source is Source.MODEL_FILE:
            graph = _exported_graph(reference.path_beside(path), workload, path)
        else:
            graph = _traced_graph(callable_of(reference, path), workload, path)
    return graph, project_modules(reference) if reference.runs_code else ()


def _traced_graph(build: Callable[..., Any], workload: WorkloadFile, path: Path) -> LayerGraph:
    """The graph of what a callable builds: without storage where the model allows that, else on the CPU."""
    for place, without_storage in _PLACES.items():
        last = place == tuple(_PLACES)[-1]
        try:
            with without_storage():
                module = _built(build, workload, path)
                examples = _tensors(workload)
                graph = None if place == _META else _traced(module, examples, workload, path)
            if graph is None:
                graph = _traced(_run_on_meta(module), examples, workload, path)
        except TraceError as error:
            if last or not _asks_for_values(error):
                raise
            LOGGER.info("%s: the model does not run on %s (%s)", workload.name, place, error)
        else:
            LOGGER.info("%s: traced on %s", workload.name, place)
            return graph
    raise AssertionError("the last place either gives a graph or raises")


def _run_on_meta(module: torch.nn.Module) -> torch.nn.Module:
    """The module, whose own code makes tensors on `meta`.

    That mode sees every call of torch. What torch.export does around the module needs it not, and is a fifth faster.
    """
    forward = module.forward

    @functools.wraps(forward)
    def on_meta(*given: Any, **named: Any) -> Any:
        with torch.device("meta"):
            return forward(*given, **named)

    module.forward = on_meta
    return module


_META = "meta tensors"
_PLACES: Mapping[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    _META: lambda: torch.device("meta"),
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


def _traced(
    module: torch.nn.Module,
    examples: tuple[list[torch.Tensor], dict[str, torch.Tensor]],
    workload: WorkloadFile,
    path: Path,
) -> LayerGraph:
    tensors, named = examples
    try:
        return trace(module, named or tensors, name=workload.name, **workload.bits)
    except TraceError as error:
        refusal = _refusal(module, tensors, named)
        if refusal is not None:
            shapes = ", ".join(str(list(entry.shape)) for entry in workload.inputs)
            raise TraceError(f"{path}: inputs: the model fails on {shapes}: {one_line(refusal)}") from error
        raise TraceError(f"{path}: {error}") from error


def _exported_graph(file: Path, workload: WorkloadFile, path: Path) -> LayerGraph:
    try:
        with quietly():
            program = torch.export.load(file)
    except Exception as error:  # the loader raises whatever its unpickler and archive reader do
        raise TraceError(f"{path}: model: {file} is no exported program: {one_line(error)}") from error
    try:
        if workload.inputs:
            tensors, named = _tensors(workload)
            program = resized(program, named or tensors, name=workload.name)
        return graph_of(program, name=workload.name, **workload.bits)
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


def _built(build: Callable[..., Any], workload: WorkloadFile, path: Path) -> torch.nn.Module:
    """The module that the callable gives for the workload's arguments, in inference mode."""
    module = built(build, workload, path)
    if not isinstance(module, torch.nn.Module):
        raise TraceError(f"{path}: model: {workload.model} gives {_kind(module)}, not a torch.nn.Module")
    return module.eval()


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def graph_of_module(
    model: object, inputs: object = None, *, name: str | None = None, parameter_bits: int = 8, activation_bits: int = 8
) -> LayerGraph:
    """The layer graph of a module for example inputs: a tensor, tensors by position, or tensors by name.

    Their values never matter, nothing is computed, and module and weights stay as they are. An exported program holds
    its inputs, unless some of their sizes are open. Raises `UsageError` for what cannot be traced.
    """
    for bits, value in (("parameter_bits", parameter_bits), ("activation_bits", activation_bits)):
        if not 1 <= value <= 64:
            raise UsageError(f"{bits} is {value}, must be from 1 to 64")
    if isinstance(model, ExportedProgram):
        title = _checked_name(name or "exported_program")
        if inputs is not None and not model.range_constraints:
            raise UsageError("an exported program whose sizes are all fixed holds its own inputs: leave them out")
        program = model if inputs is None else resized(model, _examples(inputs, title), name=title)
        return graph_of(program, name=title, parameter_bits=parameter_bits, activation_bits=activation_bits)
    if not isinstance(model, torch.nn.Module):
        kind = type(model).__name__
        raise TraceError(f"a {kind} is no workload; give a name, a path, a layer graph or a torch.nn.Module")
    title = _checked_name(name or type(model).__name__)
    examples = _examples(inputs, title)
    return trace(model, examples, name=title, parameter_bits=parameter_bits, activation_bits=activation_bits)


def _examples(inputs: object, title: str) -> Sequence[Any] | Mapping[str, Any]:
    """Inputs by position or by name."""
    if inputs is None:
        raise UsageError(f"{title}: inputs are missing; give example tensors, as in inputs=torch.zeros(1, 3, 224, 224)")
    if isinstance(inputs, torch.Tensor):
        return (inputs,)
    if not isinstance(inputs, Mapping | list | tuple):
        raise UsageError(f"{title}: inputs are a {type(inputs).__name__}; give a tensor, a list of them or a mapping")
    return inputs


def _checked_name(name: str) -> str:
    try:
        check_folder_name(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return name
