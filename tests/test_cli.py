"""The command line as a user meets it: five files, the same bytes twice, no torch from the cache, errors in a line."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from in_this_process import mensa_sim
from killed import ROOT, ended

from mensa_sim.api import files as api_files
from mensa_sim.study.check.check import RECORDS

FILES = {"summary.json", "layers.csv", "schedule.yaml", "report.html", "timeline.json"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def printed(home: Path, *command: str) -> str:
    """What a command prints in a process of its own."""
    code, out, err = ended(*command, cwd=home, COLUMNS="80")
    assert code == 0, err
    return out


@pytest.fixture(scope="module")
def first_run(home: Path) -> str:
    return printed(home, "-m", "mensa_sim", "run", "lstm")


def read_summary(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary


def test_a_run_prints_the_table_and_writes_the_five_files(home: Path, first_run: str) -> None:
    assert "lstm.l0.i.hidden" in first_run
    assert "edge_tpu (baseline)" in first_run
    assert {entry.name for entry in (home / "results" / "lstm-mensa_g").iterdir()} == FILES


def test_tables_fit_80_columns(first_run: str) -> None:
    assert max(len(line) for line in first_run.splitlines() if "results in" not in line) <= 80


@pytest.mark.usefixtures("first_run")
def test_a_second_run_gives_the_same_bytes(home: Path) -> None:
    printed(home, "-m", "mensa_sim", "run", "lstm", "--output", "again")
    for name in FILES:
        assert (home / "again" / name).read_bytes() == (home / "results" / "lstm-mensa_g" / name).read_bytes()


@pytest.mark.usefixtures("first_run")
def test_a_run_from_the_cached_graph_imports_only_what_it_needs(home: Path) -> None:
    modules = imported_by(home, "run", "lstm", "--quiet", "--output", "from_cache")
    assert not {"torch", "scipy", "networkx", "pandas", "sympy", "optuna", "distributed"} & modules
    assert len(modules) < 825


def test_help_imports_none_of_the_heavy_libraries(home: Path) -> None:
    modules = imported_by(home, "--help")
    assert not {"torch", "numpy", "plotly", "scipy", "simpy", "networkx", "pydantic_core.core_schema"} & modules
    assert len(modules) < 400


def imported_by(home: Path, *arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    script = (
        "import sys\nfrom mensa_sim.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print('imported', *sys.modules)\n"
    )
    *_, last = printed(home, "-c", script, *arguments).splitlines()
    told, *modules = last.split(" ")
    assert told == "imported"
    return set(modules)


@pytest.mark.usefixtures("first_run")
def test_the_lstm_has_the_macs_and_parameters_of_the_closed_formulae(home: Path) -> None:
    summary = read_summary(home / "results" / "lstm-mensa_g")
    steps, hidden, inputs = 64, 1024, 1024
    assert summary["macs"] == 2 * 4 * steps * hidden * (inputs + hidden)
    assert summary["parameter_bytes"] == 2 * 4 * hidden * (inputs + hidden + 2)


def test_the_edge_tpu_is_under_two_percent_busy_on_hidden_gates_that_run_step_by_step(home: Path) -> None:
    mensa_sim(home, "run", "lstm", "--system", "edge_tpu", "--output", "edge_tpu")
    with (home / "edge_tpu" / "layers.csv").open() as stream:
        hidden = [row for row in csv.DictReader(stream) if row["operator"] == "hidden_gate"]
    assert len(hidden) == 8
    for row in hidden:
        assert row["steps"] == "64"
        assert int(row["cycles"]) % 64 == 0
        assert 0 < float(row["utilization"]) < 0.02
        assert float(row["mapping_floor"]) > 0
        assert 0 <= float(row["mapping_gap_percent"]) < 100


def test_json_prints_the_summary_and_nothing_else(home: Path) -> None:
    done = mensa_sim(home, "run", "small_cnn", "--json", "--output", "json")
    assert json.loads(done.stdout) == read_summary(home / "json")
    assert not done.stderr


def test_quiet_prints_nothing(home: Path) -> None:
    done = mensa_sim(home, "run", "small_cnn", "--quiet", "--output", "quiet")
    assert not done.stdout
    assert not done.stderr


def test_a_field_of_the_system_can_be_set(home: Path) -> None:
    run = ("run", "small_cnn", "--scheduler", "single:pascal")
    mensa_sim(home, *run, "--output", "plain")
    mensa_sim(home, *run, "--output", "slow", "--set", "accelerators.pascal.clock_hz=1000000")
    assert read_summary(home / "slow")["latency_ps"] > read_summary(home / "plain")["latency_ps"]


def test_a_small_cnn_has_convolution_linear_and_elementwise_layers_all_the_way(home: Path) -> None:
    mensa_sim(home, "run", "small_cnn", "--output", "cnn")
    with (home / "cnn" / "layers.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {"conv2d", "linear", "add"} <= {row["operator"] for row in rows}
    assert all(int(row["end_ps"]) > int(row["start_ps"]) for row in rows)
    assert all(float(row["energy_pj"]) > 0 for row in rows)


FAULTY = """\
name: bad
name: worse
model: mensa_sim.workload.models.recurrent:StackedLSTM
parameter_bits: -8
activation_bits: 1e9
inputs: [{shape: [1, .nan, 1024], dtype: float32}]
colour: blue
"""


def test_every_fault_of_a_bad_file_is_told_at_once_with_exit_code_2(home: Path) -> None:
    (home / "bad.yaml").write_text(FAULTY)
    done = mensa_sim(home, "run", "bad.yaml", check=False)
    assert done.returncode == 2
    for word in ("name", "parameter_bits", "activation_bits", "inputs[0].shape[1]", "colour"):
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("run", "lstmm"), "did you mean 'lstm'"),
        (("run", "lstm", "--system", "mensa_h"), "mensa_g"),
        (("run", "lstm", "--scheduler", "mensaa"), "did you mean 'mensa'"),
        (("run", "lstm", "--scheduler", "single:tpu"), "pascal"),
        (("run", "lstm", "--objective", "speed"), "edp, energy, latency"),
        (("run", "lstm", "--baseline", "nothing"), "edge_tpu"),
        (("run", "lstm", "--set", "accelerators.pascal.clok_hz=1"), "clock_hz"),
        (("run", "lstm", "--set", "accelerators.pascal.clock_hz=-1"), "clock_hz"),
        (("run", "nowhere/lstm.yaml"), "no such file"),
        (("list", "engines"), "workloads"),
        (("show", "workloads", "lstmm"), "did you mean 'lstm'"),
        (("schema", "engine"), "workload"),
        (("check", "nowhere.yaml"), "nowhere.yaml"),
        (("run",), "workload"),
        (("run", "lstm", "--sistem", "mensa_g"), "--system"),
    ],
)
@pytest.mark.usefixtures("first_run")
def test_a_mistake_is_answered_with_a_hint_and_exit_code_2(home: Path, arguments: tuple[str, ...], hint: str) -> None:
    done = mensa_sim(home, *arguments, check=False)
    assert done.returncode == 2
    assert hint in done.stderr


@pytest.mark.usefixtures("first_run")
def test_a_folder_with_the_files_of_others_is_refused_and_left_alone(home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("years of work")
    done = mensa_sim(home, "run", "lstm", "--output", "mine", check=False)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert [entry.name for entry in (home / "mine").iterdir()] == ["thesis.txt"]
    mensa_sim(home, "run", "lstm", "--output", "mine", "--force")
    assert {entry.name for entry in (home / "mine").iterdir()} == FILES | {"thesis.txt"}


def test_trace_shows_layers_as_table_csv_and_json(home: Path) -> None:
    table = mensa_sim(home, "trace", "small_cnn").stdout
    record = json.loads(mensa_sim(home, "trace", "small_cnn", "--json").stdout)
    rows = list(csv.DictReader(mensa_sim(home, "trace", "small_cnn", "--csv").stdout.splitlines()))
    assert [row["name"] for row in rows] == [layer["name"] for layer in record["layers"]]
    assert sum(int(row["macs"]) for row in rows) == record["macs"]
    assert rows[0]["name"] in table
    assert record["coverage"]["unsupported"] == 0


@pytest.mark.parametrize("kind", ["workloads", "scenarios", "systems", "accelerators", "technologies", "spaces"])
def test_whatever_is_listed_can_be_shown_and_checked(home: Path, kind: str) -> None:
    entries = json.loads(mensa_sim(home, "list", kind, "--json").stdout)
    assert entries
    paths = [ROOT / entry["path"] for entry in entries]
    assert all(path.is_file() for path in paths)
    (home / kind).mkdir()
    for entry, path in zip(entries, paths, strict=True):
        copy = home / kind / path.name
        copy.write_text(api_files.show(kind, entry["name"]))
        assert len(copy.read_text().splitlines()) == len(path.read_text().splitlines())
    copies = sorted((home / kind).iterdir())
    assert mensa_sim(home, "show", kind, copies[0].stem).stdout == copies[0].read_text()
    mensa_sim(home, "check", *map(str, copies))


def test_every_file_of_a_checkout_is_good() -> None:
    files = sorted([*(ROOT / "workloads").rglob("*.yaml"), *(ROOT / "accelerator_specs").rglob("*.yaml")])
    assert len(files) > 50
    assert api_files.check(files) == []


@pytest.mark.parametrize("kind", RECORDS)
def test_a_schema_is_json_schema(home: Path, kind: str) -> None:
    assert "properties" in mensa_sim(home, "schema", kind).stdout


SCENARIO = """\
name: two_at_once
duration_s: 0.01
streams:
  - {name: eyes, workload: small_cnn, arrivals: {kind: periodic, fps: 1000}, deadline_ms: 1}
  - {name: ears, workload: small_cnn, arrivals: {kind: poisson, rate_per_s: 500}}
"""


def test_a_scenario_runs_like_a_workload_and_gives_the_same_bytes_for_the_same_seed(home: Path) -> None:
    (home / "two.yaml").write_text(SCENARIO)
    for folder in ("first", "second"):
        mensa_sim(home, "run", "two.yaml", "--output", folder, "--quiet")
    names = {entry.name for entry in (home / "first").iterdir()}
    assert names == {"summary.json", "streams.csv", "report.html", "timeline.json"}
    for name in names:
        assert (home / "first" / name).read_bytes() == (home / "second" / name).read_bytes()
    streams = read_summary(home / "first")["streams"]
    assert streams["eyes"]["requests"] == 10
    assert streams["eyes"]["p50_ps"] > 0
    mensa_sim(home, "check", "two.yaml")


@pytest.mark.parametrize("option", [("--plain",), ("--deadline-ms", "0")])
def test_options_of_one_workload_are_refused_for_a_scenario(option: tuple[str, ...], home: Path) -> None:
    done = mensa_sim(home, "run", "camera_phone", *option, check=False)
    assert done.returncode == 2
    assert option[0] in done.stderr


@pytest.mark.parametrize("command", [("run", "no_such"), ("compare", "no_such", "--systems", "edge_tpu,mensa_g")])
def test_a_folder_of_others_is_refused_before_any_work(command: tuple[str, ...], home: Path) -> None:
    (home / "theirs").mkdir(exist_ok=True)
    (home / "theirs" / "thesis.tex").write_text("mine")
    done = mensa_sim(home, *command, "--output", "theirs", check=False)
    assert done.returncode == 2
    assert "thesis.tex" in done.stderr


def test_two_forms_of_a_trace_at_once_are_refused(home: Path) -> None:
    done = mensa_sim(home, "trace", "small_cnn", "--json", "--csv", check=False)
    assert done.returncode == 2
    assert "--csv" in done.stderr


def test_a_schedule_written_is_read_back_edited_and_checked(home: Path) -> None:
    mensa_sim(home, "run", "small_cnn", "--scheduler", "single:pascal", "--output", "by_pascal")
    written = home / "by_pascal" / "schedule.yaml"
    mensa_sim(home, "run", "small_cnn", "--schedule", str(written), "--output", "read_back")
    before, after = (read_summary(home / folder)["latency_ps"] for folder in ("by_pascal", "read_back"))
    assert before == after
    edited = home / "edited.yaml"
    edited.write_text(written.read_text().replace("accelerator: pascal", "accelerator: pascl", 1))
    done = mensa_sim(home, "run", "small_cnn", "--schedule", "edited.yaml", check=False)
    assert done.returncode == 2
    assert "pascl" in done.stderr


def test_a_pinned_layer_stays_where_it_was_pinned(home: Path) -> None:
    mensa_sim(home, "run", "small_cnn", "--pin", "head.linear=pavlov", "--output", "pinned")
    layers = read_summary(home / "pinned")["layers"]
    assert [layer["accelerator"] for layer in layers if layer["name"] == "head.linear"] == ["pavlov"]


def test_explain_names_the_runner_up_and_what_it_would_need(home: Path) -> None:
    found = json.loads(mensa_sim(home, "explain", "small_cnn", "--layer", "head.linear", "--json").stdout)
    assert [place["accelerator"] for place in found["places"]] == ["pascal", "pavlov", "jacquard"]
    assert found["runner_up"] in {"pascal", "pavlov", "jacquard"} - {found["accelerator"]}
    assert found["to_change"]
    assert "runner-up" in mensa_sim(home, "explain", "small_cnn", "--layer", "head.linear").stdout
    mensa_sim(home, "explain", "small_cnn")


def test_families_saved_are_read_back(home: Path) -> None:
    mensa_sim(home, "families", "small_cnn", "cifar_cnn", "mnist_cnn", "--count", "2", "--save", "families.yaml")
    mensa_sim(home, "run", "small_cnn", "--families", "families.yaml", "--output", "own_families")
    with (home / "own_families" / "layers.csv").open() as stream:
        assert {row["family"] for row in csv.DictReader(stream)} <= {"1", "2", ""}


def test_a_heuristic_stands_beside_the_proven_bound(home: Path) -> None:
    mensa_sim(home, "run", "small_cnn", "--scheduler", "optimal", "--output", "best")
    mensa_sim(home, "run", "small_cnn", "--scheduler", "greedy", "--output", "greedy")
    best, greedy = (read_summary(home / folder)["optimality"] for folder in ("best", "greedy"))
    assert best["gap"] == 0
    assert greedy["bound"] == pytest.approx(best["value"])
    assert greedy["value"] >= best["value"]


def test_branches_may_overlap_in_the_prediction_and_the_bound_says_so(home: Path) -> None:
    for name, flags in (("serial", ("--flow", "layers")), ("parallel", ("--parallel",))):
        run = ("run", "small_cnn", "--scheduler", "optimal", "--objective", "latency", *flags)
        mensa_sim(home, *run, "--output", name)
    serial, parallel = (read_summary(home / name)["optimality"] for name in ("serial", "parallel"))
    assert parallel["bound"] <= parallel["value"] <= serial["value"]
