"""What only casts read is stored at the width that they cast to; layers state what differs from the workload."""

import pytest
import torch

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Role, Site, Spot, Tensor
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.layer import Layer
from mensa_sim.workload.operators.matrix import linear


def tensor(id: str, elements: int, bits: int | None) -> Tensor:
    return Tensor(id=id, shape=(elements,), stored=elements, bits=bits)


def spot(builder: GraphBuilder, name: str) -> Spot:
    return Spot(builder=builder, site=Site(node=name, name=name))


def view(builder: GraphBuilder, read: str, written: str, bits: int | None) -> None:
    whole = builder.tensor(read)
    operation = Operation(
        site=Site(node=written, name=written),
        operator="cast",
        role=Role.VIEW,
        reads=(whole,),
        writes=(tensor(written, whole.elements, bits),),
    )
    builder.add(operation)


def layers(*casts: int | None, also_read: bool = False, leaves: bool = False) -> tuple[Layer, ...]:
    """A product whose 32-bit result passes through views of some bits before another reads it."""
    builder = GraphBuilder("g")
    data = builder.input("x", (1, 8), bits=16)
    weights = [builder.constant(name, (8, 8), name=name, bits=4) for name in ("v", "w")]
    made = Tensor(id="made", shape=(1, 8), stored=8, bits=32)
    linear(spot(builder, "a"), data=data, weight=weights[0], bias=None, output=made)
    shown = "made"
    for at, bits in enumerate(casts):
        view(builder, shown, f"cast{at}", bits)
        shown = f"cast{at}"
    read = builder.tensor(shown)
    out = Tensor(id="y", shape=(1, 8), stored=8)
    linear(spot(builder, "b"), data=read, weight=weights[1], bias=None, output=out)
    builder.output("y")
    if also_read:
        other = Tensor(id="z", shape=(1, 8), stored=8)
        linear(spot(builder, "c"), data=made, weight=weights[1], bias=None, output=other)
        builder.output("z")
    if leaves:
        builder.output("made")
    return builder.build().layers


def test_a_result_is_written_at_the_width_of_the_only_cast_that_reads_it() -> None:
    first, second = layers(8)
    assert (first.output_bytes, second.input_bytes) == (8, 8)
    assert (first.output_bits, second.input_bits) == (None, None), "eight bits are what the workload says"


def test_casts_behind_views_and_other_casts_count_too() -> None:
    assert layers(None, 16, None, 4)[0].output_bytes == 4
    assert layers(8, 32)[0].output_bytes == 8


def test_what_anything_else_reads_keeps_its_width() -> None:
    assert layers(8, also_read=True)[0].output_bytes == 32
    assert layers(8, leaves=True)[0].output_bytes == 32
    assert layers(64)[0].output_bytes == 32


def test_a_layer_states_its_own_widths() -> None:
    first, second = layers()
    assert (first.weight_bits, first.input_bits, first.output_bits) == (4, 16, 32)
    assert (second.weight_bits, second.input_bits, second.output_bits) == (4, 32, None)
    assert [layer.parameter_bytes for layer in (first, second)] == [32, 32]
    assert first.input_bytes == 16


@pytest.mark.parametrize(("groups", "scale_bytes"), [(1, 0), (4, 4 * 8)])
def test_scales_of_groups_inside_a_channel_are_read_with_the_weights_that_torch_unpacks(
    groups: int, scale_bytes: int
) -> None:
    class Unpacked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("packed", torch.zeros(8, groups, 32 // groups, dtype=torch.int8))
            self.register_buffer("scale", torch.ones(8, groups, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weight = (self.packed.to(torch.float32) * self.scale).view(8, 32)
            return torch.nn.functional.linear(x, weight)

    (layer,) = trace(Unpacked(), [torch.zeros(1, 32)], name="unpacked").layers
    assert (layer.weight_bytes, layer.parameter_bytes) == (8 * 32, 8 * 32 + scale_bytes)
