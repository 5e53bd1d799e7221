"""An exploration is also a study of Optuna's own, with every design that was run."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

import mensa_sim as ms

SPACE = {
    "name": "small",
    "system": "mensa_g",
    "workloads": [{"name": "one", "layers": [{"name": "a", "operator": "linear", "dims": {"K": 64, "C": 64}}]}],
    "parameters": {
        "memories.stacked.bandwidth_bytes_per_s": {"values": [32_000_000_000, 256_000_000_000]},
        "scheduler": {"values": ["mensa", "greedy"]},
    },
    "objectives": [{"metric": "energy_pj"}, {"metric": "latency_ps"}],
    "sampler": {"name": "grid"},
}


def test_optuna_reads_every_design_with_its_parameters_and_objectives(tmp_path: Path) -> None:
    found = ms.explore(SPACE, folder=tmp_path / "explored", dashboard=True)
    study = optuna.load_study(study_name="small", storage=f"sqlite:///{tmp_path}/explored/optuna.db")
    assert study.metric_names == ["energy_pj", "latency_ps"]
    assert [trial.params for trial in study.trials] == [design.parameters for design in found.designs]
    assert [dict(zip(study.metric_names, trial.values, strict=True)) for trial in study.trials] == [
        design.objectives for design in found.designs
    ]
    assert study.trials[0].user_attrs["area_mm2"] == found.designs[0].metrics["area_mm2"]
    with pytest.raises(ms.UsageError, match="there already"):
        found.to_optuna(tmp_path / "explored" / "optuna.db")
    failed = replace(found.outcomes[0], state="failed", detail="no room")
    replace(found, designs=found.designs[1:], outcomes=(failed, *found.outcomes[1:])).to_optuna(tmp_path / "failed.db")
    last = optuna.load_study(study_name="small", storage=f"sqlite:///{tmp_path}/failed.db").trials[-1]
    assert (last.state.name, last.params, last.user_attrs["error"]) == ("FAIL", study.trials[0].params, "no room")
