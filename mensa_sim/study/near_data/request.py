"""Which published gains to recompute, and where to look for what units in the memory are worth."""

import os
from dataclasses import field
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.io.progress import Progress, silent
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import StudyRequest, spelled

MOST_WORLDS = 1000
"""A choice: more than anybody waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproducePimRequest:
    """Published gains of units in the memory, each computed here against the baseline of its publication."""

    works: tuple[str, ...] = field(default=(), metadata=spelled(form="names"))
    """Publications by their names; none: all."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """CSV to write: a row for each gain."""
    cache: bool = field(
        default=True,
        metadata=spelled("--no-cache", form="flag", stands_for=False, role="means", help="Price everything anew."),
    )
    """Keep prices for later runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDataRequest(StudyRequest):
    """Decoding steps of models by size, bits and context on an NPU alone, and with units in the same memory."""

    models: tuple[str, ...] = field(
        default=("smollm2_135m", "llama_3_2_1b", "llama_3_2_3b"), metadata=spelled(form="names", kinds=("workloads",))
    )
    """Workloads that generate."""
    bits: tuple[str, ...] = field(default=("4", "8"), metadata=spelled(form="names"))
    """Widths of the weights."""
    contexts: tuple[str, ...] = field(default=("512", "8192"), metadata=spelled(form="names"))
    """Tokens in the cache before the step."""
    systems: tuple[str, ...] = field(
        default=("npu_lpddr5_pim",), metadata=spelled("--systems", form="names", kinds=("systems",))
    )
    """Systems with an accelerator beside the processor and one in the memory."""
    limits_w: tuple[str, ...] = field(default=("2",), metadata=spelled("--power-limits-w", form="names"))
    """Limits of what the whole system may draw, for the first context; without one it is not limited."""
    worlds: int = field(default=6, metadata=spelled(minimum=1, maximum=MOST_WORLDS))
    """Draws of every price and of the share of each bandwidth that is reached."""
    seed: int = field(default=0, metadata=spelled(minimum=0))
    """Seed of the draws."""
    jobs: int = field(default=1, metadata=spelled(minimum=1, role="means", absent=os.cpu_count))
    """Worker processes; a command takes all cores unless told."""
    output: str | Path | None = field(default=None, metadata=spelled(role="means"))
    """CSV to write: a row for each model, width, context, system and limit."""
    progress: Progress = field(default=silent, metadata=spelled(role="means", at_hand=True, counts="models run"))
    """Told the models done, how many there are, and the one done last."""

    def __post_init__(self) -> None:
        StudyRequest.__post_init__(self)
        for name in ("models", "bits", "contexts", "systems"):
            if not getattr(self, name):
                raise UsageError(f"{name}: name at least one")
        for name, kind in (("bits", int), ("contexts", int), ("limits_w", float)):
            for text in getattr(self, name):
                if not _positive(str(text), kind):
                    raise UsageError(f"{name}: {text!r} is no positive {'number' if kind is float else 'whole number'}")


def _positive(text: str, kind: type[int] | type[float]) -> bool:
    try:
        return 0 < kind(text) < float("inf")
    except ValueError:
        return False
