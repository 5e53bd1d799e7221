"""A convolution's MACs are those that its definition walks through."""

from itertools import product
from typing import Any

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace

CONVOLUTIONS = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}
TRANSPOSED = {1: torch.nn.ConvTranspose1d, 2: torch.nn.ConvTranspose2d, 3: torch.nn.ConvTranspose3d}

GEOMETRY = st.fixed_dictionaries(
    {
        "rank": st.integers(1, 3),
        "batch": st.integers(1, 2),
        "groups": st.integers(1, 3),
        "inputs": st.integers(1, 3),
        "outputs": st.integers(1, 3),
        "taps": st.lists(st.integers(1, 4), min_size=3, max_size=3),
        "stride": st.lists(st.integers(1, 3), min_size=3, max_size=3),
        "dilation": st.lists(st.integers(1, 2), min_size=3, max_size=3),
        "space": st.lists(st.integers(3, 6), min_size=3, max_size=3),
        "padding": st.integers(0, 1),
    }
)


def traced(module: torch.nn.Module, shape: tuple[int, ...]) -> tuple[LayerGraph, tuple[int, ...]]:
    data = torch.empty(shape, device="meta")
    return trace(module, (data,), name="model"), tuple(module(data).shape)


def built(kinds: dict[int, Any], drawn: dict[str, Any]) -> tuple[torch.nn.Module, tuple[int, ...]]:
    rank, groups = drawn["rank"], drawn["groups"]
    taps, dilation, space = drawn["taps"][:rank], drawn["dilation"][:rank], drawn["space"][:rank]
    extents = [(tap - 1) * step + 1 for tap, step in zip(taps, dilation, strict=True)]
    assume(all(size + 2 * drawn["padding"] >= extent for size, extent in zip(space, extents, strict=True)))
    module = kinds[rank](
        drawn["inputs"] * groups,
        drawn["outputs"] * groups,
        taps,
        stride=drawn["stride"][:rank],
        dilation=dilation,
        padding=drawn["padding"],
        groups=groups,
        device="meta",
    )
    return module, (drawn["batch"], drawn["inputs"] * groups, *space)


def counted(*extents: int) -> int:
    return sum(1 for _ in product(*(range(extent) for extent in extents)))


@settings(max_examples=15, deadline=None)
@given(drawn=GEOMETRY)
def test_macs_equal_a_walk_over_outputs_channels_and_taps(drawn: dict[str, Any]) -> None:
    module, shape = built(CONVOLUTIONS, drawn)
    graph, out = traced(module, shape)
    (layer,) = graph.layers
    expected = counted(*out, drawn["inputs"], *drawn["taps"][: drawn["rank"]])
    assert layer.macs == expected
    assert layer.parameter_bytes == sum(p.numel() for p in module.parameters())
    assert layer.input_bytes == torch.Size(shape).numel()
    assert layer.output_bytes == torch.Size(out).numel()
    assert layer.nest is not None
    assert drawn["groups"] == layer.nest.G
    assert layer.nest.weight_elements + drawn["outputs"] * drawn["groups"] == layer.parameter_bytes


@settings(max_examples=12, deadline=None)
@given(drawn=GEOMETRY)
def test_transposed_macs_equal_a_walk_over_inputs_channels_and_taps(drawn: dict[str, Any]) -> None:
    drawn = {**drawn, "padding": 0}
    module, shape = built(TRANSPOSED, drawn)
    graph, out = traced(module, shape)
    (layer,) = graph.layers
    assert layer.macs == counted(*shape, drawn["outputs"], *drawn["taps"][: drawn["rank"]])
    assert layer.parameter_bytes == sum(p.numel() for p in module.parameters())
    assert layer.output_bytes == torch.Size(out).numel()


def test_a_transposed_convolution_that_the_stride_divides_is_one_convolution_per_phase() -> None:
    graph, _ = traced(torch.nn.ConvTranspose2d(5, 3, 4, stride=2, device="meta"), (1, 5, 6, 7))
    nest = graph.layers[0].nest
    assert nest is not None
    assert (nest.K, nest.C, nest.FY, nest.FX, nest.OY, nest.OX) == (3 * 4, 5, 2, 2, 6, 7)
    assert (nest.stride_y, nest.stride_x) == (1, 1)
    assert graph.layers[0].vector_ops == 0


def test_any_other_transposed_convolution_adds_overlapping_columns() -> None:
    graph, _ = traced(torch.nn.ConvTranspose2d(5, 3, 3, stride=2, device="meta"), (1, 5, 6, 7))
    nest = graph.layers[0].nest
    assert nest is not None
    assert (nest.K, nest.C, nest.FY, nest.FX) == (3 * 9, 5, 1, 1)
    assert graph.layers[0].vector_ops == 6 * 7 * 3 * 9


def test_depth_positions_fold_into_the_batch_and_depth_taps_into_the_channels() -> None:
    graph, out = traced(torch.nn.Conv3d(5, 3, (2, 3, 3), device="meta"), (2, 5, 4, 6, 7))
    nest = graph.layers[0].nest
    assert nest is not None
    assert (2 * out[2], 5 * 2, out[3], out[4]) == (nest.B, nest.C, nest.OY, nest.OX)
    assert (nest.input_height, nest.input_width) == (6, 7)
