"""The command line on terminals and in pipes: widths, colours, steps, encodings, Ctrl-C, a reader that leaves."""

import collections
import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

import onnx
import pytest
import typer
from killed import ENTRIES, HANGS_S, around, broken_off
from typer.testing import CliRunner, Result

from mensa_sim.cli.main import app, main
from mensa_sim.errors import MensaError

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
LONG = "a_layer_with_a_name_longer_than_any_column_of_a_table_could_ever_hold"
TINY = f"""\
name: tiny
layers:
  - {{name: {LONG}, operator: linear, dims: {{K: 16, C: 8}}}}
  - {{name: b, operator: linear, dims: {{K: 4, C: 16}}, inputs: [{LONG}]}}
"""
SCENARIO = """\
name: two
duration_s: 0.0001
streams: [{name: a_stream_with_a_rather_long_name, workload: ./tiny.yaml, arrivals: {kind: periodic, fps: 50000}}]
"""
SPACE = """\
name: four
system: mensa_g
workloads: [./tiny.yaml]
parameters: {accelerators.pascal.clock_hz: {values: [1000000000, 1500000000, 2000000000, 2500000000]}}
objectives: [{metric: energy_pj}, {metric: latency_ps}]
sampler: {name: grid}
"""
TABLES = (
    *("run tiny.yaml", "run two.yaml", "run tiny.yaml --system base_hb --baseline coral_dev_board_micro"),
    *("trace tiny.yaml", "explain tiny.yaml", "explain tiny.yaml --layer b"),
    "families tiny.yaml more.yaml --count 2",
    *("compare tiny.yaml --systems edge_tpu,base_hb,mensa_g,eyeriss_v2", "diff before after", "list"),
)
NAME_LAYERS = ("run tiny.yaml", "run tiny.yaml --system base_hb --baseline coral_dev_board_micro", "trace tiny.yaml")
"""Those whose tables have layers by name."""
MANY = "compare two_layers.yaml --systems edge_tpu,base_hb,mensa_g,eyeriss_v2,coral_usb3,coral_dev_board_micro"
"""More systems than 80 columns have room for."""
ERASE = "\x1b[2K"
ESCAPE = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "two.yaml").write_text(SCENARIO)
    (tmp_path / "two_layers.yaml").write_text(TINY.replace(LONG, "a"))
    (tmp_path / "more.yaml").write_text(TINY.replace("K: 4", "K: 4000"))
    return tmp_path


def called(command: str, **environment: str) -> Result:
    return CliRunner().invoke(app, command.split(), env={"COLUMNS": "80", **environment})


def started(arguments: str, folder: Path, stdout: object) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    words = [sys.executable, "-m", "mensa_sim", *arguments.split()]
    errors = subprocess.PIPE
    return subprocess.Popen(words, cwd=folder, env=around(COLUMNS="80"), text=True, stdout=stdout, stderr=errors)  # type: ignore[call-overload, no-any-return]


def on_streams(command: str, stdout: TextIO, stderr: TextIO, **environment: str) -> None:
    """A command that ends well in this process, which has imported what it needs, with such outputs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"COLUMNS": "80", **environment}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["mensa-sim", *command.split()])
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_fits_80_columns_and_the_options_of_all(command: str) -> None:
    short, long = called(f"{command} -h"), called(f"{command} --help")
    assert short.exit_code == long.exit_code == 0
    assert short.output == long.output
    assert max(map(len, short.output.splitlines())) <= 80
    assert {"--verbose", "-v"} <= set(short.output.split())
    writes = {"measure", "measure-models", "import-timings", "device", "show", "schema"}
    assert ("--json" in short.output) == (command not in writes)


@pytest.mark.parametrize("command", TABLES)
def test_in_a_pipe_every_row_is_a_line_with_whole_names_whatever_terminal_is_around(command: str, folder: Path) -> None:
    if command.startswith("diff"):
        called("run tiny.yaml -q --output before")
        called("run tiny.yaml -q --output after --system edge_tpu")
    wide, narrow = called(command), called(command, COLUMNS="40")
    assert wide.exit_code == 0, wide.output
    assert narrow.stdout == wide.stdout
    assert "\x1b" not in wide.stdout
    assert "…" not in wide.stdout
    assert not wide.stderr
    if command in NAME_LAYERS:
        assert LONG in wide.stdout
    elif command not in ("run two.yaml", "diff before after"):  # streams and values of long names
        assert widest(wide.stdout) <= 80


def test_a_terminal_of_80_columns_cuts_no_figure_and_a_wide_one_has_whole_names(folder: Path) -> None:
    commands = [*NAME_LAYERS, "run two.yaml", MANY]
    for command in commands:
        of_wide, of_narrow = (plain(on_a_terminal(command, COLUMNS=str(columns))) for columns in (200, 80))
        assert widest(of_narrow) <= 80
        assert widest(of_wide) <= 200
        assert "…" not in of_narrow
        assert figures(of_narrow) == figures(of_wide)
        assert len(figures(of_wide)) > 5
        assert (LONG in of_wide) == (command in NAME_LAYERS)


def widest(text: str) -> int:
    """Of the lines but for that of the folder, which is as long as its name."""
    return max(len(line) for line in text.splitlines() if not line.startswith("results in"))


def plain(text: str) -> str:
    """What stays on a terminal: without colours and without lines that were taken back."""
    return ESCAPE.sub("", "\n".join(line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").splitlines()))


def figures(text: str) -> collections.Counter[str]:
    """Every figure with its unit."""
    units = "s|B|J|Js|%|inf/s|MAC/s|GMAC/s|x|mm²|W"
    return collections.Counter(re.findall(rf"[\d.]+ ?[GMkmµnp]?(?:{units})(?=\s|$)", text))


def test_verbose_tells_the_steps_on_standard_error_and_changes_nothing_else(folder: Path) -> None:
    plain, told = called("run tiny.yaml"), called("run tiny.yaml -v")
    assert told.stdout == plain.stdout
    assert not plain.stderr
    steps = told.stderr.splitlines()
    assert [line for line in steps if "pricing 2 layers on mensa_g" in line]
    assert all(re.match(r"\[ *\d+\.\d\d s\] ", line) for line in steps)


def on_a_terminal(command: str, **environment: str) -> str:
    """What a terminal gets of a command."""
    shown, terminal = pty.openpty()
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(_everything, shown)
        with open(terminal, "w", encoding="utf-8") as both:
            on_streams(command, both, both, **{"TERM": "xterm", **environment})
        return reading.result(HANGS_S).decode()


def _everything(shown: int) -> bytes:
    """What a terminal gets until nobody writes to it any more, which it tells as an error."""
    parts = []
    with open(shown, "rb", buffering=0) as reader, contextlib.suppress(OSError):
        while part := reader.read(4096):
            parts.append(part)
    return b"".join(parts)


def test_a_terminal_sees_the_present_step_which_leaves_nothing_behind(folder: Path) -> None:
    shown, of_json = map(on_a_terminal, ("run tiny.yaml", "run tiny.yaml --json"))
    assert "tiny: simulating on mensa_g" in shown
    last_step = shown.rindex("tiny: simulating on edge_tpu")
    left = ESCAPE.sub(lambda code: code[0] if code[0] == ERASE else "", shown[last_step:]).partition(ERASE)
    assert left[0].split() == ["tiny:", "simulating", "on", "edge_tpu"]
    assert "results in" in left[2]
    assert "simulating" not in of_json


def test_a_terminal_that_cannot_take_a_line_back_sees_counts_on_lines_and_results(folder: Path) -> None:
    (folder / "space.yaml").write_text(SPACE)
    for command in ("run tiny.yaml", "explore space.yaml --jobs 1"):
        shown = on_a_terminal(command, TERM="dumb")
        assert "\x1b" not in shown
        assert "simulating" not in shown
        assert not shown.startswith("\r\n")
        counts = [line for line in shown.splitlines() if line.startswith("designs run: ")]
        assert bool(counts) == command.startswith("explore")
        assert "results in" in shown


def test_a_terminal_sees_how_much_is_done_and_nothing_of_it_is_left(folder: Path) -> None:
    (folder / "space.yaml").write_text(SPACE)
    shown = on_a_terminal("explore space.yaml --jobs 1")
    quiet = on_a_terminal("explore space.yaml --jobs 1 --quiet --force")
    counts = [int(count) for count in re.findall(r"designs run: (\d+)", shown)]
    assert counts == sorted(counts)
    assert set(counts) == set(range(5))
    assert ERASE in shown[shown.rindex("designs run:") :]
    assert "designs run:" not in quiet


def test_no_color_is_heeded(folder: Path) -> None:
    coloured, plain = (on_a_terminal("list systems", **env) for env in ({}, {"NO_COLOR": "1"}))
    assert "The Coral Dev Board" in plain
    colours = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    assert not colours.search(plain)
    assert ESCAPE.sub("", plain) == ESCAPE.sub("", coloured)


def test_a_list_is_names_alone_in_a_pipe_and_says_what_they_are_in_json(folder: Path) -> None:
    names = called("list models").stdout.split()
    entries = json.loads(called("list models --json").stdout)
    assert names == [entry["name"] for entry in entries]
    assert len(names) == 24
    assert {entry["kind"] for entry in entries} == {"cnn", "lstm", "transducer", "rcnn"}
    everything = json.loads(called("list --json").stdout)
    assert {"workloads", "systems", "schedulers", "models", "accelerators", "spaces", "scenarios"} <= set(everything)
    assert all(entry["about"] for entry in (*everything["systems"], *everything["schedulers"]))


def test_check_tells_scripts_the_faults_of_each_file(folder: Path) -> None:
    (folder / "bad.yaml").write_text("name: x\nlayers: 3\n")
    found = called("check tiny.yaml bad.yaml --json")
    assert isinstance(found.exception, MensaError)
    (good, bad) = json.loads(found.stdout)
    assert good == {"file": "tiny.yaml", "faults": []}
    assert "layers" in bad["faults"][0]
    assert not called("check tiny.yaml --quiet").output


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_of_the_terminal_will_do(encoding: str, folder: Path) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    on_streams("run tiny.yaml", out, err)
    for each in (out, err):
        each.seek(0)
    assert re.search(r"\d (ns|us|µs)\b", out.read())
    assert not err.read()


def test_a_reader_that_leaves_early_is_no_error_to_tell_of(folder: Path) -> None:
    for arguments in ("list workloads", "--help"):
        reader, writer = os.pipe()
        os.close(reader)
        process = started(arguments, folder, writer)
        os.close(writer)
        assert not process.communicate(timeout=HANGS_S)[1], arguments
        assert process.returncode in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is full")
@pytest.mark.parametrize("arguments", ["--help", "trace tiny.yaml --csv"])
def test_an_output_that_takes_no_more_is_told_in_a_line(arguments: str, folder: Path) -> None:
    with open("/dev/full", "w") as full:
        process = started(arguments, folder, full)
        _, err = process.communicate(timeout=HANGS_S)
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert err.startswith("mensa-sim: standard output: cannot be written: ")


def test_closed_outputs_are_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m mensa_sim trace tiny.yaml --csv >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=folder, env=around(), check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (
            "reproduce --models keyboard_cifg,lstm --jobs 2",
            "from mensa_sim.io import workers as w; w.Processes.wait = interrupt",
        ),
        ("run relu.onnx", ENTRIES.format(count=1, where="", end="interrupt")),
    ],
    ids=["while its workers begin", "while it keeps a graph"],
)
def test_ctrl_c_ends_at_once_with_130_and_without_a_traceback(arguments: str, changes: str, folder: Path) -> None:
    ends = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 8]) for name in "xy")
    x, y = ([each] for each in ends)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "relu", x, y)
    onnx.save(onnx.helper.make_model(graph), folder / "relu.onnx")
    code, err = broken_off(changes, *arguments.split(), cwd=folder, MENSA_SIM_CACHE=str(folder / "cache"))
    assert code in (130, -signal.SIGINT)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("mensa-sim run mobilenet_v1_", "mobilenet_v1_025_128"),
        ("mensa-sim run lstm --system base", "base_hb"),
        ("mensa-sim run lstm --scheduler opt", "optimal"),
        ("mensa-sim run lstm --objective lat", "latency"),
        ("mensa-sim explore near", "near_data"),
        ("mensa-sim list mod", "models"),
        ("mensa-sim sens", "sensitivity"),
    ],
)
def test_the_shell_completes_names_of_what_ships(words: str, completed: str, folder: Path) -> None:
    given = {"_MENSA_SIM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = CliRunner().invoke(app, [], env=given, prog_name="mensa-sim")
    assert completed in done.stdout.split()


def test_the_completion_of_a_shell_can_be_shown(folder: Path) -> None:
    """The shell is found by its process: an own one here, for a suite in the background may have none above it."""
    command = f"{sys.executable} -m mensa_sim --show-completion; exit $?"
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=around(), capture_output=True, text=True)
    assert "_MENSA_SIM_COMPLETE=complete_bash" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("run LSTM", "did you mean 'lstm'"),
        ("run lstm --system Mensa-G", "did you mean 'mensa_g'"),
        ("run tiny.yaml --pin bb=pascal", "did you mean 'b'"),
        ("run tiny.yaml --pin b=paskal", "did you mean 'pascal'"),
        ("run tiny.yaml --option mac_rati=3", "did you mean 'mac_ratio'"),
        ("run tiny.yaml --scheduler optimum", "did you mean 'optimal'"),
        ("run tiny.yaml --objective energie", "did you mean 'energy'"),
        ("run tiny.yaml --set memories.staked.efficiency=0.5", "did you mean 'stacked'"),
        ("run tiny.yaml --set accelerators.pavlo.clock_hz=1", "did you mean 'pavlov'"),
        ("run tiny.yaml --set accelerators.pavlov.clock=1", "did you mean clock_hz"),
        ("run tiny.yaml --set technology.mac_pj=1", "did you mean mac_pj_8_bit"),
        ("explain tiny.yaml --layer bb", "did you mean 'b'"),
        ("reproduce --models lstmm", "did you mean 'lstm'"),
        ("list model", "did you mean 'models'"),
        ("show workload lstm", "did you mean 'workloads'"),
        ("schema workloads", "did you mean 'workload'"),
        ("explore mensag", "did you mean 'mensa_g'"),
    ],
)
def test_a_misspelled_name_is_answered_with_the_nearest_one(arguments: str, hint: str, folder: Path) -> None:
    error = called(arguments).exception
    assert isinstance(error, MensaError)
    assert error.exit_code == 2
    assert hint in str(error)


def test_who_takes_a_scenario_for_a_workload_is_told_that_it_is_one(folder: Path) -> None:
    Path("own.yaml").write_text(called("show scenarios ar_headset").output)
    assert str(called("trace own.yaml").exception) == "own.yaml: is a scenario of several workloads: name one of them"


def test_a_workload_whose_layers_would_count_twice_in_families_is_refused(folder: Path) -> None:
    assert str(called("families lstm,small_cnn,lstm").exception) == "workloads: lstm stands there twice"


@pytest.mark.parametrize("option", ["prompt", "new"])
def test_no_length_of_an_answer_is_taken_for_a_scenario_and_left_out(option: str) -> None:
    refused = f"--{option}-tokens is for one workload; a stream has its own in the scenario's file: conversation"
    assert str(called(f"run ar_headset --{option}-tokens 4").exception) == refused


def test_who_explains_a_scenario_is_told_the_commands_that_take_one(folder: Path) -> None:
    said = str(called("explain ar_headset").exception)
    assert said.startswith(
        "ar_headset is a scenario of several workloads: only `mensa-sim run` and `mensa-sim compare` "
    )
