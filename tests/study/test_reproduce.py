"""The reproduction: definitions by hand, explanations that are runs, the same bytes twice."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from mensa_sim.errors import UnknownNameError
from mensa_sim.hardware.files import load_system
from mensa_sim.report.reproduce.files import models_csv, reproduce_data, reproduce_json
from mensa_sim.report.reproduce.page import reproduce_html
from mensa_sim.study.reproduce.experiments.named import EXPERIMENTS
from mensa_sim.study.reproduce.outcome import Case, FamilyWork, Outcome
from mensa_sim.study.reproduce.paper import PaperFigure, chosen_models, family_meant, kinds_meant, paper_figures
from mensa_sim.study.reproduce.quantities import DEFINITIONS, means_of, paired_means
from mensa_sim.study.reproduce.reproduce import ReproduceResult, reproduce
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.reproduce.scaling import at_prices, price_factors
from mensa_sim.study.reproduce.table import Row, Runs, row_of
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask, run_model, run_models, stretched, system_of
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate_system
from mensa_sim.workload.graph import Coverage
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS

FEW = ("keyboard_cifg", "mobilenet_v1")


@pytest.fixture(scope="module")
def few() -> ReproduceResult:
    """A reproduction over one LSTM and one CNN."""
    return reproduce(ReproduceRequest(models=FEW))


def outcome(model: str, system: str, latency_ps: int, energy_pj: float, utilization: float = 0.5) -> Outcome:
    return Outcome(
        model=model,
        kind="cnn",
        label="main",
        system=system,
        macs=10,
        parameter_bytes=5,
        latency_ps=latency_ps,
        energy_pj={"lpddr4": {"memory": energy_pj}},
        steady_latency_ps=latency_ps,
        steady_energy_pj=energy_pj,
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
    alone = evaluate_system(graph, load_system(system), "mensa", "edp")
    (seen,) = run_model(ModelTask(model="keyboard_cifg", cases=(Case(label="main", system=system),))).outcomes
    assert seen.latency_ps == alone.latency_ps
    assert seen.total_pj == pytest.approx(alone.energy_pj, rel=1e-12)
    assert seen.steady_latency_ps == alone.steady.latency_ps
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
    assert scaled.total_pj == pytest.approx(new.total_pj, rel=1e-9)
    assert scaled.total_pj > old.total_pj


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


def test_every_deviation_has_a_run_or_says_that_none_helps(few: ReproduceResult) -> None:
    explained = {each.row.figure for each in few.deviations}
    assert explained == {row.figure for row in few.rows if row.agrees is False}
    for deviation in few.deviations:
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


def test_the_summary_names_its_rows_as_the_paper_table_does(few: ReproduceResult) -> None:
    data = json.loads(json.dumps(reproduce_data(few)))
    names = [(f.quantity, f.system, f.against, f.models) for f in paper_figures()]
    rows = [*data["rows"], *data["not_computed"]]
    assert sorted((r["quantity"], r["system"], r["against"], r["models"]) for r in rows) == sorted(names)
    for row in data["rows"]:
        assert row["ratio"] == pytest.approx(row["ours"] / row["paper"])
        assert None not in row.values()


def test_two_processes_give_the_same_bytes_as_one(few: ReproduceResult) -> None:
    again = reproduce(ReproduceRequest(models=FEW, jobs=2))
    assert reproduce_json(again) == reproduce_json(few)
    assert models_csv(again) == models_csv(few)
    assert reproduce_html(again) == reproduce_html(few)


def test_every_model_and_system_has_a_line(few: ReproduceResult) -> None:
    lines = models_csv(few).splitlines()
    for model in FEW:
        for system in ("edge_tpu", "base_hb", "eyeriss_v2", "mensa_g"):
            assert any(line.startswith(f"{model},") and f",{system},main," in line for line in lines)


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


def test_the_sentence_on_eyeriss_says_what_the_table_says(few: ReproduceResult) -> None:
    (text,) = [each for each in few.statements if each.startswith("On CNNs Eyeriss v2")]
    row = next(r for r in few.rows if (r.figure.quantity, r.figure.models) == ("total_energy", "cnn"))
    assert row.ours is not None
    assert f"takes {row.ours.arithmetic:.2f} times" in text
    assert f"{row.plain:.2f} with every activation through memory" in text


def test_agreement_is_counted_under_every_experiment(few: ReproduceResult) -> None:
    agreeing = {row.figure.name for row in few.rows if row.agrees}
    assert [each.name for each in few.agreements] == [experiment.name for experiment in EXPERIMENTS]
    for each in few.agreements:
        assert each.agreeing == len(agreeing) + len(each.gained) - len(each.lost)
        assert set(each.lost) <= agreeing
        assert not set(each.gained) & agreeing
