"""The results folder: ours is replaced, that of others refused, and whatever goes wrong harms nothing."""

import errno
import fcntl
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed import ended

from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io import atomic as atomic_write
from mensa_sim.io.atomic import is_temporary
from mensa_sim.io.store import Store
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


WRITING = """
import os, signal
from pathlib import Path
from mensa_sim.report.page.output_folder import write_folder
real, left = os.{call}, {at}
def counted(*given):
    global left
    left -= 1
    left or os.kill(os.getpid(), signal.{signal})
    real(*given)
os.{call} = counted
"""


@pytest.mark.parametrize(("call", "at"), [("fsync", 1), ("fsync", 3), ("replace", 1), ("replace", 2), ("replace", 3)])
def test_what_a_kill_left_behind_makes_no_folder_foreign_and_is_gone_after_the_next_run(
    call: str, at: int, tmp_path: Path
) -> None:
    killed = WRITING.format(call=call, at=at, signal="SIGKILL") + f"write_folder(Path('.'), {OLD!r})"
    assert ended("-c", killed, cwd=tmp_path)[0] == -signal.SIGKILL
    assert any(is_temporary(path.name) for path in tmp_path.iterdir())
    write_folder(tmp_path, NEW)
    assert contents(tmp_path) == NEW


def test_two_at_once_at_a_file_do_not_touch_what_the_other_is_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace, ends = tmp_path / "a", os.replace, iter(("inner", "done"))

    def replacing(source: str, target: str) -> None:
        if next(ends) == "inner":  # before the first takes its name the second begins, ends, and takes it
            atomic_write.write_atomically(path, "second")
            assert path.read_text() == "second"
        replace(source, target)

    monkeypatch.setattr(os, "replace", replacing)
    atomic_write.write_atomically(path, "first")
    assert contents(tmp_path) == {"a": "first"}


def test_a_store_that_is_cleared_leaves_an_entry_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, replace = Store(tmp_path / "kept"), os.replace
    monkeypatch.setattr(os, "replace", lambda *names: (store.clear(), replace(*names)))
    store.put("one", b"1")
    assert store.get("one") == b"1"


def test_who_has_the_folders_own_lock_may_have_results_written_into_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `flock FOLDER mensa-sim run --output FOLDER` does."""
    flock, own = fcntl.flock, os.open(folder, os.O_RDONLY)

    def locking(handle: int, how: int) -> None:
        try:
            flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail("waits for ever")

    flock(own, fcntl.LOCK_EX)
    monkeypatch.setattr(fcntl, "flock", locking)
    write_folder(folder, NEW)
    os.close(own)
    assert contents(folder) == NEW


def test_the_lock_of_a_folder_has_the_mode_of_a_new_file_so_that_all_who_share_the_folder_take_it(folder: Path) -> None:
    before = os.umask(0o002)
    try:
        with atomic_write.alone_in(folder):
            assert (folder / ".alone.part").stat().st_mode & 0o777 == 0o664
    finally:
        os.umask(before)


def test_a_lock_that_is_gone_when_it_is_ours_keeps_nobody_out_and_is_taken_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, lock, waits = fcntl.flock, folder / ".alone.part", iter([True])

    def locking(handle: int, how: int) -> None:
        if next(waits, False):
            lock.unlink()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", locking)
    with atomic_write.alone_in(folder):
        assert lock.exists()
    assert contents(folder) == OLD


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
    opened = os.open

    def refused(path: Path, *given: Any) -> int:
        if is_temporary(Path(path).name):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *given)

    monkeypatch.setattr(os, "open", refused)
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


def test_the_command_that_finds_no_room_says_so_and_keeps_the_results_before(tmp_path: Path) -> None:
    layers = [{"name": "head", "operator": "linear", "dims": {"K": 10, "C": 64}}]
    (tmp_path / "tiny.yaml").write_text(json.dumps({"name": "tiny", "layers": layers}))
    code, _, errors = ended("-c", LIMITED.replace("resource.setrlimit", "(lambda *rest: None)"), cwd=tmp_path)
    assert code == 0, errors
    before = contents(tmp_path / "out")
    code, _, errors = ended("-c", LIMITED, cwd=tmp_path)
    assert (code, errors.count("\n")) == (1, 1)
    assert "report.html: cannot be written: File too large; what stood there is unchanged" in errors
    assert contents(tmp_path / "out") == before


def test_the_command_interrupted_while_it_writes_keeps_the_results_before(folder: Path) -> None:
    script = WRITING.format(call="fsync", at=2, signal="SIGINT") + (
        "import sys\nfrom mensa_sim.cli import main\n"
        f"sys.exit(main._exit_code(lambda: write_folder(Path('.'), {NEW!r})))\n"
    )
    assert ended("-c", script, cwd=folder) == (130, "", "mensa-sim: interrupted\n")
    assert contents(folder) == OLD
