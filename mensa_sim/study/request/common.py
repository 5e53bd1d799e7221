"""What several studies ask for: a workload, and how its layers are placed.

Nothing heavy is imported here, as the command line's help is made of these records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from mensa_sim.flow import DEFAULT_FLOW, FLOWS
from mensa_sim.lookup import either
from mensa_sim.objective import DEFAULT_OBJECTIVE, OBJECTIVES
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import spelled

if TYPE_CHECKING:
    from mensa_sim.schedule.policies.own import OwnScheduler

Overrides = Sequence[str] | Mapping[str, object]
"""`FIELD=VALUE` texts as for `--set`, or field to value."""


CACHED = spelled("--no-cache", stands_for=False, help="Trace and price anew; store nothing.", role="means")
"""How every study spells that graphs and prices are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRequest:
    """A workload by name, by path, or as an object that is at hand; the defaults are the command line's."""

    workload: object = field(kw_only=False, metadata=spelled(kinds=("workloads", "scenarios")))
    """Workload file, or the bare name of a shipped one."""
    inputs: object = field(default=None, kw_only=False, metadata=spelled(at_hand=True))
    """Example inputs of a module that is at hand, by position or by name."""
    allow_code: bool = field(default=False, metadata=spelled(role="permission"))
    """Let the workload name code outside the shipped models."""
    strict: bool = field(default=False, metadata=spelled(role="permission"))
    """Refuse a model with unsupported operators."""
    cache: bool = field(default=True, metadata=CACHED)
    """Whether graphs and prices are kept, and taken from where they were kept before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest(WorkloadRequest):
    """A workload whose layers are wanted; a file says its own name and bits."""

    name: str | None = field(default=None, metadata=spelled(at_hand=True))
    """What to call a module that is at hand; its class where nothing is said."""
    parameter_bits: int | None = field(default=None, metadata=spelled(at_hand=True))
    """Of a module that is at hand; 8 where nothing is said."""
    activation_bits: int | None = field(default=None, metadata=spelled(at_hand=True))
    """Of a module that is at hand; 8 where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRequest(WorkloadRequest):
    """A workload whose layers are placed on a system, or on several."""

    scheduler: "str | OwnScheduler | None" = field(default=None, metadata=spelled(kinds=("schedulers",)))
    """Scheduler: greedy, ...; mensa unless the system says."""
    objective: str | None = field(
        default=None,
        metadata=spelled(
            words=tuple(OBJECTIVES), help=f"Minimise {either(OBJECTIVES)}; {DEFAULT_OBJECTIVE} unless the system says."
        ),
    )
    """What schedules and mappings make small; none: as the system says, else the default."""
    overrides: Overrides = field(default=(), metadata=spelled("--set", form="texts"))
    """FIELD=VALUE on any field of the system; repeatable."""
    options: Mapping[str, float] = field(default_factory=dict, metadata=spelled("--option", form="numbers"))
    """NAME=NUMBER of the scheduler; repeatable."""
    flow: str | None = field(
        default=None,
        metadata=spelled(
            words=tuple(FLOWS), help=f"Between layers: {either(FLOWS)}; {DEFAULT_FLOW} unless the system says."
        ),
    )
    """How data flows between layers; none: as the system says, else the default."""
    timings: str = field(default="fit", metadata=spelled(words=("fit", "exact")))
    """Measured accelerators: exact (their table alone) or fit."""
