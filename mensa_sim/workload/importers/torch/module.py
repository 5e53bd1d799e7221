"""Tracing what a notebook has at hand: a torch module with its inputs, or an exported program."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.export import ExportedProgram

from mensa_sim.errors import TraceError, UsageError
from mensa_sim.names import check_folder_name
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.export import resized
from mensa_sim.workload.importers.torch.trace import graph_of, trace


def graph_of_module(
    model: object,
    inputs: object = None,
    *,
    name: str | None = None,
    parameter_bits: int = 8,
    activation_bits: int = 8,
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
