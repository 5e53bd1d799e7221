"""Asking torch to export a module, and reading what it says."""

import gc
import io
import logging
import operator
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, suppress
from types import FunctionType
from typing import Any

import torch
import torch.fx.config
import torch.fx.traceback
from torch._decomp import decompositions
from torch._export import non_strict_utils
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.fx import GraphModule, _lazy_graph_module
from torch.fx.experimental import proxy_tensor
from torch.nn.utils.rnn import PackedSequence

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.aliases import writes_inside


@contextmanager
def spared() -> Iterator[None]:
    """Within it torch notes no lines of code, writes no Python for its graphs, walks one time step of a recurrence.

    It takes no batch norm apart to find what comes out, tells of a tensor but once what it looks like, notes nowhere
    which of its own functions it does not compile, and asks only where the answer may be yes whether to run another
    function than was called. Nor does it look for garbage.

    A torch that lacks one of these names takes the longer way.
    """
    with ExitStack() as spared:
        spared.enter_context(_replaced(torch.fx.config, "do_not_emit_stack_traces", lambda _: True))
        spared.enter_context(_replaced(_lazy_graph_module, "_use_lazy_graph_module_flag", lambda _: True))
        spared.enter_context(_replaced(proxy_tensor, "_extract_tensor_metadata", lambda _: lambda *_: None))
        spared.enter_context(_replaced(torch.fx.traceback, "annotate", lambda _: lambda *_: nullcontext()))
        called = getattr(non_strict_utils, "_NonStrictTorchFunctionHandler", None)
        spared.enter_context(_replaced(called, "_override", _of_python_or_index))
        for name in _RECURRENT_LAYERS:
            spared.enter_context(_replaced(decompositions, name, _of_one_step))
        spared.enter_context(_replaced(decompositions, "native_batch_norm_helper", _of_known_statistics))
        if gc.isenabled():
            spared.callback(gc.enable)
            gc.disable()
        yield


_RECURRENT_LAYERS = ("one_layer_lstm", "one_layer_rnn")
"""How torch finds the shapes of a recurrent layer's outputs: a Python loop over the time steps, of any cell."""


def _of_one_step(layer: Callable[..., Any]) -> Callable[..., Any]:
    """A recurrent layer whose steps all give what the first one gives: without values, what they give anyway."""

    def first_step(inputs: torch.Tensor, *others: Any, **named: Any) -> tuple[torch.Tensor, Any]:
        output, hidden = layer(inputs[:1], *others, **named)
        return torch.cat([output] * len(inputs), 0), hidden

    return first_step


def _of_known_statistics(norm: Callable[..., Any]) -> Callable[..., Any]:
    """A batch norm that in inference gives a tensor like its input; that its parameters fit, torch has seen before."""

    def like_its_input(inputs: torch.Tensor, *others: Any) -> tuple[Any, ...]:
        mean, variance, training = others[2:5]
        if training:
            return norm(inputs, *others)  # type: ignore[no-any-return]
        saved = (inputs.new_empty(0),) * 2 if inputs.device.type == "cpu" else (mean, variance)
        return torch.empty_like(inputs), *saved, mean, variance

    return like_its_input


def _of_python_or_index(override: Callable[..., Any]) -> Callable[..., Any]:
    """Torch replaces what is written in Python (collectives), the making of tensors, and indexing: no operator."""

    def asked(mode: Any, call: Any, given: Any, named: Any) -> tuple[Any, Any, Any]:
        if isinstance(call, FunctionType) or call is torch.tensor or call.__name__ == "__getitem__":
            return override(mode, call, given, named)  # type: ignore[no-any-return]
        return call, given, named

    return asked


@contextmanager
def _replaced(owner: object, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """A name of torch changed for a while, where there is one."""
    before = getattr(owner, name, None)
    if before is None:
        yield
        return
    setattr(owner, name, change(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


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


_LONGEST_CAUSE = 65
_LONGEST_COMPLAINT = 120
_LONGEST_PLACE = 70
"""Characters of what torch says, beside a long advice and beside a short one, and of the model's own line: with the
advice they stay below 300 (a choice)."""


def reason_of(error: Exception) -> str:
    """The cause of an export's error, its place and the remedy; no addresses of functions, no line of torch's own."""
    text = re.sub(r" at 0x[0-9a-f]+", "", str(error).strip())
    first = text.splitlines()[0].partition(" (unhinted")[0].rstrip(".") if text else type(error).__name__
    complaint, place = _shortened(first, _LONGEST_COMPLAINT), _place(error, text)
    first = _shortened(first, _LONGEST_CAUSE)
    if _meets_packed_sequence(error, text):
        return f"packed sequences cannot be traced{place}; leave pack_padded_sequence out and pass padded tensors"
    if "nms" in text or _runs_through(error, "nms"):
        return f"which boxes are kept depends on the data{place}; trace the network up to the selection of boxes"
    if "DataDependent" in type(error).__name__ or "data-dependent" in first:
        return (
            f"control flow or a shape depends on the data{place} ({first}); "
            "fix the branch or the size for this trace, only static graphs can be mapped"
        )
    if "__obj_flatten__" in text or "torch.classes.quantized" in text:
        return (
            "the weights are packed by torch's eager quantisation, which torch.export cannot read; "
            "trace the float model, or one that was quantised by export (PT2E, torchao)"
        )
    if "is not a known type" in text or "not registered as a pytree" in text or "Unsupported input type" in text:
        return f"{first}{place}; have the model take and return tensors alone (of transformers: use_cache=False)"
    return f"{complaint}{place}; check the shapes under `inputs` and that the model runs on them"


def _shortened(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _tail(path: str) -> str:
    """The end of a path, which says more than its beginning."""
    return path if len(path) <= _LONGEST_PLACE else f"...{path[3 - _LONGEST_PLACE :]}"


def _place(error: Exception, text: str) -> str:
    """The model's own line that raised the error, where torch tells it."""
    said = [line.strip() for line in text.splitlines()]
    files = [line for line in said if line.startswith("File ") and "site-packages/torch/" not in line]
    if files:
        at = said.index(files[-1])
        code = f": {said[at + 1]}" if at + 1 < len(said) and said[at + 1] else ""
        where = _tail(files[-1].removeprefix("File ").rstrip(":"))
        return f" at {_shortened(where + code, _LONGEST_PLACE)}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_foreign(frame.filename)]
    if not frames:
        return ""
    where = _tail(f"{frames[-1].filename}:{frames[-1].lineno}")
    return f" at {_shortened(f'{where}: {frames[-1].line}', _LONGEST_PLACE)}"


def _is_foreign(file: str) -> bool:
    return not any(part in file for part in ("site-packages/torch/", "mensa_sim/", "<", "contextlib.py"))


def _meets_packed_sequence(error: Exception, text: str) -> bool:
    if any(word in text for word in ("PackedSequence", "batch_sizes", "pack_padded")):
        return True
    held = (value for frame, _ in traceback.walk_tb(error.__traceback__) for value in frame.f_locals.values())
    return any(isinstance(value, PackedSequence) for value in held) or _runs_through(error, "pack_padded_sequence")


def _runs_through(error: Exception, function: str) -> bool:
    """Whether a function of that name was running when the error was raised."""
    return any(frame.f_code.co_name == function for frame, _ in traceback.walk_tb(error.__traceback__))
