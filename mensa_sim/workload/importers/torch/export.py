"""Asking torch to export a module, and reading what it says."""

import io
import logging
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.fx import GraphModule

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.aliases import writes_inside
from mensa_sim.workload.importers.torch.reasons import reason_of
from mensa_sim.workload.importers.torch.spared import spared


def export(module: object, inputs: Sequence[Any] | Mapping[str, Any], *, name: str) -> ExportedProgram:
    """The exported program of a module; inputs by position or by name, on the module's device (`meta`)."""
    if not isinstance(module, torch.nn.Module):
        raise TraceError(
            f"{name}: the model is a {type(module).__name__}, not a torch.nn.Module; "
            "name a callable that returns a module"
        )
    by_name = dict(inputs) if isinstance(inputs, Mapping) else {}
    by_position = () if isinstance(inputs, Mapping) else tuple(inputs)
    with _in_evaluation(module), quietly(), spared(), torch.no_grad():
        try:
            return torch.export.export(module, by_position, by_name, strict=False)
        except Exception as error:
            raise TraceError(f"{name}: torch.export failed: {reason_of(error)}") from error


def resized(program: ExportedProgram, inputs: Sequence[Any] | Mapping[str, Any], *, name: str) -> ExportedProgram:
    """A program with open sizes (a dynamic batch) for inputs of given ones."""
    return export(program.module(check_guards=False), inputs, name=name)


def readable(program: ExportedProgram, *, name: str) -> ExportedProgram:
    """The same program in tensor operators; in-place ones may stay, except within regions.

    Only what torch.func leaves behind (vmap) and writes within a region need torch's functional form, which takes it
    longer than the export.
    """
    with quietly(), torch.no_grad():
        try:
            module = program.graph_module
            return program.run_decompositions({}) if _calls_python(module) or writes_inside(module) else program
        except Exception as error:
            raise TraceError(f"{name}: torch.export failed: {reason_of(error)}") from error


def _calls_python(module: GraphModule) -> bool:
    """True where a graph calls functions that are no operators, as transforms of functions do."""
    known = (OpOverload, HigherOrderOperator)
    calls = [node.target for node in module.graph.nodes if node.op == "call_function"]
    return any(not isinstance(target, known) and target is not operator.getitem for target in calls)


@contextmanager
def _in_evaluation(module: torch.nn.Module) -> Iterator[None]:
    """Dropout off and batch norm on its running statistics, as in inference; put back afterwards."""
    training = [part for part in module.modules() if part.training]
    with suppress(NotImplementedError):  # a program that was exported before says itself in which mode it runs
        module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


@contextmanager
def quietly() -> Iterator[None]:
    """torch logs and prints the failures that we report in a line, and warns of what does not concern a trace."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
