"""Command lines that mean harm: places that cannot be written, names that nothing has, settings beyond all bounds."""

from pathlib import Path

import pytest
from test_fuzz import outcome

TINY = "name: tiny\nlayers:\n  - {name: one, operator: linear, dims: {K: 8, C: 8}}\n"
SPACE = """\
name: good
system: mensa_g
workloads: [./tiny.yaml]
parameters: {scheduler: {values: [mensa, greedy]}}
objectives: [{metric: energy_pj}]
"""
IMPORT = (
    "import-timings big.csv --columns K=n,median_ms=t --operator linear --device-name x --source y "
    "--processors {number} --cache-bytes 1 --bytes-per-s 1 --peak-macs-per-s 1 --output {path}"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "products.csv").write_text("Layer,M,N,K,\none,1,8,8,\n")
    return tmp_path


@pytest.mark.parametrize("path", ["new/" + "x" * 300, "deep/" + "x" * 5000, "tiny.yaml/inside", "tiny.yaml/in/side"])
@pytest.mark.parametrize(
    "command",
    [
        "run tiny.yaml -q --output {path}",
        "compare tiny.yaml --systems mensa_g,edge_tpu -q --output {path}",
        "reproduce --jobs 1 -q --output {path}",
        "sensitivity --jobs 1 -q --output {path}",
        "explore good.yaml --trials 1 --jobs 1 -q --output {path}",
        "validate -q --output {path}",
        "families tiny.yaml --save {path}",
        "convert products.csv -q --output {path}",
        "explain tiny.yaml --layer one --report {path}",
        "measure tiny.yaml -q --output {path}",
        IMPORT.replace("{number}", "1"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    command: str, path: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mensa_sim.workload.graph.LayerGraph.__init__", None)  # no study begins without a graph
    (folder / "good.yaml").write_text(SPACE)
    code, _, err = outcome(command.format(path=path), monkeypatch)
    assert code == 2
    assert path.split("/")[0] in err
    assert len(err.splitlines()) == 1


def test_a_name_that_a_file_cannot_have_while_it_is_written_is_refused_before_any_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mensa_sim.workload.graph.LayerGraph.__init__", None)
    code, _, err = outcome(f"families tiny.yaml --report {'x' * 252}", monkeypatch)
    assert (code, err) == (2, f"mensa-sim: {'x' * 252}: cannot be written: File name too long; choose another\n")


def test_a_folder_of_others_is_refused_before_any_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    code, _, err = outcome("reproduce --jobs 1 -q --output out", monkeypatch)
    assert (code, err) == (2, "mensa-sim: out: cannot be written: Permission denied; choose another with --output\n")


@pytest.mark.parametrize("name", ["x" * 300, "d/" + "x" * 300, "a\udcffb", "y" * 5000])
@pytest.mark.parametrize(
    "command",
    [
        *("run {name}", "run {name}.yaml", "run tiny.yaml --system {name}", "run tiny.yaml --schedule {name}"),
        *("run tiny.yaml --families {name}", "run tiny.yaml --pin {name}=pascal", "run tiny.yaml --set {name}=1"),
        *("trace {name}", "explain tiny.yaml --layer {name}", "compare tiny.yaml --systems {name}", "check {name}"),
        *("convert {name}", "convert {name}.cfg", "convert products.csv {name}.csv"),
        *("validate --reference {name}", "validate --data {name}", "diff {name} tiny.yaml", "diff tiny.yaml {name}"),
        *("reproduce --models {name}", "sensitivity --models {name}", "explore {name}", "show systems {name}"),
        *("calibrate x {name}", "calibrate {name} big.csv", "measure {name}", IMPORT.format(number=1, path="o.csv")),
    ],
)
def test_a_name_that_nothing_has_is_one_line(
    command: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = outcome(command.format(name=name), monkeypatch)
    assert code == 2
    assert err.startswith("mensa-sim: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        "run tiny.yaml --set x=" + "[" * 3000,
        "run tiny.yaml --set memories=" + '{"a":' * 500 + "1" + "}" * 500,
        "run tiny.yaml --set " + "a." * 5000 + "a=1",
        "run tiny.yaml --deadline-ms 1e999",
        "run tiny.yaml --deadline-ms nan",
        "run tiny.yaml --deadline-ms 1e308",
        f"measure tiny.yaml --threads {10**400}",
        f"families tiny.yaml --count {10**400}",
        IMPORT.format(number=10**400, path="o.csv"),
    ],
)
def test_a_setting_beyond_all_bounds_is_one_line(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = outcome(command, monkeypatch)
    assert code == 2
    assert err.startswith("mensa-sim: ")
    assert len(err.splitlines()) == 1
