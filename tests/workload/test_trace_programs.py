"""Programs that were exported before: in training mode, decomposed, with open sizes, and made modules again."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

import mensa_sim as ms
from mensa_sim.errors import MensaError, TraceError
from mensa_sim.report.trace.layers import trace_record, trace_tables
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.export import quietly
from mensa_sim.workload.load import load_workload


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 36, 10)
    )


IMAGES = torch.zeros(2, 3, 8, 8)


def exported(module: nn.Module, **options: Any) -> torch.export.ExportedProgram:
    with quietly():
        return torch.export.export(module, (IMAGES,), **options)


def decomposed(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    with quietly():
        return program.run_decompositions()


def figures(graph: LayerGraph) -> list[tuple[Any, ...]]:
    return [
        (each.operator, each.nest, each.vector_ops, each.parameter_bytes, each.input_bytes, each.output_bytes)
        for each in graph.layers
    ]


FORMS: dict[str, Callable[[], Any]] = {
    "evaluation": lambda: exported(network().eval()),
    "training": lambda: exported(network().train()),
    "training, decomposed": lambda: decomposed(exported(network().train())),
    "evaluation, decomposed": lambda: decomposed(exported(network().eval())),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_program_counts_as_its_module_in_inference_whatever_mode_it_was_exported_in(form: str) -> None:
    assert figures(ms.trace(FORMS[form]())) == figures(ms.trace(network(), IMAGES))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_module_made_of_a_program_traces_as_the_program(mode: str) -> None:
    program = exported(getattr(network(), mode)())
    with quietly():
        module = program.module()
    assert figures(ms.trace(module, IMAGES)) == figures(ms.trace(program))


def test_a_norm_that_keeps_no_statistics_takes_those_of_the_data() -> None:
    graph = ms.trace(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)), IMAGES)
    assert [each.operator for each in graph.layers] == ["conv2d", "instance_norm"]
    assert graph.layers[1].vector_ops == 7 * 2 * 8 * 36 + 4 * 8


def test_open_sizes_are_given_with_the_inputs(tmp_path: Path) -> None:
    program = exported(network().eval(), dynamic_shapes=({0: torch.export.Dim("batch")},))
    with pytest.raises(TraceError, match="give its sizes under inputs"):
        ms.trace(program)
    five = torch.zeros(5, 3, 8, 8)
    assert figures(ms.trace(program, five)) == figures(ms.trace(network(), five))
    torch.export.save(program, tmp_path / "net.pt2")
    path = tmp_path / "w.yaml"
    path.write_text("name: w\nmodel: net.pt2\ninputs: [{shape: [5, 3, 8, 8]}]\n")
    assert figures(load_workload(path, allow_code=True, cache=False)) == figures(ms.trace(network(), five))


MODELS = """
import torch
from torch import nn

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, self.width())
    def width(self):
        return 16
    def forward(self, x):
        return self.linear(x)

class Meta(Base):
    def forward(self, x):
        return self.linear(x + torch.zeros(1, 16))

class Fake(Base):
    def forward(self, x):
        return self.linear(x) + torch.arange(16, device="cpu")

class Real(Base):
    def width(self):
        return (torch.arange(3) * 8 + 16).int().tolist()[0]

class Wrong(Base):
    def forward(self, x):
        return self.linear(x[:, :3])
"""


@pytest.mark.parametrize(
    ("model", "place"),
    [("Base", "meta tensors"), ("Meta", "meta tensors"), ("Fake", "fake tensors"), ("Real", "the CPU")],
)
def test_a_model_is_built_without_storage_where_it_can_and_the_log_says_where(
    model: str, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "w.yaml").write_text(f"name: w\nmodel: models.py:{model}\ninputs: [{{shape: [1, 16]}}]\n")
    with caplog.at_level("INFO", logger="mensa_sim"):
        graph = load_workload(tmp_path / "w.yaml", allow_code=True, cache=False)
    assert graph.macs == 256
    assert f"traced on {place}" in caplog.text


def test_a_model_that_fails_on_its_inputs_says_so_from_wherever_it_is_tried(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "w.yaml").write_text("name: w\nmodel: models.py:Wrong\ninputs: [{shape: [1, 16]}]\n")
    with pytest.raises(TraceError, match=r"the model fails on \[1, 16\]"):
        load_workload(tmp_path / "w.yaml", allow_code=True, cache=False)


class Scaled(nn.Module):
    """A product with a number, in a mode."""

    def forward(self, x: Tensor, times: float | None, mode: str) -> Tensor:
        return x * times if mode == "scaled" and times is not None else x + x


@pytest.mark.parametrize("inputs", [(IMAGES, 3.0, "scaled"), (IMAGES, None, "doubled")])
def test_numbers_texts_and_nothing_among_the_inputs_cost_nothing(inputs: tuple[Any, ...]) -> None:
    (layer,) = ms.trace(Scaled(), inputs, name="net").layers
    assert (layer.input_bytes, layer.model_input_bytes, layer.vector_ops) == (IMAGES.numel(),) * 3


def test_a_model_without_a_layer_cannot_run() -> None:
    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(2, -1)

    assert ms.trace(Turned(), torch.zeros(4, 4)).layers == ()
    with pytest.raises(MensaError, match="no layers"):
        ms.run(Turned(), torch.zeros(4, 4))


def test_trace_names_the_parameters_that_no_layer_holds() -> None:
    class Headed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.unread = nn.Linear(16, 8), nn.Linear(8, 100, bias=False)
            self.halves = nn.Parameter(torch.zeros(4))

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x) * torch.cat([self.halves, -self.halves])

    graph = ms.trace(Headed(), torch.zeros(1, 16))
    assert graph.parameter_bytes == 16 * 8 + 8 + 8
    assert graph.coverage.unheld_names == ("halves", "unread.weight")
    console = Console(file=io.StringIO(), width=200)
    console.print(trace_tables(graph))
    assert isinstance(console.file, io.StringIO)
    assert (
        "of the module's 940 parameters 804 are unread or computed into others beforehand: halves, unread.weight"
        in console.file.getvalue()
    )
    assert trace_record(graph)["coverage"]["unheld_parameters"] == 804
