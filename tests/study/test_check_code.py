"""The code that a workload names runs when its file is checked only where that is allowed, and is told of where not."""

import os
import sys
from pathlib import Path

import pytest

import mensa_sim as ms

NET = "from torch import nn\n\n\ndef build() -> nn.Module:\n    return nn.Linear(8, 4)\n"


@pytest.mark.parametrize("code", [NET, "raise SystemExit('ran')\n"])
def test_code_that_is_not_allowed_is_not_run_which_is_told(
    code: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ms.check([_workload(tmp_path, code)]) == []
    assert "net.py:build was not run; --allow-code checks its layers too" in caplog.text


def test_code_that_is_allowed_is_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert ms.check([_workload(tmp_path, NET)], allow_code=True) == []
    assert not [record for record in caplog.records if record.name.startswith("mensa_sim")]
    (fault,) = ms.check([_workload(tmp_path, NET.replace("build", "other"))], allow_code=True)
    assert "unknown callable in net.py 'build'; choose from other" in fault
    assert len(ms.check([_workload(tmp_path, NET.replace("8", "9"))], allow_code=True)) == 1


def test_code_is_that_of_the_file_however_soon_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    macs = []
    for outputs in "45":
        workload = _workload(tmp_path, NET.replace("4", outputs))
        os.utime(tmp_path / "net.py", (1, 1))
        macs.append(ms.trace(workload, allow_code=True).macs)
    assert macs == [8 * 4, 8 * 5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py", "net.yaml"]


def _workload(folder: Path, code: str) -> Path:
    (folder / "net.py").write_text(code)
    path = folder / "net.yaml"
    path.write_text("name: net\nmodel: net.py:build\ninputs: [{shape: [1, 8]}]\n")
    return path
