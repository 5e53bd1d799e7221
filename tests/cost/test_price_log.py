"""Processes that share a log of prices see what others wrote, whole, whenever it was written."""

import os
from pathlib import Path

from mensa_sim.cost.prices.log import PriceLog

DIGESTS = [bytes([number]) * 32 for number in range(4)]


def only_log(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_what_one_writes_the_others_read_at_any_time(tmp_path: Path) -> None:
    early, writer = PriceLog(tmp_path), PriceLog(tmp_path)
    assert early.get(DIGESTS[0]) is None
    writer.put(DIGESTS[0], "it does not fit")
    late = PriceLog(tmp_path)
    writer.put(DIGESTS[1], "nor does this")
    for log in (early, writer, late):
        assert [log.get(digest) for digest in DIGESTS[:3]] == ["it does not fit", "nor does this", None]


def test_a_record_cut_short_is_passed_over_until_it_is_whole(tmp_path: Path) -> None:
    writer = PriceLog(tmp_path / "written")
    for digest in DIGESTS[:2]:
        writer.put(digest, "reason")
    content = only_log(tmp_path / "written").read_bytes()
    whole = len(content) // 2
    reader = PriceLog(tmp_path / "read")
    torn = tmp_path / "read" / "1-torn"
    for end in range(whole, 2 * whole):
        torn.write_bytes(content[:end])
        assert reader.get(DIGESTS[0]) == "reason"
        assert reader.get(DIGESTS[1]) is None
    torn.write_bytes(content)
    assert reader.get(DIGESTS[1]) == "reason"


def test_a_damaged_record_is_as_good_as_none(tmp_path: Path) -> None:
    writer = PriceLog(tmp_path / "written")
    for digest in DIGESTS:
        writer.put(digest, "reason")
    content = only_log(tmp_path / "written").read_bytes()
    whole = len(content) // len(DIGESTS)
    for place in range(whole, 2 * whole, 5):
        damaged = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        reader = PriceLog(tmp_path / f"{place}")
        (tmp_path / f"{place}" / "1-damaged").write_bytes(damaged)
        found = [reader.get(digest) for digest in DIGESTS]
        assert None in found
        assert set(found) <= {None, "reason"}


def test_a_log_cut_short_after_it_was_read_is_as_good_as_none(tmp_path: Path) -> None:
    writer, reader = PriceLog(tmp_path), PriceLog(tmp_path)
    for digest in DIGESTS[:2]:
        writer.put(digest, "reason")
    assert reader.get(DIGESTS[0]) == "reason"
    (written,) = (log for log in tmp_path.iterdir() if log.stat().st_size)
    os.truncate(written, written.stat().st_size - 1)
    assert [reader.get(digest) for digest in DIGESTS[:2]] == ["reason", None]
