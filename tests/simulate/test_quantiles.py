"""Quantiles: exact for few values, close for many."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.simulate.record.quantiles import EXACT_VALUES, Distribution


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=50), st.floats(0.01, 1))
def test_quantiles_of_few_values_are_exact(values, share):
    distribution = Distribution()
    for value in values:
        distribution.add(value)
    assert distribution.quantile(share) == sorted(values)[math.ceil(share * len(values)) - 1]


def test_as_many_different_values_as_are_kept_are_exact():
    distribution = Distribution()
    values = [10**9 + 997 * index for index in range(EXACT_VALUES)]
    for value in values:
        distribution.add(value)
    assert distribution.quantile(0.5) == values[EXACT_VALUES // 2 - 1]


def test_quantiles_of_many_values_are_within_a_thousandth():
    distribution = Distribution()
    values = [10**9 + 997 * index**2 for index in range(3 * EXACT_VALUES)]
    for value in values:
        distribution.add(value)
    for share in (0.5, 0.95, 0.99):
        exact = values[math.ceil(share * len(values)) - 1]
        assert distribution.quantile(share) == pytest.approx(exact, rel=1e-3)
    assert len(distribution._counts) < EXACT_VALUES
    assert (distribution.maximum, distribution.mean) == (values[-1], sum(values) / len(values))
