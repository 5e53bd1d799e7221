"""Which measured rows a constant may be fitted on, decided before any fit by the rows' own text."""

import zlib

from mensa_sim.workload.importers.reference import WORKLOAD_SUFFIXES

FITTED_ON_ALL = frozenset({"coral_usb3", "coral_usb3_500mhz", "coral_dev_board"})
"""Systems with so few measured latencies that their constants take all of them; judged by leaving one out."""
ENDS_ON_HOST = "_detections"
"""How the name of a model ends whose last part its host's CPU runs: nothing is fitted on such a row."""


def may_be_fitted(workload: str, system: str, metric: str) -> bool:
    """Whether a row belongs to those that constants are fitted on: the CRC-32 of its text is even, or rows are few.

    Every other row only tests what was fitted. `workload` is the bare name, or a file's without folder and suffix.

    >>> may_be_fitted("mobilenet_v1", "coral_usb3", "latency_ms")
    True
    """
    name = workload.rsplit("/", 1)[-1]
    for suffix in WORKLOAD_SUFFIXES:
        name = name.removesuffix(suffix)
    if name.endswith(ENDS_ON_HOST):
        return False
    if metric == "latency_ms" and system in FITTED_ON_ALL:
        return True
    return zlib.crc32(f"{name},{system},{metric}".encode()) % 2 == 0
