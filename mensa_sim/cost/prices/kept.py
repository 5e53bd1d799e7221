"""Prices on disk, found by all that they depend on: what one command has priced, no other prices again.

Beside the layer and the accelerator a price depends on our code that makes it and on numpy. A price lies there as
compressed text in which the costs of a pair share their lines of traffic.
"""

import json
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mensa_sim.cost.layer_cost import LayerCost, Priced, Residency, Traffic
from mensa_sim.io.json_text import json_line
from mensa_sim.io.pack import LIMIT_BYTES, Pack
from mensa_sim.io.store import digest_of

PriceKey = TypeVar("PriceKey", bound=Hashable)

FILE = "prices.sqlite"
"""The file's name in the cache folder."""

_MADE_BY = "mensa_sim.cost.prices.rooms"
"""The module that, with all that it imports, makes a price from a layer and an accelerator."""
_NAME_BYTES = 16
_FASTEST = 1
"""Level of compression."""

_TRAFFIC = tuple(each.name for each in fields(Traffic))
_COST = tuple(each.name for each in fields(LayerCost) if each.name not in {"residency", "traffic"})
_traffic_values, _cost_values = (attrgetter(*names) for names in (_TRAFFIC, _COST))


class KeptPrices:
    """Prices in one file that any number of processes share; see `Pack` for what a fault of the file costs."""

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.pack = Pack(path, limit_bytes)

    def get(self, keys: Sequence[PriceKey]) -> dict[PriceKey, Priced]:
        """The prices of those pairs that are there."""
        names = {_name(key): key for key in keys}
        return {names[name]: priced_of(content) for name, content in self.pack.get(list(names)).items()}

    def put(self, prices: Mapping[PriceKey, Priced]) -> None:
        """Keep prices; one that is not finite is not kept."""
        contents: dict[bytes, bytes] = {}
        for key, priced in prices.items():
            try:
                contents[_name(key)] = bytes_of(priced)
            except ValueError:
                continue
        self.pack.put(contents)


def bytes_of(priced: Priced) -> bytes:
    """A price in its form on disk; `ValueError` for a number that is not finite."""
    if isinstance(priced, str):
        return _compressed(priced)
    lines: dict[tuple[object, ...], int] = {}
    costs: dict[int, int] = {}  # residencies that cost the same share one record
    rows: list[list[object]] = []
    for cost in priced.values():
        if id(cost) not in costs:
            costs[id(cost)] = len(rows)
            moved = [lines.setdefault(_traffic_values(each), len(lines)) for each in cost.traffic]
            rows.append([cost.residency, moved, *_cost_values(cost)])
    places = [[residency, costs[id(cost)]] for residency, cost in priced.items()]
    return _compressed([list(lines), rows, places])


def priced_of(content: bytes) -> Priced:
    """The price that has this form on disk."""
    data = json.loads(zlib.decompress(content))
    if isinstance(data, str):
        return data
    lines, rows, places = data
    traffic = [Traffic(**dict(zip(_TRAFFIC, line, strict=True))) for line in lines]
    costs: list[LayerCost] = []
    for residency, moved, *values in rows:
        plain: dict[str, Any] = dict(zip(_COST, map(_frozen, values), strict=True))
        moving = tuple([traffic[index] for index in moved])
        costs.append(LayerCost(residency=Residency(*residency), traffic=moving, **plain))
    return {Residency(*residency): costs[index] for residency, index in places}


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _compressed(data: object) -> bytes:
    return zlib.compress(json_line(data).encode(), _FASTEST)


def _name(key: Hashable) -> bytes:
    return bytes.fromhex(digest_of(key, _made_by()))[:_NAME_BYTES]


@cache
def _made_by() -> str:
    return digest_of(np.__version__, module=_MADE_BY)
