"""The options of a study are declared once: command line, API, command to repeat and choices all have the same."""

import inspect
import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.api.asks import asks
from mensa_sim.cli.main import app
from mensa_sim.cli.options import Output, add
from mensa_sim.errors import UsageError
from mensa_sim.study.request.command import choices_of, command_of, results_folder
from mensa_sim.study.request.fields import options_of, spelled
from mensa_sim.study.run.request import RunRequest

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
ASKED: dict[str, tuple[Any, ...]] = {
    "run": (ms.run, ms.run_scenario),
    "trace": (ms.trace,),
    "compare": (ms.compare, ms.compare_workloads, ms.compare_scenario),
    "explain": (ms.place,),
    "families": (ms.families,),
    "explore": (ms.explore,),
    "validate": (ms.validate,),
    "reproduce": (ms.reproduce,),
    "reproduce-pim": (ms.reproduce_pim,),
    "near-data": (ms.near_data,),
    "sensitivity": (ms.sensitivity,),
    "decide": (ms.decide,),
    "measure": (ms.measure,),
    "measure-models": (ms.measure_models,),
    "import-timings": (ms.import_timings,),
    "calibrate": (ms.calibrate,),
    "device": (ms.device,),
    "fit-devices": (ms.fit_devices,),
    "convert": (ms.convert,),
}
"""The functions that take what a command takes."""
OF_COMMANDS = {"output", "as_json", "quiet", "force", "verbose", "as_csv", "export", "layer", "page", "help"}
"""What only a command has: where results go, what it prints, and what it prints it of."""
WITHOUT: dict[str, Any] = {
    "list": ms.list_kind,
    "show": ms.show,
    "check": ms.check,
    "schema": ms.schema,
    "diff": ms.diff,
}
"""Commands about files, which run no study, with their functions."""
PARTS: dict[Any, str] = {ms.explain: "explain", ms.moves: "explain", ms.load_system: "run", ms.schedule_of: "run"}
"""Functions that a notebook has one by one, with the command that does them inside."""


def test_every_command_that_runs_a_study_has_its_function() -> None:
    assert set(ASKED) | set(WITHOUT) == set(COMMANDS)


def test_every_function_of_the_api_has_its_command() -> None:
    offered = {getattr(ms, name) for name in ms.__all__ if inspect.isfunction(getattr(ms, name))}
    of_commands = {function for all_of_it in ASKED.values() for function in all_of_it} | set(WITHOUT.values())
    assert offered - of_commands == set(PARTS)
    assert set(PARTS.values()) <= set(COMMANDS)


def functions() -> Iterator[tuple[str, Any]]:
    return ((command, function) for command, all_of_it in ASKED.items() for function in all_of_it)


@pytest.mark.parametrize(("command", "function"), list(functions()), ids=lambda each: getattr(each, "__name__", each))
def test_the_api_and_the_command_line_take_the_same(command: str, function: Any) -> None:
    options = options_of(function.record)
    assert list(inspect.signature(function).parameters) == [
        *(each.field for each in options if _positional(function.record, each.field)),
        *(each.field for each in options if not _positional(function.record, each.field)),
    ]
    typed = {each.name: each for each in COMMANDS[command].params}
    asked = {each.field: each for each in options if not each.spelling.at_hand}
    assert set(asked) <= set(typed)
    assert set(typed) - set(asked) <= OF_COMMANDS
    for name, option in asked.items():
        assert typed[name].required == option.required
        assert not option.flag or option.flag in typed[name].opts
        assert option.text, f"{command} {name} says nothing"


def _positional(record: Any, name: str) -> bool:
    return not next(each for each in fields(record) if each.name == name).kw_only


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFieldMore(RunRequest):
    """A run with an option that nobody has heard of."""

    shade: str | None = field(default=None, metadata=spelled(words=("dark", "light")))
    """How dark it is."""


@asks(OneFieldMore)
def shaded(request: OneFieldMore) -> str:
    """Says how dark it is."""
    return f"{request.workload}: {request.shade}"


def test_one_field_is_an_option_of_the_api_the_command_line_the_command_to_repeat_and_the_choices() -> None:
    seen: list[OneFieldMore] = []

    def run(request: OneFieldMore, output: Output = None) -> None:
        seen.append(request)

    grown = typer.Typer()
    add(grown, run)
    help_text = CliRunner().invoke(grown, ["--help"], env={"COLUMNS": "80"}).output
    assert "--shade" in help_text
    assert "How dark it is." in help_text
    assert CliRunner().invoke(grown, ["lstm", "--shade", "dark"]).exit_code == 0
    assert seen == [OneFieldMore("lstm", shade="dark")]
    assert shaded("lstm", shade="dark") == "lstm: dark"
    assert "shade: How dark it is." in (shaded.__doc__ or "")
    assert command_of("run", seen[0]) == "mensa-sim run lstm --shade dark"
    assert choices_of(seen[0]) == {"shade": "dark"}


def parsed(command: str, monkeypatch: pytest.MonkeyPatch) -> RunRequest:
    """The request that a command line makes."""
    seen: list[RunRequest] = []
    grown = typer.Typer()

    def run(request: RunRequest) -> None:
        seen.append(request)

    add(grown, run)
    done = CliRunner().invoke(grown, shlex.split(command)[2:])
    assert done.exit_code == 0, done.output
    return seen[0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scheduler": "optimal", "objective": "energy", "system": "base_hb", "baseline": "mensa_g"},
        {"overrides": ("accelerators.pavlov.clock_hz=1", "memories.lpddr4.efficiency=0.5"), "seed": 0},
        {"pins": {"a b": "pascal", "c": "pavlov"}, "options": {"mac_ratio": 2.5, "reuse_threshold": 8.0}},
        {"deadline_ms": 1.5, "parallel": True, "timings": "exact", "on_chip": ms.PLAIN},
        {"schedule": "some folder/schedule.yaml", "families": "families.yaml", "allow_code": True, "strict": True},
    ],
)
def test_the_command_to_repeat_makes_the_same_request(changes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    request = RunRequest("lstm", **changes)
    assert parsed(command_of("run", request), monkeypatch) == request


def test_an_object_at_hand_has_no_command_but_its_name_among_the_choices() -> None:
    request = RunRequest("lstm", system=ms.load_system("base_hb"), scheduler=lambda problem: [])
    assert command_of("run", request) == ""
    assert choices_of(request) == {"scheduler": "<lambda>", "system": "base_hb"}
    assert command_of("run", RunRequest(ms.trace("small_cnn"))) == ""


def test_a_file_among_the_choices_is_known_by_what_it_holds(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("same")
    other.write_text("same")
    assert choices_of(RunRequest("lstm", schedule=one)) == choices_of(RunRequest("lstm", schedule=str(other)))
    other.write_text("changed")
    assert choices_of(RunRequest("lstm", schedule=one)) != choices_of(RunRequest("lstm", schedule=str(other)))


def test_what_decides_nothing_is_no_choice() -> None:
    assert choices_of(RunRequest("lstm", cache=False, strict=True, allow_code=True)) == {}


@pytest.mark.parametrize("value", ["a/b", "../up", "a b", "x" * 300, "ünder"])
def test_a_choice_of_any_text_makes_a_folder_of_its_own_below_results(value: str) -> None:
    folder = results_folder("lstm-mensa_g", {"pin": {"a": value}})
    assert folder.parent == Path("results")
    assert len(folder.name) < 120
    assert folder != results_folder("lstm-mensa_g", {"pin": {"a": f"{value}_"}})


def test_a_file_gives_a_folder_its_stem_unless_something_that_ships_is_called_so() -> None:
    names = ["mine", "edge_tpu.yaml", "edge_tpu", "mine.yml"]
    folders = [results_folder("lstm", {"system": name}).name for name in names]
    assert folders == [f"lstm-system_{name}" for name in names]
    assert results_folder("lstm", {"system": "mine.yaml"}).name == "lstm-system_mine"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(command: str) -> str:
    done = CliRunner().invoke(app, shlex.split(command), env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout


EVERY_CHOICE = "--set accelerators.pascal.clock_hz=1000000000 --pin head.linear=pascal --option mac_ratio=3 --plain"


def test_results_of_other_choices_lie_beside_each_other_and_repeating_one_changes_nothing(folder: Path) -> None:
    for options in ("", EVERY_CHOICE, "--scheduler single:pavlov", EVERY_CHOICE, ""):
        called(f"run small_cnn -q {options}")
    found = sorted((folder / "results").iterdir())
    assert len(found) == 3
    assert found[0].name == "small_cnn-mensa_g"
    summaries = [json.loads((each / "summary.json").read_text()) for each in found]
    assert sorted(map(len, (summary["choices"] for summary in summaries))) == [0, 1, 4]
    assert len({summary["latency_ps"] for summary in summaries}) == 3


def test_diff_explains_a_difference_by_the_choices(folder: Path) -> None:
    called("run small_cnn -q --output before")
    called(f"run small_cnn -q --output after {EVERY_CHOICE}")
    said = called("diff before after")
    assert "not reproducible" not in said
    changes = {each["field"] for each in json.loads(called("diff before after --json"))["inputs"]}
    assert changes == {
        "choices.set.accelerators.pascal.clock_hz",
        "choices.pin.head.linear",
        "choices.option.mac_ratio",
        "choices.plain",
    }


def test_every_summary_records_its_choices(folder: Path) -> None:
    (folder / "one.yaml").write_text(
        "duration_s: 0.001\nname: one\nstreams: [{name: a, workload: small_cnn, arrivals: "
        "{kind: periodic, fps: 2000}}]\n"
    )
    for command, choices in (
        ("run one.yaml --seed 3", {"seed": 3}),
        ("compare small_cnn --systems edge_tpu,mensa_g --scheduler greedy", {"scheduler": "greedy"}),
    ):
        called(f"{command} -q --output out")
        assert choices.items() <= json.loads((folder / "out" / "summary.json").read_text())["choices"].items()


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: ms.run("lstm", shade="dark"), "shade"),
        (lambda: ms.run(), "workload"),
    ],
)
def test_an_option_that_is_not_there_is_a_mistake_of_the_call(call: Callable[[], object], hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        call()


def test_a_text_where_a_list_belongs_is_refused() -> None:
    with pytest.raises(UsageError, match="give a list"):
        ms.reproduce(models="lstm")
