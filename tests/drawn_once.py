"""Strategies that composite ones draw from many times: made once, for hypothesis asks each strategy anew what it is."""

from functools import lru_cache
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


@lru_cache(maxsize=None, typed=True)
def one_of(*values: T) -> st.SearchStrategy[T]:
    """One of some values; equal ones of several types are told apart."""
    return st.sampled_from(values)
