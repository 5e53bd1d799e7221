"""The units whose resident parameters save the most memory reads: a knapsack, solved by branch and bound."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from mensa_sim.records import dataclass

MAX_NODES = 10_000
"""Some 20 ms. Where many sizes could fill a buffer almost exactly, a proof would take longer than it is worth:
then the best choice found so far stands, which is never worse than the greedy one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A unit that may stay."""

    value: int
    """Memory reads that it saves, positive."""
    tensors: Mapping[str, int]
    """Bytes by name; a tensor that several items hold takes its room once."""
    tile_bytes: int
    """What it needs beside those that stay when it streams."""


_Chosen = tuple[int, "_Chosen | None"]
"""The place of an item, and those before it, which all nodes beyond share: copies would take memory as depth²."""


_Node = tuple[int, int, int, int, frozenset[str], _Chosen | None]
"""Items up to a depth are decided: their value, the bytes of those in, the largest tile of those out that hold a tensor
of their own and of what streams in any case, the tensors in that several items hold, and the items in."""


def most_valuable(
    items: Sequence[Item], capacity_bytes: int, least_tile_bytes: int, start: Sequence[int], max_nodes: int = MAX_NODES
) -> list[int]:
    """The places of the items to keep: the most value whose tensors fit beside the largest tile that streams.

    `least_tile_bytes` streams in any case; `start` is a choice that fits, kept unless a better one is found. Raises
    nothing: what does not fit is not chosen. The bound is Dantzig's (1957): the items still open, the densest first,
    the last of them in part; a shared tensor weighs nothing in it. Of equal items the first stay.
    """
    holders = Counter(name for item in items for name in item.tensors)
    own = [sum(size for name, size in item.tensors.items() if holders[name] == 1) for item in items]

    def rank(place: int) -> tuple[float, int, int]:
        value = items[place].value
        return (-value / own[place] if own[place] else -1e300, -value, items[place].tile_bytes)

    order = sorted(range(len(items)), key=rank)
    alone = [own[place] == sum(items[place].tensors.values()) for place in order]
    beyond = _beyond_equals([rank(place) if each else () for place, each in zip(order, alone, strict=True)])
    weights = list(accumulate((own[place] for place in order), initial=0))
    values = list(accumulate((items[place].value for place in order), initial=0))
    best, best_value = list(start), sum(items[place].value for place in start)
    shared = [frozenset(name for name in item.tensors if holders[name] > 1) for item in items]
    node: _Node = (0, 0, 0, least_tile_bytes, frozenset(), None)
    without: list[_Node] = []
    """Those that are looked at once nothing is left beyond the node."""
    for _ in range(max_nodes):
        depth, value, size_bytes, tile_bytes, held, chosen = node
        room = capacity_bytes - size_bytes - tile_bytes
        if room >= 0 and value + _at_most(weights, values, depth, room) > best_value:
            if depth < len(order):
                place = order[depth]
                item, ties = items[place], shared[place]
                out_bytes = tile_bytes if len(ties) == len(item.tensors) else max(tile_bytes, item.tile_bytes)
                in_bytes = size_bytes + own[place]
                if ties:
                    in_bytes += sum(item.tensors[name] for name in ties - held)
                # With the item first, then without it and those equal to it.
                without.append((beyond[depth], value, size_bytes, out_bytes, held, chosen))
                node = depth + 1, value + item.value, in_bytes, tile_bytes, held | ties, (place, chosen)
                continue
            if size_bytes + _tile_bytes(items, node) <= capacity_bytes:
                best, best_value = sorted(_places(chosen)), value
        if not without:
            break
        node = without.pop()
    return best


def _at_most(weights: list[int], values: list[int], depth: int, room: int) -> int:
    """The value of the items from a depth on that fit in the room, the last of them in part, rounded down."""
    whole = bisect_right(weights, weights[depth] + room) - 1
    value = values[whole] - values[depth]
    if whole + 1 < len(weights):
        left = weights[depth] + room - weights[whole]
        value += (values[whole + 1] - values[whole]) * left // (weights[whole + 1] - weights[whole])
    return value


def _beyond_equals(ranks: Sequence[tuple[float, ...]]) -> list[int]:
    """By depth, the next one whose item is another; an item without a rank is like no other."""
    found = list(range(1, len(ranks) + 1))
    for depth in reversed(range(len(ranks) - 1)):
        if ranks[depth] and ranks[depth] == ranks[depth + 1]:
            found[depth] = found[depth + 1]
    return found


def _places(chosen: _Chosen | None) -> Iterator[int]:
    while chosen is not None:
        place, chosen = chosen
        yield place


def _tile_bytes(items: Sequence[Item], node: _Node) -> int:
    """The largest tile of all that streams: an item left out all of whose tensors lie there anyway does not."""
    *_, tile_bytes, held, last = node
    chosen = set(_places(last))
    out = (item for place, item in enumerate(items) if place not in chosen)
    streamed = (item.tile_bytes for item in out if not all(name in held for name in item.tensors))
    return max(tile_bytes, max(streamed, default=0))
