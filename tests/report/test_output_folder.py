"""The results folder: ours is replaced, that of others refused, and whatever goes wrong harms nothing."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io import atomic as atomic_write
from mensa_sim.report.page.output_folder import MARKER, write_folder

OLD = {"layers.csv": "old layers", "report.html": "old report", MARKER: json.dumps({"versions": {"mensa-sim": "0"}})}
NEW = {"layers.csv": "new layers", "report.html": "n" * 100_000, MARKER: json.dumps({"versions": {"mensa-sim": "1"}})}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with results of ours."""
    write_folder(tmp_path / "out", OLD)
    return tmp_path / "out"


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_our_own_results_are_replaced_and_what_else_lies_there_is_kept(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    write_folder(folder, NEW)
    assert contents(folder) == {**NEW, "notes.txt": "mine"}


@pytest.mark.parametrize("name", ["thesis.txt", "report.html", MARKER])
def test_a_folder_of_others_is_refused_whatever_its_files_are_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"name": "another program"}')
    with pytest.raises(UsageError, match=f"not ours \\({name}\\).*--force"):
        write_folder(tmp_path, NEW)
    assert contents(tmp_path) == {name: '{"name": "another program"}'}
    write_folder(tmp_path, NEW, force=True)
    assert contents(tmp_path) == {name: '{"name": "another program"}', **NEW}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="is not a folder"):
        write_folder(tmp_path / "out", NEW, force=True)


def test_a_folder_in_place_of_a_file_is_an_error_before_anything_is_replaced(folder: Path) -> None:
    (folder / MARKER).unlink()
    (folder / MARKER).mkdir()
    with pytest.raises(MensaError, match="a folder has this name"):
        write_folder(folder, NEW, force=True)
    assert (folder / "layers.csv").read_text(encoding="utf-8") == "old layers"


def test_what_a_killed_run_left_behind_does_not_make_a_folder_foreign(tmp_path: Path) -> None:
    (tmp_path / ".report.html.abcd1234.part").write_text("half a rep")
    write_folder(tmp_path, NEW)
    assert (tmp_path / MARKER).read_text(encoding="utf-8") == NEW[MARKER]


def failing(kind: Callable[[], BaseException]) -> Callable[..., None]:
    """A stand-in for `os.fsync` that fails at the second file."""
    calls: list[int] = []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise kind()

    return fsync


FAILURES: dict[str, tuple[Callable[[], BaseException], type[BaseException], str]] = {
    "full disk": (lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), MensaError, "No space left.*unchanged"),
    "broken disk": (lambda: OSError(errno.EIO, os.strerror(errno.EIO)), MensaError, "report.html.*unchanged"),
    "Ctrl-C": (KeyboardInterrupt, KeyboardInterrupt, "^$"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_half_way_leaves_every_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    raised, expected, message = FAILURES[failure]
    monkeypatch.setattr(atomic_write.os, "fsync", failing(raised))
    with pytest.raises(expected, match=message):
        write_folder(folder, NEW)
    assert contents(folder) == OLD


def test_a_read_only_folder_is_a_clear_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**options: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(atomic_write.tempfile, "mkstemp", refused)
    with pytest.raises(MensaError, match=r"layers.csv: cannot be written: Permission denied; .* unchanged"):
        write_folder(folder, NEW)
    assert contents(folder) == OLD


LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.argv = ["mensa-sim", "run", "tiny.yaml", "-q", "--output", "out"]
from mensa_sim.cli.main import main
main()
"""


def command(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_command_that_finds_no_room_says_so_and_keeps_the_results_before(tmp_path: Path) -> None:
    layers = [{"name": "head", "operator": "linear", "dims": {"K": 10, "C": 64}}]
    (tmp_path / "tiny.yaml").write_text(json.dumps({"name": "tiny", "layers": layers}))
    done = command(tmp_path, LIMITED.replace("resource.setrlimit", "(lambda *rest: None)"))
    assert done.returncode == 0, done.stderr
    before = contents(tmp_path / "out")
    done = command(tmp_path, LIMITED)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "report.html: cannot be written: File too large; what stood there is unchanged" in done.stderr
    assert contents(tmp_path / "out") == before


def test_the_command_interrupted_while_it_writes_keeps_the_results_before(folder: Path) -> None:
    script = (
        "import os, signal\nfrom mensa_sim.cli import main\nfrom mensa_sim.io import atomic\n"
        "from mensa_sim.report.page import output_folder\n"
        "calls = []\n"
        "def fsync(handle):\n    calls.append(handle)\n    len(calls) == 2 and os.kill(os.getpid(), signal.SIGINT)\n"
        "atomic.os.fsync = fsync\n"
        "from pathlib import Path\n"
        f"import sys; sys.exit(main._exit_code(lambda: output_folder.write_folder(Path('.'), {NEW!r})))\n"
    )
    done = command(folder, script)
    assert (done.returncode, done.stderr) == (130, "mensa-sim: interrupted\n")
    assert contents(folder) == OLD
