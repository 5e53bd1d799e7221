"""Sizes of a step between two others: those of its graph where all grows evenly, which a third step tells."""

from fractions import Fraction
from pathlib import Path

import pytest

import mensa_sim as ms
from mensa_sim.study.generation import generation
from mensa_sim.study.generation.answer import PhaseFigures
from mensa_sim.study.generation.stretches import StepSizes, sizes_between, sizes_of
from mensa_sim.study.run.result import SystemResult
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.models.decoder import Decoder

WIDTHS = ModelWidths(weight_bits=4, activation_bits=16, kv_bits=8)


def sizes(context: int, window: int | None = None) -> StepSizes:
    model = Decoder(
        layers=2, hidden=64, intermediate=96, heads=4, kv_heads=2, head_dim=16, vocab=500, attention_window=window
    )
    graph = model.phase("step", WIDTHS, tokens=1, context=context)
    return sizes_of(graph, [layer.name for layer in graph.layers if "attention." in layer.name])


@pytest.mark.parametrize("context", [101, 150, 399])
def test_a_step_between_two_has_the_sizes_of_its_own_graph(context: int) -> None:
    assert sizes_between(sizes(100), sizes(400), Fraction(context - 100, 300)) == sizes(context)


def test_a_step_beyond_a_window_is_not_on_the_line_from_one_before_it() -> None:
    """So a third step tells that sizes do not grow evenly."""
    found = sizes_between(sizes(100, window=200), sizes(400, window=200), Fraction(1, 2))
    assert found != sizes(250, window=200)


def test_there_is_no_step_where_a_size_would_not_be_whole() -> None:
    assert sizes_between(sizes(100), sizes(400), Fraction(1, 7)) is None


def test_only_phases_that_are_simulated_need_a_graph_and_one_that_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    simulated: list[int] = []
    step, figures = Generation.step, generation._figures

    def counted(self: Generation, context: int) -> LayerGraph:
        asked.append(context)
        return step(self, context)

    def seen(context: int, result: SystemResult) -> PhaseFigures:
        simulated.append(context)
        return figures(context, result)

    monkeypatch.setattr(Generation, "step", counted)
    monkeypatch.setattr(generation, "_figures", seen)
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\nmodel: mensa_sim.workload.models.decoder:Decoder\n"
        "arguments: {layers: 2, hidden: 64, intermediate: 96, heads: 4, kv_heads: 2, head_dim: 16, vocab: 500}\n"
        "generate: {prompt_tokens: 500, new_tokens: 200}\n"
    )
    result = ms.run(str(file), system="rk3588_npu", baseline="rk3588_npu")
    assert result.answer is not None
    assert len(asked) <= len(simulated) + 1  # the largest is made when the file is read
