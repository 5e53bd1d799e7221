"""The cut of a sequence of layers into stacks of the least value: dynamic programming over where stacks end.

Prices of stacks take long to find, and there are some for every two layers between which one may run. So each has an
expected value first, and the true one once it is told: those of the best cut, and of cuts that are hardly worse, are
asked for until all that the best cut has are true.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

from mensa_sim.cost.stacks.tiling import TilingSize
from mensa_sim.records import dataclass
from mensa_sim.schedule.stacks.tilings import TilingSizes

AT_ONCE = 16
"""Stacks that are priced together, and at least: a choice."""
MOST_BESIDE = 48
"""Of a sequence, beside those of the best cut: a choice."""
DOUBT = 0.01
"""By what share of the value a cut may be worse that has stacks of values expected only: a choice."""
CROWDED = 0.1
"""By what share smaller tiles are expected to cost less than larger ones do, where they are tried: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """Layers `begin` to `end`, the last left out, as a stack; a single one runs as it does without stacks."""

    begin: int
    end: int
    value: float
    accelerator: str = ""
    """Of a stack."""
    rows: int = 0
    """Of the last layer in a tile."""
    parts: int = 1
    """Of the channels between two products, made one after another for each tile of rows."""


Expect = Callable[[TilingSize], float | None]
"""The expected value of a stack; none where it does not fit: it then never will with more layers before it."""


def stacks_on(
    accelerator: str, order: Sequence[str], able: Collection[str], tilings: TilingSizes, expect: Expect
) -> Iterator[Iterator[Segment]]:
    """The stacks of neighbours that an accelerator is able to run: each in tiles of all sizes that fit, larger first.

    Smaller ones are counted to move no less: parameters may be fetched more often, and every row moves once. Mapped in
    the room that is left, they may.
    """
    for end in range(1, len(order) + 1):
        first = 0  # of the sizes of a tile, the first that fits
        for begin, sizes in zip(range(end - 1, -1, -1), tilings.sizes(order, end), strict=False):
            if order[begin] not in able:
                break
            if begin == end - 1:
                continue
            while first < len(sizes) and expect(sizes[first]) is None:
                first += 1
            if first == len(sizes):
                break
            yield _in_tiles(begin, end, accelerator, sizes[first:], expect)


def _in_tiles(begin: int, end: int, accelerator: str, sizes: Sequence[TilingSize], expect: Expect) -> Iterator[Segment]:
    for size in sizes:
        value = expect(size)
        if value is not None:
            yield Segment(begin=begin, end=end, value=value, accelerator=accelerator, rows=size.rows)


class Cutter:
    """Cuts layers, whose values by themselves are `alone`, into stacks and single ones of the least total value.

    Of all cuts into runs of their order none is better: on a chain, and where branches join again before the next one
    begins, that is every cut. `stacks` are ways to run layers as one, the next of which counts where one does not fit,
    or, if asked, where it leaves its layers so little room that they cost far more than expected (`crowded`).
    """

    def __init__(self, alone: Sequence[float], stacks: Iterable[Iterator[Segment]], *, crowded: bool = False) -> None:
        self._crowded = crowded
        self._alone = [Segment(begin=place, end=place + 1, value=value) for place, value in enumerate(alone)]
        self._ways = {first: way for way in stacks for first in islice(way, 1)}
        """By the stack that counts, those behind it."""
        self._told: dict[Segment, float] = {}
        self._ends: list[list[Segment]] = [[] for _ in range(len(alone) + 1)]
        """All segments by where they end, single layers first."""
        self._begins: list[list[Segment]] = [[] for _ in alone]
        for each in (*self._alone, *self._ways):
            self._add(each)

    def _add(self, segment: Segment) -> None:
        self._ends[segment.end].append(segment)
        self._begins[segment.begin].append(segment)

    def best(self) -> list[Segment]:
        """The segments of the least total value; of equal ones single layers, then the first."""
        return self._cut(self._least())

    def asked(self) -> list[Segment]:
        """The stacks whose values are to be told next; none where all that matter are."""
        before = self._least()
        asked = [each for each in self._cut(before) if each in self._ways and each not in self._told]
        if len(self._told) >= MOST_BESIDE:
            return asked
        after = [0.0] * len(before)
        for begin in reversed(range(len(self._alone))):
            after[begin] = min(self._value(each) + after[each.end] for each in self._begins[begin])
        most = before[-1] + DOUBT * abs(before[-1]) if len(self._told) >= AT_ONCE else float("inf")
        others = {
            each: before[each.begin] + each.value + after[each.end]
            for each in self._ways
            if each not in self._told and each not in asked
        }
        near = sorted((each for each, value in others.items() if value <= most), key=others.__getitem__)
        return [*asked, *near[: max(0, AT_ONCE - len(asked))]]

    def tell(self, stack: Segment, value: float | None) -> None:
        """The value of a stack that was asked for; none where it does not fit.

        Then the next way counts; so it does beside a crowded one.
        """
        way = self._ways[stack]
        if value is None:
            del self._ways[stack]
            self._ends[stack.end].remove(stack)
            self._begins[stack.begin].remove(stack)
        else:
            self._told[stack] = value
        if value is None or self._crowded:
            most = float("inf") if value is None else value * (1 - CROWDED)
            for each in islice(way, 1):
                if each.value < most:
                    self._ways[each] = way
                    self._add(each)

    def _value(self, segment: Segment) -> float:
        return self._told.get(segment, segment.value)

    def _least(self) -> list[float]:
        """The least value of the layers up to each."""
        least = [0.0]
        for segments in self._ends[1:]:
            least.append(min(least[each.begin] + self._value(each) for each in segments))
        return least

    def _cut(self, least: Sequence[float]) -> list[Segment]:
        found: list[Segment] = []
        end = len(self._alone)
        while end:
            last = next(each for each in self._ends[end] if least[each.begin] + self._value(each) == least[end])
            found.append(last)
            end = last.begin
        return found[::-1]
