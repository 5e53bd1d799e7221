"""A dict stands for a file that says the same: the same result, the same faults, and nothing written."""

from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.io.files import read_mapping, write_yaml
from mensa_sim.io.shipped import find

NET: dict[str, Any] = {
    "name": "net",
    "layers": [
        {"name": "a", "operator": "linear", "dims": {"K": 512, "C": 512}},
        {"name": "b", "operator": "linear", "dims": {"K": 10, "C": 512}, "inputs": ["a"]},
    ],
}
SCENARIO: dict[str, Any] = {
    "name": "two",
    "duration_s": 0.001,
    "streams": [{"name": "x", "workload": NET, "arrivals": {"kind": "periodic", "fps": 5000}, "deadline_ms": 1}],
}


CHIP = {**read_mapping(find("accelerators", "pavlov")), "name": "chip", "technology": "cmos_22nm"}
SYSTEM: dict[str, Any] = {
    "name": "pair",
    "memories": read_mapping(find("systems", "mensa_g"))["memories"],
    "links": read_mapping(find("systems", "mensa_g"))["links"],
    "accelerators": [{"spec": "pascal", "memory": "lpddr4"}, {"spec": CHIP, "memory": "stacked"}],
}
SPACE: dict[str, Any] = {
    "name": "clocks",
    "system": SYSTEM,
    "workloads": [NET],
    "parameters": {"accelerators.chip.clock_hz": {"values": [10**9, 2 * 10**9]}},
    "objectives": [{"metric": "energy_pj"}, {"metric": "latency_ps"}],
    "sampler": {"name": "grid"},
    "references": [CHIP],
}


def told(result: Any) -> dict[str, Any]:
    """What a result says beside the files that it was made from."""
    made_from = ("inputs", "choices", "system", "workloads", "references")
    return {name: value for name, value in result.summary().items() if name not in made_from}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The same as files, each naming those that the dict holds."""
    texts = {
        "net": NET,
        "chip": CHIP,
        "pair": {**SYSTEM, "accelerators": [SYSTEM["accelerators"][0], {"spec": "chip.yaml", "memory": "stacked"}]},
        "two": {**SCENARIO, "streams": [{**SCENARIO["streams"][0], "workload": "net.yaml"}]},
        "clocks": {**SPACE, "system": "./pair.yaml", "workloads": ["./net.yaml"], "references": ["./chip.yaml"]},
    }
    for name, data in texts.items():
        (tmp_path / f"{name}.yaml").write_text(write_yaml(data))
    return {name: str(tmp_path / f"{name}.yaml") for name in texts}


def test_workloads_systems_and_scenarios_give_what_their_files_give(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    run = ms.run(NET, system=SYSTEM, baseline=CHIP)
    assert told(run) == told(ms.run(files["net"], system=files["pair"], baseline=files["chip"]))
    assert {layer.accelerator for layer in run.main.layers} <= {"pascal", "chip"}
    assert told(ms.run_scenario(SCENARIO, system=SYSTEM)) == told(ms.run_scenario(files["two"], system=files["pair"]))
    compared = ms.compare(NET, [SYSTEM, CHIP, "edge_tpu"])
    assert told(compared) == told(ms.compare(files["net"], [files["pair"], files["chip"], "edge_tpu"]))
    assert ms.trace(NET) == ms.trace(files["net"])
    assert ms.load_system(SYSTEM, overrides=["accelerators.chip.clock_hz=1"]).accelerators[1].spec.clock_hz == 1
    assert not list(Path().iterdir())


def test_a_space_and_a_decision_take_dicts_to_their_workers(files: dict[str, str], tmp_path: Path) -> None:
    found = ms.explore(SPACE, folder=tmp_path / "dict")
    assert told(found) == told(ms.explore(files["clocks"], folder=tmp_path / "file"))
    options: dict[str, Any] = {"runs": 1, "prices": 5, "fields": False}
    decided = ms.decide([NET], [CHIP, SYSTEM], jobs=2, **options)
    assert told(decided) == told(ms.decide([files["net"]], [files["chip"], files["pair"]], **options))


def test_what_names_a_dict_says_what_it_is_called_and_no_command_can_say_it() -> None:
    run = ms.run(NET, system=SYSTEM)
    assert run.command == ""
    assert ms.compare(NET, [SYSTEM, "edge_tpu"]).command == ""
    names = [name for name in run.inputs if ".dict-" in name]
    assert [name.split(".dict-")[0] for name in names] == ["chip", "net", "pair"]
    assert str(run.choices["system"]).startswith("pair.dict-")
    assert ms.run({**NET, "name": "net"}, system=SYSTEM).inputs == run.inputs
    assert ms.run({**NET, "weight_bits": 4}, system=SYSTEM).inputs != run.inputs


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda given: ms.trace(given), "net"),
        (lambda given: ms.run("small_cnn", system=given), "pair"),
        (lambda given: ms.load_system(given), "chip"),
        (lambda given: ms.run_scenario(given), "two"),
        (lambda given: ms.explore(given), "clocks"),
    ],
)
def test_every_fault_of_a_dict_is_the_fault_of_the_file(
    call: Any, kind: str, files: dict[str, str], tmp_path: Path
) -> None:
    """Without a line, which no dict has."""
    wrong = {**{"net": NET, "chip": CHIP, "pair": SYSTEM, "two": SCENARIO, "clocks": SPACE}[kind], "nme": 1}
    wrong.update({"net": {"layers": [{"name": "a"}]}, "two": {"policy": "fast"}}.get(kind, {}))
    path = tmp_path / "wrong.yaml"
    changed = {key: wrong[key] for key in ("nme", "layers", "policy") if key in wrong}
    path.write_text(write_yaml({**read_mapping(Path(files[kind])), **changed}))
    with pytest.raises(ms.UsageError) as of_file:
        call(str(path))
    with pytest.raises(ms.UsageError) as of_dict:
        call(wrong)
    said = [line.partition(": ")[2].rsplit(" (line", 1)[0] for line in str(of_file.value).splitlines()]
    assert [line.partition(": ")[2] for line in str(of_dict.value).splitlines()] == said
    assert any("nme" in line for line in said)


def test_what_no_file_can_hold_is_refused() -> None:
    with pytest.raises(ms.UsageError, match="plain data"):
        ms.trace({"name": "net", "layers": [object()]})
    assert ms.check([NET, SYSTEM, CHIP]) == []
    assert "nme" in ms.check([{**NET, "nme": 1}])[0]
