"""What a run-length code leaves of random elements, against a coder that walks them."""

import random

import pytest

from mensa_sim.hardware.array.pe_array import RunLength

CODE = RunLength(run_bits=2, word_bits=64, pairs=3)


def pairs(elements: list[int], longest: int) -> int:
    """Pairs of a run of zeros and the value after it, as a coder writes them one after another."""
    found, run = 0, 0
    for value in elements:
        if value == 0 and run < longest:
            run += 1
        else:
            found, run = found + 1, 0
    return found + (run > 0)


@pytest.mark.parametrize("zeros", [0.3, 0.6, 0.9])
def test_the_share_is_that_of_a_coder(zeros: float) -> None:
    drawn = random.Random(7)
    elements = [0 if drawn.random() < zeros else 1 for _ in range(100_000)]
    coded_bits = pairs(elements, longest=3) * 64 / 3
    assert CODE.share(16, zeros) == pytest.approx(min(1.0, coded_bits / (16 * len(elements))), rel=0.01)


def test_what_would_grow_crosses_as_it_is_and_only_zeros_leave_full_runs() -> None:
    assert CODE.share(16, 0.0) == 1
    assert CODE.share(16, 1.0) == pytest.approx(64 / 3 / 4 / 16)
