"""Spaces: their values, their designs, and every fault told before any design is run."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_files import GRID, write_space

from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.io.shipped import shipped_files
from mensa_sim.study.explore.metrics import hardware_metrics
from mensa_sim.study.space.build import Builder
from mensa_sim.study.space.check import CheckedSpace, check_space
from mensa_sim.study.space.files import LinearRange, PowerRange
from mensa_sim.study.space.space import Space, linear, load_space, point_at, powers_of_two, scattered


def checked(folder: Path, **changes: Any) -> CheckedSpace:
    return check_space(load_space(write_space(folder, **changes)))


def with_parameter(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {"parameters": {**GRID["parameters"], name: entry}}


def build(space: CheckedSpace, **values: object) -> Any:
    """The system of the point at which some parameters have values and the others their first."""
    point = tuple(p.shown.index(values[p.name]) if p.name in values else 0 for p in space.space.parameters)  # type: ignore[arg-type]
    return Builder().system(space.base, space.base.design(space.space.assignments(point)))


@pytest.mark.parametrize("name", sorted(shipped_files("spaces")))
def test_every_shipped_space_is_without_fault(name: str) -> None:
    assert check_space(load_space(shipped_files("spaces")[name])).space.size > 1


@given(low=st.integers(-50, 50), count=st.integers(0, 40), step=st.integers(1, 9), rest=st.floats(0, 0.99))
def test_a_linear_range_has_both_ends_and_equal_steps(low: int, count: int, step: int, rest: float) -> None:
    values = linear(LinearRange(low=low, high=low + (count + rest) * step, step=step))
    assert values == [low + number * step for number in range(count + 1)]


@given(low=st.integers(0, 30), more=st.integers(0, 20))
def test_powers_of_two_double_from_low_to_high(low: int, more: int) -> None:
    values = powers_of_two(PowerRange(low=1 << low, high=1 << (low + more)))
    assert values[0] == 1 << low
    assert values[-1] == 1 << (low + more)
    assert all(b == 2 * a for a, b in itertools.pairwise(values))


@given(size=st.integers(1, 400))
def test_the_scattered_order_visits_every_point_once(size: int) -> None:
    assert sorted(scattered(number, size) for number in range(size)) == list(range(size))


def test_points_are_numbered_without_gap_or_repetition(tmp_path: Path) -> None:
    space = load_space(write_space(tmp_path))
    points = [point_at(space, number) for number in range(space.size)]
    assert len(set(points)) == space.size == 2 * 3 * 2
    assert all(set(space.shown(point)) == set(GRID["parameters"]) for point in points)


def test_the_point_that_changes_nothing_is_the_base_system(tmp_path: Path) -> None:
    space = checked(tmp_path)
    same = {"memories.stacked.bandwidth_bytes_per_s": 256_000_000_000, "side": 32}
    built, shipped = build(space, **same), load_system("mensa_g")
    assert built.memories == shipped.memories
    assert built.links == shipped.links
    assert built.families == shipped.families
    for mine, theirs in zip(built.accelerators, shipped.accelerators, strict=True):
        assert mine.technology == theirs.technology
        assert mine.spec.dataflow == theirs.spec.dataflow
        assert mine.array.levels == theirs.array.levels


def test_a_design_is_what_set_makes_of_the_base(tmp_path: Path) -> None:
    space = checked(tmp_path)
    built = build(space, side=8)
    expected = load_system(
        "mensa_g",
        overrides=[
            "memories.stacked.bandwidth_bytes_per_s=128000000000",
            "accelerators.pascal.dataflow.axes.0.size=8",
            "accelerators.pascal.dataflow.axes.1.size=8",
        ],
    )
    assert built.memories == expected.memories
    assert built.accelerator("pascal").spec.dataflow == expected.accelerator("pascal").spec.dataflow
    assert hardware_metrics(built) == hardware_metrics(expected)


ACCELERATORS = {
    "options": {
        "one": {"accelerators.pavlov": None, "accelerators.jacquard": None},
        "three": {},
        "four": {"accelerators.extra": {"spec": "pascal", "memory": "stacked", "set": {"clock_hz": 1_000_000_000}}},
    }
}


def test_the_number_and_kind_of_accelerators_vary(tmp_path: Path) -> None:
    extra = {"values": [512, 1024]}
    entry = {"number": ACCELERATORS, "accelerators.extra.levels.parameter_buffer.capacity_bytes": extra}
    space = checked(tmp_path, parameters=entry)
    four = build(space, number="four")
    assert [placed.name for placed in four.accelerators] == ["pascal", "pavlov", "jacquard", "extra"]
    assert four.accelerator("extra").spec.clock_hz == 1_000_000_000
    assert four.accelerator("extra").spec.buffer_bytes["parameter"] == 512
    assert four.accelerator("extra").memory == "stacked"
    assert four.families
    assert [placed.name for placed in build(space, number="three").accelerators] == ["pascal", "pavlov", "jacquard"]


def test_with_the_last_accelerator_on_a_memory_go_the_memory_its_links_and_the_families(tmp_path: Path) -> None:
    one = build(checked(tmp_path, parameters={"number": ACCELERATORS}), number="one")
    assert list(one.memories) == ["lpddr4"]
    assert not one.links
    assert not one.families


def test_fields_of_an_absent_accelerator_make_no_difference(tmp_path: Path) -> None:
    parameters = {"accelerators.pavlov.clock_hz": {"values": [10**9, 2 * 10**9]}, "number": ACCELERATORS}
    space = checked(tmp_path, parameters=parameters)
    designs = [space.base.design(space.space.assignments((place, 0))) for place in (0, 1)]
    assert designs[0].identity() == designs[1].identity()
    others = [space.base.design(space.space.assignments((place, 1))) for place in (0, 1)]
    assert others[0].identity() != others[1].identity()


def test_thresholds_of_the_scheduler_vary_and_mean_nothing_to_another_scheduler(tmp_path: Path) -> None:
    parameters = {"scheduler": {"values": ["mensa", "greedy"]}, "scheduler.mac_ratio": {"values": [1.5, 2]}}
    space = checked(tmp_path, parameters=parameters)
    designs = {point: space.base.design(space.space.assignments(point)) for point in ((0, 0), (0, 1), (1, 0), (1, 1))}
    assert designs[0, 0].options == {"mac_ratio": 1.5}
    assert designs[0, 0].identity() != designs[0, 1].identity()
    assert designs[1, 0].identity() == designs[1, 1].identity()


def test_a_file_beside_the_space_is_found_by_its_relative_path(tmp_path: Path) -> None:
    (tmp_path / "chips").mkdir()
    text = shipped_files("accelerators")["pascal"].read_text()
    technology = shipped_files("technologies")["cmos_22nm"]
    (tmp_path / "chips" / "mine.yaml").write_text(
        text.replace("name: pascal", "name: mine").replace("../technology/cmos_22nm.yaml", str(technology))
    )
    options = {"with": {"accelerators.mine": {"spec": "chips/mine.yaml", "memory": "lpddr4"}}, "without": {}}
    space = checked(tmp_path, parameters={"mine": {"options": options}})
    assert build(space, mine="with").accelerator("mine").spec.name == "mine"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": (with_parameter("accelerators.pascal.clok_hz", {"values": [1, 2]}), "clock_hz"),
    "unknown field of the system": (with_parameter("memoriez.lpddr4.kind", {"values": ["x"]}), "memoriez"),
    "unknown accelerator": (with_parameter("accelerators.pasqual.clock_hz", {"values": [1]}), "pasqual"),
    "value that cannot be": (with_parameter("accelerators.pascal.clock_hz", {"values": [10**9, -1]}), "value -1"),
    "unknown memory": (with_parameter("accelerators.pascal.memory", {"values": ["disk"]}), "disk"),
    "no values": (with_parameter("objective", {"values": []}), "values is empty"),
    "two kinds of values": (
        with_parameter("objective", {"values": ["edp"], "powers_of_two": {"low": 1, "high": 2}}),
        "exactly one of",
    ),
    "a value twice": (with_parameter("objective", {"values": ["edp", "edp"]}), "twice"),
    "empty range": (with_parameter("x", {"linear": {"low": 5, "high": 4, "step": 1}}), "the range is empty"),
    "empty powers": (with_parameter("x", {"powers_of_two": {"low": 8, "high": 4}}), "the range is empty"),
    "no power of two": (with_parameter("x", {"powers_of_two": {"low": 3, "high": 8}}), "power of two"),
    "step of nothing": (with_parameter("x", {"linear": {"low": 1, "high": 4, "step": 0}}), "step"),
    "endless range": (with_parameter("x", {"linear": {"low": 0, "high": 10**9, "step": 1}}), "larger step"),
    "unknown scheduler": (with_parameter("scheduler", {"values": ["mensa", "greedi"]}), "did you mean 'greedy'"),
    "unknown option": (with_parameter("scheduler.mac_ration", {"values": [1]}), "mac_ratio"),
    "unknown objective of the scheduler": ({"objective": "speed"}, "edp"),
    "unknown metric": ({"objectives": [{"metric": "energy"}]}, "energy_pj"),
    "unknown part of a metric": ({"objectives": [{"metric": "energy_by_component_pj.magic"}]}, "magic"),
    "metric twice": ({"objectives": [{"metric": "energy_pj"}, {"metric": "energy_pj"}]}, "twice"),
    "no objectives": ({"objectives": []}, "objectives"),
    "unknown key": ({"colour": "blue"}, "colour"),
    "unknown sampler": ({"sampler": {"name": "guess"}}, "sampler"),
    "contradictory conditions": ({"conditions": ["area_mm2 <= 1", "area_mm2 > 1"]}, "none of all 12 designs"),
    "impossible condition": ({"conditions": ["buffer_bytes < 0"]}, "buffer_bytes < 0 holds in 0"),
    "unknown name in a condition": ({"conditions": ["aria_mm2 <= 1"]}, "area_mm2"),
    "unknown field in a condition": ({"conditions": ["accelerators.pascal.color == 1"]}, "color"),
    "condition that is no condition": ({"conditions": ["area_mm2 + 1"]}, "not true or false"),
    "code in a condition": ({"conditions": ["__import__('os').system('true') == 0"]}, "not allowed"),
    "unknown system": ({"system": "mensa_h"}, "mensa_h"),
    "unknown reference": ({"references": ["tpu"]}, "tpu"),
}


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"unknown reference"}))
def test_a_fault_is_told_with_its_file_before_any_design_is_run(tmp_path: Path, fault: str) -> None:
    changes, hint = FAULTS[fault]
    with pytest.raises(FileError) as caught:
        checked(tmp_path, **changes)
    assert hint in str(caught.value)
    assert "small_grid.yaml" in str(caught.value)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    parameters = {"accelerators.pascal.clok_hz": {"values": [1]}, "accelerators.nobody.clock_hz": {"values": [1]}}
    with pytest.raises(FileError) as caught:
        checked(tmp_path, parameters=parameters, objectives=[{"metric": "joy"}], conditions=["joy > 1"])
    assert len(caught.value.faults) == 4


def faults_of(folder: Path, *, overrides: Sequence[str] = (), **parameters: Any) -> tuple[str, ...]:
    with pytest.raises(FileError) as caught:
        check_space(load_space(write_space(folder, parameters=parameters)), overrides)
    return caught.value.faults


FINE = {"values": [10**9, 2 * 10**9]}


def test_what_one_parameter_does_wrong_is_told_once_and_hides_no_other_fault(tmp_path: Path) -> None:
    wrong = {
        "accelerators.pascal.clok_hz": {"values": [10**8, 2 * 10**8]},
        "accelerators.pavlov.macs_per_pe": {"values": [1, "two"]},
        "memories.stacked.efficiency": {"values": [-1, 0.5]},
    }
    fine = {"memories.lpddr4.bandwidth_bytes_per_s": FINE, "links.0.bandwidth_bytes_per_s": FINE}
    first, second = fine.items()
    told = faults_of(tmp_path, **dict([first, *wrong.items(), second]))
    assert [each.partition(": ")[0] for each in told] == [f"parameters.{name}" for name in wrong]
    for each, word in zip(told, ("clok_hz", "'two'", "efficiency is -1"), strict=True):
        assert each.count("\n") == 0
        assert word in each


def test_of_two_parameters_that_never_go_together_one_is_told(tmp_path: Path) -> None:
    names = [f"accelerators.pascal.levels.parameter_buffer.{name}_bits" for name in ("read", "min")]
    (told,) = faults_of(
        tmp_path,
        **{
            names[0]: {"values": [64, 128]},
            names[1]: {"values": [192, 256]},
            "size": {"fields": ["links.0.bandwidth_bytes_per_s"], **FINE},
        },
    )
    assert told.startswith(f"parameters.{names[0]}: the value 64: ")


def test_a_field_of_an_accelerator_that_a_wrong_parameter_places_is_no_fault_beside_it(tmp_path: Path) -> None:
    options = {"more": {"accelerators.extra": {"spec": "pascal", "memory": "nowhere", "set": {"name": "extra"}}}}
    (told,) = faults_of(tmp_path, extra={"options": options}, **{"accelerators.extra.clock_hz": FINE})
    assert "parameters.extra: the value more: " in told


def test_a_value_that_suits_some_designs_only_is_no_fault(tmp_path: Path) -> None:
    parameters = {
        "accelerators.pascal.levels.parameter_buffer.read_bits": {"values": [64, 512]},
        "accelerators.pascal.levels.parameter_buffer.min_bits": {"values": [64, 256]},
    }
    assert checked(tmp_path, parameters=parameters).space.size == 4


def test_set_changes_every_design(tmp_path: Path) -> None:
    space = load_space(write_space(tmp_path))
    changed = check_space(space, ["accelerators.jacquard.clock_hz=1000000000"])
    assert build(changed).accelerator("jacquard").spec.clock_hz == 1_000_000_000
    with pytest.raises(FileError, match="jaguar"):
        check_space(space, ["accelerators.jaguar.clock_hz=1000000000"])


def test_a_parameter_without_an_order_is_not_taken_for_a_number() -> None:
    space: Space = load_space(shipped_files("spaces")["near_data"])
    ordered = {parameter.name: parameter.ordered for parameter in space.parameters}
    assert ordered == {"stack_bandwidth": True, "link_bandwidth": True, "placement": False}


def test_no_option_of_a_structure_may_name_half_an_accelerator(tmp_path: Path) -> None:
    options = {"half": {"accelerators.extra": {"spec": "pascal"}}}
    with pytest.raises(UsageError, match="spec, memory"):
        checked(tmp_path, parameters={"extra": {"options": options}})
