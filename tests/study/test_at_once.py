"""Whole commands that are killed, or that work at the same place at once: real processes, which break off or begin
another one at the same step however busy the machine is."""

import signal
from pathlib import Path

import pytest
from in_this_process import mensa_sim
from killed import PROGRAM, broken_off, ended
from space_files import TINY, write_space

from mensa_sim.io.files import write_yaml
from mensa_sim.study.explore.explore import STUDY

MEASURED = """workload,system,metric,measured,source
./tiny.yaml,edge_tpu,latency_ms,1.0,own
./tiny.yaml,mensa_g,latency_ms,1.0,own
./tiny.yaml,mensa_g,energy_mj,1.0,own
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(write_yaml(TINY))
    (tmp_path / "other.yaml").write_text(write_yaml({**TINY, "name": "other", "layers": TINY["layers"][:1]}))
    (tmp_path / "measured.csv").write_text(MEASURED)
    return tmp_path


def calm(home: Path, *words: str) -> None:
    """What a command gives that nobody disturbs."""
    mensa_sim(home, *words, "-q")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


AT_A_PREDICTION = """
from mensa_sim.study.validate.predict import Predictor
predict, left = Predictor.predict, 2
def predicting(*given):
    global left
    left -= 1
    left or kill()
    return predict(*given)
Predictor.predict = predicting
"""
AT_A_PRICE = """
from mensa_sim.io.pack import Pack
Pack.put = kill
"""
AT_A_FILE = """
from mensa_sim.report.page import output_folder
from mensa_sim.io import atomic
replace, left = os.replace, 2
def replacing(*names):
    global left
    left -= names[1].parent.name == "out"
    left or kill()
    replace(*names)
os.replace = replacing
"""


@pytest.mark.parametrize("changes", [AT_A_PREDICTION, AT_A_PRICE, AT_A_FILE], ids=["prediction", "price", "file"])
def test_a_validation_that_is_killed_leaves_nothing_that_the_next_stumbles_over(changes: str, home: Path) -> None:
    """It is one process: predictions share what they price on disk, and nothing is written before the last."""
    words = ("validate", "--data", "measured.csv", "--output")
    assert broken_off(changes, *words, "out", "-q", cwd=home) == (-signal.SIGKILL, "")
    assert not (home / "out" / "summary.json").exists()
    assert ended("-m", "mensa_sim", *words, "out", "-q", cwd=home) == (0, "", "")
    calm(home, *words, "calm", "--no-cache")
    assert contents(home / "out") == contents(home / "calm")


BESIDE = """
import subprocess, sys, time
from pathlib import Path
replace, begun = os.replace, []
def replacing(*names):
    replace(*names)
    if names[1].parent.name == "out" and not begun:  # one file has its name, the others have not
        begun.append(subprocess.Popen([sys.executable, "-c", {program!r}, *{words!r}]))
        while begun[0].poll() is None and not Path("waits").exists():
            time.sleep(0.01)
os.replace = replacing
"""
WAITS = """
import fcntl
from pathlib import Path
flock = fcntl.flock
def locking(handle, how):
    how == fcntl.LOCK_EX and Path("waits").touch()
    flock(handle, how)
fcntl.flock = locking
"""
"""Says that it waits for who is in the folder."""


def test_of_two_runs_into_one_folder_at_once_one_is_there_whole(home: Path) -> None:
    """The second begins when the first file of the first has its name, and ends when it may."""
    words = ("run", "other.yaml", "--output", "out", "-q")
    changes = BESIDE.format(program=PROGRAM.format(changes=WAITS), words=words)
    assert broken_off(changes, "run", "tiny.yaml", "--output", "out", "-q", cwd=home) == (0, "")
    calm(home, "run", "other.yaml", "--output", "calm")
    assert contents(home / "out") == contents(home / "calm")


SECOND = """
import subprocess, sys
from mensa_sim.study.explore.study_file import StudyFile
add = StudyFile.add
def adding(study, outcome, parameters):
    add(study, outcome, parameters)
    if len(study.known) == 5:
        for more in ("--resume", "--force"):
            command = [sys.executable, "-m", "mensa_sim", *{words!r}, more]
            done = subprocess.run(command, capture_output=True, text=True)
            print(done.returncode, done.stderr.strip())
StudyFile.add = adding
"""


def test_a_second_exploration_of_a_study_under_way_is_refused_and_the_first_goes_on(home: Path) -> None:
    space = str(write_space(home))
    words = ("explore", space, "--jobs", "1", "--output")
    changes = PROGRAM.format(changes=SECOND.format(words=(*words, "out", "-q")))
    code, said, errors = ended("-c", changes, *words, "out", "-q", cwd=home)
    assert (code, errors) == (0, "")
    refused = "2 mensa-sim: out/study.db: another exploration is at work on it"
    assert [line.startswith(refused) for line in said.splitlines()] == [True, True]
    calm(home, *words, "calm")
    here, there = contents(home / "out"), contents(home / "calm")
    assert here.keys() == there.keys()
    for name in here.keys() - {STUDY}:
        assert here[name] == there[name]
