"""The paper's five families: ranges, gaps, and gates judged whole."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.workload.families.paper import (
    FAMILIES,
    Features,
    families_of,
    features_of,
    memberships,
    nearest_family,
    share_inside,
)
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


def convolution(name: str, **dims: int) -> Layer:
    nest = LoopNest(**dims)
    weights = Parameter(name=f"{name}.weight", size_bytes=nest.weight_elements)
    return Layer(name=name, operator="conv2d", nest=nest, parameters=(weights,))


def half_gate(name: str, units: int, gate: str = "g", **fields: object) -> Layer:
    parameters = (
        Parameter(name=f"{name}.weight", size_bytes=units * units),
        Parameter(name=f"{name}.bias", size_bytes=units),
    )
    nest = LoopNest(K=units, C=units)
    return Layer(name=name, operator="linear", nest=nest, parameters=parameters, steps=64, gate=gate, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layer", "family"),
    [
        (convolution("early", K=64, C=32, FY=3, FX=3, OY=56, OX=56), 1),
        (convolution("pointwise", K=512, C=512, OY=14, OX=14), 2),
        (convolution("late", K=1024, C=512, OY=6, OX=6), 4),
        (convolution("depthwise", G=512, FY=3, FX=3, OY=14, OX=14), 5),
        (convolution("classifier", K=1000, C=1024), 3),
    ],
)
def test_layers_of_mobilenet_fall_into_the_ranges_of_the_paper(layer: Layer, family: int) -> None:
    assert nearest_family(features_of([layer])) == (family, 0.0)


def test_a_gate_is_judged_by_both_halves_and_by_one_step() -> None:
    halves = (half_gate("input", 1024), half_gate("hidden", 1024, group="lstm", recurrent=True))
    (member,) = memberships(LayerGraph(name="lstm", layers=halves, edges=()))
    assert member.layers == ("input", "hidden")
    assert member.features == Features(parameter_bytes=2 * 1024 * 1025, macs=2 * 1024 * 1024, steps=64)
    assert member.features.macs_per_parameter_byte == pytest.approx(1, rel=2e-3)
    assert (member.family, member.inside) == (3, True)


def test_two_halves_too_small_alone_are_inside_together() -> None:
    halves = (half_gate("input", 680), half_gate("hidden", 680))
    assert not any(memberships(LayerGraph(name="x", layers=(half,), edges=()))[0].inside for half in halves)
    assert memberships(LayerGraph(name="x", layers=halves, edges=()))[0].inside


def test_gates_of_different_names_are_judged_apart() -> None:
    halves = (half_gate("a", 1024, gate="f"), half_gate("b", 1024, gate="o"))
    assert len(memberships(LayerGraph(name="x", layers=halves, edges=()))) == 2


def test_a_shared_tensor_counts_once_in_a_gate() -> None:
    shared = (Parameter(name="tied", size_bytes=100),)
    layers = [Layer(name=n, operator="linear", nest=LoopNest(K=10, C=10), parameters=shared) for n in "ab"]
    assert features_of(layers).parameter_bytes == 100


def test_a_layer_without_macs_or_parameters_has_no_family() -> None:
    product = Layer(name="scores", operator="bmm", nest=LoopNest(K=64, C=64, OX=64))
    addition = Layer(name="add", operator="add", vector_ops=10)
    embedding = Layer(name="embedding", operator="embedding", parameters=(Parameter(name="t", size_bytes=10),))
    graph = LayerGraph(name="x", layers=(product, addition, embedding, half_gate("a", 8)), edges=())
    assert set(families_of(graph)) == {"a"}
    with pytest.raises(ValueError, match="no family"):
        nearest_family(features_of([addition]))


def test_the_share_inside_counts_judged_layers_only() -> None:
    inside, outside = half_gate("a", 1024, gate="a"), half_gate("b", 10, gate="b")
    addition = Layer(name="add", operator="add")
    members = memberships(LayerGraph(name="x", layers=(inside, outside, addition), edges=()))
    assert share_inside(members) == 0.5
    assert share_inside(()) is None


def test_a_gap_goes_to_the_nearest_family_in_log_space() -> None:
    assert nearest_family(Features(parameter_bytes=300_000, macs=300_000)) == (3, pytest.approx(math.log(3)))
    larger = Features(parameter_bytes=16_000_000, macs=16_000_000)
    assert nearest_family(larger) == (3, pytest.approx(math.log(1.6)))


@given(st.data(), st.sampled_from(sorted(FAMILIES)))
def test_whatever_lies_in_a_familys_ranges_belongs_to_it(data: st.DataObject, number: int) -> None:
    family = FAMILIES[number]
    size = data.draw(st.integers(*(round(limit) for limit in family.parameter_bytes)))
    reuse_low, reuse_high = family.macs_per_parameter_byte
    low, high = max(family.macs[0], size * reuse_low), min(family.macs[1], size * reuse_high)
    if math.ceil(low) <= math.floor(high):
        macs = data.draw(st.integers(math.ceil(low), math.floor(high)))
        assert nearest_family(Features(parameter_bytes=size, macs=macs)) == (number, 0.0)


@given(size=st.integers(1, 10**9), macs=st.integers(1, 10**11))
def test_no_other_family_is_nearer_than_the_one_chosen(size: int, macs: int) -> None:
    features = Features(parameter_bytes=size, macs=macs)
    number, distance = nearest_family(features)
    assert distance == FAMILIES[number].distance(features)
    assert all(distance <= family.distance(features) for family in FAMILIES.values())
