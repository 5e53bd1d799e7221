"""What a trace spares torch changes neither the program nor torch."""

import gc

import pytest
import torch
import torch.fx.traceback
from torch import Tensor, nn
from torch._decomp import decompositions
from torch._export import non_strict_utils
from torch.fx.experimental import proxy_tensor

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.export import export, quietly


class Indexed(nn.Module):
    """What torch may run otherwise than it is written: pieces by slices, numbers and a tensor, a tensor made."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, _ = self.norm(x.transpose(1, 2)).chunk(2)
        return first[:, 1:, x.shape[0] // 2], (first + torch.tensor([[[2.0]]], device=x.device))[..., None, ::2]


MODULES = {
    "indexed": Indexed,
    "normed": lambda: nn.Sequential(
        nn.Conv1d(7, 4, 2), nn.BatchNorm1d(4), nn.Conv1d(4, 2, 1), nn.BatchNorm1d(2, affine=False)
    ),
    "normed in half precision": lambda: nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(7)).to(torch.bfloat16),
    "normed by what it is given": lambda: nn.BatchNorm1d(7, track_running_stats=False),
    "lstm": lambda: nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True),
    "projected": lambda: nn.LSTM(5, 4, 2, proj_size=3),
    "gru": lambda: nn.GRU(5, 4, bidirectional=True),
    "rnn": lambda: nn.RNN(5, 4, 2, bias=False),
}


def on_meta(name: str, steps: int) -> tuple[nn.Module, tuple[torch.Tensor]]:
    with torch.device("meta"):
        module = MODULES[name]().eval()
        kind = next((each.dtype for each in module.parameters()), None)
        return module, (torch.zeros(steps, steps, 5, dtype=kind),)


def told(program: torch.export.ExportedProgram) -> list[object]:
    """The program's own text, and what each of its values looks like."""
    values = [node.meta.get("val") for node in program.graph.nodes]
    tensors = [each for value in values for each in (value if isinstance(value, tuple | list) else [value])]
    looks = [(each.shape, each.stride(), each.dtype) for each in tensors if isinstance(each, torch.Tensor)]
    return [program.graph_module.code, *looks]


@pytest.mark.parametrize("name", MODULES)
def test_a_modules_program_is_torchs_own(name: str) -> None:
    module, inputs = on_meta(name, 7)
    with quietly(), torch.no_grad():
        plain = torch.export.export(module, inputs, strict=False)
    assert told(export(module, inputs, name=name)) == told(plain)


def test_a_batch_norm_of_other_channels_than_its_input_has_is_refused() -> None:
    module, inputs = on_meta("normed by what it is given", 7)
    with torch.device("meta"):
        norms = [nn.BatchNorm1d(6), nn.BatchNorm1d(1, affine=False), nn.BatchNorm1d(7)]
        norms[2].weight = nn.Parameter(torch.zeros(1))
    for norm in norms:
        with pytest.raises(TraceError, match=r"should contain 7 elements not \d"):
            export(nn.Sequential(module, norm), inputs, name="bad")


def test_more_time_steps_are_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []
    cell = decompositions.lstm_cell
    monkeypatch.setattr(decompositions, "lstm_cell", lambda *given, **named: walked.append(1) or cell(*given, **named))
    for steps in (2, 40):
        export(*on_meta("projected", steps), name="projected")
    assert len(walked) == 2 * 2


def changeable() -> list[object]:
    """What a trace changes in torch and Python for a while."""
    return [
        *(gc.isenabled(), torch.fx.config.do_not_emit_stack_traces, torch.fx.traceback.annotate),
        *(decompositions.one_layer_lstm, proxy_tensor._extract_tensor_metadata),
        vars(non_strict_utils._NonStrictTorchFunctionHandler)["_override"],
    ]


def test_torch_and_python_are_as_before_whether_a_trace_succeeds_or_fails() -> None:
    before = changeable()
    module, inputs = on_meta("lstm", 3)
    export(module, inputs, name="good")
    with pytest.raises(TraceError, match="bad"):
        export(module, (*inputs, 1, 2, 3), name="bad")
    assert changeable() == before
