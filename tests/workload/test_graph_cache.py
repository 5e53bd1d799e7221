"""The cache: the same graph back while nothing it came from changed, and never a wrong one."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from killed import ended

from mensa_sim.io import store
from mensa_sim.io.store import Store, cache_folder
from mensa_sim.report.trace.layers import trace_record
from mensa_sim.workload.graph import Coverage, Edge, LayerGraph
from mensa_sim.workload.graph_json import cached_graph, graph_from_data, graph_to_data
from mensa_sim.workload.layer import Layer, LoopNest, Parameter
from mensa_sim.workload.load import load_workload

_sizes = st.integers(1, 2**40)


@st.composite
def layers(draw: st.DrawFn, name: str) -> Layer:
    dims = draw(st.dictionaries(st.sampled_from(["B", "K", "C", "OX", "FY", "stride_x", "input_height"]), _sizes))
    group = draw(st.none() | st.text(min_size=1))
    return Layer(
        name=name,
        operator=draw(st.text()),
        nest=draw(st.none() | st.just(LoopNest(**dims))),
        vector_ops=draw(_sizes),
        parameters=tuple(Parameter(name=n, size_bytes=s) for n, s in draw(st.lists(st.tuples(st.text(), _sizes)))),
        gathered_bytes=draw(st.none() | _sizes),
        input_bytes=draw(_sizes),
        output_bytes=draw(_sizes),
        steps=draw(_sizes),
        group=group,
        recurrent=group is not None and draw(st.booleans()),
        fused=tuple(draw(st.lists(st.text()))),
        supported=draw(st.booleans()),
        parameter_bits=draw(st.integers(1, 64)),
    )


@st.composite
def graphs(draw: st.DrawFn) -> LayerGraph:
    names = draw(st.lists(st.text(), unique=True, max_size=5))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if draw(st.booleans())]
    return LayerGraph(
        name=draw(st.text()),
        layers=tuple(draw(layers(name)) for name in names),
        edges=tuple(Edge(producer=a, consumer=b, size_bytes=draw(_sizes)) for a, b in pairs),
        coverage=Coverage(costed=draw(_sizes), unsupported_operators=tuple(draw(st.lists(st.text())))),
    )


SMALL = LayerGraph(
    name="small",
    layers=(Layer(name="a", operator="linear", nest=LoopNest(K=2)), Layer(name="b", operator="elementwise")),
    edges=(Edge(producer="a", consumer="b", size_bytes=2),),
)


@given(graphs())
def test_a_graph_survives_json_whole(graph: LayerGraph) -> None:
    back = graph_from_data(json.loads(json.dumps(graph_to_data(graph))))
    assert back == graph
    assert [layer.name for layer in back.layers] == [layer.name for layer in graph.layers]


@given(graphs())
def test_the_trace_record_is_plain_json_whose_totals_are_the_graphs(graph: LayerGraph) -> None:
    record = json.loads(json.dumps(trace_record(graph), allow_nan=False))
    assert {"workload", "macs", "parameter_bytes", "coverage", "layers"} <= set(record)
    assert record["macs"] == sum(layer["macs"] for layer in record["layers"]) == graph.macs
    assert None not in [value for layer in record["layers"] for value in layer.values()]


class Builder:
    """Counts how often it is asked for a graph."""

    def __init__(self, modules: Iterable[Path] = ()) -> None:
        self.calls = 0
        self.modules = tuple(modules)

    def __call__(self) -> tuple[LayerGraph, Iterable[Path]]:
        self.calls += 1
        return SMALL, self.modules


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def workload(folder: Path) -> Path:
    path = folder / "w.yaml"
    path.write_text("name: small")
    return path


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "cache").iterdir())


def test_the_second_time_nothing_is_built(folder: Path, workload: Path) -> None:
    build = Builder()
    assert cached_graph([workload], ["small"], build) == cached_graph([workload], ["small"], build) == SMALL
    assert build.calls == 1


@pytest.mark.parametrize("change", ["workload", "where", "source", "torch", "module", "module gone"])
def test_a_change_of_anything_the_graph_came_from_builds_it_anew(
    folder: Path, workload: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = folder / "helper.py"
    module.write_text("x = 1")
    for number in (1, 2):
        (folder / f"package{number}" / "workload").mkdir(parents=True)
        (folder / f"package{number}" / "workload" / "trace.py").write_text(f"{number}")
    monkeypatch.setattr(store, "PACKAGE", folder / "package1")
    build = Builder([module])
    cached_graph([workload], ["small"], build)
    where = ["small"]
    match change:
        case "workload":
            workload.write_text("name: small ")
        case "where":
            where = ["other"]
        case "source":
            monkeypatch.setattr(store, "PACKAGE", folder / "package2")
        case "torch":
            monkeypatch.setattr(store, "library_version", lambda name: "9.9")
        case "module":
            module.write_text("x = 2")
        case "module gone":
            module.unlink()
    cached_graph([workload], where, build)
    assert build.calls == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "binary", "foreign", "folder"])
def test_a_damaged_entry_is_ignored_and_rewritten(folder: Path, workload: Path, damage: str) -> None:
    build = Builder()
    cached_graph([workload], [], build)
    (entry,) = entries(folder)
    good = entry.read_bytes()
    match damage:
        case "cut":
            entry.write_bytes(good[: len(good) // 2])
        case "flipped":
            entry.write_bytes(good.replace(b'"K":2', b'"K":3'))
        case "empty":
            entry.write_bytes(b"")
        case "binary":
            entry.write_bytes(bytes(range(256)))
        case "foreign":
            Store(entry.parent).put_data(entry.stem, {"graph": []})
        case "folder":
            entry.unlink()
            entry.mkdir()
    assert cached_graph([workload], [], build) == SMALL
    assert build.calls == 2
    if damage != "folder":
        assert entry.read_bytes() == good
        cached_graph([workload], [], build)
        assert build.calls == 2


def test_a_cache_that_cannot_be_written_costs_only_time(
    folder: Path, workload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = folder / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("MENSA_SIM_CACHE", str(blocked / "cache"))
    build = Builder()
    assert cached_graph([workload], [], build) == cached_graph([workload], [], build) == SMALL
    assert build.calls == 2


def test_the_folder_is_the_one_chosen_or_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MENSA_SIM_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "mensa-sim"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "mensa-sim"


def test_a_cached_graph_is_loaded_without_torch(folder: Path) -> None:
    program = (
        "import sys; from mensa_sim.workload.load import load_workload; "
        "graph = load_workload('small_cnn'); print(graph.macs, 'torch' in sys.modules)"
    )
    macs = load_workload("small_cnn").macs
    assert ended("-c", program)[1].split() == [str(macs), "False"]
