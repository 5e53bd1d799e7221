"""Which measured rows a constant may be fitted on, decided before any fit by the rows' own text."""

import hashlib


def may_be_fitted(workload: str, system: str, metric: str) -> bool:
    """Whether a row belongs to those that constants are fitted on: the SHA-256 of its text begins with an even byte.

    Every other row only tests what was fitted. `workload` is the bare name or the file's stem. (The parity of a CRC-32
    was the first rule; it put whole families of names on one side, for a checksum is linear in the digits that differ.)

    >>> may_be_fitted("mobilenet_v1", "coral_usb3", "latency_ms")
    False
    """
    return hashlib.sha256(f"{workload},{system},{metric}".encode()).digest()[0] % 2 == 0
