"""Closed-form counts against the interpreter that watches every fetch."""

from functools import cache

import pytest
from by_hand import price_mapping
from drawn import accelerators, mappings, nests
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import cycles, interpret, waited, way_of

from mensa_sim.cost.counts.ways import Precision
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_accelerator
from mensa_sim.io.shipped import shipped_files
from mensa_sim.workload.dims import OPERANDS

SPECS = sorted(name for name in shipped_files("accelerators") if isinstance(load_accelerator(name), PeArray))


@cache
def _spec(name: str) -> PeArray:
    return load_accelerator(name)


def _check(data: st.DataObject, accelerator: PeArray) -> None:
    nest = data.draw(nests())
    mapping = data.draw(mappings(nest, accelerator))
    widths = st.sampled_from([4, 8, 16])
    sums = data.draw(st.sampled_from([None, 24]))
    drawn = {f"{operand}_bits": data.draw(widths) for operand in OPERANDS}
    precision = Precision(**drawn, accumulator_bits=sums)
    word_bits = data.draw(st.sampled_from([1, 8, 24, 64, 256]))
    counted = price_mapping(nest, accelerator, mapping, precision, word_bits)
    waits = 0
    for operand, expected in interpret(nest, accelerator, mapping, precision, word_bits).items():
        counts = counted.operands[operand]
        levels = expected.pop("levels")
        waits += waited(way_of(accelerator, operand), levels)
        got = {name: getattr(counts, name) for name in expected}
        assert got == expected, operand
        for level, seen in zip(counts.levels, levels, strict=True):
            assert {name: getattr(level, name) for name in seen} == seen, (operand, level.level.name)
    assert counted.array_cycles == cycles(nest, accelerator, mapping, precision) + waits


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_every_count_on_a_random_array_is_what_the_interpreter_sees(data: st.DataObject) -> None:
    _check(data, data.draw(accelerators()))


@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_every_count_of_any_hierarchy_is_what_the_interpreter_sees(data: st.DataObject) -> None:
    """One to five levels, any of them passed by, in each PE, along some axes or in all."""
    _check(data, data.draw(accelerators(deep=True)))


@pytest.mark.parametrize("name", SPECS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_every_count_on_a_shipped_array_is_what_the_interpreter_sees(name: str, data: st.DataObject) -> None:
    _check(data, _spec(name))
