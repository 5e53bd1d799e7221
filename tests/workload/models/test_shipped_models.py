"""Every shipped workload file builds its model on the meta device, runs and exports."""

import importlib
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

WORKLOADS = sorted((Path(__file__).parents[3] / "workloads").glob("*.yaml"))


def build(path: Path) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """The model of a workload file and its inputs, all without storage."""
    content = yaml.safe_load(path.read_text())
    module, _, callable_name = content["model"].partition(":")
    with torch.device("meta"):
        model = getattr(importlib.import_module(module), callable_name)(**content.get("arguments", {}))
        inputs = tuple(torch.empty(i["shape"], dtype=getattr(torch, i["dtype"])) for i in content["inputs"])
    return model.eval(), inputs


@pytest.mark.filterwarnings("ignore:The tensor attribute:UserWarning")  # nn.LSTM's own, harmless
@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_a_shipped_workload_exports_without_allocating_weights(path: Path) -> None:
    model, inputs = build(path)
    program = torch.export.export(model, inputs, strict=False)
    assert all(parameter.is_meta for parameter in program.parameters())
    assert all(node.op != "call_module" for node in program.graph.nodes)


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_a_shipped_workload_is_named_as_its_file_and_calls_a_shipped_model(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert content["name"] == path.stem
    assert content["model"].startswith("mensa_sim.workload.models.")
