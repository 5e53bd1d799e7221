"""The commands about measured devices, as a user meets them."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mensa_sim.cli import main as cli
from mensa_sim.cost.measured.file import read_timing_table
from mensa_sim.cost.measured.table import Kernel, Timing
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io.alone import alone_on
from mensa_sim.measurement import conditions
from mensa_sim.measurement import measure as measuring
from mensa_sim.measurement.stopwatch import Limits


@pytest.fixture(autouse=True)
def _small_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_COPY_BYTES", 2**20)
    monkeypatch.setattr(conditions, "_PRODUCT_SIZE", {"cpu": 64, "cuda": 64})
    monkeypatch.setattr(conditions, "_PROBE", Limits(relative_error=0.5, budget_s=0.01, warm_up_s=0.0))
    monkeypatch.setattr(measuring, "_MAX_ROTATE_BYTES", 2**16)


def timed(kernel: Kernel) -> Timing:
    return Timing(kernel=kernel, median_us=1.0, iqr_us=0.0, repetitions=7, relative_error=0.0)


def call(*arguments: str) -> str:
    done = CliRunner().invoke(cli.app, list(arguments))
    if isinstance(done.exception, MensaError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_measure_writes_a_table_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    options = ("--threads", "1", "--budget-s", "0.01", "--relative-error", "0.5", "--output", str(table))
    assert "kernels measured" in call("measure", "mnist_cnn", *options)
    kernels = len(read_timing_table(table).timings)
    assert kernels > 3
    assert call("measure", "mnist_cnn", *options).startswith(f"0 kernels measured, {kernels} in")
    header = read_timing_table(table).conditions
    assert header.command == "mensa-sim measure mnist_cnn --threads 1"
    assert "CPU time" in header.method


@pytest.mark.parametrize(
    ("new_tokens", "contexts"),
    [(11, {(5, 5), (1, 6), (1, 9), (1, 15)}), (2, {(5, 5), (1, 6)}), (1, {(5, 5)})],
)
def test_of_a_language_model_the_kernels_of_its_prompt_and_of_up_to_three_steps_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_tokens: int, contexts: set[tuple[int, int]]
) -> None:
    sizes = "layers: 1, hidden: 8, intermediate: 8, heads: 1, kv_heads: 1, head_dim: 8, vocab: 16"
    model = "mensa_sim.workload.models.decoder:Decoder"
    (tmp_path / "small.yaml").write_text(
        f"name: small\nmodel: {model}\narguments: {{{sizes}}}\n"
        f"generate: {{prompt_tokens: 5, new_tokens: {new_tokens}}}\n"
    )
    asked: list[Kernel] = []
    monkeypatch.setattr(measuring, "_time_one", lambda kernel, *_: asked.append(kernel) or timed(kernel))
    call("measure", str(tmp_path / "small.yaml"), "--output", str(tmp_path / "t.csv"))
    nests = [kernel.nest for kernel in asked if kernel.operator == "matmul"]
    scores = {(rows, 8) for rows, _ in contexts}
    assert {(nest.OX, nest.C) for nest in nests if nest} == scores | contexts


def test_of_a_model_with_a_draft_the_kernels_of_both_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = "mensa_sim.workload.models.decoder:Decoder"
    rest = "layers: 1, heads: 1, kv_heads: 1, head_dim: 8, vocab: 16"
    for name, width, more in (
        ("large", 24, ", speculation: {draft: small.yaml, tokens: 2, acceptance: 0.5}"),
        ("small", 16, ""),
    ):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nmodel: {model}\narguments: {{{rest}, hidden: {width}, intermediate: {width}}}\n"
            f"generate: {{prompt_tokens: 5, new_tokens: 4{more}}}\n"
        )
    asked: list[Kernel] = []
    monkeypatch.setattr(measuring, "_time_one", lambda kernel, *_: asked.append(kernel) or timed(kernel))
    call("measure", str(tmp_path / "large.yaml"), "--output", str(tmp_path / "t.csv"))
    gates = {(kernel.nest.OX, kernel.nest.C) for kernel in asked if kernel.nest and kernel.nest.K == kernel.nest.C}
    assert {(5, 24), (3, 24), (5, 16), (1, 16)} <= gates


def test_two_processes_never_write_one_table_at_once_and_a_killed_one_keeps_nobody_out(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    program = (
        "import sys\nfrom pathlib import Path\nfrom mensa_sim.io.alone import alone_on\n"
        "with alone_on(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(table)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=r"t\.csv: another process is at work on it"):
            call("measure", "mnist_cnn", "--output", str(table))
        with alone_on(tmp_path / "other.csv"):
            pass
        process.kill()
    with alone_on(table):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [("--device", "cuda:9"), ("--budget-s", "0"), ("--dtype", "float9")])
def test_measure_refuses_what_it_cannot_do(tmp_path: Path, options: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        call("measure", "mnist_cnn", "--output", str(tmp_path / "t.csv"), *options)


def test_import_timings_makes_a_table_that_calibrate_can_fit(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.csv"
    rows = [f"{10 + 0.01 * size},{size},{2 * size}" for size in range(1000, 21000, 1000)]
    theirs.write_text("\n".join(["time,n,m", *rows]) + "\n")
    table, fit = tmp_path / "t.csv", tmp_path / "fit.yaml"
    figures = ("--processors", "4", "--cache-bytes", "100", "--bytes-per-s", "1e9", "--peak-macs-per-s", "1e9")
    names = ("--operator", "relu", "--device-name", "theirs", "--source", "them", "--output", str(table))
    columns = ("--columns", "input_elements=n,output_elements=n,vector_ops=n", "--columns", "median_us=time")
    assert call("import-timings", str(theirs), *columns, *names, *figures).startswith("20 kernels in")
    assert "relu" in call("calibrate", "theirs", str(table), "--output", str(fit))
    assert "error_percent" in fit.read_text()
    with pytest.raises(UsageError, match="there already; add to it with --append"):
        call("import-timings", str(theirs), *columns, *names, *figures)
    with pytest.raises(UsageError, match=r"has relu \(1000 in, .*already"):
        call("import-timings", str(theirs), *columns, *names, *figures, "--append")
    other_device = tuple("others" if text == "theirs" else text for text in names)
    with pytest.raises(UsageError, match=r"has device 'theirs', .* 'others'"):
        call("import-timings", str(theirs), *columns, *other_device, *figures, "--append")
    adds = tuple("add" if text == "relu" else text for text in names)
    assert call("import-timings", str(theirs), *columns, *adds, *figures, "--append").startswith("40 kernels in")
    both = call("calibrate", "theirs", str(table))
    assert both.startswith("theirs: fitted to 40 kernels;")
    assert "broadcast" in both
    with pytest.raises(UsageError, match="must be NAME=VALUE"):
        call("import-timings", str(theirs), "--columns", "n", *names, *figures)
