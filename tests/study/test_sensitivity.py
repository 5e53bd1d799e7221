"""The sensitivity study: what is varied, how far it swings, and the same bytes for the same seed."""

import dataclasses
import math

import numpy as np
import pytest

from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system, load_technology
from mensa_sim.report.sensitivity.page import SENSITIVITY, lead_text, swings_csv
from mensa_sim.study.reproduce import workers as workers_module
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.reproduce.table import MAIN, Runs
from mensa_sim.study.reproduce.taken import SHIPPED
from mensa_sim.study.reproduce.workers import ModelTask, run_model
from mensa_sim.study.sensitivity import drawn as drawn_module
from mensa_sim.study.sensitivity import sensitivity as sensitivity_module
from mensa_sim.study.sensitivity.drawn import OTHERWISE, SETTINGS, draw_swings, draw_tasks
from mensa_sim.study.sensitivity.joint import Draw, draws_of
from mensa_sim.study.sensitivity.prices import Prices
from mensa_sim.study.sensitivity.request import SensitivityRequest
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult, sensitivity
from mensa_sim.study.sensitivity.setting import PRICE_CHOICES, RUN_CHOICES
from mensa_sim.study.sensitivity.swings import Swing, Swings, headlines_of
from mensa_sim.workload.population.draw import Population, draw_population
from mensa_sim.workload.population.statistics import Choices, Statistics

REQUEST = SensitivityRequest(models=("keyboard_cifg", "lstm"), runs=1, prices=80)
HEADLINES = headlines_of(SYSTEMS)
WITHOUT_EFFECT = ("mac_width_exponent", "vector_lane_area_mm2")
"""Every model is of 8 bits; the area of lanes lengthens no wire, so it costs neither energy nor time."""


@pytest.fixture(scope="module")
def result() -> SensitivityResult:
    return sensitivity(REQUEST)


def swings(result: SensitivityResult, choice: str) -> list[Swing]:
    return [swing for swing in result.swings if swing.choice == choice]


def test_every_constant_of_the_technology_that_a_system_uses_is_varied() -> None:
    varied = {name for choice in PRICE_CHOICES for name in choice.fields}
    used = {memory.kind for name in SYSTEMS for memory in load_system(name).memories.values()}
    for name in load_technology("cmos_22nm").constants():
        if name in WITHOUT_EFFECT or (name.startswith("memories.") and name.split(".")[1] not in used):
            continue
        assert name in varied, name


@pytest.mark.parametrize("choice", PRICE_CHOICES, ids=lambda choice: choice.name)
def test_a_range_holds_the_shipped_value(choice: object) -> None:
    assert isinstance(choice, type(PRICE_CHOICES[0]))
    assert 0 < choice.low < 1 < choice.high
    assert choice.source


def test_every_setting_is_a_system_that_loads() -> None:
    for choice in RUN_CHOICES:
        for setting in choice.settings:
            touched = {system: setting.on(system) for system in SYSTEMS}
            assert any(overrides is not None for overrides in touched.values()), setting.label
            for system, overrides in touched.items():
                assert load_system(system, overrides=overrides or ()).accelerators


def test_prices_do_not_touch_throughput(result: SensitivityResult) -> None:
    for choice in PRICE_CHOICES:
        for swing in swings(result, choice.name):
            for headline in HEADLINES:
                if headline[0] == "throughput":
                    assert swing.values[headline] == result.nominal[headline]


def test_a_dearer_stack_makes_only_mensa_worse(result: SensitivityResult) -> None:
    low, high = swings(result, "energy per bit inside the stack")
    for headline in HEADLINES:
        if headline[0] == "energy_efficiency":
            assert low.values[headline] > result.nominal[headline] > high.values[headline]


def test_a_faster_eyeriss_is_caught_by_its_own_headline_alone(result: SensitivityResult) -> None:
    slow, fast = swings(result, "clock of Eyeriss v2")
    headline = ("throughput", "mensa_g", "eyeriss_v2")
    assert slow.values[headline] > result.nominal[headline] > fast.values[headline]
    assert fast.values["throughput", "mensa_g", "edge_tpu"] == result.nominal["throughput", "mensa_g", "edge_tpu"]


def test_a_headline_that_crosses_one_is_said_to_flip(result: SensitivityResult) -> None:
    for swing in result.swings:
        for headline in HEADLINES:
            crossed = (swing.values[headline] - 1) * (result.nominal[headline] - 1) < 0
            assert (headline in swing.flips) == crossed


def test_intervals_are_in_order_and_count_draws_below_one(result: SensitivityResult) -> None:
    for interval in result.intervals.values():
        assert 0 < interval.low <= interval.median <= interval.high
        assert 0 <= interval.below_one <= 1
        assert math.isclose(interval.below_one * 80, round(interval.below_one * 80), abs_tol=1e-9)
        if interval.low > 1:
            assert interval.below_one <= 0.05


def drawn(count: int, seed: int) -> tuple[Draw, ...]:
    return draws_of(count, seed, RUN_CHOICES, SYSTEMS)


def test_draws_follow_their_seed() -> None:
    assert drawn(5, 1) == drawn(5, 1)
    assert [draw.chosen for draw in drawn(5, 1)] != [draw.chosen for draw in drawn(5, 2)]
    for draw in drawn(3, 0):
        assert {case.system for case in draw.cases} == set(SYSTEMS)
        assert set(draw.chosen) == {choice.name for choice in RUN_CHOICES if choice.joint}


def test_as_many_simulations_are_counted_as_were_run(result: SensitivityResult) -> None:
    every = [setting for choice in RUN_CHOICES for setting in choice.settings]
    settings = sum(setting.on(system) is not None for setting in every for system in SYSTEMS)
    assert result.simulated == 2 * (4 + settings + 2 * 4 + 1 * 4)


def test_the_same_seed_gives_the_same_bytes_on_two_processes(result: SensitivityResult) -> None:
    again = sensitivity(dataclasses.replace(REQUEST, jobs=2))
    assert SENSITIVITY.summary(again) == SENSITIVITY.summary(result)
    assert swings_csv(again) == swings_csv(result)
    assert SENSITIVITY.page(again) == SENSITIVITY.page(result)


def test_the_page_opens_with_what_is_least_sure_and_with_what_turns_it(result: SensitivityResult) -> None:
    first = result.headlines[0]
    nominal = dict.fromkeys(result.headlines, 2.0) | {first: 0.5}
    sure = dataclasses.replace(next(iter(result.intervals.values())), below_one=0.01)
    intervals = dict.fromkeys(result.headlines, sure) | {first: dataclasses.replace(sure, below_one=0.7)}
    swing = dataclasses.replace(result.swings[0], values={**nominal, first: 4.0}, flips={})
    turned = dataclasses.replace(swing, choice="half", values={**nominal, first: 1.1}, flips={first: "at 3"})
    told = dataclasses.replace(result, nominal=nominal, intervals=intervals, swings=(turned, swing))
    count = len(result.headlines)
    assert f"{count - 1} of {count} headlines stay on their side of 1" in lead_text(told)
    assert "0.5 as taken, it is on the other side of 1 in 30% of the draws" in lead_text(told)
    assert f"hangs most on {swing.choice} (4 with {swing.setting}). Choices" in lead_text(told)
    assert lead_text(told).endswith("turn which system is better: half.")
    assert lead_text(dataclasses.replace(told, swings=(swing,))).endswith("turn which system is better: none.")


@pytest.mark.parametrize("bad", [{"workloads": ("lstm", "lstm")}, {"systems": ("edge_tpu", "mensa_g", "edge_tpu")}])
def test_what_stands_there_twice_would_count_twice_and_is_refused(bad: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError, match=r"--(workloads|systems): (lstm|edge_tpu) stands there twice"):
        SensitivityRequest(**bad)


@pytest.mark.parametrize("bad", [{"runs": 0}, {"prices": 0}])
def test_no_draws_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        dataclasses.replace(REQUEST, **bad)


SMALL = Statistics(kinds={"lstm": 4})


def small_population(seed: int, choices: Choices | None = None) -> Population:
    return draw_population(seed, SMALL, choices)


def test_every_choice_of_the_draw_is_moved_to_either_side() -> None:
    assert list(OTHERWISE) == [field.name for field in dataclasses.fields(Choices)]
    for name, (low, high) in OTHERWISE.items():
        assert np.mean(low) < np.mean(getattr(Choices(), name)) < np.mean(high)
    assert SETTINGS[0].choices == Choices()
    assert len({setting.choices for setting in SETTINGS}) == 1 + 2 * len(OTHERWISE)


def test_headlines_swing_with_the_choices_of_the_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four LSTMs; what only transducers have changes nothing on them."""
    for module in (drawn_module, workers_module):
        monkeypatch.setattr(module, "population", small_population)
    chosen = [each for each in SETTINGS if each.value in (0.0, (16, 64), 0.5) and "share" not in each.choice]
    monkeypatch.setattr(drawn_module, "SETTINGS", chosen)
    systems = ("edge_tpu", "mensa_g")
    cases = tuple(Case(label=MAIN, system=system) for system in systems)
    published = run_model(ModelTask(model="keyboard_cifg", cases=cases))
    prices = Prices(choices=(), taken=dict.fromkeys(systems, ()))
    study = Swings(headlines=headlines_of(systems), runs=Runs(models=(published,)), prices=prices, choices=())
    ran = [(setting, run_model(task)) for setting, task in draw_tasks(1, cases)]
    assert len(ran) == 3 * 4
    as_taken, shorter, fewer = draw_swings(study, ran, SHIPPED)
    assert (as_taken.choice, as_taken.setting) == ("models", "drawn with the paper's statistics")
    assert (shorter.choice, shorter.taken, shorter.setting) == ("drawn models: steps", "32 to 128", "16 to 64")
    assert (fewer.choice, fewer.taken, fewer.setting) == ("drawn models: labels per step", "0.25", "0.5")
    assert shorter.values != as_taken.values == fewer.values


def test_populations_are_run_beside_the_models_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_module, "population", small_population)

    def told(tasks: list[ModelTask], *_: object) -> None:
        raise UsageError(f"{sum(task.seed is not None for task in tasks)} of {len(tasks)}")

    monkeypatch.setattr(sensitivity_module, "run_models", told)
    for populations, said in ((None, "0 of 2"), (1, f"{4 * len(SETTINGS)} of {2 + 4 * len(SETTINGS)}")):
        with pytest.raises(UsageError, match=said):
            sensitivity(dataclasses.replace(REQUEST, populations=populations))
