"""Experiments, alone and together, and readings: what they change, and nothing else."""

from dataclasses import replace

import pytest

from mensa_sim.study.reproduce.experiments.experiment import LARGE_BUFFER, PLAIN_READING, together
from mensa_sim.study.reproduce.experiments.named import (
    EXPERIMENT_NAMED,
    EXPERIMENTS,
    SINGLE_CHANGES,
    main_cases,
    with_prices,
)
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.paper import PaperFigure
from mensa_sim.study.reproduce.quantities import Means
from mensa_sim.study.reproduce.readings import readings
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.reproduce.table import MAIN, Row, Runs
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask, run_model, system_of
from mensa_sim.workload.families.paper import Features, Membership, nearest_family
from mensa_sim.workload.graph import Coverage


@pytest.fixture(scope="module")
def ran() -> ModelOutcomes:
    """One LSTM with every case of the study, prices included."""
    cases = (*main_cases(), *(case for experiment in EXPERIMENTS for case in experiment.cases()))
    return with_prices((run_model(ModelTask(model="keyboard_cifg", cases=cases)),))[0]


def of(ran: ModelOutcomes, label: str, system: str) -> Outcome:
    return next(each for each in ran.outcomes if (each.label, each.system) == (label, system))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_the_settings_of_an_experiment_make_systems_and_change_what_it_touches(experiment) -> None:  # type: ignore[no-untyped-def]
    for system in (*SYSTEMS, LARGE_BUFFER):
        settings = experiment.settings(system)
        changed = system_of(system, settings) != system_of(system, ())
        assert not changed or system in experiment.touched
        assert bool(settings) == changed


def test_every_experiment_has_an_outcome_on_every_system_that_it_touches(ran: ModelOutcomes) -> None:
    seen = {(each.label, each.system) for each in ran.outcomes}
    for experiment in EXPERIMENTS:
        assert {(experiment.name, system) for system in experiment.touched} <= seen
    assert len(seen) == len(ran.outcomes)


def test_prices_on_the_runs_of_a_base_are_those_of_the_base_at_new_prices(ran: ModelOutcomes) -> None:
    base, priced = of(ran, PLAIN_READING, "edge_tpu"), of(ran, "plain_and_leaky", "edge_tpu")
    assert priced.latency_ps == base.latency_ps != of(ran, MAIN, "edge_tpu").latency_ps
    before, after = base.energy_by_resource_pj["edge_tpu"], priced.energy_by_resource_pj["edge_tpu"]
    assert after["leakage parameter_buffer"] == pytest.approx(11 * before["leakage parameter_buffer"])
    assert after["leakage mac"] == before["leakage mac"]


def test_a_system_that_one_part_alone_changes_is_not_run_again(ran: ModelOutcomes) -> None:
    joint = EXPERIMENT_NAMED["no_gates_kept_and_optimal"]
    assert joint.cases() == ()
    assert of(ran, joint.name, "mensa_g") == replace(of(ran, "optimal_schedule", "mensa_g"), label=joint.name)
    assert of(ran, joint.name, "edge_tpu") == replace(of(ran, "no_gates_kept", "edge_tpu"), label=joint.name)


def test_a_joint_run_has_the_changes_of_all_its_parts(ran: ModelOutcomes) -> None:
    joint = EXPERIMENT_NAMED["wide_ports"]
    parts = [EXPERIMENT_NAMED[name] for name in joint.parts]
    assert joint.settings("edge_tpu") == tuple(text for part in parts for text in part.settings("edge_tpu"))
    assert joint.on_chip == parts[0].on_chip
    plain = EXPERIMENT_NAMED["plain_and_eyeriss_2_ghz"]
    (case,) = plain.cases()
    assert case.system == "eyeriss_v2"
    assert case.on_chip == EXPERIMENT_NAMED[PLAIN_READING].on_chip


def test_two_runs_and_prices_at_once_must_be_joined_in_two_steps() -> None:
    parts = [EXPERIMENT_NAMED[name] for name in ("wide_parameter_ports", "wide_activation_ports", "leaky_sram")]
    with pytest.raises(ValueError, match="first"):
        together("all", "all", "all", parts)


def test_names_and_changes_are_each_used_once() -> None:
    assert len({each.name for each in EXPERIMENTS}) == len({each.change for each in EXPERIMENTS}) == len(EXPERIMENTS)
    assert not any(each.parts for each in SINGLE_CHANGES)


def row(quantity: str, system: str, models: str, unit: str, ours: float) -> Row:
    figure = PaperFigure(quantity=quantity, system=system, against="", models=models, value=0.5, unit=unit, tag="M")
    return Row(figure=figure, ours=Means(arithmetic=ours))


def model(name: str, kind: str, parameter_bytes: int, *features: Features) -> ModelOutcomes:
    members = []
    for number, each in enumerate(features):
        family, distance = nearest_family(each)
        members.append(Membership(layers=(f"l{number}",), features=each, family=family, distance=distance))
    return ModelOutcomes(
        model=name,
        kind=kind,
        macs=1,
        parameter_bytes=parameter_bytes,
        members=tuple(members),
        coverage=Coverage(),
        outcomes=(),
    )


def test_what_the_buffer_holds_of_all_parameters_weighs_models_by_size() -> None:
    small, large = model("a", "lstm", 2**22), model("b", "lstm", 3 * 2**22)
    found = {
        r.name: r.value
        for r in readings(
            row("parameters_held_by_buffer", "edge_tpu", "lstm", "fraction", 2 / 3), Runs(models=(small, large))
        )
    }
    assert found == {"of_all_parameters": pytest.approx(2 / 4)}


def test_readings_of_the_families_by_hand() -> None:
    gate = Features(parameter_bytes=2_000_000, macs=2_000_000, steps=10)
    pointwise = Features(parameter_bytes=200_000, macs=10_000_000)  # family 2 but for half the MACs and MAC/B 50
    runs = Runs(models=(model("a", "lstm", 1, gate, pointwise),))
    found = {r.name: r.value for r in readings(row("layers_inside_families", "", "all", "fraction", 0.5), runs)}
    assert found["parameter_bytes_alone"] == 1
    assert found["ranges_widened_2x"] == 1
    assert found["fp16"] == 0.5  # the gate: half a MAC per byte still rounds to the 1 of the table
    assert found["by_macs"] == pytest.approx(20 / 30)
    assert found["by_parameters"] == pytest.approx(2 / 2.2)
    assert found["macs_of_all_steps"] == 0
    assert all(0 <= value <= 1 for value in found.values())


def test_the_static_share_with_background_is_smaller(ran: ModelOutcomes) -> None:
    ours = row("buffer_share_of_static_energy", "edge_tpu", "lstm", "fraction", 0.7)
    (found,) = readings(ours, Runs(models=(ran,)))
    assert 0 < found.value < 0.7
