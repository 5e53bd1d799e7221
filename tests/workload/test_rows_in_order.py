"""Which layers hand their rows on: as torch shows it, by the rows of a result that change with one row of the input."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.tiles.rewrite import Cut, cut_graph
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.graph_json import graph_from_data, graph_to_data
from mensa_sim.workload.importers.torch.trace import trace

CHANNELS, SIDE = 16, 8

IMAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "nothing": lambda x: x * 1,
    "softmax over channels": lambda x: x.softmax(1),
    "softmax over rows": lambda x: x.softmax(2),
    "softmax over columns": lambda x: x.log_softmax(-1),
    "norm of columns": lambda x: F.layer_norm(x, (SIDE,)),
    "norm of all": lambda x: F.layer_norm(x, (CHANNELS, SIDE, SIDE)),
    "transposed": lambda x: x.transpose(2, 3),
    "transposed copy": lambda x: x.transpose(2, 3).contiguous().relu(),
    "channels last and back": lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2),
    "norm of channels, last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (CHANNELS,)).permute(0, 3, 1, 2),
    "flipped rows": lambda x: x.flip(2),
    "flipped columns": lambda x: x.flip(3),
    "rolled rows": lambda x: torch.roll(x, 1, 2),
    "rolled channels": lambda x: torch.roll(x, 1, 1),
    "turned": lambda x: torch.rot90(x, 1, (2, 3)),
    "picked rows": lambda x: x[:, :, torch.tensor([7, 6, 5, 4, 3, 2, 1, 0])],
    "picked channels": lambda x: x[:, list(range(CHANNELS))[::-1]],
    "halves swapped": lambda x: torch.cat([x[:, :, 4:], x[:, :, :4]], 2),
    "channels swapped": lambda x: torch.cat([x[:, 8:], x[:, :8]], 1),
    "channels shuffled": lambda x: x.view(1, 4, 4, SIDE, SIDE).transpose(1, 2).reshape(1, CHANNELS, SIDE, SIDE),
    "into space and back": lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2),
    "other axes under the same sizes": lambda x: (
        x.reshape(1, SIDE, CHANNELS, SIDE).transpose(1, 2).reshape(1, CHANNELS, SIDE, SIDE)
    ),
    "with itself turned": lambda x: x + x.transpose(2, 3),
    "with its mirror": lambda x: x * x.flip(2),
    "gated": lambda x: x * x.sigmoid() + x,
    "activated, then transposed": lambda x: x.sigmoid().transpose(2, 3),
    "activated, then flipped rows": lambda x: (x * 2).sigmoid().flip(2),
    "activated, then flipped channels": lambda x: (x * 2).sigmoid().flip(1),
    "activated as another shape, then flipped rows": lambda x: x.flatten(2).sigmoid().view_as(x).flip(2),
}

TOKENS: dict[str, Callable[[Tensor], Tensor]] = {
    "nothing": lambda x: x * 1,
    "norm": lambda x: F.layer_norm(x, (x.shape[-1],)),
    "softmax": lambda x: x.softmax(-1),
    "softmax over places": lambda x: x.softmax(1),
    "transposed": lambda x: x.transpose(1, 2),
    "twice transposed": lambda x: x.transpose(1, 2).relu().transpose(1, 2),
    "heads and back": lambda x: x.view(1, 16, 4, 4).transpose(1, 2).transpose(1, 2).reshape(1, 16, 16),
    "windows": lambda x: x.view(1, 2, 2, 2, 2, 16).permute(0, 1, 3, 2, 4, 5).reshape(1, 16, 16),
    "mirrored": lambda x: x.flip(1),
    "activated, then transposed": lambda x: x.sigmoid().transpose(1, 2),
    "mirrored channels": lambda x: x.flip(2),
}


class Between(nn.Module):
    """What stands between two layers that make each row of its own from the same row."""

    def __init__(self, function: Callable[[Tensor], Tensor], layer: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.function, self.before, self.after = function, layer(), layer()

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.function(self.before(x)))


def row_by_row(function: Callable[[Tensor], Tensor], shape: tuple[int, ...], axis: int) -> bool:
    """Whether with each row of the input the same row of the result changes, and no other."""
    rng = torch.Generator().manual_seed(0)
    before = torch.rand(shape, generator=rng, dtype=torch.float64)
    for row in range(shape[axis]):
        after = before.clone()
        after.select(axis, row).copy_(torch.rand(after.select(axis, row).shape, generator=rng, dtype=torch.float64))
        differs = (function(after) != function(before)).movedim(axis, 0).flatten(1).any(1)
        if differs.nonzero().flatten().tolist() != [row]:
            return False
    return True


def traced(function: Callable[[Tensor], Tensor], layer: Callable[[], nn.Module], shape: tuple[int, ...]) -> LayerGraph:
    with torch.device("meta"):
        module = Between(function, layer)
    return trace(module, [torch.empty(shape, device="meta")], name="between")


def hands_on(graph: LayerGraph) -> bool:
    """Whether every layer reads what the others make row by row, as planes of stacks see it."""
    return all(
        read.in_rows and not read.from_memory
        for plane in planes_of(graph).values()
        for read in plane.reads
        if read.producer is not None
    )


@pytest.mark.parametrize("name", IMAGES)
def test_rows_of_images_are_handed_on_where_torch_keeps_them(name: str) -> None:
    shape = (1, CHANNELS, SIDE, SIDE)
    graph = traced(IMAGES[name], lambda: nn.Conv2d(CHANNELS, CHANNELS, 1), shape)
    assert hands_on(graph) == row_by_row(IMAGES[name], shape, 2)
    assert graph_from_data(graph_to_data(graph)) == graph


@pytest.mark.parametrize("name", TOKENS)
def test_places_of_a_sequence_are_handed_on_where_torch_keeps_them(name: str) -> None:
    shape = (1, 16, 16)
    graph = traced(TOKENS[name], lambda: nn.Linear(16, 16), shape)
    assert hands_on(graph) == row_by_row(TOKENS[name], shape, 1)


def test_patches_become_places_in_order() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.product = nn.Conv2d(3, CHANNELS, 4, 4), nn.Linear(CHANNELS, 8)

        def forward(self, image: Tensor) -> Tensor:
            return self.product(self.patches(image).flatten(2).transpose(1, 2))

    with torch.device("meta"):
        graph = trace(Patches(), [torch.empty(1, 3, 32, 32, device="meta")], name="patches")
    assert hands_on(graph)


@pytest.mark.parametrize("depth", [1, 3])
def test_images_of_a_film_are_handed_on_where_no_window_goes_over_several(depth: int) -> None:
    def layer() -> nn.Module:
        return nn.Conv3d(4, 4, (depth, 3, 3), padding=(depth // 2, 1, 1))

    assert hands_on(traced(lambda x: x.relu(), layer, (1, 4, 6, SIDE, SIDE))) == (depth == 1)


def test_a_graph_cut_into_pieces_keeps_which_reads_are_whole() -> None:
    graph = traced(IMAGES["transposed"], lambda: nn.Conv2d(CHANNELS, CHANNELS, 1), (1, CHANNELS, SIDE, SIDE))
    (edge,) = graph.edges
    assert edge.whole
    pieces = cut_graph(graph, {edge.consumer: Cut(axis="rows", sizes=(4, 4))})
    assert [each.whole for each in pieces.edges] == [True, True]
