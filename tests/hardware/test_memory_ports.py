"""Memories with several ways in: one content, a bandwidth and an energy for each way, nothing copied between them."""

from pathlib import Path

import pytest

import mensa_sim as ms
from mensa_sim.errors import FileError
from mensa_sim.hardware.files import load_system

SPECS = Path(ms.__file__).parents[1] / "accelerator_specs/accelerators"
SYSTEM = f"""
name: two_ways
memories:
  lpddr5:
    kind: lpddr5
    bandwidth_bytes_per_s: 50000000000
    efficiency: 0.75
    channels: 4
    capacity_bytes: 1000000000
    ports:
      bank: {{kind: lpddr5_bank, bandwidth_bytes_per_s: 400000000000, efficiency: 0.75}}
accelerators:
  - {{spec: {SPECS}/phone_npu.yaml, memory: lpddr5}}
  - {{spec: {SPECS}/lpddr5_pim.yaml, memory: lpddr5.bank}}
"""


@pytest.fixture
def two_ways(tmp_path: Path) -> Path:
    file = tmp_path / "two_ways.yaml"
    file.write_text(SYSTEM)
    return file


def test_each_way_in_has_its_bandwidth_and_energy_and_one_of_them_the_background(two_ways: Path) -> None:
    system = load_system(two_ways)
    outside, inside = system.memory_of("phone_npu"), system.memory_of("lpddr5_pim")
    assert (outside.effective_bytes_per_s, inside.effective_bytes_per_s) == (37.5e9, 300e9)
    assert inside.read_pj_per_bit < outside.read_pj_per_bit / 5
    assert (outside.background_mw > 0, inside.background_mw) == (True, 0)
    assert system.home_of("phone_npu") == system.home_of("lpddr5_pim") == "lpddr5"


def test_what_one_way_in_has_written_another_reads_without_a_copy(two_ways: Path) -> None:
    pins = {"layers.0.gate": "lpddr5_pim", "layers.0.up": "phone_npu"}
    result = ms.run("smollm2_135m", system=str(two_ways), new_tokens=2, scheduler="greedy", pins=pins)
    assert result.main.handoffs > 0
    assert not any(span.kind == "transfer" for span in result.main.timeline.spans)
    assert result.answer is not None
    assert list(result.answer.weights_held_bytes) == ["lpddr5"]
    assert result.answer.moved_bytes == 0
    assert result.main.traffic_bytes["lpddr5.bank"] > 0


def test_an_unknown_way_in_is_answered_with_those_that_there_are(two_ways: Path) -> None:
    two_ways.write_text(SYSTEM.replace("lpddr5.bank", "lpddr5.banks"))
    with pytest.raises(FileError, match=r"accelerators\[1\].memory: unknown memory 'lpddr5.banks'; did you mean"):
        load_system(two_ways)
