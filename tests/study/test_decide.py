"""A decision between systems: the lead, how sure it is, and where it turns, against what runs of one thing give."""

import math
from pathlib import Path
from typing import Any

import pytest
from killed import killed_after
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.io.files import read_mapping, write_yaml
from mensa_sim.io.shipped import find
from mensa_sim.study.decide.request import DecideRequest
from mensa_sim.study.decide.result import share_interval
from mensa_sim.study.reproduce import workers
from mensa_sim.study.reproduce.workers import FOLDER, ModelOutcomes, ModelTask, run_model

GATES = {"name": "gates", "operator": "linear", "steps": 16, "dims": {"K": 512, "C": 512}}
PICTURE = {"name": "c", "operator": "conv2d", "dims": {"K": 32, "C": 32, "OY": 28, "OX": 28, "FY": 3, "FX": 3}}
FEW: dict[str, Any] = {"runs": 2, "prices": 40}


def system(folder: Path, name: str, bandwidth: int, **changes: object) -> str:
    """One Edge TPU on a memory of its own."""
    entry = {"spec": str(find("accelerators", "edge_tpu")), "memory": "lpddr4", "set": changes}
    memory = {"kind": "lpddr4", "bandwidth_bytes_per_s": bandwidth, "efficiency": 0.75}
    path = folder / f"{name}.yaml"
    path.write_text(write_yaml({"name": name, "memories": {"lpddr4": memory}, "accelerators": [entry]}))
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workloads, and two systems: one slow in computing, one slow in reading."""
    folder = tmp_path_factory.mktemp("decide")
    for name, layer in (("gates", GATES), ("picture", PICTURE)):
        (folder / f"{name}.yaml").write_text(write_yaml({"name": name, "layers": [layer]}))
    system(folder, "slow_clock", 32_000_000_000, clock_hz=420_000_000)
    system(folder, "slow_memory", 4_000_000_000)
    return folder


def files(folder: Path, *names: str) -> list[str]:
    return [str(folder / f"{name}.yaml") for name in names]


SYSTEMS = ("slow_clock", "slow_memory")


@pytest.fixture(scope="module")
def decision(folder: Path) -> ms.Decision:
    return ms.decide(files(folder, "gates", "picture"), files(folder, *SYSTEMS), weights={"gates": 3}, **FEW)


@pytest.fixture(scope="module")
def unsearched(folder: Path) -> ms.Decision:
    """The same without a search of the systems' fields."""
    weights = {"gates": 3.0}
    return ms.decide(files(folder, "gates", "picture"), files(folder, *SYSTEMS), weights=weights, fields=False, **FEW)


def value(folder: Path, workload: str, name: str, *overrides: str) -> float:
    """The energy-delay product that a run gives."""
    (file,) = files(folder, workload)
    ran = ms.run(file, system=files(folder, name)[0], baseline="edge_tpu", overrides=overrides)
    return ran.main.products["edp_j_s"]


def lead_by_hand(folder: Path, *overrides: str) -> float:
    """Of the system with the slow clock, where one setting holds on it alone."""
    return math.exp(
        sum(
            share * math.log(value(folder, name, "slow_memory") / value(folder, name, "slow_clock", *overrides))
            for name, share in (("gates", 0.75), ("picture", 0.25))
        )
    )


def test_the_lead_is_the_weighted_geometric_mean_of_the_runs(decision: ms.Decision, folder: Path) -> None:
    by_hand = lead_by_hand(folder)
    assert decision.best == ("slow_clock" if by_hand > 1 else "slow_memory")
    assert math.isclose(decision.lead, max(by_hand, 1 / by_hand), rel_tol=1e-9)
    assert decision.shares == {"gates": 0.75, "picture": 0.25}


def test_the_order_of_the_systems_does_not_matter(decision: ms.Decision, folder: Path) -> None:
    turned = ms.decide(
        files(folder, "gates", "picture"), files(folder, *SYSTEMS[::-1]), weights={"gates": 3}, fields=False, **FEW
    )
    assert (turned.best, turned.runner_up) == (decision.best, decision.runner_up)
    assert math.isclose(turned.lead, decision.lead, rel_tol=1e-12)
    assert math.isclose(turned.standings[1].ratio, 1 / decision.standings[1].ratio, rel_tol=1e-12)
    assert {each.system: each.share for each in turned.standings} == {
        each.system: each.share for each in decision.standings
    }


def test_a_field_turns_the_decision_where_it_is_said_to(decision: ms.Decision, folder: Path) -> None:
    clocks = [each for each in decision.turns if each.name == "accelerators.edge_tpu.clock_hz"]
    (clock,) = (each for each in clocks if each.systems == ("slow_clock",))
    assert clock.taken == "4.2e+08"
    at = float(clock.turns_at)
    sides = [lead_by_hand(folder, f"accelerators.edge_tpu.clock_hz={round(at * step)}") > 1 for step in (0.98, 1.02)]
    assert sides in ([True, False], [False, True])


def test_only_what_makes_another_system_the_best_is_said_to_turn(decision: ms.Decision) -> None:
    assert {each.name for each in decision.turns} == {each.name for each in decision.tried if each.lead < 1}
    for each in decision.tried:
        assert (each.best != decision.best) == each.turns == bool(each.turns_at)


def test_a_field_that_both_have_alike_varies_on_both(decision: ms.Decision) -> None:
    lanes = [each for each in decision.tried if each.name == "accelerators.edge_tpu.vector_unit.lanes"]
    assert {each.systems for each in lanes} == {SYSTEMS}
    bandwidth = [each for each in decision.tried if each.name == "memories.lpddr4.bandwidth_bytes_per_s"]
    assert {each.systems for each in bandwidth} == {("slow_clock",), ("slow_memory",)}


def test_worlds_add_up(decision: ms.Decision) -> None:
    assert decision.worlds == 80
    assert sum(count for _, _, count in decision.histogram) == 80
    assert math.isclose(sum(each.share for each in decision.standings), 1)
    assert math.isclose(decision.certain.share, 1 - decision.interval.below_one)
    won = sum(count for low, _, count in decision.histogram if low >= 1)
    assert won == round(decision.certain.share * 80)
    for each in decision.standings:
        assert each.share_low <= each.share <= each.share_high


def test_a_share_seen_in_more_draws_is_surer() -> None:
    few, many = share_interval(0.5, 10), share_interval(0.5, 1000)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert share_interval(0.0, 10)[0] == 0


def test_one_workload_alone_decides_as_it_does(folder: Path) -> None:
    found = ms.decide(files(folder, "gates"), files(folder, *SYSTEMS), objective="latency", fields=False, **FEW)
    (first, second) = found.measured
    assert math.isclose(found.standings[1].ratio, first.latency_ps / second.latency_ps)
    assert {each.kind for each in found.tried} == {"price", "choice"}


def test_a_killed_decision_goes_on_and_gives_the_same_bytes(
    unsearched: ms.Decision, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = "--weight gates=3 --runs 2 --prices 40 --jobs 1 --no-fields --quiet --output"
    systems = ",".join(files(folder, *SYSTEMS))
    arguments = ["decide", *files(folder, "gates", "picture"), "--systems", systems, *words.split(), str(out)]
    killed_after(3, *arguments)
    assert len(list(out.glob(f"{FOLDER}/*.entry"))) == 3
    assert not (out / "summary.json").exists()
    ran: list[ModelTask] = []

    def seen(task: ModelTask) -> ModelOutcomes:
        ran.append(task)
        return run_model(task)

    monkeypatch.setattr(workers, "run_model", seen)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert sum(len(task.cases) for task in ran) < unsearched.simulated
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "summary.json", "tried.csv"]
    again = {name: (out / name).read_text() for name in ("summary.json", "tried.csv")}
    assert again == {name: unsearched.files()[name] for name in again}


def test_a_system_that_cannot_run_a_workload_is_named(folder: Path) -> None:
    own = read_mapping(find("accelerators", "edge_tpu"))
    own |= {"name": "refusing", "refuses": ["conv2d"], "technology": str(find("technologies", "cmos_22nm"))}
    (folder / "refusing.yaml").write_text(write_yaml(own))
    systems = files(folder, "refusing", "slow_clock")
    with pytest.raises(InfeasibleError, match=r"refusing\.yaml cannot run picture"):
        ms.decide(files(folder, "picture"), systems, **FEW)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"workloads": ()}, "workloads: name at least one"),
        ({"workloads": "lstm"}, "give a list"),
        ({"systems": ("mensa_g",)}, "name at least two systems"),
        ({"systems": ("mensa_g", "mensa_g")}, "mensa_g stands there twice"),
        ({"systems": ("mensa_g", "own/mensa_g.yaml")}, "two are called mensa_g"),
        ({"weights": {"lstn": 1}}, "--weight lstn: is none of the workloads"),
        ({"weights": {"lstm": 0}}, "must be positive"),
        ({"runs": 0}, "at least 1"),
        ({"prices": 10**400}, "at most 1000000"),
    ],
)
def test_what_is_no_decision_is_refused(bad: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"workloads": ("lstm",), "systems": ("edge_tpu", "mensa_g")}
    with pytest.raises(UsageError, match=says):
        DecideRequest(**{**good, **bad})


def test_the_page_and_the_table_open_with_the_verdict(decision: ms.Decision) -> None:
    verdict = f"{decision.best} is better than {decision.runner_up} on 2 workloads: {decision.lead:.2f}x less"
    assert verdict in str(decision)
    assert verdict in decision.files()["report.html"]
    assert decision.summary()["best"] == decision.best


def test_each_system_is_run_by_the_flow_that_its_file_states_unless_the_decision_states_one(tmp_path: Path) -> None:
    """A tensor with two readers leaves the chip layer by layer, and stays by default."""
    layers = [
        {**PICTURE, "name": "stem"},
        {**PICTURE, "name": "inner", "inputs": ["stem"]},
        {"name": "sum", "operator": "add", "elements": 32 * 28 * 28, "inputs": ["stem", "inner"]},
    ]
    (tmp_path / "block.yaml").write_text(write_yaml({"name": "block", "layers": layers}))
    for name in ("stated", "unsaid"):
        system(tmp_path, name, 8_000_000_000)
    with (tmp_path / "stated.yaml").open("a") as stream:
        stream.write("scheduling: {flow: layers}\n")
    block, both = files(tmp_path, "block"), files(tmp_path, "stated", "unsaid")
    for asked, flows in ((None, ("layers", "homes")), ("homes", ("homes", "homes"))):
        found = ms.decide(block, both, flow=asked, fields=False, **FEW)
        by_hand = [
            ms.run(block[0], system=each, flow=flow).main.energy_pj for each, flow in zip(both, flows, strict=True)
        ]
        assert [each.energy_pj for each in found.measured] == pytest.approx(by_hand)
        assert (by_hand[0] > by_hand[1]) == (asked is None)
