"""The same bytes from every command, whatever is around it: hash seed, processes, folder, locale, time zone, cache."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pytest
import typer

from mensa_sim.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
REGISTERED: Mapping[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
MEASURED = {"measure", "measure-models"}
"""They write how long kernels took on this machine, and when."""
OF_MINUTES = {"reproduce", "sensitivity", "decide", "import-timings", "calibrate"}
"""They run models many times over, or fit a table again and again."""
UNDER_WAY = {"explore/study.db"}
"""No result, but what an exploration goes on with: designs in the order in which they ended."""

COMMANDS: Mapping[str, str] = {
    "run": "run tiny.yaml --output run",
    "trace": "trace tiny.yaml --csv",
    "list": "list systems --json",
    "show": "show systems mensa_g",
    "check": "check tiny.yaml more.yaml space.yaml",
    "schema": "schema workload",
    "convert": "convert products.csv --output convert",
    "explain": "explain tiny.yaml --layer two --report explain.html",
    "families": "families tiny.yaml more.yaml --count 2 --save families.yaml --report families.html",
    "validate": "validate --data measured.csv --output validate",
    "decide": "decide tiny.yaml --systems edge_tpu,mensa_g --runs 1 --prices 3 --no-fields --output decide {jobs}",
    "explore": "explore space.yaml --trials 4 --output explore {jobs}",
    "compare": "compare tiny.yaml --systems edge_tpu,mensa_g --output compare",
    "diff": "diff run/summary.json compare/summary.json",
    "reproduce": "reproduce --models keyboard_cifg --populations 0 --output reproduce {jobs}",
    "reproduce-pim": "reproduce-pim --works gddr6_aim --output gains.csv --report gains.html",
    "near-data": "near-data --models tiny_llm.yaml --bits 8 --contexts 16 --worlds 1 --output worth.csv "
    "--report worth.html {jobs}",
    "sensitivity": "sensitivity --models keyboard_cifg --runs 1 --prices 3 --output sensitivity {jobs}",
    "import-timings": "import-timings theirs.csv --columns K=k,C=k,median_us=t --operator linear --device-name them "
    "--source paper --processors 4 --cache-bytes 100 --bytes-per-s 1e9 --peak-macs-per-s 1e9 --output timings.csv",
    "calibrate": "calibrate them timings.csv --output fit.yaml --report fit.html",
    "device": "device sheet.yaml",
    "fit-devices": "fit-devices runs.csv --shapes shapes.json --output judged.csv --report judged.html",
}
"""A small one of every command; what reads another's files comes after it."""

SHAPE = {"layers": 2, "intermediate": 128, "heads": 2, "kv_heads": 1, "head_dim": 16, "vocab": 100}
FILES: Mapping[str, str] = {
    "tiny.yaml": "name: tiny\nlayers:\n  - {name: one, operator: conv2d, dims: {K: 8, C: 8, OY: 6, OX: 6}}\n"
    "  - {name: two, operator: linear, dims: {K: 64, C: 288}, inputs: [one]}\n",
    "more.yaml": "name: more\nlayers:\n  - {name: one, operator: linear, dims: {K: 512, C: 512}}\n"
    "  - {name: two, operator: conv2d, dims: {K: 16, C: 16, OY: 30, OX: 30, FY: 3, FX: 3}}\n",
    "space.yaml": "name: small\nsystem: mensa_g\nworkloads: [./tiny.yaml]\nsampler: {name: random}\n"
    "parameters: {technology.vdd_v: {values: [0.7, 0.8, 0.9]}, scheduler: {values: [mensa, greedy]}}\n"
    "objectives: [{metric: energy_pj}, {metric: latency_ps}]\n",
    "measured.csv": "workload,system,metric,measured,source\ntiny.yaml,edge_tpu,latency_ms,0.1,me\n",
    "products.csv": "Layer,M,N,K,\none,1,8,8,\n",
    "theirs.csv": "k,t\n" + "".join(f"{k},{k * k / 1000 + 10}\n" for k in range(8, 128, 8)),
    "sheet.yaml": "name: my_card\nlibrary: from_ampere\nprocessors: 48\ncache_bytes: 4194304\n"
    "bytes_per_s: 448000000000\npeak_flops_per_s: 19170000000000\n"
    "clock_hz: 1560000000\npower_w: 140\nnode_nm: 8\nsource: me\n",
    "tiny_llm.yaml": json.dumps(
        {
            "name": "tiny_llm",
            "model": "mensa_sim.workload.models.decoder:Decoder",
            "arguments": {**SHAPE, "hidden": 32},
            "generate": {"prompt_tokens": 8, "new_tokens": 2},
        }
    ),
    "shapes.json": json.dumps({f"m{hidden}": {**SHAPE, "hidden": hidden} for hidden in (32, 64)}),
    "runs.csv": "device,memory_bandwidth_gb_s,shape,bits_per_weight,prompt_tokens,new_tokens,context,batch,"
    "prefill_tok_s,decode_tok_s,energy_j_per_token,power_scope\n"
    + "".join(
        f"board,50,m{hidden},4,,,{context},1,,{rate},,\n" for hidden, context, rate in ((32, 9, 90), (64, 99, 40))
    ),
}
PROGRAM = """
import sys
from typer.testing import CliRunner
from mensa_sim.cli.main import app
if __name__ == "__main__":
    for line in sys.stdin.read().splitlines():
        done = CliRunner().invoke(app, line.split(), prog_name="mensa-sim")
        print("===", line.partition(" --jobs")[0], repr(done.exception or ""), done.exit_code)
        print(done.output, flush=True)
    print("torch is loaded:", "torch" in sys.modules, file=sys.stderr)
"""


def everything_written(names: Set[str], folder: Path, cache: Path, jobs: int, **around: str) -> dict[str, bytes]:
    """What commands print, and every file that they leave: name to bytes."""
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    lines = "\n".join(line.format(jobs=f"--jobs {jobs}") for name, line in COMMANDS.items() if name in names)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LC_") and name != "LANG"}
    done = subprocess.run(
        [sys.executable, program.name],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), "MENSA_SIM_CACHE": str(cache), **around},
        input=lines.encode(),
        capture_output=True,
        check=True,
    )
    assert names & OF_MINUTES or b"torch is loaded: False" in done.stderr, (
        "only what traces models or measures needs torch"
    )
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {"printed": done.stdout, **files}


def test_every_command_that_writes_is_tried() -> None:
    assert set(COMMANDS) | MEASURED == set(REGISTERED)


@pytest.mark.parametrize("names", [set(COMMANDS) - OF_MINUTES, pytest.param(OF_MINUTES, marks=pytest.mark.long)])
def test_whatever_is_around_a_command_its_bytes_are_the_same(names: set[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    here = everything_written(names, tmp_path / "a", cache, 1, PYTHONHASHSEED="1", LC_ALL="C", TZ="UTC")
    around = {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu"}
    there = everything_written(names, tmp_path / "b ü" / "deeper", cache, 2, **around)
    ends = [line.split() for line in here["printed"].decode().splitlines() if line.startswith("=== ")]
    assert {words[1]: words[-1] for words in ends} == dict.fromkeys(names, "0")
    assert set(here) == set(there)
    assert {name for name in here if here[name] != there[name]} <= UNDER_WAY
