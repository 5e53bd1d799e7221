"""Counting a model's work and parameters on the meta device, independent of our tracer."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

ELEMENTWISE = (nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.SiLU, nn.Sigmoid)
"""Modules without MACs or a shape of their own: torch takes longer over their meta tensors than over products."""
WORKLOADS = Path(__file__).parents[3] / "workloads"


@dataclass(frozen=True)
class Count:
    """What torch itself says of a model: the flop counter's MACs, the parameters, those of batch norm."""

    macs: int
    parameters: int
    norm_parameters: int


@pytest.fixture(scope="session")
def count() -> Callable[..., Count]:
    """Builds a model without storage, runs it on inputs of the given shapes and counts."""

    def counted(
        build: Callable[[], nn.Module], *shapes: tuple[int, ...], dtypes: tuple[torch.dtype, ...] = ()
    ) -> Count:
        with torch.device("meta"):
            model = build().eval()
            kinds = dtypes or (torch.float32,) * len(shapes)
            inputs = [torch.empty(shape, dtype=kind) for shape, kind in zip(shapes, kinds, strict=True)]
        for module in model.modules():
            if isinstance(module, ELEMENTWISE):
                module.forward = lambda values: values
        with FlopCounterMode(display=False) as counter:
            model(*inputs)
        norms = (nn.BatchNorm1d, nn.BatchNorm2d)
        return Count(
            macs=counter.get_total_flops() // 2,
            parameters=sum(p.numel() for p in model.parameters()),
            norm_parameters=sum(p.numel() for m in model.modules() if isinstance(m, norms) for p in m.parameters()),
        )

    return counted


@pytest.fixture(scope="session")
def shipped() -> Callable[[str], tuple[nn.Module, tuple[torch.Tensor, ...]]]:
    """The model of a shipped workload file and its inputs, all without storage."""

    def build(name: str) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
        content = yaml.safe_load((WORKLOADS / f"{name}.yaml").read_text())
        with torch.device("meta"):
            module, _, name_in_module = content["model"].partition(":")
            model = getattr(importlib.import_module(module), name_in_module)(**content.get("arguments", {}))
            inputs = tuple(torch.empty(i["shape"], dtype=getattr(torch, i["dtype"])) for i in content["inputs"])
        return model.eval(), inputs

    return build
