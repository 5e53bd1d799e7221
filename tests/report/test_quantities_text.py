"""Quantities keep three digits and the right prefix at every border."""

import pytest

from mensa_sim.report.page.cards import Card, cards_block
from mensa_sim.report.page.quantities import engineering, percent_text, time_axis
from mensa_sim.units import PS_PER_MS, PS_PER_US


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999.4, "999 B"),
        (999.6, "1 kB"),
        (1000.0, "1 kB"),
        (0.9996, "1 B"),
        (1.5e-12, "1.5 pB"),
        (1.9e-16, "190 aB"),
        (-2500.0, "-2.5 kB"),
        (0.0, "0 B"),
    ],
)
def test_a_value_gets_the_prefix_that_leaves_one_to_three_digits(value: float, text: str) -> None:
    assert engineering(value, "B") == text


def test_small_shares_keep_two_decimals() -> None:
    assert percent_text(0.0136) == "1.36 %"
    assert percent_text(0.0999) == "9.99 %"
    assert percent_text(0.1) == "10.0 %"
    assert percent_text(0.973) == "97.3 %"


def test_an_axis_of_one_unit_of_time_is_in_this_unit() -> None:
    assert time_axis(PS_PER_MS) == (PS_PER_MS, "ms")
    assert time_axis(PS_PER_MS - 1) == (PS_PER_US, "µs")


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(0.5, '"ratio worse">2.00x worse<'), (1.0, '"ratio better">the same<'), (2.0, '"ratio better">2.00x better<')],
)
def test_a_card_says_whether_its_ratio_is_better_and_what_is_equal_is_not_worse(ratio: float, said: str) -> None:
    assert said in cards_block([Card(label="a", value="1", ratio=ratio)])
