"""The store: what was kept comes back whole or not at all, to every process that shares the folder."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mensa_sim.io import store as store_module
from mensa_sim.io.store import STAGES, Store, digest_of

DATA = {"name": "a", "values": [1, 0.1, None, {"deep": True}]}
LONG = b"0123456789" * 200_000


def only_entry(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_what_is_kept_comes_back_equal_and_nothing_else_does(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "folder")
    store.put_data("one", DATA)
    store.put("two", b"\x00\n\xff")
    again = Store(tmp_path / "new" / "folder")
    assert again.get_data("one") == DATA
    assert again.get("two") == b"\x00\n\xff"
    assert again.get("three") is None


def test_without_a_folder_nothing_is_kept() -> None:
    store = Store(None)
    store.put_data("one", DATA)
    assert store.get_data("one") is None
    store.clear()


def test_what_one_keeps_the_others_read_at_any_time(tmp_path: Path) -> None:
    early, writer = Store(tmp_path, durable=False), Store(tmp_path, durable=False)
    assert early.get("first") is None
    writer.put("first", b"1")
    late = Store(tmp_path, durable=False)
    writer.put("second", b"2")
    for store in (early, writer, late):
        assert [store.get(name) for name in ("first", "second", "third")] == [b"1", b"2", None]


def test_an_entry_cut_anywhere_is_as_good_as_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_data("one", DATA)
    entry = only_entry(tmp_path)
    whole = entry.read_bytes()
    for end in range(len(whole)):
        entry.write_bytes(whole[:end])
        assert store.get_data("one") is None
    entry.write_bytes(whole)
    assert store.get_data("one") == DATA


def test_an_entry_with_any_byte_damaged_is_as_good_as_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("one", b"reason")
    entry = only_entry(tmp_path)
    whole = entry.read_bytes()
    for place in range(len(whole)):
        entry.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert store.get("one") is None


def test_plain_data_is_refused_with_a_number_that_is_not_finite(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Store(tmp_path).put_data("one", {"share": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["below a file", "a folder has the name"])
def test_an_entry_that_cannot_be_written_costs_time_only(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "one.entry").mkdir()
    store = Store(tmp_path / "file" if where == "below a file" else tmp_path)
    store.put_data("one", DATA)
    assert store.get_data("one") is None


def test_clearing_forgets_our_entries_and_leaves_what_is_not_ours(tmp_path: Path) -> None:
    own, shared = Store(tmp_path / "own"), Store(tmp_path / "shared")
    for store in (own, shared):
        store.put_data("one", DATA)
    (tmp_path / "own" / ".two.entry.k3_1x.part").write_text("half of an entry that was killed")
    (tmp_path / "shared" / "notes.txt").write_text("not ours")
    own.clear()
    shared.clear()
    assert [path.name for path in tmp_path.rglob("*")] == ["shared", "notes.txt"]


@pytest.mark.parametrize(
    ("change", "one", "two"),
    [
        ("a part", {"parts": ("a",)}, {"parts": ("b",)}),
        ("where two parts meet", {"parts": ("ab", "c")}, {"parts": ("a", "bc")}),
        ("a file's content", {"files": ["one"]}, {"files": ["two"]}),
        ("a file that is gone", {"files": ["one"]}, {"files": ["gone"]}),
        ("a library", {"libraries": ["numpy"]}, {"libraries": ["scipy"]}),
        ("the stage", {"stage": "io"}, {"stage": "workload"}),
    ],
)
def test_a_digest_changes_with_whatever_an_entry_is_made_from(
    tmp_path: Path, change: str, one: dict[str, list[str]], two: dict[str, list[str]]
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)

    def digest(given: dict[str, list[str]]) -> str:
        values: dict[str, object] = {**given}
        parts = values.pop("parts", ())
        values["files"] = [tmp_path / name for name in given.get("files", ())]
        return digest_of(*parts, **values)  # type: ignore[arg-type, misc]

    assert digest(one) != digest(two), change
    assert digest(one) == digest(one)


@pytest.mark.parametrize("stage", STAGES)
def test_code_counts_where_the_stage_may_import_it_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def digest(*changed: str) -> str:
        package = tmp_path / "-".join(("package", *changed))
        for folder in (*STAGES, "."):
            (package / folder).mkdir(parents=True, exist_ok=True)
            (package / folder / "code.py").write_text("new" if folder in changed else "old")
        monkeypatch.setattr(store_module, "PACKAGE", package)
        return digest_of(stage=stage)

    unchanged = digest()
    differing = {folder for folder in STAGES if digest(folder) != unchanged}
    assert differing == set(STAGES[: STAGES.index(stage) + 1])
    assert digest(".") != unchanged


def test_the_code_of_a_module_is_what_it_imports_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "mensa_sim/cost/price.py": "from mensa_sim.cost.search import best\n",
        "mensa_sim/cost/search.py": "import mensa_sim.units\ndef best():\n    from mensa_sim.cost.late import x\n",
        "mensa_sim/cost/late.py": "from mensa_sim import cost\nimport numpy\n",
        "mensa_sim/units.py": "from mensa_sim.cost.search import best  # in a circle\n",
        "mensa_sim/__init__.py": "",
        "mensa_sim/report/page.py": "from mensa_sim.cost.price import price\n",
    }

    def digest(changed: str) -> str:
        root = tmp_path / changed.replace("/", "-")
        for name, text in sources.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + "# new\n" * (name == changed))
        monkeypatch.setattr(store_module, "PACKAGE", root / "mensa_sim")
        return digest_of(module="mensa_sim.cost.price")

    unchanged = digest("nothing")
    assert {name for name in sources if digest(name) != unchanged} == set(sources) - {"mensa_sim/report/page.py"}


def test_the_sources_of_a_module_are_read_again_where_one_has_another_size_or_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))
    package = tmp_path / "mensa_sim"
    package.mkdir()
    (package / "__init__.py").touch()
    os.utime(package / "__init__.py", (1, 1))
    source = package / "price.py"
    reads = []

    def digest(text: str, changed_s: int) -> str:
        source.write_text(text)
        os.utime(source, (changed_s, changed_s))
        return store_module._module_digest.__wrapped__(package, "mensa_sim.price")

    real = store_module.sources_of
    monkeypatch.setattr(store_module, "sources_of", lambda *given: reads.append(given) or real(*given))
    first = digest("a = 1", 1)
    assert [digest("a = 1", 1), digest("a = 1", 2), digest("a = 1", 2)] == [first] * 3
    assert len(reads) == 2
    assert len({first, digest("a = 2", 3), digest("a = 22", 3)}) == 3
    soon_s = int(time.time()) + 3600
    assert len({digest("a = 3", soon_s), digest("a = 4", soon_s)}) == 2, "of one size, within one tick of a clock"
    source.unlink()
    with pytest.raises(FileNotFoundError):
        store_module._module_digest.__wrapped__(package, "mensa_sim.price")


def write_often(folder: Path, mark: bytes) -> None:
    store = Store(folder, durable=False)
    for _ in range(200):
        store.put("shared", mark * 5000)


def test_processes_that_write_one_entry_at_once_leave_it_whole(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(tmp_path, mark)) for mark in (b"a", b"b", b"c")]
    for writer in writers:
        writer.start()
    store, seen = Store(tmp_path), set()
    while any(writer.is_alive() for writer in writers):
        seen.add(store.get("shared"))
    for writer in writers:
        writer.join()
    seen.add(store.get("shared"))
    assert seen - {None} <= {mark * 5000 for mark in (b"a", b"b", b"c")}
    assert seen - {None}
    assert [path.name for path in tmp_path.iterdir()] == ["shared.entry"]


def test_a_writer_that_is_killed_leaves_a_whole_entry_and_nothing_that_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("one", LONG)
    code = (
        "import sys; from pathlib import Path; from mensa_sim.io.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "store.put('one', b'9876543210' * 200_000)\n"
        "print('begun', flush=True)\n"
        "while True: store.put('one', b'9876543210' * 200_000)"
    )
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)
        assert store.get("one") == b"9876543210" * 200_000
        store.put("one", LONG)
        assert [path.name for path in tmp_path.iterdir()] == ["one.entry"]


def test_what_a_module_reads_beside_itself_is_part_of_its_source_and_of_its_stages_code(tmp_path: Path) -> None:
    package = tmp_path / "mensa_sim"
    (package / "io").mkdir(parents=True)
    for folder in (package, package / "io"):
        (folder / "__init__.py").touch()
    (package / "io" / "reader.py").write_text('TABLE = Path(__file__).with_name("table.yaml")\n')
    seen = set()
    for text in ("a: 1", "a: 2"):
        (package / "io" / "table.yaml").write_text(text)
        source = tuple(store_module.sources_of(package, "mensa_sim.io.reader")["mensa_sim.io.reader"].values())
        seen.add((source, store_module._code_digest.__wrapped__(package, "io")))
    assert len({source for source, _ in seen}) == len({digest for _, digest in seen}) == 2
