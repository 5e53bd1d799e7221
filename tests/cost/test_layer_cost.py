"""What a layer's cost says of time: worked by hand, at 1 GHz and one byte a nanosecond."""

from dataclasses import replace

import pytest

from mensa_sim.cost.layer_cost import LayerCost, Traffic

GB_PER_S = 1e9


def cost(*, compute: int = 10, buffer: int = 0, head: int = 0, body: int = 0, tail: int = 0) -> LayerCost:
    traffic = (
        Traffic(operand="input", level="memory", read_bytes=head + body, write_bytes=0),
        Traffic(operand="input", level="activation_buffer", read_bytes=10**6, write_bytes=10**6),
        Traffic(operand="output", level="memory", read_bytes=0, write_bytes=tail),
    )
    return LayerCost(
        layer="l",
        accelerator="a",
        macs=20,
        clock_hz=10**9,
        compute_cycles=compute,
        buffer_cycles=buffer,
        spatial_utilization=0.5,
        peak_macs_per_s=4 * 10**9,
        head_bytes=head,
        tail_bytes=tail,
        traffic=traffic,
    )


def test_head_and_tail_stand_alone_and_the_body_runs_beside_the_array() -> None:
    assert cost(compute=10, head=3, body=7, tail=2).latency_ps(GB_PER_S) == (3 + 10 + 2) * 1000
    assert cost(compute=10, head=3, body=70, tail=2).latency_ps(GB_PER_S) == (3 + 70 + 2) * 1000
    assert cost(compute=10, buffer=15, head=3, body=7, tail=2).latency_ps(GB_PER_S) == (3 + 15 + 2) * 1000


def test_without_overlap_everything_takes_turns() -> None:
    found = replace(cost(compute=10, head=3, body=7, tail=2), overlap=False)
    assert found.latency_ps(GB_PER_S) == (3 + 10 + 7 + 2) * 1000


@pytest.mark.parametrize(
    ("made", "bound"),
    [
        (cost(compute=10, buffer=10, body=10), "compute"),
        (cost(compute=10, buffer=11, body=11), "buffer"),
        (cost(compute=10, buffer=11, body=12), "memory"),
        (cost(compute=10, head=4, body=4, tail=3), "memory"),
    ],
)
def test_the_bound_is_what_alone_takes_longest_and_memory_only_if_it_takes_longer(made: LayerCost, bound: str) -> None:
    assert made.bound(GB_PER_S) == bound
    assert made.bound(GB_PER_S, moved_bytes=0) != "memory"


def test_utilization_is_a_product_of_space_time_and_freedom_from_stalls() -> None:
    """20 MACs at 4 a cycle take 5 of 25 cycles; half the lanes work, so 10 of 10 cycles would do the rest."""
    found = cost(compute=10, body=25)
    latency_ps = found.latency_ps(GB_PER_S)
    assert found.utilization(latency_ps) == pytest.approx(20 / (4 * 25))
    assert found.utilization_split(latency_ps) == pytest.approx((0.5, 1.0, 10 / 25))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"compute_cycles": -1}, "negative"),
        ({"buffer_cycles": -1}, "negative"),
        ({"head_bytes": 11}, "exceed"),
        ({"tail_bytes": 11}, "exceed"),
        ({"dynamic_pj": {"magic": 1.0}}, "magic"),
    ],
)
def test_a_cost_that_cannot_be_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(cost(body=10), **fields)  # type: ignore[arg-type]
