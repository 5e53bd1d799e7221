"""Tensors that a model changes in place: what a change costs, and what is kept from one inference to the next."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.export import quietly
from mensa_sim.workload.importers.torch.trace import graph_of, trace

HEADS, WIDTH = 2, 8


class Cached(nn.Module):
    """A decoding step that appends `rows` keys to a cache and reads all of it."""

    def __init__(self, length: int, spelling: str, rows: int = 1) -> None:
        super().__init__()
        self.spelling, self.rows, self.at = spelling, rows, length - rows
        self.project = nn.Linear(16, HEADS * WIDTH)
        self.register_buffer("keys", torch.zeros(1, HEADS, length, WIDTH))

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        new = self.project(x).view(1, self.rows, HEADS, WIDTH).transpose(1, 2)
        match self.spelling:
            case "slice":
                self.keys[:, :, self.at :] = new
            case "index_copy":
                self.keys.index_copy_(2, places, new)
            case "index_put":
                self.keys[:, :, places] = new
            case "scatter":
                self.keys.scatter_(2, places.view(1, 1, -1, 1).expand(1, HEADS, self.rows, WIDTH), new)
        return self.keys.softmax(-1)


def stepped(length: int, spelling: str, rows: int = 1) -> LayerGraph:
    places = torch.zeros(rows, dtype=torch.int64)
    return trace(Cached(length, spelling, rows).eval(), [torch.zeros(1, rows, 16), places], name="step")


@pytest.mark.parametrize("spelling", ["slice", "index_copy", "index_put", "scatter"])
@pytest.mark.parametrize("rows", [1, 3])
def test_appending_to_a_cache_costs_the_rows_and_no_more_however_long_it_is(spelling: str, rows: int) -> None:
    def copied(length: int) -> list[tuple[int, int]]:
        layers = stepped(length, spelling, rows).layers
        return [(each.input_bytes, each.output_bytes) for each in layers if each.operator == "copy"]

    ((read, written),) = copied(64)
    assert written == rows * HEADS * WIDTH
    assert written <= read <= 2 * written + 4 * rows * HEADS * WIDTH  # an index of 32 bits for each element at most
    assert copied(4096) == [(read, written)]


def test_a_cache_is_read_whole_and_is_neither_a_parameter_nor_an_input() -> None:
    graph = stepped(64, "slice")
    softmax = graph["softmax"]
    assert softmax.input_bytes == 64 * HEADS * WIDTH
    assert softmax.model_input_bytes == 0
    (copy,) = (each for each in graph.layers if each.operator == "copy")
    assert graph.edge_bytes(copy.name, "softmax") == HEADS * WIDTH
    assert graph.parameter_bytes == 16 * HEADS * WIDTH + HEADS * WIDTH


def test_a_cache_that_is_given_and_changed_in_place_is_a_state_too() -> None:
    class Given(nn.Module):
        def forward(self, cache: Tensor, new: Tensor) -> Tensor:
            cache[:, 5:6] = new
            return cache.softmax(-1)

    graph = trace(Given(), [torch.zeros(2, 50, 4), torch.zeros(2, 1, 4)], name="given")
    assert [(each.operator, each.input_bytes, each.output_bytes) for each in graph.layers] == [
        ("copy", 8, 8),
        ("softmax", 400, 400),
    ]
    assert graph["softmax"].model_input_bytes == 0


def test_an_overwritten_tensor_whose_old_elements_are_read_later_is_copied_whole() -> None:
    class Kept(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            old = x.softmax(-1)
            new = old.clone()
            new[0] = x[0]
            return new.cumsum(-1) + old

    copies = [each for each in trace(Kept(), [torch.zeros(6, 4)], name="kept").layers if each.operator == "copy"]
    assert [(each.input_bytes, each.output_bytes) for each in copies] == [(24 + 4, 24)]


def test_an_input_that_the_model_does_not_change_is_copied_whole() -> None:
    class Functional(nn.Module):
        def forward(self, cache: Tensor, new: Tensor) -> Tensor:
            return torch.slice_scatter(cache, new, 1, 5, 6)

    (copy,) = trace(Functional(), [torch.zeros(2, 50, 4), torch.zeros(2, 1, 4)], name="functional").layers
    assert (copy.input_bytes, copy.output_bytes) == (400 + 8, 400)


def test_a_counter_that_nothing_else_reads_costs_nothing() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(3))

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            return x.softmax(-1)

    graph = trace(Counting(), [torch.zeros(2, 4)], name="counting")
    assert [each.operator for each in graph.layers] == ["softmax"]
    assert graph.parameter_bytes == 0


def test_a_state_that_is_replaced_is_written() -> None:
    class Streaming(nn.Module):
        """A filter that keeps the last frames that it saw."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1, 8, 2))

        def forward(self, x: Tensor) -> Tensor:
            frames = torch.cat([self.seen, x], 2)
            self.seen.copy_(frames[:, :, 1:])
            return functional.avg_pool1d(frames, 3)

    graph = trace(Streaming(), [torch.zeros(1, 8, 1)], name="streaming")
    assert [(each.operator, each.input_bytes, each.output_bytes) for each in graph.layers] == [
        ("copy", 24, 24),
        ("avg_pool", 24, 8),
    ]
    assert graph.layers[0].model_input_bytes == 8
    assert [each.model_output_bytes for each in graph.layers] == [0, 8]


@pytest.mark.parametrize("steps", [5, 100])
def test_a_loop_that_fills_a_tensor_row_by_row_writes_each_row_once(steps: int) -> None:
    class Filling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.RNNCell(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            state, out = torch.zeros(1, 4), torch.zeros(1, x.shape[1], 4)
            for step in range(x.shape[1]):
                state = self.cell(x[:, step], state)
                out[:, step] = state
            return out.softmax(-1)

    graph = trace(Filling(), [torch.zeros(1, steps, 3)], name="filling")
    copies = [each for each in graph.layers if each.operator == "copy"]
    assert sum(each.output_bytes for each in copies) <= steps * 4
    assert graph["softmax"].input_bytes == steps * 4
    assert all(each.steps == steps for each in graph.layers if each.nest is not None)


def written_by_hand(x: Tensor) -> Tensor:
    """Views made before and after writes through others, in each of the ways in which they can meet."""
    y = x * 2
    rows, columns = y[1:3], y[:, 0]
    first, second = y.chunk(2, 1)
    rows.add_(1)
    second[:, 1] = columns
    first.mul_(columns[:, None])
    return torch.cat([each.flatten() for each in (y, rows, first, second)])


def test_writes_through_views_cost_no_more_than_their_functional_form() -> None:
    class Writing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return written_by_hand(x.softmax(-1)).cumsum(-1)

    with quietly():
        program = torch.export.export(Writing(), (torch.zeros(6, 8),), strict=False)
        functional_form = program.run_decompositions({})
    in_place, without = graph_of(program, name="in_place"), graph_of(functional_form, name="functional")

    def moved(graph: LayerGraph) -> dict[str, int]:
        return {
            "operations": sum(each.vector_ops for each in graph.layers),
            "output": graph.layers[-1].model_output_bytes,
            "copied": sum(each.output_bytes for each in graph.layers if each.operator == "copy"),
        }

    one, other = moved(in_place), moved(without)
    strung_together = 6 * 8 + 2 * 8 + 2 * 6 * 4
    written = 2 * 8 + 6 + 6 * 4
    assert (one["operations"], one["output"]) == (other["operations"], other["output"])
    assert strung_together + written <= one["copied"] <= other["copied"]
    nodes = [node for node in program.graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
    coverage = in_place.coverage
    assert coverage.costed + coverage.fused + coverage.layout + coverage.unsupported == len(nodes)


@pytest.mark.parametrize("copies", [1, 40])
def test_tracing_takes_no_functional_form_of_a_program_that_writes_in_place(
    copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Writing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for at in range(copies):
                y = functional.dropout(x * 2, 0.1, self.training, inplace=True)
                y[:, at] = 0
                x = torch.relu_(x + y)
            return functional.rms_norm(x, (48,)).square().log_softmax(-1)

    def refuse(*_: object) -> None:
        pytest.fail("the whole program was taken apart, which takes as long as the export")

    monkeypatch.setattr(torch.export.ExportedProgram, "run_decompositions", refuse)
    graph = trace(Writing(), [torch.zeros(4, 48)], name="writing")
    assert graph.coverage.unsupported == 0
