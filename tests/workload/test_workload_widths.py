"""Widths that a workload file states for all of its layers."""

from pathlib import Path

import pytest

import mensa_sim as ms
from mensa_sim.errors import FileError
from mensa_sim.workload import load
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

LAYERS = """
layers:
  - {name: first, operator: linear, dims: {K: 64, C: 32, OX: 10}, bias: true}
  - {name: second, operator: linear, dims: {K: 16, C: 64, OX: 10}, weight_bits: 2, inputs: [first]}
  - {name: product, operator: matmul, dims: {K: 10, C: 16, OX: 10}, input_bytes: 100, inputs: [second]}
"""


def loaded(folder: Path, text: str) -> LayerGraph:
    path = folder / "w.yaml"
    path.write_text(f"name: w\n{text}", encoding="utf-8")
    return load_workload(path)


def test_every_layer_of_a_list_that_states_none_takes_the_workloads_widths(tmp_path: Path) -> None:
    widths = "weight_bits: 4\ninput_bits: 16\noutput_bits: 16\naccumulator_bits: 24"
    graph = loaded(tmp_path, widths + LAYERS)
    first, second, product = graph.layers
    assert (first.weight_bits, first.input_bits, first.output_bits, first.accumulator_bits) == (4, 16, 16, 24)
    assert first.parameter_bytes == 64 * 32 // 2 + 64  # biases are parameters of eight bits
    assert (first.input_bytes, first.output_bytes) == (2 * 32 * 10, 2 * 64 * 10)
    assert (second.weight_bits, second.parameter_bytes) == (2, 16 * 64 // 4)
    assert product.element_bits("weight") == 16  # an activation, read like the other one


def test_weights_of_a_traced_model_shrink_and_its_biases_and_activations_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load_workload("small_cnn")
    monkeypatch.setattr(load, "cached_graph", lambda *arguments: plain)
    model = "model: mensa_sim.workload.models.small_cnn:SmallCnn\ninputs: [{shape: [1, 3, 32, 32]}]\n"
    narrow = loaded(tmp_path, f"{model}weight_bits: 4\naccumulator_bits: 20\n")
    changed = 0
    for before, after in zip(plain.layers, narrow.layers, strict=True):
        assert (after.input_bytes, after.output_bytes) == (before.input_bytes, before.output_bytes)
        if before.nest is not None:
            saved = before.nest.weight_elements - (before.nest.weight_elements + 1) // 2
            assert after.parameter_bytes == before.parameter_bytes - saved
            assert (after.weight_bits, after.accumulator_bits) == (4, 20)
            changed += 1
    assert changed > 2
    assert plain.edges == narrow.edges


def test_narrow_weights_cost_less_to_fetch(tmp_path: Path) -> None:
    energies = []
    for bits in (8, 4):
        path = tmp_path / f"w{bits}.yaml"
        path.write_text(f"name: w\nweight_bits: {bits}{LAYERS}", encoding="utf-8")
        placed = ms.place(path, system="edge_tpu")
        energies.append(placed.costs.cost("first", "edge_tpu").memory_bytes)
    assert energies[0] - energies[1] == 64 * 32 // 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("weight_bits: 0" + LAYERS, "weight_bits is 0, must be from 1 to 64"),
        ("accumulator_bits: 65" + LAYERS, "accumulator_bits is 65, must be from 1 to 64"),
        (
            "model: x.onnx\ninput_bits: 4",
            "input_bits must be left out: what layers of a model hand on has activation_bits",
        ),
        ("weight_bits: four" + LAYERS, "weight_bits: must be a whole number"),
    ],
)
def test_a_width_that_means_nothing_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=told):
        loaded(tmp_path, text)
