"""A loop that the model unrolled folds back into steps."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace


class CellLoop(torch.nn.Module):
    """A cell of torch's called once per step, the outputs stacked."""

    def __init__(self, cell: torch.nn.RNNCellBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(x.shape[0], self.cell.hidden_size, device="meta")
        carried = torch.zeros_like(state)
        outputs = []
        for step in range(x.shape[1]):
            if isinstance(self.cell, torch.nn.LSTMCell):
                state, carried = self.cell(x[:, step], (state, carried))
            else:
                state = self.cell(x[:, step], state)
            outputs.append(state)
        return torch.stack(outputs, 1)


class HandWritten(torch.nn.Module):
    """An LSTM cell in plain operators, and a head on every output."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.of_input = torch.nn.Linear(width, 4 * units, device="meta")
        self.of_state = torch.nn.Linear(units, 4 * units, device="meta")
        self.head = torch.nn.Linear(units, 3, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(x.shape[0], self.units, device="meta")
        carried = torch.zeros_like(state)
        outputs = []
        for step in range(x.shape[1]):
            i, f, g, o = (self.of_input(x[:, step]) + self.of_state(state)).chunk(4, -1)
            carried = torch.sigmoid(f) * carried + torch.sigmoid(i) * torch.tanh(g)
            state = torch.sigmoid(o) * torch.tanh(carried)
            outputs.append(torch.relu(self.head(state)))
        return torch.stack(outputs, 1)


class Siamese(torch.nn.Module):
    """One tower on two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = torch.nn.Linear(6, 4, device="meta")

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.tower(a)) - torch.relu(self.tower(b))


class Twice(torch.nn.Module):
    """The same weights, with something in between that comes but once."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.softmax(self.linear(x), -1))


def traced(module: torch.nn.Module, *shapes: tuple[int, ...]) -> LayerGraph:
    return trace(module, [torch.empty(shape, device="meta") for shape in shapes], name="model")


CELLS = {
    "lstm": (torch.nn.LSTMCell, torch.nn.LSTM),
    "gru": (torch.nn.GRUCell, torch.nn.GRU),
    "rnn": (torch.nn.RNNCell, torch.nn.RNN),
}


@settings(max_examples=8, deadline=None)
@given(
    kind=st.sampled_from(sorted(CELLS)),
    steps=st.integers(2, 5),
    batch=st.integers(1, 2),
    width=st.integers(1, 4),
    units=st.integers(1, 4),
)
def test_a_loop_over_a_cell_equals_the_layer(kind: str, steps: int, batch: int, width: int, units: int) -> None:
    cell, layer = CELLS[kind]
    loop = traced(CellLoop(cell(width, units, device="meta")), (batch, steps, width))
    whole = traced(layer(width, units, batch_first=True, device="meta"), (batch, steps, width))
    assert len(loop.groups) == len(whole.groups) == 1
    for of_loop, of_layer in zip(loop.layers, whole.layers, strict=True):
        for name in ("operator", "nest", "steps", "recurrent", "vector_ops", "input_bytes", "parameter_bytes"):
            assert getattr(of_loop, name) == getattr(of_layer, name), (of_loop.name, name)
    assert loop.parameter_bytes == whole.parameter_bytes


def test_a_hand_written_cell_becomes_one_recurrent_group() -> None:
    module = HandWritten(6, 5)
    graph = traced(module, (1, 7, 6))
    assert {layer.steps for layer in graph.layers} == {7}
    assert list(graph.groups) == ["loop"]
    recurrent = [layer.name for layer in graph.groups["loop"]]
    assert "of_state" in recurrent
    assert "of_input" not in recurrent
    assert "head" not in recurrent
    assert graph.macs == 7 * (6 * 20 + 5 * 20 + 5 * 3)
    assert graph.parameter_bytes == sum(p.numel() for p in module.parameters())


def test_what_is_read_of_an_earlier_step_is_bytes_but_no_edge() -> None:
    graph = traced(HandWritten(6, 5), (1, 7, 6))
    # Six hidden states of earlier steps; the first is zeros that nobody made.
    assert graph["of_state"].input_bytes == 6 * 5
    assert graph.predecessors("of_state") == ()


def test_an_operator_after_a_folded_product_fuses_into_it() -> None:
    graph = traced(HandWritten(6, 5), (1, 7, 6))
    assert graph["head"].fused == ("relu",)
    assert graph["head"].vector_ops == 7 * 3


def test_stacking_the_steps_of_a_layer_copies_nothing() -> None:
    graph = traced(HandWritten(6, 5), (1, 7, 6))
    assert all(layer.operator != "copy" for layer in graph.layers)
    assert graph["head"].model_output_bytes == 7 * 3


def test_a_tower_used_twice_is_one_layer_of_two_steps_without_recurrence() -> None:
    graph = traced(Siamese(), (3, 6), (3, 6))
    tower = graph["tower"]
    assert (tower.steps, tower.recurrent, tower.macs, tower.fused) == (2, False, 2 * 3 * 6 * 4, ("relu",))


def test_shared_weights_that_are_no_loop_stay_two_layers_and_count_once() -> None:
    graph = traced(Twice(), (2, 4))
    assert [layer.name for layer in graph.layers] == ["linear", "softmax", "linear_1"]
    assert graph.parameter_bytes == 4 * 4 + 4


class Scan(torch.nn.Module):
    """A selective scan (Gu and Dao 2023): no step has a weight of its own."""

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        self.states = states
        self.decay = torch.nn.Parameter(torch.empty(width, states, device="meta"))
        self.read = torch.nn.Linear(width, states, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept, new, read = torch.exp(x[..., None] * self.decay), x[..., None].square(), self.read(x)
        state = torch.zeros(x.shape[0], x.shape[2], self.states, device="meta")
        outputs = []
        for step in range(x.shape[1]):
            state = kept[:, step] * state + new[:, step]
            outputs.append((state @ read[:, step, :, None])[..., 0])
        return torch.stack(outputs, 1)


def test_a_scan_without_weights_folds_into_as_many_layers_however_long_it_is() -> None:
    short, long = (traced(Scan(6, 4), (1, steps, 6)) for steps in (5, 40))
    assert [each.operator for each in short.layers] == [each.operator for each in long.layers]
    (group,) = long.groups.values()
    assert [(each.operator, each.steps) for each in group] == [("mul", 40), ("add", 40)]
    assert [each.vector_ops for each in group] == [40 * 24, 40 * 24]
    products = [each for each in long.layers if each.operator == "matmul"]
    assert [(each.steps, each.recurrent, each.macs) for each in products] == [(40, False, 40 * 24)]
    assert long.layers[-1].model_output_bytes == 40 * 6


def test_equal_operators_in_a_row_that_read_nothing_else_are_no_scan() -> None:
    class Pyramid(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pooled = [x]
            for _ in range(4):
                pooled.append(torch.nn.functional.max_pool2d(pooled[-1], 5, 1, 2))
            return torch.cat(pooled, 1)

    graph = traced(Pyramid(), (1, 2, 8, 8))
    assert [each.operator for each in graph.layers] == ["max_pool"] * 4 + ["copy"]
    assert not graph.groups
