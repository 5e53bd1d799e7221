"""Sequences whose length is known, and whose items are made when the first of them is read."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

Item = TypeVar("Item")


class Later(Sequence[Item]):
    """So many items, which somebody may never ask for.

    >>> later = Later(2, lambda: (1, 2))
    >>> len(later), later[1], later == (1, 2)
    (2, 2, True)
    """

    def __init__(self, count: int, make: Callable[[], tuple[Item, ...]]) -> None:
        self._count = count
        self._make = make
        self._made: tuple[Item, ...] | None = None

    def _all(self) -> tuple[Item, ...]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self._all()[index]

    def __iter__(self) -> Iterator[Item]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())
