"""Asking torch to export a module on `meta` tensors, and saying in one line why it could not."""

import io
import logging
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.fx import GraphModule

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.aliases import writes_inside


def export(module: object, inputs: Sequence[Any] | Mapping[str, Any], *, name: str) -> ExportedProgram:
    """The exported program of a module; inputs by position or by name, on the module's device (`meta`)."""
    if not isinstance(module, torch.nn.Module):
        raise TraceError(
            f"{name}: the model is a {type(module).__name__}, not a torch.nn.Module; "
            "name a callable that returns a module"
        )
    by_name = dict(inputs) if isinstance(inputs, Mapping) else {}
    by_position = () if isinstance(inputs, Mapping) else tuple(inputs)
    with _in_evaluation(module), quietly(), torch.no_grad():
        try:
            return torch.export.export(module, by_position, by_name, strict=False)
        except Exception as error:
            raise TraceError(f"{name}: torch.export failed: {_reason(error)}") from error


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
            raise TraceError(f"{name}: torch.export failed: {_reason(error)}") from error


def _calls_python(module: GraphModule) -> bool:
    """True where a graph calls functions that are no operators, as transforms of functions do."""
    known = (OpOverload, HigherOrderOperator)
    calls = [node.target for node in module.graph.nodes if node.op == "call_function"]
    return any(not isinstance(target, known) and target is not operator.getitem for target in calls)


@contextmanager
def _in_evaluation(module: torch.nn.Module) -> Iterator[None]:
    """Dropout off and batch norm on its running statistics, as in inference; put back afterwards."""
    training = [part for part in module.modules() if part.training]
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


def _reason(error: Exception) -> str:
    """What a user needs of an export error: its first line, where in the model, and what to do."""
    text = str(error).strip()
    first = text.splitlines()[0].partition(" (unhinted")[0].rstrip(".") if text else type(error).__name__
    kind = type(error).__name__
    place = _place(text)
    if "DataDependent" in kind or "data-dependent" in first:
        return (
            f"control flow or a shape depends on the data{place} ({first}); "
            "fix the branch or the size for this trace, only static graphs can be mapped"
        )
    if "PackedSequence" in text or "batch_sizes" in text or "pack_padded" in text:
        return f"packed sequences cannot be traced{place}; pass padded tensors of one length instead ({first})"
    if "__obj_flatten__" in text or "torch.classes.quantized" in text:
        return (
            "the weights are packed by torch's eager quantisation, which torch.export cannot read; "
            "trace the float model, or one that was quantised by export (PT2E, torchao)"
        )
    if "is not a known type" in first:
        return f"{first.split(',')[0]}; have the model take and return tensors alone (of transformers: use_cache=False)"
    return f"{first}{place}; check the shapes under `inputs` and that the model runs on them"


def _place(text: str) -> str:
    """The model's own line that raised the error, where torch tells it."""
    lines = [line.strip() for line in text.splitlines()]
    files = [line for line in lines if line.startswith("File ") and "site-packages/torch" not in line]
    if not files:
        return ""
    at = lines.index(files[-1])
    code = f": {lines[at + 1]}" if at + 1 < len(lines) else ""
    return f" at {files[-1].removeprefix('File ')}{code}"
