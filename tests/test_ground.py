"""Units convert exactly, registries answer a miss with the choices, files are written whole."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim import units
from mensa_sim.errors import FileError, MensaError, UnknownNameError, UsageError
from mensa_sim.io.atomic import write_atomically
from mensa_sim.lookup import lookup


@given(st.integers(0, 10**12), st.integers(1, 5 * 10**9))
def test_cycles_round_up_to_the_next_picosecond(cycles: int, clock_hz: int) -> None:
    exact = Fraction(cycles * 10**12, clock_hz)
    assert exact <= units.cycles_to_ps(cycles, clock_hz) < exact + 1


@given(st.integers(0, 10**12), st.floats(1.0, 1e13))
def test_a_transfer_rounds_up_to_the_next_picosecond(size_bytes: int, bandwidth: float) -> None:
    exact = Fraction(size_bytes * 10**12) / Fraction(bandwidth)
    assert exact <= units.transfer_ps(size_bytes, bandwidth) < exact + 1


def test_one_milliwatt_for_one_second_is_one_millijoule() -> None:
    assert units.leakage_pj(power_mw=1.0, time_ps=units.PS_PER_S) == units.PJ_PER_MJ


@given(st.integers(0, 10**9))
def test_bits_fill_whole_bytes(bits: int) -> None:
    assert 8 * units.bits_to_bytes(bits) - bits in range(8)


def test_a_second_survives_the_round_trip() -> None:
    assert units.ps_to_seconds(units.seconds_to_ps(1.5)) == 1.5


def test_an_unknown_name_lists_the_choices_and_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown scheduler 'mensaa'; did you mean 'mensa'\? .* greedy, mensa"):
        lookup({"mensa": 1, "greedy": 2}, "mensaa", "scheduler")


def test_a_file_error_lists_every_fault_with_its_file() -> None:
    error = FileError("a.yaml", ["name: missing", "clock_hz: negative"])
    assert str(error) == "a.yaml: name: missing\na.yaml: clock_hz: negative"
    assert isinstance(error, UsageError)
    assert error.exit_code == 2


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "summary.json"
    write_atomically(target, "old")
    blocked = target / "below"
    with pytest.raises(MensaError, match="cannot be written"):
        write_atomically(blocked, "new")
    assert target.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


def test_a_write_replaces_the_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_atomically(target, "a long first text")
    write_atomically(target, b"short")
    assert target.read_bytes() == b"short"
    assert [entry.name for entry in target.parent.iterdir()] == ["file.txt"]
