"""Every layer of a graph priced on every accelerator of a system, in every residency."""

import math
from dataclasses import replace

import pytest
from drawn import with_level

from mensa_sim.cost.layer_cost import MEMORY, RESIDENCIES, Residency
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.accelerator import BufferName
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.static_energy import component_leakage_mw
from mensa_sim.hardware.system import System
from mensa_sim.io.shipped import shipped_files
from mensa_sim.units import leakage_pj
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

ACCELERATORS = tuple(shipped_files("accelerators"))


def _conv(name: str) -> Layer:
    nest = LoopNest(K=32, C=16, OY=14, OX=14, FY=3, FX=3, input_height=14, input_width=14)
    return Layer(
        name=name,
        operator="conv2d",
        nest=nest,
        vector_ops=nest.output_elements,
        parameters=(Parameter(name=f"{name}.weight", size_bytes=nest.weight_elements + 4 * 32),),
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )


def _gate(name: str, units: int, *, recurrent: bool) -> Layer:
    nest = LoopNest(K=units, C=units)
    return Layer(
        name=name,
        operator="linear",
        nest=nest,
        parameters=(Parameter(name=f"{name}.weight", size_bytes=units * units),),
        input_bytes=8 * units,
        output_bytes=8 * units,
        steps=8,
        recurrent=recurrent,
        group="cell" if recurrent else None,
    )


GRAPH = LayerGraph(
    name="mixed",
    layers=(
        _conv("first"),
        _conv("second"),
        _gate("input_gate", 256, recurrent=False),
        *(_gate(f"hidden_gate_{i}", 256, recurrent=True) for i in range(4)),
        Layer(name="softmax", operator="softmax", vector_ops=5000, input_bytes=1000, output_bytes=1000),
    ),
    edges=(),
)


@pytest.fixture(scope="module", params=ACCELERATORS)
def table(request: pytest.FixtureRequest) -> CostTable:
    return price(GRAPH, load_system(request.param))


def _name(table: CostTable) -> str:
    return table.system.accelerators[0].name


def test_every_layer_has_a_cost_in_every_residency(table: CostTable) -> None:
    for layer in GRAPH.layers:
        for residency in RESIDENCIES:
            cost = table.cost(layer.name, _name(table), residency)
            assert cost.layer == layer.name
            assert cost.macs == layer.macs


def _small(system: System, **changes: object) -> System:
    """A system of one accelerator with another spec."""
    (placed,) = system.accelerators
    return replace(system, accelerators=(replace(placed, spec=replace(placed.spec, **changes)),))


@pytest.mark.parametrize(
    ("name", "layer", "least_bytes"),
    [("parameter", "hidden_gate_0", 2 * 64 * 64), ("activation", "first", 2 * 64 * (1 + 32))],
)
def test_a_layer_whose_smallest_tile_fits_no_buffer_is_refused_with_what_it_would_take(
    name: BufferName, layer: str, least_bytes: int
) -> None:
    """Two copies of what the array takes at once: 64 rows of 64, or one channel in and 32 out of 64 pixels."""
    system = load_system("edge_tpu")
    levels = with_level(system.accelerators[0].array, f"{name}_buffer", capacity_bytes=1024).levels
    refused = price(GRAPH, _small(system, levels=levels))
    assert not refused.runs(layer, "edge_tpu")
    assert refused.runs("softmax", "edge_tpu")
    needs = f"no tile of it fits: its smallest takes {least_bytes:,} of 1,024 bytes in the {name} buffer"
    with pytest.raises(InfeasibleError, match=f"edge_tpu cannot run {layer}: {needs}"):
        refused.cost(layer, "edge_tpu")


def test_a_layer_that_one_pass_of_the_array_cannot_hold_in_registers_is_refused() -> None:
    system = load_system("edge_tpu")
    refused = price(
        GRAPH, _small(system, levels=(Level(name="sums", serves=("output",), capacity_bytes=1, per=(0, 1)),))
    )
    needs = r"one pass of the array needs more than the registers of its output hold \(4 bytes of sums, which has 1\)"
    with pytest.raises(InfeasibleError, match=needs):
        refused.cost("first", "edge_tpu")


def test_an_operator_that_the_accelerator_does_not_map_is_refused_by_name() -> None:
    refused = price(GRAPH, _small(load_system("pascal"), refuses=("softmax",)))
    with pytest.raises(InfeasibleError, match="pascal cannot run softmax: it does not run softmax"):
        refused.cost("softmax", "pascal")
    assert refused.runs("first", "pascal")


@pytest.mark.parametrize("name", ["edge_tpu", "pavlov", "eyeriss_v2"])
def test_each_objective_is_met_best_by_the_mapping_chosen_for_it(name: str) -> None:
    system = load_system(name)
    leakage_mw = sum(component_leakage_mw(system.accelerators[0]).values())
    figures: dict[str, dict[str, float]] = {}
    for chosen in ("latency", "energy", "edp"):
        found = price(GRAPH, system, chosen)
        latency_ps = found.latency_ps("first", name)
        energy_pj = found.cost("first", name).energy_pj + leakage_pj(leakage_mw, latency_ps)
        figures[chosen] = {"latency": latency_ps, "energy": energy_pj, "edp": latency_ps * energy_pj}
    for objective, own in figures.items():
        for other in figures.values():
            assert own[objective] <= other[objective] * (1 + 1e-6)


def test_equal_layers_cost_the_same(table: CostTable) -> None:
    first, second = (table.cost(name, _name(table)) for name in ("first", "second"))
    assert (first.compute_cycles, first.traffic, first.dynamic_pj) == (
        second.compute_cycles,
        second.traffic,
        second.dynamic_pj,
    )


def test_streamed_traffic_is_at_least_compulsory(table: CostTable) -> None:
    for layer in GRAPH.layers:
        cost = table.cost(layer.name, _name(table))
        assert cost.memory_read_bytes >= layer.parameter_bytes + layer.input_bytes
        assert cost.memory_write_bytes >= layer.output_bytes


def test_energy_is_the_sum_of_its_components_and_none_is_negative(table: CostTable) -> None:
    for cost in table.costs.values():
        assert cost.energy_pj == pytest.approx(sum(cost.dynamic_pj.values()))
        assert all(value >= 0 for value in cost.dynamic_pj.values())


def test_utilization_of_a_layer_with_products_is_above_zero_and_at_most_one(table: CostTable) -> None:
    for layer in GRAPH.layers:
        cost = table.cost(layer.name, _name(table))
        if layer.macs:
            used = cost.utilization(table.latency_ps(layer.name, _name(table)))
            assert 0 < used <= cost.spatial_utilization <= 1
            split = cost.utilization_split(table.latency_ps(layer.name, _name(table)))
            assert all(0 < share <= 1 for share in split)
            assert math.prod(split) == pytest.approx(used)


def test_what_stays_on_chip_does_not_cross_memory(table: CostTable) -> None:
    """Nor does anything else move more, unless it shares a level with what stays and so has less room there."""
    placed = table.system.accelerators[0]
    shared = isinstance(placed.spec, PeArray) and any(len(each.serves) > 1 for each in placed.spec.levels)
    streamed = table.cost("first", placed.name)
    for residency in RESIDENCIES:
        cost = table.cost("first", placed.name, residency)
        assert shared or cost.memory_bytes <= streamed.memory_bytes
        moved = {part.operand for part in cost.traffic if part.level == MEMORY and part.read_bytes + part.write_bytes}
        assert not (cost.residency.parameters and "weight" in moved)
        assert not (cost.residency.input and "input" in moved)
        assert not (cost.residency.output and "output" in moved)


def test_hidden_gates_fetch_their_parameters_in_each_step_unless_the_whole_group_stays() -> None:
    system = load_system("mensa_g")
    table = price(GRAPH, system)
    gate_bytes, group_bytes = 256 * 256, 4 * 256 * 256
    pascal = system.accelerator("pascal").spec.buffer_bytes["parameter"]
    assert gate_bytes < pascal < group_bytes
    assert table.cost("hidden_gate_0", "pascal").memory_read_bytes >= 8 * gate_bytes
    assert table.cost("input_gate", "pascal").memory_read_bytes < 2 * gate_bytes
    resident = price(GRAPH, load_system("edge_tpu"))
    assert resident.cost("hidden_gate_0", "edge_tpu").memory_read_bytes < 2 * gate_bytes


def test_independent_steps_share_a_fetch_where_the_dataflow_batches_them() -> None:
    table = price(GRAPH, load_system("mensa_g"))
    assert table.cost("input_gate", "pavlov").memory_read_bytes < 2 * 256 * 256
    assert table.cost("hidden_gate_0", "pavlov").memory_read_bytes >= 8 * 256 * 256


def test_a_residency_that_does_not_fit_costs_what_the_largest_one_within_it_does() -> None:
    """Input or output would fit the activation buffer, but not both; of as many, parameters and then inputs stay."""
    system = load_system("edge_tpu")
    size = system.accelerators[0].spec.buffer_bytes["activation"] * 3 // 5
    parameters = (Parameter(name="scale", size_bytes=8),)
    layer = Layer(name="l", operator="mul", vector_ops=100, parameters=parameters, input_bytes=size, output_bytes=size)
    table = price(LayerGraph(name="g", layers=(layer,), edges=()), system)

    def granted(residency: Residency) -> Residency:
        return table.cost("l", "edge_tpu", residency).residency

    assert granted(Residency(parameters=True, input=True, output=True)) == Residency(parameters=True, input=True)
    assert granted(Residency(input=True, output=True)) == Residency(input=True)
    assert granted(Residency(parameters=True, output=True)) == Residency(parameters=True, output=True)
