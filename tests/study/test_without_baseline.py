"""A workload that the usual baseline cannot run: said, and no obstacle to a system that can."""

import json
from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.errors import InfeasibleError
from mensa_sim.io.files import write_yaml

WIDE: dict[str, Any] = {
    "name": "wide",
    "parameter_bits": 16,
    "activation_bits": 16,
    "layers": [{"name": "conv", "operator": "conv2d", "dims": {"K": 16, "C": 8, "OY": 8, "OX": 8, "FY": 3, "FX": 3}}],
}
"""16-bit weights do not fit the 8-bit registers of the Edge TPU."""


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    (tmp_path / "wide.yaml").write_text(write_yaml(WIDE))
    return tmp_path / "wide.yaml"


def test_a_run_goes_on_without_a_baseline_and_says_why(wide: Path) -> None:
    result = ms.run(wide, system="eyeriss_v1")
    assert (result.baseline, result.ratios) == (None, None)
    summary = result.summary()
    assert {"baseline", "ratios"} & summary.keys() == set()
    assert 'class="ratio' not in result.files()["report.html"]
    for text in (summary["alone"], " ".join(str(result).split()), result.files()["report.html"]):
        assert "without a baseline, since edge_tpu cannot run it" in text
        assert "name another with --baseline" in text


def test_a_baseline_that_was_asked_for_and_cannot_run_it_is_an_error_that_says_so(wide: Path) -> None:
    with pytest.raises(InfeasibleError, match=r"the baseline cannot run it: .*edge_tpu.*--baseline"):
        ms.run(wide, system="eyeriss_v1", baseline="edge_tpu")


def test_what_the_system_itself_cannot_run_is_its_own_error(wide: Path) -> None:
    with pytest.raises(InfeasibleError) as error:
        ms.run(wide, system="edge_tpu", baseline="eyeriss_v1")
    assert "baseline" not in str(error.value)


def test_another_baseline_stands_beside_it(wide: Path) -> None:
    result = ms.run(wide, system="eyeriss_v1", baseline="mensa_g")
    assert result.baseline is not None
    assert result.summary()["baseline"]["system"] == "mensa_g"
    assert "alone" not in result.summary()


def test_a_scenario_goes_on_without_a_baseline_too(wide: Path) -> None:
    stream = {"name": "camera", "workload": "./wide.yaml", "arrivals": {"kind": "periodic", "fps": 1000}}
    path = wide.parent / "watch.yaml"
    path.write_text(write_yaml({"name": "watch", "duration_s": 0.01, "streams": [stream]}))
    result = ms.run_scenario(path, system="eyeriss_v1")
    assert result.baseline is None
    assert "without a baseline" in json.dumps(result.summary())
    assert "Without a baseline, since edge_tpu cannot run it" in result.files()["report.html"]
    assert "without a baseline" in " ".join(str(result).split())
    with pytest.raises(InfeasibleError, match="the baseline cannot run it"):
        ms.run_scenario(path, system="eyeriss_v1", baseline="edge_tpu")
