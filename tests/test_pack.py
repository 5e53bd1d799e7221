"""The pack: entries of many processes in one file come back whole or not at all, whatever becomes of the file."""

import copy
import os
import pickle
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mensa_sim.io import pack as pack_module
from mensa_sim.io.pack import Pack

ENTRIES = {b"%04d" % number: bytes([number % 256]) * (number % 700) for number in range(64)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that holds the entries."""
    path = tmp_path / "new" / "pack"
    Pack(path).put(ENTRIES)
    return path


def test_what_is_kept_comes_back_equal_to_all_and_nothing_else_does(path: Path) -> None:
    early, late = Pack(path), Pack(path)
    assert early.get([b"0001", b"none", b"0002"]) == {name: ENTRIES[name] for name in (b"0001", b"0002")}
    late.put({b"0001": b"anew"})
    assert early.get([b"0001"]) == {b"0001": b"anew"}
    assert early.get(list(ENTRIES)) == {**ENTRIES, b"0001": b"anew"}
    assert late.get([]) == {}


class OwnPack(Pack):
    """A pack that somebody makes."""


def test_copied_or_sent_to_a_process_it_is_the_same_file_of_its_own_kind(path: Path) -> None:
    pack = OwnPack(path)
    assert pack.get([b"0005"])
    for other in (copy.deepcopy(pack), pickle.loads(pickle.dumps(pack))):
        assert type(other) is OwnPack
        assert other.get([b"0005"]) == {b"0005": ENTRIES[b"0005"]}


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """Cut somewhere, with bits turned in its head, where its form is described, or with bytes changed anywhere."""
    way, data = draw.randrange(3), bytearray(whole)
    if way == 0:
        return whole[: draw.randrange(len(whole))]
    for _ in range(draw.choice((1, 10, 100))):
        place = draw.randrange(256) if way == 1 else draw.randrange(len(whole))
        data[place] = data[place] ^ 1 << draw.randrange(8) if way == 1 else draw.randrange(256)
    return bytes(data)


def test_a_damaged_file_gives_what_is_whole_or_nothing_and_is_begun_anew(path: Path) -> None:
    whole, draw, anew = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        path.write_bytes(damaged(whole, draw))
        found = Pack(path).get(list(ENTRIES))
        assert found.items() <= ENTRIES.items()
        for _ in range(2):  # the first to write may be who finds the damage
            Pack(path).put({b"more": b"5"})
        anew += Pack(path).get([b"more"]) == {b"more": b"5"}
        path.unlink(missing_ok=True)
        Path(f"{path}-journal").unlink(missing_ok=True)
    assert anew > 290  # a turned bit may also say that a file is not to be written


def test_an_entry_that_stands_under_the_name_of_another_is_as_good_as_none(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        (content,) = connection.execute("SELECT content FROM entries WHERE name = ?", (b"0007",)).fetchone()
        connection.execute("UPDATE entries SET content = ? WHERE name = ?", (content, b"0009"))
        connection.execute("UPDATE entries SET content = 'text' WHERE name = ?", (b"0011",))
    connection.close()
    names = [b"0007", b"0009", b"0011"]
    assert Pack(path).get(names) == {b"0007": ENTRIES[b"0007"]}
    Pack(path).put({name: ENTRIES[name] for name in names})
    assert Pack(path).get(names) == {name: ENTRIES[name] for name in names}


@pytest.mark.parametrize("where", ["below a file", "a folder has the name"])
def test_a_file_that_cannot_be_had_costs_time_only(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    pack = Pack(tmp_path / "file" / "pack" if where == "below a file" else tmp_path)
    for _ in range(2):
        pack.put({b"one": b"1"})
        assert pack.get([b"one"]) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_only_be_read_is_read(path: Path) -> None:
    path.chmod(0o444)
    path.parent.chmod(0o555)
    pack = Pack(path)
    pack.put({b"more": b"5"})
    assert pack.get([b"more", b"0003"]) == {b"0003": ENTRIES[b"0003"]}
    path.parent.chmod(0o755)


def test_a_file_that_another_does_not_let_go_is_done_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_module, "_PATIENCE_S", 0.01)
    reader, writer = Pack(path), Pack(path)
    assert reader.get([b"0003"])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    writer.put({b"more": b"5"})
    assert reader.get([b"0003"]) == {}
    other.execute("ROLLBACK")
    other.close()
    assert Pack(path).get([b"more", b"0003"]) == {b"0003": ENTRIES[b"0003"]}


def test_it_keeps_to_its_size_and_forgets_the_oldest(tmp_path: Path) -> None:
    path, limit_bytes = tmp_path / "pack", 64 * 1024
    pack = Pack(path, limit_bytes)
    names = [b"%04d" % number for number in range(400)]
    for name in names:
        pack.put({name: name * 200})
        assert path.stat().st_size <= limit_bytes
        assert pack.get([name]) == {name: name * 200}
    kept = list(pack.get(names))
    assert 40 < len(kept) < 80
    assert sorted(kept) == names[-len(kept) :]


def test_more_at_once_than_it_may_hold_is_not_kept_and_takes_nothing_with_it(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "pack", 64 * 1024)
    for number in range(8):
        pack.put({b"%d" % number: b"small"})
    pack.put({b"large": b"0" * 100_000})
    assert Pack(tmp_path / "pack").get([b"large"]) == {}
    assert len(Pack(tmp_path / "pack").get([b"%d" % number for number in range(8)])) >= 6


def written(*arguments: str, limit_bytes: int = resource.RLIM_INFINITY) -> "subprocess.Popen[str]":
    """A process that says so and then writes entries that bear its mark, for ever or so many times."""
    code = (
        "import itertools, resource, signal, sys; from pathlib import Path; from mensa_sim.io import pack as module\n"
        "path, mark, times, limit = Path(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3]), int(sys.argv[4])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "module._PATIENCE_S = 600  # however busy the machine is\n"
        "pack = module.Pack(path)\n"
        "print('begun', flush=True)\n"
        "for each in range(times) if times else itertools.count():\n"
        "    pack.put({b'%s%d' % (mark, each): mark * 3000})\n"
    )

    command = [sys.executable, "-c", code, *arguments, str(limit_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pack"
    writers = [written(str(path), mark, "60") for mark in "abc"]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    expected = {b"%s%d" % (mark, each): mark * 3000 for mark in (b"a", b"b", b"c") for each in range(60)}
    assert Pack(path).get(list(expected)) == expected


def test_a_writer_that_is_killed_leaves_all_that_it_has_written_and_no_half(path: Path) -> None:
    for number, mark in enumerate("xyz"):
        with written(str(path), mark, "0") as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            first = b"%s0" % mark.encode()
            while not Pack(path).get([first]):
                assert writer.poll() is None
            os.kill(writer.pid, signal.SIGKILL)
        assert Pack(path).get([*ENTRIES, first]) == {**ENTRIES, first: mark.encode() * 3000}
        Pack(path).put({b"after%d" % number: b"5"})
        assert Pack(path).get([b"after%d" % number])


def test_a_disk_that_is_full_costs_time_only(path: Path) -> None:
    with written(str(path), "z", "300", limit_bytes=path.stat().st_size + 20_000) as writer:
        writer.communicate()
    assert writer.returncode == 0
    found = Pack(path).get([*ENTRIES, b"z0", b"z299"])
    assert found[b"z0"] == b"z" * 3000
    assert b"z299" not in found
    assert found.items() >= ENTRIES.items()
