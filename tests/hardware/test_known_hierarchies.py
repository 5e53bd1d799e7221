"""Accelerators that people know, as levels: what their publications state, and that they price shipped models."""

from collections.abc import Mapping

import pytest

import mensa_sim as ms
from mensa_sim.hardware.area import instances
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_accelerator, load_system
from mensa_sim.units import BITS_PER_BYTE, PS_PER_S

KIB, MIB = 1024, 1024 * 1024

PUBLISHED: Mapping[str, tuple[int, float, Mapping[str, tuple[int, int]]]] = {
    "eyeriss_v1": (168, 0.2, {"filter_scratchpad": (448, 168), "sum_scratchpad": (48, 168)}),
    "nvdla_large": (2048, 1.0, {"convolution_buffer": (16 * 512 * 64, 1)}),
    "simba_chiplet": (
        1024,
        1.958,
        {
            "weight_buffer": (32 * KIB, 16),
            "input_buffer": (8 * KIB, 16),
            "accumulation_buffer": (3 * KIB, 16),
            "global_buffer": (64 * KIB, 1),
        },
    ),
    "ethos_u55": (256, 0.5, {"shared_ram": (48 * KIB, 1), "system_sram": (2 * MIB, 1)}),
    "hexagon_hvx": (512, 1.0, {"vector_registers": (32 * 128, 4)}),
    "tpu_v1": (
        65536,
        0.7,
        {"accumulators": (4 * MIB, 1), "weight_fifo": (4 * 64 * KIB, 1), "unified_buffer": (24 * MIB, 1)},
    ),
}
"""MACs, GHz, and by level the bytes and the number of its instances."""
SMALL = ("small_cnn", "mnist_cnn", "char_lstm")


def array(name: str) -> PeArray:
    spec = load_accelerator(name)
    assert isinstance(spec, PeArray)
    return spec


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_hierarchy_has_the_macs_and_the_levels_of_its_publication(name: str) -> None:
    spec, (macs, ghz, levels) = array(name), PUBLISHED[name]
    assert spec.pes * spec.macs_per_pe == macs
    assert spec.peak_macs_per_s == round(macs * ghz * 1e9)
    by_name = {level.name: (level.capacity_bytes, instances(spec, level)) for level in spec.levels}
    assert {level: by_name[level] for level in levels} == levels
    assert spec.source


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("workload", SMALL)
def test_a_hierarchy_runs_every_layer_of_shipped_models(name: str, workload: str) -> None:
    placed = ms.place(workload, system=name)
    assert not placed.costs.refusals
    for layer in placed.costs.graph.layers:
        cost = placed.costs.cost(layer.name, name)
        assert cost.utilization(placed.costs.latency_ps(layer.name, name)) <= 1
        assert cost.energy_pj > 0


def test_an_ethos_streams_its_weights_from_flash_and_its_tensors_from_sram() -> None:
    """64 bits at an eighth of 500 MHz are 0.5 GB/s (Vela)."""
    placed = ms.place("mnist_cnn", system="ethos_u55", objective="latency")
    heaviest = max(placed.costs.graph.layers, key=lambda layer: layer.parameter_bytes)
    least_ps = heaviest.parameter_bytes * PS_PER_S / 0.5e9
    assert placed.costs.latency_ps(heaviest.name, "ethos_u55") >= least_ps
    (buffer,) = array("ethos_u55").buffer_bytes.values()
    assert buffer == 2 * MIB


def test_a_tpu_takes_wider_operands_at_the_rates_that_are_published() -> None:
    assert [array("tpu_v1").product_cycles(*bits) for bits in ((8, 8), (16, 8), (16, 16))] == [1, 2, 4]
    assert array("tpu_v1").levels[-1].read_bits == 256 * BITS_PER_BYTE


def test_four_chiplets_share_one_memory() -> None:
    system = load_system("simba_4")
    assert [placed.name for placed in system.accelerators] == [f"chiplet_{index}" for index in range(4)]
    assert len({placed.memory for placed in system.accelerators}) == 1
    assert sum(placed.spec.peak_macs_per_s for placed in system.accelerators) == 4 * 1024 * 1_958_000_000
