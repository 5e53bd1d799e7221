"""Recurrent layers become gates with the sizes that the closed formulae give."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace

KINDS = {"lstm": (torch.nn.LSTM, 4), "gru": (torch.nn.GRU, 3), "rnn": (torch.nn.RNN, 1)}
SIZES = st.integers(1, 6)


def traced(module: torch.nn.Module, *shape: int) -> LayerGraph:
    return trace(module, (torch.empty(*shape, device="meta"),), name="model")


@settings(max_examples=8, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    steps=SIZES,
    batch=st.integers(1, 3),
    width=SIZES,
    units=SIZES,
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
)
def test_macs_and_parameters_equal_the_closed_formulae(
    kind: str, steps: int, batch: int, width: int, units: int, layers: int, bidirectional: bool, bias: bool
) -> None:
    make, gates = KINDS[kind]
    module = make(width, units, layers, bidirectional=bidirectional, bias=bias, batch_first=True, device="meta")
    graph = traced(module, batch, steps, width)
    directions = 2 if bidirectional else 1
    widths = [width] + [units * directions] * (layers - 1)
    assert graph.macs == sum(directions * gates * steps * batch * units * (w + units) for w in widths)
    assert graph.parameter_bytes == sum(parameter.numel() for parameter in module.parameters())
    assert len(graph.layers) == layers * directions * (2 * gates + 1)
    assert graph.coverage.unsupported == 0


def test_hidden_gates_and_the_cell_update_form_one_recurrent_group() -> None:
    graph = traced(torch.nn.LSTM(3, 5, device="meta"), 7, 1, 3)
    members = graph.groups["lstm.l0"]
    assert [layer.operator for layer in members] == ["hidden_gate"] * 4 + ["cell_update"]
    assert all(layer.recurrent and layer.steps == 7 for layer in members)
    assert all(not layer.recurrent and layer.steps == 7 for layer in graph.layers if layer.operator == "input_gate")


def test_a_gate_joins_its_two_halves_and_names_its_slice_of_the_weight() -> None:
    graph = traced(torch.nn.LSTM(3, 5, device="meta"), 7, 1, 3)
    halves = [layer for layer in graph.layers if layer.gate == "lstm.l0.i"]
    assert [layer.parameters[0].name for layer in halves] == ["weight_ih_l0[i]", "weight_hh_l0[i]"]
    assert [layer.parameter_bytes for layer in halves] == [5 * 3 + 5, 5 * 5 + 5]


def test_a_projection_is_one_more_recurrent_product_of_the_group() -> None:
    module = torch.nn.LSTM(3, 8, proj_size=2, device="meta")
    graph = traced(module, 7, 1, 3)
    projection = graph.groups["lstm.l0"][-1]
    assert (projection.operator, projection.macs) == ("projection", 7 * 8 * 2)
    assert graph.macs == 7 * (4 * 8 * (3 + 2) + 8 * 2)
    assert graph.parameter_bytes == sum(math.prod(parameter.shape) for parameter in module.parameters())


@pytest.mark.parametrize(("kind", "per_unit"), [("lstm", 13), ("gru", 11), ("rnn", 2)])
def test_a_cell_update_counts_every_add_product_and_activation(kind: str, per_unit: int) -> None:
    make, _ = KINDS[kind]
    graph = traced(make(3, 5, device="meta"), 7, 2, 3)
    (cell,) = [layer for layer in graph.layers if layer.operator == "cell_update"]
    assert cell.vector_ops == 7 * 2 * 5 * per_unit


def test_gates_read_the_sequence_and_the_cell_update_reads_every_half() -> None:
    graph = traced(torch.nn.LSTM(3, 5, device="meta"), 7, 1, 3)
    assert graph["lstm.l0.i.input"].model_input_bytes == 7 * 3
    assert graph["lstm.l0.i.hidden"].input_bytes == 7 * 5
    assert [graph.edge_bytes(p, "lstm.l0.cell") for p in graph.predecessors("lstm.l0.cell")] == [7 * 5] * 8
    # Eight halves and its own cell state in; the sequence and the cell state out, of which c_6 is the model's.
    assert graph["lstm.l0.cell"].input_bytes == 9 * 7 * 5
    assert graph["lstm.l0.cell"].output_bytes == 2 * 7 * 5
    assert graph["lstm.l0.cell"].model_output_bytes == 7 * 5 + 5
