"""What was asked for last, in bounded memory."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def _one(value: object) -> int:
    """What each weighs unless something else is said; by name, for what holds it goes to other processes."""
    return 1


class Recent(Generic[Key, Value]):
    """Values by key, of which those that were not asked for the longest leave first.

    >>> known = Recent[str, int](most=2)
    >>> known.put("a", 1); known.put("b", 2); known.get("a"); known.put("c", 3); known.get("b")
    1
    """

    def __init__(self, most: int, weight: Callable[[Value], int] = _one) -> None:
        """`most` is what all of them together may weigh; one that weighs more by itself is not kept."""
        self._most, self._weight, self._held = most, weight, 0
        self._known: OrderedDict[Key, Value] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._known

    @property
    def all(self) -> Mapping[Key, Value]:
        """All values that are here."""
        return self._known

    def get(self, key: Key) -> Value | None:
        """The value of a key, if it is here."""
        try:
            self._known.move_to_end(key)
        except KeyError:
            return None
        return self._known[key]

    def put(self, key: Key, value: Value) -> None:
        """Keep the value of a key."""
        if self._weight(value) > self._most:
            return
        if key in self._known:
            self._held -= self._weight(self._known.pop(key))
        self._known[key] = value
        self._held += self._weight(value)
        while self._held > self._most:
            self._held -= self._weight(self._known.popitem(last=False)[1])
