"""What a notebook types: the names of the package, results that show themselves, and objects in place of names."""

import inspect
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from killed import ended
from torch import nn

import mensa_sim as ms
from mensa_sim.api import comparison as api_comparison
from mensa_sim.api import decide as api_decide
from mensa_sim.api import explore as api_explore
from mensa_sim.api import files as api_files
from mensa_sim.api import measured as api_measured
from mensa_sim.api import reproduce as api_reproduce
from mensa_sim.api import session as api
from mensa_sim.api import shown as api_shown
from mensa_sim.api import validate as api_validate
from mensa_sim.study.explore.metrics import check_metric

FOR_THE_COMMAND_LINE = {
    *("Resumed", "folder_of", "is_scenario", "refuse_scenario", "with_methods", "Shown", "Plain"),
}


class Gate(nn.Module):
    """A small model with a branch, made as a user makes it: with weights, on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        pooled: torch.Tensor = torch.relu(self.conv(x)).mean((2, 3))
        out: torch.Tensor = self.head(pooled if scale is None else pooled * scale)
        return out


@pytest.fixture(scope="module")
def graph() -> ms.LayerGraph:
    return ms.trace(Gate(), torch.zeros(1, 3, 16, 16))


@pytest.fixture(scope="module")
def result(graph: ms.LayerGraph) -> ms.Run:
    return ms.run(graph)


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = (
        "import sys, mensa_sim\n"
        "heavy = {'torch', 'numpy', 'networkx', 'yaml', 'pydantic', 'rich', 'plotly', 'scipy', 'simpy', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert [name for name in sys.modules if name.startswith('mensa_sim')] == ['mensa_sim']\n"
    )
    assert ended("-c", script) == (0, "", "")


def test_every_public_name_can_be_imported_is_documented_and_listed() -> None:
    assert ms.__all__ == sorted(ms.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert set(ms.__all__) <= set(dir(ms))
    for name in set(ms.__all__) - {"__version__", "FULL", "PLAIN"}:
        assert inspect.getdoc(getattr(ms, name)), name
    with pytest.raises(AttributeError, match="rum"):
        ms.rum  # noqa: B018


def test_nothing_that_the_api_defines_is_missing_from_the_package() -> None:
    studies = (api_comparison, api_decide, api_explore, api_measured, api_reproduce, api_validate)
    for module in (api, api_files, api_shown, *studies):
        for name, value in vars(module).items():
            own = getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
            if own and (inspect.isfunction(value) or inspect.isclass(value)) and name not in FOR_THE_COMMAND_LINE:
                assert name in ms.__all__, f"{module.__name__}.{name}"
                public = getattr(ms, name)
                assert value in (public, getattr(public, "__wrapped__", None))


@pytest.mark.parametrize("name", sorted(set(ms.__all__) - {"__version__", "FULL", "PLAIN"}))
def test_every_public_function_and_method_says_what_it_does(name: str) -> None:
    thing = getattr(ms, name)
    methods = [value for key, value in vars(thing).items() if not key.startswith("_")] if inspect.isclass(thing) else []
    for each in [thing, *(method for method in methods if inspect.isfunction(method) or isinstance(method, property))]:
        assert inspect.getdoc(each), f"{name}: {each}"


def test_a_module_at_hand_gives_what_its_workload_file_gives(graph: ms.LayerGraph, tmp_path: Path) -> None:
    (tmp_path / "gate.py").write_text(
        "import torch\nfrom torch import nn\n"
        + inspect.getsource(Gate)
        .replace("torch.Tensor", "'torch.Tensor'")
        .replace("'torch.Tensor' | None", "'torch.Tensor | None'")
    )
    path = tmp_path / "gate.yaml"
    path.write_text("name: Gate\nmodel: gate.py:Gate\ninputs: [{shape: [1, 3, 16, 16]}]\n")
    of_file = ms.run(path, allow_code=True).summary()
    of_module = ms.run(Gate(), torch.zeros(1, 3, 16, 16)).summary()
    for summary in (of_file, of_module):
        del summary["inputs"]
    assert of_module == of_file
    assert of_module["macs"] == graph.macs == 16 * 16 * 8 * 3 * 9 + 8 * 4


def test_tracing_leaves_the_module_as_it_was() -> None:
    module = Gate().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    ms.trace(module, [torch.zeros(2, 3, 8, 8)], name="g", parameter_bits=4)
    assert module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_inputs_go_by_position_or_by_name_and_bits_count(graph: ms.LayerGraph) -> None:
    by_name = ms.trace(Gate(), {"x": torch.zeros(1, 3, 16, 16), "scale": torch.ones(8)}, parameter_bits=16)
    assert by_name.macs == graph.macs
    assert by_name.parameter_bytes == 2 * graph.parameter_bytes
    program = torch.export.export(Gate(), (torch.zeros(1, 3, 16, 16),))
    assert ms.trace(program, name="Gate").macs == graph.macs


@pytest.mark.parametrize(
    ("workload", "options", "hint"),
    [
        (Gate(), {}, "inputs are missing"),
        (Gate(), {"inputs": 3}, "give a tensor"),
        (Gate(), {"inputs": torch.zeros(1, 4, 16, 16)}, "3 channels"),
        (3, {"inputs": torch.zeros(1)}, "torch.nn.Module"),
        ("lstm", {"inputs": torch.zeros(1)}, "workload file says its own"),
        ("lstmm", {}, "did you mean 'lstm'"),
        ("camera_phone", {}, "scenario"),
    ],
)
def test_what_cannot_be_traced_is_an_error_that_says_what_to_give(
    workload: Any, options: dict[str, Any], hint: str
) -> None:
    with pytest.raises(ms.UsageError, match=hint):
        ms.run(workload, **options)


def test_names_and_bits_of_a_module_are_checked() -> None:
    for wrong in ({"name": "../x"}, {"parameter_bits": 0}, {"activation_bits": 65}):
        with pytest.raises(ms.UsageError):
            ms.trace(Gate(), torch.zeros(1, 3, 16, 16), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ms.UsageError, match="holds its own inputs"):
        ms.trace(torch.export.export(Gate(), (torch.zeros(1, 3, 8, 8),)), torch.zeros(1))


def test_a_system_at_hand_is_as_good_as_its_name(graph: ms.LayerGraph) -> None:
    slow = "accelerators.pascal.clock_hz=1000000"
    loaded = ms.load_system("mensa_g", overrides=[slow])
    named, given = (
        ms.run(graph, system="mensa_g", overrides={"accelerators.pascal.clock_hz": 1000000}),
        ms.run(graph, system=loaded, baseline=ms.load_system("edge_tpu")),
    )
    assert named.main.layers == given.main.layers
    assert named.baseline.layers == given.baseline.layers
    assert not given.command
    with pytest.raises(ms.UsageError, match="load_system"):
        ms.run(graph, system=loaded, overrides=[slow])
    with pytest.raises(ms.UsageError, match="is a text"):
        ms.run(graph, overrides=slow)


def test_a_result_shows_itself_as_text_html_and_figures(result: ms.Run) -> None:
    assert repr(result) == "<Run: Gate on mensa_g>"
    assert "edge_tpu (baseline)" in str(result)
    assert result._repr_html_().startswith("<div><b>Gate on mensa_g")
    assert next(iter(result.figures())) == "energy"
    assert result.figure().data
    assert result.figure("roofline").layout.xaxis.title.text
    with pytest.raises(ms.UsageError, match="did you mean 'roofline'"):
        result.figure("rooflin")


def test_a_result_saves_what_the_command_writes(result: ms.Run, tmp_path: Path) -> None:
    result.save(tmp_path / "out")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == result.files()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(ms.UsageError, match="--force"):
        result.save(tmp_path / "mine")


@pytest.fixture(scope="module")
def scenario() -> ms.ScenarioRun:
    net = {"name": "net", "layers": [{"name": "a", "operator": "linear", "dims": {"K": 64, "C": 64}}]}
    arrivals = {"kind": "periodic", "fps": 5000}
    streams = [{"name": name, "workload": net, "arrivals": arrivals, "deadline_ms": 1} for name in ("eyes", "ears")]
    return ms.run_scenario({"name": "two", "duration_s": 0.001, "streams": streams})


def test_a_comparison_and_a_scenario_show_themselves_too(graph: ms.LayerGraph, scenario: ms.ScenarioRun) -> None:
    compared = ms.compare(graph, ["edge_tpu", ms.load_system("mensa_g")])
    assert compared.ratios("edge_tpu").latency == 1
    assert "energy efficiency" in str(compared)
    assert "misses" in str(scenario)
    assert scenario.figure().data


def test_rows_become_a_data_frame(result: ms.Run, graph: ms.LayerGraph, scenario: ms.ScenarioRun) -> None:
    pytest.importorskip("pandas")
    frame = result.to_pandas()
    assert list(frame["name"]) == [layer.name for layer in result.main.layers]
    assert frame["macs"].sum() == result.main.macs
    assert frame["energy_pj"].sum() == pytest.approx(sum(layer.energy_pj for layer in result.main.layers))
    compared = ms.compare(graph, ["edge_tpu", "mensa_g"]).to_pandas()
    assert compared["ratios.latency"][0] == 1
    assert list(scenario.to_pandas()["stream"]) == ["eyes", "ears"] * 2


def test_without_pandas_the_error_says_what_to_install(result: ms.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ms.UsageError, match=r"pip install 'mensa-sim\[pandas\]'"):
        result.to_pandas()


def last(problem: ms.Problem, *, skip: float = 0) -> list[int]:
    """Everything on the last accelerator but `skip`."""
    return [len(problem.accelerators) - 1 - int(skip)] * len(problem.units)


def test_a_function_of_the_users_own_is_a_scheduler(graph: ms.LayerGraph) -> None:
    found = ms.run(graph, scheduler=last)
    assert {layer.accelerator for layer in found.main.layers} == {"jacquard"}
    assert found.main.scheduler == "last"
    assert found.main.optimality.bound is not None
    assert {layer.accelerator for layer in ms.run(graph, scheduler=last, options={"skip": 1}).main.layers} == {"pavlov"}
    by_record = ms.run(graph, scheduler=lambda problem: ms.schedule_of(problem, "mine", last(problem)))
    assert by_record.main.scheduler == "mine"
    assert by_record.main.layers[0].accelerator == "jacquard"
    assert ms.compare(graph, ["edge_tpu", "mensa_g"], scheduler=last).scheduler == "last"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda problem: None, "return a Schedule, or one accelerator for each of the"),
        (lambda problem: "pascal", "return a Schedule"),
        (lambda problem: ["pascal"], "gave 1 entries"),
        (lambda problem: ["pascl"] * len(problem.units), "did you mean 'pascal'"),
        (lambda problem: [3] * len(problem.units), "from 0 to 2"),
        (lambda problem: [True] * len(problem.units), "no accelerator"),
        (
            lambda problem: replace(ms.schedule_of(problem, "x", [0] * len(problem.units)), assignment={}),
            "other layers",
        ),
        (
            lambda problem: replace(
                found := ms.schedule_of(problem, "x", [0] * len(problem.units)),
                assignment=dict(reversed(found.assignment.items())),
            ),
            "is ordered before",
        ),
    ],
)
def test_a_wrong_answer_of_a_scheduler_is_an_error(graph: ms.LayerGraph, answer: Any, hint: str) -> None:
    with pytest.raises(ms.UsageError, match=hint):
        ms.run(graph, scheduler=answer)


def test_a_scheduler_must_keep_pins_and_may_prove_a_bound(graph: ms.LayerGraph) -> None:
    with pytest.raises(ms.UsageError, match="pinned to pascal"):
        ms.run(graph, scheduler=last, pins={"conv": "pascal"})

    def proved(problem: ms.Problem) -> ms.Schedule:
        return replace(ms.schedule_of(problem, "proved", last(problem)), bound=1.0, proof="so it is")

    assert ms.run(graph, scheduler=proved, flow="layers").main.optimality.bound == 1.0


def test_a_scheduler_tears_no_group_apart() -> None:
    def torn(problem: ms.Problem) -> ms.Schedule:
        found = ms.schedule_of(problem, "torn", [0] * len(problem.units))
        group = next(unit for unit in problem.units if len(unit.layers) > 1)
        return replace(found, assignment={**found.assignment, group.layers[-1]: "pavlov"})

    with pytest.raises(ms.UsageError, match="group"):
        ms.run("lstm", scheduler=torn)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda graph: ms.run(graph, seed=-1), "seed is -1, must be at least 0"),
        (lambda graph: ms.run(graph, seed="x"), "seed: 'x' is a text; give a whole number or None"),
        (lambda graph: ms.compare(graph, ["edge_tpu", "mensa_g"], seed=-1), "seed is -1, must be at least 0"),
        (lambda graph: ms.run_scenario("voice_assistant", seed=-1), "seed is -1, must be at least 0"),
        (lambda graph: ms.decide(["lstm"], ["edge_tpu", "mensa_g"], seed=-1), "seed is -1, must be at least 0"),
        (lambda graph: ms.sensitivity(seed=-1), "seed is -1, must be at least 0"),
        (lambda graph: ms.run(graph, deadline_ms=float("inf")), "the deadline: inf ms"),
        (lambda graph: ms.run(graph, deadline_ms=1e300), "the deadline: 1e[+]300 ms"),
        (lambda graph: ms.run(graph, deadline_ms=0), "must be positive"),
        (lambda graph: ms.run(graph, overrides={"name": Path("x")}), "overrides: name: .*plain data"),
        (lambda graph: ms.compare(graph, "edge_tpu"), "'edge_tpu' is a text"),
        (lambda graph: ms.families("small_cnn"), "'small_cnn' is a text"),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_name(graph: ms.LayerGraph, call: Any, hint: str) -> None:
    with pytest.raises(ms.UsageError, match=hint):
        call(graph)


def test_what_is_written_may_be_named_by_a_text(tmp_path: Path) -> None:
    ms.families(["small_cnn", "lstm"], save=str(tmp_path / "families.yaml"))
    assert (tmp_path / "families.yaml").read_text().count("number:") >= 2
    with pytest.raises(ms.UsageError, match="is not a folder"):
        ms.explore("near_data", folder=str(tmp_path / "families.yaml"))


def test_every_component_of_the_energy_may_be_an_objective() -> None:
    components = ms.run("small_cnn", system="coral_dev_board_micro").main.energy_by_component_pj
    assert "board" in components
    for component in components:
        check_metric(f"energy_by_component_pj.{component}")
