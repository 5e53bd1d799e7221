"""Devices that are known by their datasheets: what bounds a layer, what a token costs, what must be stated."""

from pathlib import Path

import pytest

import mensa_sim as ms
from mensa_sim.cost.datasheet import datasheet_cost
from mensa_sim.errors import FileError, InfeasibleError
from mensa_sim.hardware.accelerator import DatasheetDevice
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.memory import Memory
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer
from mensa_sim.workload.models.decoder import Decoder

DEVICE = """
name: board
placement: soc
technology: {technology}
clock_hz: 1000000000
macs_per_s: 1000000000000
power_mw: {{value: 5000.0, source: a choice}}
idle_mw: {{value: 1000.0, source: a choice}}
reached:
  launch_us: {{value: 10.0, source: a choice}}
  compute_efficiency: {{value: 0.5, source: a choice}}
  weight_efficiency: {{value: 0.8, source: a choice}}
  cache_efficiency: {{value: 0.4, source: a choice}}
  unpack_weights_per_s: {{value: 4000000000.0, source: a choice}}
default_memory: {{kind: lpddr5, bandwidth_bytes_per_s: 10000000000, efficiency: 1.0}}
"""
TECHNOLOGY = Path(ms.__file__).parents[1] / "accelerator_specs/technology/cmos_22nm.yaml"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    file = tmp_path / "board.yaml"
    file.write_text(DEVICE.format(technology=TECHNOLOGY))
    return file


@pytest.fixture
def device(board: Path) -> tuple[DatasheetDevice, Memory]:
    system = load_system(board)
    (placed,) = system.accelerators
    assert isinstance(placed.spec, DatasheetDevice)
    return placed.spec, system.memory_of("board")


def phase(tokens: int, context: int, weight_bits: int = 4) -> LayerGraph:
    shape = {
        "layers": 1,
        "hidden": 1024,
        "intermediate": 4096,
        "heads": 8,
        "kv_heads": 2,
        "head_dim": 128,
        "vocab": 999,
    }
    widths = ModelWidths(weight_bits=weight_bits, activation_bits=16)
    return Decoder(**shape).phase("one", widths, tokens=tokens, context=context)


def seconds(graph: LayerGraph, name: str, device: tuple[DatasheetDevice, Memory]) -> float:
    spec, memory = device
    return datasheet_cost(graph[name], spec, memory).latency_ps(memory.effective_bytes_per_s) / 1e12


def test_a_product_of_one_row_takes_its_weights_streaming_and_unpacking(device: tuple[DatasheetDevice, Memory]) -> None:
    weights = 1024 * 4096
    streamed = weights / 2 + 2 * (1024 + 4096)
    expected = 10e-6 + streamed / (0.8 * 10e9) + weights / 4e9 + weights / 0.5e12
    assert seconds(phase(1, 50), "layers.0.up", device) == pytest.approx(expected, rel=1e-6)


def test_weights_of_16_bits_need_no_unpacking(device: tuple[DatasheetDevice, Memory]) -> None:
    streamed = 2 * 1024 * 4096 + 2 * (1024 + 4096)
    expected = 10e-6 + streamed / (0.8 * 10e9) + 1024 * 4096 / 0.5e12
    assert seconds(phase(1, 50, weight_bits=16), "layers.0.up", device) == pytest.approx(expected, rel=1e-6)


def test_keys_and_values_have_a_rate_of_their_own(device: tuple[DatasheetDevice, Memory]) -> None:
    short, long = (seconds(phase(1, context), "layers.0.attention.scores", device) for context in (100, 1100))
    expected = 1000 * 2 * 128 * 2 / (0.4 * 10e9) + 1000 * 8 * 128 / 0.5e12
    assert long - short == pytest.approx(expected, rel=1e-6)


def test_scores_stay_on_the_chip_between_the_products_of_an_attention(device: tuple[DatasheetDevice, Memory]) -> None:
    spec, memory = device
    found = [
        datasheet_cost(phase(512, 0)[f"layers.0.attention.{name}"], spec, memory) for name in ("scores", "softmax")
    ]
    assert [cost.memory_bytes for cost in found] == [0, 0]


def test_products_of_two_activations_may_have_a_rate_of_their_own(board: Path) -> None:
    def took() -> tuple[float, float]:
        system = load_system(board)
        (placed,) = system.accelerators
        assert isinstance(placed.spec, DatasheetDevice)
        found = placed.spec, system.memory_of("board")
        graph = phase(512, 0)
        return seconds(graph, "layers.0.attention.scores", found), seconds(graph, "layers.0.up", found)

    attention, product = took()
    rate = "  attention_efficiency: {value: 0.25, source: a choice}\n"
    board.write_text(board.read_text().replace("  weight_efficiency", f"{rate}  weight_efficiency"))
    slower, same = took()
    assert slower - 10e-6 == pytest.approx(2 * (attention - 10e-6), rel=1e-6)
    assert same == product


@pytest.mark.parametrize(("bits", "share"), [(3, 1.0), (6, 0.5)])
def test_weights_of_up_to_4_bits_are_unpacked_and_a_part_of_those_between_4_and_8(
    bits: int, share: float, device: tuple[DatasheetDevice, Memory]
) -> None:
    weights = 1024 * 4096
    streamed = weights * bits / 8 + 2 * (1024 + 4096)
    expected = 10e-6 + streamed / (0.8 * 10e9) + share * weights / 4e9 + weights / 0.5e12
    assert seconds(phase(1, 50, weight_bits=bits), "layers.0.up", device) == pytest.approx(expected, rel=1e-6)


def prompt_product_s() -> float:
    """What the product of 512 rows takes: nothing of it overlaps."""
    weights = 1024 * 4096
    streamed = weights / 2 + 2 * 512 * (1024 + 4096)
    return 10e-6 + streamed / (0.8 * 10e9) + weights / 4e9 + 512 * weights / 0.5e12


def test_a_product_of_many_rows_takes_its_macs_besides(device: tuple[DatasheetDevice, Memory]) -> None:
    assert seconds(phase(512, 0), "layers.0.up", device) == pytest.approx(prompt_product_s(), rel=1e-6)


@pytest.fixture
def small(tmp_path: Path) -> str:
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\nmodel: mensa_sim.workload.models.decoder:Decoder\n"
        "arguments: {layers: 1, hidden: 64, intermediate: 96, heads: 4, kv_heads: 2, head_dim: 32, vocab: 500}\n"
        "generate: {prompt_tokens: 20, new_tokens: 4}\n"
    )
    return str(file)


def test_energy_is_power_times_time_idle_power_counted_once(board: Path, small: str) -> None:
    result = ms.run(small, system=str(board), baseline=str(board))
    answer = result.answer
    assert answer is not None
    background_pj = answer.energy_per_token_by_component_pj["background"]
    worked_pj = 5000 * (answer.time_per_token_ps or 0) / 1e3
    assert answer.energy_per_token_pj == pytest.approx(worked_pj + background_pj, rel=1e-3)
    assert {layer.source for layer in result.main.layers} == {"datasheet"}


def test_a_runtime_receives_each_prompt_and_looks_at_each_logit_once(board: Path, small: str, tmp_path: Path) -> None:
    """In answers, their energies and scenarios: 30 ms a prompt, 2 us for each of 500 tokens to choose among."""
    scenario = tmp_path / "talks.yaml"
    scenario.write_text(
        "name: talks\nduration_s: 0.2\nstreams:\n"
        "  - {name: talk, workload: small.yaml, arrivals: {kind: closed_loop, in_flight: 1, requests: 1}}\n"
    )

    def took(conversations: int) -> tuple[float, ...]:
        changed = tmp_path / "several.yaml"
        changed.write_text(Path(small).read_text().replace("4}", f"4, conversations: {conversations}}}"))
        answer = ms.run(changed, system=str(board), baseline=str(board)).answer
        assert answer is not None
        assert answer.time_per_token_ps is not None
        streams = ms.run_scenario(scenario, system=str(board), baseline=str(board)).main.metrics.streams
        talk = [streams[name].max_ps or 0 for name in ("talk", "talk tokens")]
        times_ps = (answer.ttft_ps, answer.time_per_token_ps, *talk)
        return answer.energy_pj / 1e9, *(each / 1e9 for each in times_ps)

    costs = "  prompt_ms: {value: 30.0, source: a choice}\n  logit_ns: {value: 2000.0, source: a choice}\n"
    without = [took(conversations) for conversations in (1, 3)]
    board.write_text(board.read_text().replace("default_memory", f"{costs}default_memory"))
    for conversations, before, after in zip((1, 3), without, (took(1), took(3)), strict=True):
        energy_mj, first, token, *talk = (one - other for one, other in zip(after, before, strict=True))
        chosen_ms = conversations * 500 * 2e-3
        assert (first, token) == pytest.approx((conversations * 30 + chosen_ms, chosen_ms), rel=1e-6)
        assert talk == pytest.approx((30 + 1, 1), rel=1e-6)
        idle_and_work_mw = 5000 + load_system(board).memory_of("board").background_mw
        assert energy_mj == pytest.approx(idle_and_work_mw * (first + 3 * token) / 1e3, rel=1e-3)


def test_a_device_without_a_power_runs_nothing(board: Path, small: str) -> None:
    board.write_text(board.read_text().replace("power_mw: {value: 5000.0, source: a choice}\n", ""))
    with pytest.raises(InfeasibleError, match="power"):
        ms.run(small, system=str(board), baseline=str(board))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("value: 0.8", "value: 1.2", "weight_efficiency is 1.2"),
        ("  launch_us: {value: 10.0, source: a choice}\n", "", "launch_us"),
        ("value: 4000000000.0", "value: 0.0", "unpack_weights_per_s is 0.0, must be positive"),
        (
            "reached:",
            "reached:\n  vector_ops_per_s: {value: 0.0, source: a choice}",
            "vector_ops_per_s is 0.0, must be positive",
        ),
        (
            "reached:",
            "reached:\n  logit_ns: {value: -1.0, source: a choice}",
            "reached.logit_ns: value is -1.0, must be finite and not negative",
        ),
    ],
)
def test_a_mistake_in_a_datasheet_is_told_with_its_field(board: Path, old: str, new: str, fault: str) -> None:
    board.write_text(board.read_text().replace(old, new))
    with pytest.raises(FileError, match=fault):
        load_system(board)


def test_bits_that_stream_have_an_energy_of_their_own_where_they_set_the_time(board: Path) -> None:
    board.write_text(board.read_text() + "streamed_pj_per_bit: {value: 20.0, source: a choice}\n")
    (placed,) = load_system(board).accelerators
    assert isinstance(placed.spec, DatasheetDevice)
    memory = load_system(board).memory_of("board")
    step, prompt = phase(1, 50)["layers.0.up"], phase(512, 0)["layers.0.up"]
    streamed = 1024 * 4096 // 2 + 2 * (1024 + 4096)
    assert datasheet_cost(step, placed.spec, memory).energy_pj == 8 * 20 * streamed
    worked_pj = (5 - 1) * prompt_product_s() * 1e12
    assert datasheet_cost(prompt, placed.spec, memory).energy_pj == pytest.approx(worked_pj, rel=1e-6)


def test_operations_on_single_elements_take_their_time_beside_streaming(board: Path) -> None:
    text = board.read_text()
    board.write_text(text.replace("reached:\n", "reached:\n  vector_ops_per_s: {value: 1000000.0, source: a choice}\n"))
    (placed,) = load_system(board).accelerators
    assert isinstance(placed.spec, DatasheetDevice)
    layer = Layer(name="resize", operator="resize", vector_ops=700, output_bytes=100)
    cost = datasheet_cost(layer, placed.spec, load_system(board).memory_of("board"))
    assert cost.latency_ps(10**10) / 1e12 == pytest.approx(700 / 1e6 + 100 / (0.8 * 10e9), rel=1e-6)
