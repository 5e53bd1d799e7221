"""What a `model:` entry calls: the callable that it names, and what that gives for the workload's arguments."""

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from mensa_sim.errors import FileError, TraceError
from mensa_sim.lookup import unknown_name
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.importers.messages import one_line
from mensa_sim.workload.importers.reference import SHIPPED_MODELS, ModelReference, Source


def callable_of(reference: ModelReference, path: Path) -> Callable[..., Any]:
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
        raise FileError(str(path), [f"model: importing {reference.location} failed: {one_line(error)}"]) from error


def _imported_file(file: Path) -> Any:
    """A module from a file that lies on no search path, run anew each time."""
    name = f"_mensa_sim_model_{file.stem}"
    loader = _FromText(name, str(file.resolve()))
    spec = importlib.util.spec_from_file_location(name, loader.path, loader=loader)
    if spec is None or file.suffix != ".py":
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


class _FromText(importlib.machinery.SourceFileLoader):
    """Compiles a file's text each time, and keeps nothing beside it.

    The library takes what it once compiled for any text of that second and size, so that two which a script writes one
    after the other are one to it.
    """

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def built(build: Callable[..., Any], workload: WorkloadFile, path: Path) -> object:
    """What a callable gives for the workload's arguments."""
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):
        signature = None
    if signature is not None:
        _check_arguments(signature, workload, path)
    try:
        made: object = build(**workload.arguments)
        return made
    except Exception as error:  # a user's model may raise anything
        raise TraceError(f"{path}: model: building {workload.model} failed: {one_line(error)}") from error


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
