"""The code that a workload names runs when its file is checked only where that is allowed, and is told of where not."""

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


def _workload(folder: Path, code: str) -> Path:
    (folder / "net.py").write_text(code)
    path = folder / "net.yaml"
    path.write_text("name: net\nmodel: net.py:build\ninputs: [{shape: [1, 8]}]\n")
    return path
