"""The reproduction: definitions by hand, explanations that are runs, the same bytes twice."""

import dataclasses
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from held_reproduction import held_against_the_paper
from rich.console import Console

import mensa_sim as ms
from mensa_sim.errors import UnknownNameError, UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.report.page.colours import BLUE, GREY, VERMILION
from mensa_sim.report.reproduce.figures import change_figure
from mensa_sim.report.reproduce.files import models_csv, reproduce_data
from mensa_sim.report.reproduce.page import REPRODUCTION, reproduce_figures
from mensa_sim.report.reproduce.tables import reproduce_tables
from mensa_sim.study.reproduce.experiments.named import EXPERIMENT_NAMED, EXPERIMENTS
from mensa_sim.study.reproduce.outcome import Case, FamilyWork, Outcome
from mensa_sim.study.reproduce.paper import PaperFigure, chosen_models, family_meant, kinds_meant, paper_figures
from mensa_sim.study.reproduce.quantities import DEFINITIONS, means_of, paired_means
from mensa_sim.study.reproduce.reproduce import ReproduceResult, reproduce
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.reproduce.scaling import at_prices, price_factors
from mensa_sim.study.reproduce.table import Row, Runs, as_ran, row_of
from mensa_sim.study.reproduce.taken import Taken
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask, run_model, run_models, stretched, system_of
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SteadyState
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import Coverage
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODEL_KINDS, MODELS

FEW = ("keyboard_cifg", "mobilenet_v1")


def test_the_map_of_figures_and_changes_has_every_ratio_in_its_place(held: ReproduceResult) -> None:
    (heat,) = change_figure(held)["data"]
    rows = [row for row in held.rows if row.ratio is not None and row.ratio > 0][::-1]
    assert list(heat["x"][1:]) == [each.name.replace("_", " ") for each in held.agreements]
    for line, logs, row in zip(heat["customdata"], heat["z"], rows, strict=True):
        assert line[0] == row.ratio
        changed = [each.ratios[row.figure.name] for each in held.agreements]
        assert line[1:] == [ratio if ratio > 0 else None for ratio in changed]
        assert [None if value is None else 10**value for value in logs] == pytest.approx(line)


def test_what_a_figure_compares_differs_in_colour_and_the_map_has_a_hue_for_more_and_one_for_less(
    held: ReproduceResult,
) -> None:
    figures = {name: drawn.figure["data"] for name, drawn in reproduce_figures(held).items()}
    (heat,) = change_figure(held)["data"]
    assert (heat["colorscale"][0], heat["colorscale"][-1]) == ([0, BLUE], [1, VERMILION])
    for name, traces in figures.items():
        marks = [each["marker"] for each in traces if isinstance(each.get("marker", {}).get("color"), str)]
        drawn = [(each["color"], str(each.get("pattern"))) for each in marks if each["color"] != GREY]
        assert len(set(drawn)) == len(drawn), name


@pytest.fixture(scope="module")
def few() -> ReproduceResult:
    """A reproduction over one LSTM and one CNN."""
    return reproduce(ReproduceRequest(models=FEW))


@pytest.fixture(scope="module")
def held(few: ReproduceResult) -> ReproduceResult:
    """The same, held against the paper's figures."""
    return held_against_the_paper(few)


def outcome(model: str, system: str, latency_ps: int, energy_pj: float, utilization: float = 0.5) -> Outcome:
    return Outcome(
        model=model,
        kind="cnn",
        label="main",
        system=system,
        macs=10,
        parameter_bytes=5,
        latency_ps=latency_ps,
        energy_by_resource_pj={"lpddr4": {"memory": energy_pj}},
        steady=SteadyState(latency_ps=latency_ps, energy_pj=energy_pj),
        utilization=utilization,
        handoffs=0,
        traffic_bytes=1,
        accelerators={},
        families={1: FamilyWork(layers=1, macs=10, possible_macs=latency_ps)},
        value=1.0,
    )


def runs_of(*outcomes: Outcome) -> Runs:
    names = dict.fromkeys(each.model for each in outcomes)
    return Runs(
        models=tuple(
            ModelOutcomes(
                model=name,
                kind="cnn",
                macs=10,
                parameter_bytes=5,
                members=(),
                coverage=Coverage(),
                outcomes=tuple(each for each in outcomes if each.model == name),
            )
            for name in names
        )
    )


def figure(quantity: str, value: float = 1.0, unit: str = "ratio", models: str = "all") -> PaperFigure:
    return PaperFigure(quantity=quantity, system="new", against="old", models=models, value=value, unit=unit, tag="A")


PAIRS = runs_of(
    outcome("a", "new", 10, 4.0, 0.8),
    outcome("a", "old", 40, 4.0, 0.2),
    outcome("b", "new", 10, 2.0, 0.5),
    outcome("b", "old", 10, 8.0, 0.5),
)


def ours(quantity: str, runs: Runs = PAIRS) -> Row:
    return row_of(figure(quantity), runs, lambda name: load_system("edge_tpu"))


def test_a_headline_is_the_arithmetic_mean_of_the_models_own_ratios() -> None:
    means = ours("throughput").ours
    assert means is not None
    assert means.arithmetic == (4 + 1) / 2
    assert means.geometric == pytest.approx(2)
    assert means.harmonic == pytest.approx(2 / (1 / 4 + 1))
    assert means.totals == 50 / 20


def test_energy_efficiency_and_total_energy_are_inverse_model_by_model_but_not_in_the_mean() -> None:
    efficiency, energy = ours("energy_efficiency").ours, ours("total_energy").ours
    assert efficiency is not None
    assert energy is not None
    assert efficiency.arithmetic == (1 + 4) / 2
    assert energy.arithmetic == (1 + 1 / 4) / 2
    assert efficiency.totals == pytest.approx(1 / (energy.totals or 0))


def test_the_ratio_of_sums_of_utilizations_is_that_of_their_means() -> None:
    means = ours("utilization").ours
    assert means is not None
    assert means.totals == pytest.approx((0.8 + 0.5) / (0.2 + 0.5))


def test_a_figure_of_a_family_pools_its_layers() -> None:
    row = row_of(
        dataclasses.replace(figure("utilization", models="family 1"), against=""), PAIRS, lambda name: load_system(name)
    )
    assert row.ours is not None
    assert row.ours.arithmetic == 20 / 20


@pytest.mark.parametrize("models", ["family 4", "lstm"])
def test_a_figure_without_runs_says_why(models: str) -> None:
    row = row_of(figure("utilization", models=models), PAIRS, lambda name: load_system(name))
    assert row.ours is None
    assert row.ratio is None
    assert row.reason


def test_a_quantity_that_nobody_computes_is_listed_with_the_reason() -> None:
    assert ours("beauty").reason == "this program does not compute it"


@pytest.mark.parametrize(
    ("unit", "value", "agrees"),
    [
        ("ratio", 2.5, True),
        ("ratio", 2.2, True),
        ("ratio", 2.1, False),
        ("ratio", 3.0, False),
        ("fraction_at_most", 2.1, False),
        ("fraction_at_most", 9.0, True),
        ("fraction_at_least", 9.0, False),
        ("fraction_at_least", 0.1, True),
    ],
)
def test_a_figure_agrees_within_15_percent_or_on_the_right_side_of_a_bound(
    unit: str, value: float, agrees: bool
) -> None:
    row = row_of(figure("throughput", value, unit), PAIRS, lambda name: load_system(name))
    assert row.agrees is agrees


def test_means_of_values_with_another_sign_are_arithmetic_only() -> None:
    assert means_of([-1.0, 2.0]).geometric is None
    assert means_of([-1.0, 2.0]).arithmetic == 0.5


def test_models_of_two_systems_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_means("throughput", PAIRS.of("main", "new", ("cnn",)), [])


def test_every_figure_of_the_paper_has_a_definition_and_known_models() -> None:
    for each in paper_figures():
        assert each.quantity in DEFINITIONS
        assert family_meant(each.models) is not None or kinds_meant(each.models)


def test_models_are_chosen_by_name_or_kind_in_the_order_of_the_study() -> None:
    assert chosen_models(()) == MODELS
    assert chosen_models(("lstm",))[-1] == "lstm"
    assert chosen_models(("mobilenet_v1", "blazeface")) == ("mobilenet_v1", "blazeface")
    with pytest.raises(UnknownNameError, match="vgg"):
        chosen_models(("vgg",))


@pytest.mark.parametrize("system", ["edge_tpu", "mensa_g"])
def test_the_study_sees_what_a_run_sees(system: str) -> None:
    graph = load_workload("keyboard_cifg")
    alone = evaluate(graph, load_system(system), Goal(scheduler="mensa", objective="edp"))
    (seen,) = run_model(ModelTask(model="keyboard_cifg", cases=(Case(label="main", system=system),))).outcomes
    assert seen.latency_ps == alone.latency_ps
    assert seen.energy_pj == pytest.approx(alone.energy_pj, rel=1e-12)
    assert seen.steady.latency_ps == alone.steady.latency_ps
    assert seen.utilization == alone.utilization
    for component, energy in alone.energy_by_component_pj.items():
        assert seen.component_pj.get(component, 0.0) == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize(
    "override",
    [
        "technology.mac_pj_8_bit=1.6",
        "technology.sram_energy_factor=3",
        "technology.memories.lpddr4.background_mw=50",
        "technology.mac_area_mm2=0.001",
        "technology.register_leakage_mw_per_bit=0.0001",
    ],
)
def test_new_prices_on_the_same_mappings_cost_what_a_run_of_the_latency_objective_says(override: str) -> None:
    goal = Goal(objective="latency")
    cases = (
        Case(label="old", system="edge_tpu", goal=goal),
        Case(label="new", system="edge_tpu", overrides=(override,), goal=goal),
    )
    old, new = run_model(ModelTask(model="keyboard_cifg", cases=cases)).outcomes
    factors = price_factors(system_of("edge_tpu", ()), system_of("edge_tpu", (override,)))
    scaled = at_prices(old, factors)
    assert old.latency_ps == new.latency_ps
    assert scaled.energy_pj == pytest.approx(new.energy_pj, rel=1e-9)
    assert scaled.energy_pj > old.energy_pj


@pytest.mark.parametrize("override", ["accelerators.edge_tpu.clock_hz=1000000000", "memories.lpddr4.efficiency=0.5"])
def test_what_changes_times_is_not_a_matter_of_prices(override: str) -> None:
    with pytest.raises(ValueError, match="run again"):
        price_factors(system_of("edge_tpu", ()), system_of("edge_tpu", (override,)))


def test_a_stretched_model_takes_as_many_more_steps() -> None:
    graph = load_workload("lstm")
    longer = stretched(graph, 2)
    assert longer.macs == sum(layer.macs * (2 if layer.steps > 1 else 1) for layer in graph.layers)
    assert longer.parameter_bytes == graph.parameter_bytes
    assert stretched(graph, 1) is graph


def test_every_deviation_has_a_run_or_says_that_none_helps(held: ReproduceResult) -> None:
    explained = {each.row.figure for each in held.deviations}
    assert explained == {row.figure for row in held.rows if row.agrees is False}
    for deviation in held.deviations:
        assert deviation.closers or "not explained" in deviation.verdict
        for closer in deviation.closers:
            assert closer.closed >= 0.1
            whole = math.log(deviation.row.figure.value / deviation.row.ours.arithmetic)
            assert closer.closed == pytest.approx(math.log(closer.value / deviation.row.ours.arithmetic) / whole)


def test_an_experiment_touches_only_the_systems_that_it_names(few: ReproduceResult) -> None:
    for each in few.runs.models:
        for seen in each.outcomes:
            named = next((e for e in EXPERIMENTS if e.name == seen.label), None)
            assert named is None or seen.system in named.touched


def test_the_summary_names_its_rows_as_the_paper_table_does(held: ReproduceResult) -> None:
    data = json.loads(json.dumps(reproduce_data(held)))
    names = [(f.quantity, f.system, f.against, f.models) for f in paper_figures()]
    rows = [*data["rows"], *data["not_computed"]]
    assert sorted((r["quantity"], r["system"], r["against"], r["models"]) for r in rows) == sorted(names)
    for row in data["rows"]:
        assert row["ratio"] == pytest.approx(row["ours"] / row["paper"])
        assert None not in row.values()


def test_two_processes_give_the_same_bytes_as_one(few: ReproduceResult) -> None:
    again = reproduce(ReproduceRequest(models=FEW, jobs=2))
    assert REPRODUCTION.summary(again) == REPRODUCTION.summary(few)
    assert models_csv(again) == models_csv(few)
    assert REPRODUCTION.page(again) == REPRODUCTION.page(few)


def test_figures_of_some_models_are_labelled_with_them_and_held_against_nothing(few: ReproduceResult) -> None:
    computed = [row for row in few.rows if row.ours is not None]
    assert computed
    for row in computed:
        assert "keyboard_cifg" in row.ran or "mobilenet_v1" in row.ran
        assert row.ratio is row.agrees is None
    assert not few.deviations
    assert not few.agreements
    assert not few.statements
    for each in json.loads(REPRODUCTION.summary(few))["rows"]:
        assert not {"paper", "ratio", "agrees"} & set(each)
        assert "keyboard_cifg" in each["models"] or "mobilenet_v1" in each["models"]
    shown = REPRODUCTION.page(few)
    assert "2 of 24 models ran: mobilenet_v1, keyboard_cifg; scheduler mensa." in shown
    assert "nothing here is held against them" in shown
    assert "The Mensa paper beside mensa-sim" not in shown
    assert "mensa_g / edge_tpu, models mobilenet_v1, keyboard_cifg" in printed(reproduce_tables(few))


def test_a_figure_is_held_against_the_papers_where_all_its_models_were_run(held: ReproduceResult) -> None:
    row = next(row for row in held.rows if row.figure.models == "lstm+transducer" and row.ours is not None)
    recurrent = (*MODEL_KINDS["lstm"], *MODEL_KINDS["transducer"])
    assert as_ran(row, recurrent).ratio == row.ratio
    assert as_ran(row, recurrent[1:]).ran == "7 of 8 models"
    assert as_ran(row, recurrent[1:]).ratio is None
    opening = REPRODUCTION.page(held).partition("Every figure")[0]
    assert opening.count("<td>no</td>") + opening.count("<td>yes</td>") == 4  # the authors' own claims
    assert 'id="changes"' in opening
    told = printed(reproduce_tables(held)).splitlines()
    assert told[0].startswith("the authors' own claims")
    assert [line.split(":")[0] for line in told[1:5]] == ["energy efficiency"] * 2 + ["throughput"] * 2
    assert len(told) < 80
    assert "The Mensa paper beside mensa-sim" in REPRODUCTION.page(held)


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        (("lstm",), ("lstm",)),
        (("kind:lstm",), MODEL_KINDS["lstm"]),
        (("rcnn",), MODEL_KINDS["rcnn"]),
        (("lstm", "crnn"), ("lstm", "crnn")),
    ],
)
def test_a_name_is_a_model_first_and_a_kind_where_no_model_has_it(
    named: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    assert chosen_models(named) == meant


SET = ("technology.mac_pj_8_bit=1.6", "accelerators.pavlov.clock_hz=1000000000")


def test_settings_and_scheduler_hold_in_the_whole_study_as_in_a_comparison() -> None:
    options = {"mac_ratio": 5.0}
    found = ms.reproduce(models=["keyboard_cifg"], overrides=SET, scheduler="mensa", options=options)
    beside = ms.compare("keyboard_cifg", ["edge_tpu", "mensa_g"], overrides=SET, scheduler="mensa", options=options)
    ours = {(row.figure.quantity, row.figure.system, row.figure.against): row.ours for row in found.rows}
    ratios = beside.ratios("mensa_g")
    for quantity, ratio in (("energy_efficiency", ratios.energy_efficiency), ("throughput", ratios.throughput)):
        means = ours[quantity, "mensa_g", "edge_tpu"]
        assert means is not None
        assert means.arithmetic == pytest.approx(ratio, rel=1e-12)
    shown = printed(found.table())
    assert all(f"set {text}" in shown for text in SET)
    assert "scheduler mensa with mac_ratio=5" in shown
    sets = " ".join(f"--set {text}" for text in SET)
    words = f"mensa-sim reproduce --models keyboard_cifg {sets} --scheduler mensa --option mac_ratio=5.0"
    assert found.command == words


def test_an_experiment_multiplies_what_was_set_and_not_what_ships() -> None:
    taken = Taken(overrides={"eyeriss_v2": SET[:1]})
    settings = EXPERIMENT_NAMED["eyeriss_skips_zeros"].settings("eyeriss_v2", taken)
    assert settings[0] == SET[0]
    (mac,) = (text for text in settings[1:] if text.startswith("technology.mac_pj_8_bit="))
    assert float(mac.partition("=")[2]) == pytest.approx(0.56 * 1.6)


def test_a_scheduler_that_was_asked_for_leaves_an_experiments_own_alone() -> None:
    taken = Taken(goal=Goal(scheduler="greedy"))
    assert taken.scheduled("mensa_g", Goal()).scheduler == "greedy"
    assert taken.scheduled("mensa_g", Goal(objective="energy")) == Goal(scheduler="greedy", objective="energy")
    assert taken.scheduled("mensa_g", Goal(scheduler="optimal")).scheduler == "optimal"
    assert taken.scheduled("edge_tpu", Goal()) == Goal()


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        ({"overrides": ["accelerators.pavlo.clock_hz=1"]}, "pavlo"),
        ({"scheduler": "optimall"}, "did you mean 'optimal'"),
        ({"options": {"mac_rati": 2.0}}, "did you mean 'mac_ratio'"),
        ({"models": ["kind:lstms"]}, "did you mean 'lstm'"),
    ],
)
def test_what_no_system_of_the_study_has_is_refused_before_anything_is_run(call: Any, hint: str) -> None:
    for study in (ms.reproduce, ms.sensitivity):
        with pytest.raises(UsageError, match=hint):
            study(**call)


def printed(table: Any) -> str:
    console = Console(width=400, file=io.StringIO())
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_every_model_and_system_has_a_line(few: ReproduceResult) -> None:
    lines = models_csv(few).splitlines()
    for model in FEW:
        for system in ("edge_tpu", "base_hb", "eyeriss_v2", "mensa_g"):
            assert any(line.startswith(f"{model},") and f",{system},main," in line for line in lines)


def test_a_study_reads_the_systems_files_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = system_of("mensa_g", ())

    def stopped(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr("mensa_sim.study.reproduce.reproduce.run_models", stopped)
    assert system_of("mensa_g", ()) is before
    with pytest.raises(InterruptedError):
        reproduce(ReproduceRequest(models=FEW))
    assert system_of("mensa_g", ()) is not before


def test_progress_counts_models() -> None:
    seen: list[tuple[int, int, str]] = []
    case = Case(label="main", system="edge_tpu")
    run_models(
        [ModelTask(model=FEW[0], cases=(case,))], 1, lambda done, total, model: seen.append((done, total, model))
    )
    assert seen == [(1, 1, FEW[0])]


def test_the_shipped_figures_are_the_reference_ones(reference: Path) -> None:
    shipped = Path(__file__).parents[2] / "mensa_sim" / "study" / "reproduce" / "paper_figures.csv"
    assert shipped.read_text() == (reference / "paper" / "figures.csv").read_text()


def test_the_sentence_on_eyeriss_says_what_the_table_says(held: ReproduceResult) -> None:
    (text,) = [each for each in held.statements if each.startswith("On CNNs Eyeriss v2")]
    row = next(r for r in held.rows if (r.figure.quantity, r.figure.models) == ("total_energy", "cnn"))
    assert row.ours is not None
    assert f"takes {row.ours.arithmetic:.2f} times" in text
    assert f"{row.plain:.2f} with every activation through memory" in text


def test_agreement_is_counted_under_every_experiment(held: ReproduceResult) -> None:
    agreeing = {row.figure.name for row in held.rows if row.agrees}
    assert [each.name for each in held.agreements] == [experiment.name for experiment in EXPERIMENTS]
    for each in held.agreements:
        assert each.agreeing == len(agreeing) + len(each.gained) - len(each.lost)
        assert set(each.lost) <= agreeing
        assert not set(each.gained) & agreeing
