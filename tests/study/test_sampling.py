"""The points that samplers choose, without anything to evaluate."""

from pathlib import Path

import pytest
from space_files import write_space

from mensa_sim.study.explore import sampling
from mensa_sim.study.space.space import load_space

SIZES = {"values": [1, 2, 3, 4]}
CLOCK = {"linear": {"low": 1_000_000, "high": 64_000_000, "step": 1_000_000}}


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_an_adaptive_sampler_is_told_of_few_designs_and_never_forgets_the_best(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MOST_KNOWN", 24)
    fields = {"one": {"fields": ["accelerators.pascal.clock_hz"], **CLOCK}, "two": {"fields": ["scheduler.x"], **CLOCK}}
    space = load_space(write_space(tmp_path, parameters=fields, sampler={"name": name, "batch": 6}))
    points = sampling.sequence_of(space, ["minimize", "maximize"])
    assert isinstance(points, sampling.Sampled)
    far: list[int] = []
    for _ in range(12):
        batch = [point for _ in range(6) if (point := points.next()) is not None]
        costs = [(abs(one - 50) + 1, -abs(two - 20)) for one, two in batch]
        far += [one - two for one, two in costs]
        points.learn([("done", cost) for cost in costs])
        known = [values[0] - values[1] for _, _, values in points._known]
        assert len(known) <= 24
        assert min(known) == min(far)


def test_quasi_random_points_fall_on_each_value_equally_often(tmp_path: Path) -> None:
    fields = {name: {"fields": [f"scheduler.{name}"], **SIZES} for name in ("x", "y")}
    space = load_space(write_space(tmp_path, parameters=fields, sampler={"name": "quasi_random", "seed": 5}))
    points = sampling.sequence_of(space, ["minimize"])
    drawn = [point for _ in range(16) if (point := points.next()) is not None]
    assert sorted(drawn) == [(x, y) for x in range(4) for y in range(4)]
