"""Quantiles of many integers in bounded memory."""

import math
from collections import Counter

EXACT_VALUES = 10_000
BUCKET_BITS = 11
"""Above `EXACT_VALUES` distinct values, each is kept to so many leading bits: within 0.1 %."""


class Distribution:
    """Counts of values: exact while few are different, then to 0.1 %; sum, count and maximum are always exact."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.maximum = 0
        self._counts: Counter[int] = Counter()
        self._rounded = False

    def add(self, value: int) -> None:
        """Count one value, not negative."""
        self.count += 1
        self.total += value
        if value > self.maximum:
            self.maximum = value
        self._counts[_rounded(value) if self._rounded else value] += 1
        if not self._rounded and len(self._counts) > EXACT_VALUES:
            self._rounded = True
            exact, self._counts = self._counts, Counter()
            for each, times in exact.items():
                self._counts[_rounded(each)] += times

    @property
    def mean(self) -> float | None:
        """None without values."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> int | None:
        """The smallest value that at least this share of the values do not exceed; none without values.

        >>> distribution = Distribution()
        >>> for value in (40, 10, 30, 20): distribution.add(value)
        >>> distribution.quantile(0.5), distribution.quantile(0.99)
        (20, 40)
        """
        if not self.count:
            return None
        wanted = math.ceil(share * self.count)
        seen = 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            if seen >= wanted:
                return min(value, self.maximum)
        return self.maximum


def _rounded(value: int) -> int:
    """The largest value with the same leading bits."""
    shift = max(0, value.bit_length() - BUCKET_BITS)
    return ((value >> shift) + 1 << shift) - 1
