"""Prices that processes on one machine share: each appends to a log of its own and reads what the others have added."""

import hashlib
import os
import pickle
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mensa_sim.cost.layer_cost import LayerCost, Residency

Priced = Mapping[Residency, LayerCost] | str
"""A layer's cost in each residency, or why the accelerator cannot run it."""

_DIGEST_BYTES = 32
_SIZE_BYTES = 4
_HEADER_BYTES = _DIGEST_BYTES + _SIZE_BYTES


class _Place(NamedTuple):
    """Where a price and its checksum lie: an open log, and a range of bytes in it."""

    log: int
    start: int
    size: int


class PriceLog:
    """The logs in a folder: a record is a digest, a size, a checksum and a pickle, written at once.

    The folder must be private to the processes that share it: anyone who can write there can run code. A record that
    its writer has not finished, because it is still at it or because it died, is passed over until it is whole; a
    damaged one is as good as none.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._places: dict[bytes, _Place] = {}
        self._read: dict[str, tuple[int, int]] = {}
        """By the name of a log, its descriptor and how far it was read."""
        own = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._own = os.open(folder / own, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY, 0o600)
        self._read[own] = (self._own, 0)

    def get(self, digest: bytes) -> Priced | None:
        """The price of that digest, if any process has written it."""
        if digest not in self._places:
            self._catch_up()
        place = self._places.get(digest)
        if place is None:
            return None
        checked = os.pread(place.log, place.size, place.start)
        content = checked[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != checked[:_DIGEST_BYTES]:
            return None
        priced: Priced = pickle.loads(content)
        return priced

    def put(self, digest: bytes, priced: Priced) -> None:
        """Write a price; `OSError` where there is no room for it."""
        content = pickle.dumps(priced)
        checked = hashlib.sha256(content).digest() + content
        record = digest + len(checked).to_bytes(_SIZE_BYTES, "big") + checked
        if os.write(self._own, record) != len(record):
            raise OSError("a log took only part of a price")

    def _catch_up(self) -> None:
        """Take note of what was added to any log since the last time."""
        for name in os.listdir(self._folder):
            if name not in self._read:
                self._read[name] = (os.open(self._folder / name, os.O_RDONLY | _BINARY), 0)
        for name, (log, start) in self._read.items():
            size = os.fstat(log).st_size - start
            if size > 0:
                self._read[name] = (log, start + self._note(log, start, os.pread(log, size, start)))

    def _note(self, log: int, start: int, content: bytes) -> int:
        """Remember where the whole records of some content lie; returns their bytes."""
        at = 0
        while at + _HEADER_BYTES <= len(content):
            digest = content[at : at + _DIGEST_BYTES]
            size = int.from_bytes(content[at + _DIGEST_BYTES : at + _HEADER_BYTES], "big")
            if at + _HEADER_BYTES + size > len(content):
                break
            self._places.setdefault(digest, _Place(log, start + at + _HEADER_BYTES, size))
            at += _HEADER_BYTES + size
        return at


_BINARY = getattr(os, "O_BINARY", 0)
