"""Logarithmic axes read whole figures: 0.1, 0.2, 0.5, and no bare 2 or 5."""

import math

import pytest

from mensa_sim.report.page.figure import log_axis, padded


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(0.1, 1.0, "D2"), (0.03, 20.0, "D2"), (45.0, 110.0, "D2"), (700.0, 800.0, "D1")]
)
def test_every_figure_on_an_axis_of_few_decades_is_whole(low: float, high: float, ticks: str) -> None:
    axis = log_axis("time (ms)", math.log10(low), math.log10(high))
    assert axis["dtick"] == ticks
    assert axis["tickformat"] == "~g"  # without a format plotly writes the last digit alone between decades


def test_an_axis_of_many_decades_shows_these_alone() -> None:
    assert log_axis("time (ms)", -3, 3)["dtick"] == 1


def test_a_padded_axis_holds_all_points() -> None:
    axis = padded("time (ms)", [{"x": [0.2, 0.5]}, {"x": [0.3]}], "x")
    low, high = axis["range"]
    assert low < math.log10(0.2) < math.log10(0.5) < high
    assert axis["tickformat"] == "~g"
