"""What a trace spares torch: work of torch.export whose result no graph of ours holds. The program stays the same."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import torch
import torch.fx.config
from torch._decomp import decompositions
from torch.fx import _lazy_graph_module


@contextmanager
def spared() -> Iterator[None]:
    """Within it torch notes no lines of code, writes no Python for its graphs, walks one time step of a recurrence.

    Nor does it look for garbage.

    A torch that lacks one of these names takes the longer way.
    """
    with ExitStack() as spared:
        spared.enter_context(_replaced(torch.fx.config, "do_not_emit_stack_traces", lambda _: True))
        spared.enter_context(_replaced(_lazy_graph_module, "_use_lazy_graph_module_flag", lambda _: True))
        for name in _RECURRENT_LAYERS:
            spared.enter_context(_replaced(decompositions, name, _of_one_step))
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


@contextmanager
def _replaced(owner: ModuleType, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
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
