"""What a trace spares torch changes neither the program nor torch."""

import gc

import pytest
import torch
from torch import nn
from torch._decomp import decompositions

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.export import export, quietly

RECURRENT = {
    "lstm": lambda: nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True),
    "projected": lambda: nn.LSTM(5, 4, 2, proj_size=3),
    "gru": lambda: nn.GRU(5, 4, bidirectional=True),
    "rnn": lambda: nn.RNN(5, 4, 2, bias=False),
}


def on_meta(name: str, steps: int) -> tuple[nn.Module, tuple[torch.Tensor]]:
    with torch.device("meta"):
        return RECURRENT[name]().eval(), (torch.zeros(steps, steps, 5),)


def told(program: torch.export.ExportedProgram) -> list[object]:
    """The program's own text, and what each of its values looks like."""
    values = [node.meta.get("val") for node in program.graph.nodes]
    tensors = [each for value in values for each in (value if isinstance(value, tuple | list) else [value])]
    looks = [(each.shape, each.stride(), each.dtype) for each in tensors if isinstance(each, torch.Tensor)]
    return [program.graph_module.code, *looks]


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_layers_program_is_torchs_own(name: str) -> None:
    module, inputs = on_meta(name, 7)
    with quietly(), torch.no_grad():
        plain = torch.export.export(module, inputs, strict=False)
    assert told(export(module, inputs, name=name)) == told(plain)


def test_more_time_steps_are_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []
    cell = decompositions.lstm_cell
    monkeypatch.setattr(decompositions, "lstm_cell", lambda *given, **named: walked.append(1) or cell(*given, **named))
    for steps in (2, 40):
        export(*on_meta("projected", steps), name="projected")
    assert len(walked) == 2 * 2


def test_torch_and_python_are_as_before_whether_a_trace_succeeds_or_fails() -> None:
    before = (gc.isenabled(), torch.fx.config.do_not_emit_stack_traces, decompositions.one_layer_lstm)
    module, inputs = on_meta("lstm", 3)
    export(module, inputs, name="good")
    with pytest.raises(TraceError, match="bad"):
        export(module, (*inputs, 1, 2, 3), name="bad")
    assert (gc.isenabled(), torch.fx.config.do_not_emit_stack_traces, decompositions.one_layer_lstm) == before
