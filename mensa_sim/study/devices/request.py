"""Which published runs to fit devices to."""

from dataclasses import field
from pathlib import Path

from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class FitDevicesRequest:
    """Runs of language models on devices, whose rates are fitted, and judged on runs that were kept apart."""

    runs: str | Path = field(kw_only=False, metadata=spelled(file=True))
    """CSV of published runs, a row each; `mensa_sim/study/devices/runs.py` says the columns."""
    shapes: str | Path = field(metadata=spelled(file=True))
    """JSON of shapes by name, each the arguments of a decoder, as workload files have them."""
    others: str | Path | None = field(default=None, metadata=spelled(file=True))
    """CSV of runs to judge, of the same devices or of others, by constants fitted to all of `runs`; none: random
    halves of each device's models judge each other."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """CSV to write: every run beside what runs that it was kept from say of it."""
