"""The YAML of design spaces: what may vary, what must hold, what is sought, and how the search goes."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from mensa_sim.cost.measured.cost import TimingsMode
from mensa_sim.io.files import read_record
from mensa_sim.names import check_folder_name
from mensa_sim.objective import ObjectiveName
from mensa_sim.ranges import at_least, within
from mensa_sim.records import dataclass

Over = Literal["mean", "geometric_mean", "worst"]
Direction = Literal["minimize", "maximize"]
SamplerName = Literal["grid", "random", "quasi_random", "tpe", "nsga2"]

MAX_SEED = 2**32 - 1
"""The largest that numpy's `RandomState` takes, from which the adaptive samplers of Optuna draw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearRange:
    """`low`, `low + step`, ... up to `high`."""

    low: int | float
    """The first value."""
    high: int | float
    """No value is above it."""
    step: int | float
    """From one value to the next."""

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise ValueError(f"step is {self.step}, must be above 0")
        if self.low > self.high:
            raise ValueError(f"the range is empty: low {self.low} is above high {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRange:
    """The powers of two from `low` to `high`, both powers of two themselves."""

    low: int
    """The first value, a power of two."""
    high: int
    """The last value, a power of two."""

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise ValueError(f"{name} is {value}, must be a power of two")
        if self.low > self.high:
            raise ValueError(f"the range is empty: low {self.low} is above high {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterEntry:
    """One parameter: the fields that it sets, all to the same value, and the values that they may take.

    `options` name combinations instead: each sets fields of its own to values of its own.
    """

    fields: tuple[str, ...] = ()
    """Dotted fields, as `--set` takes them; none means the parameter's own name."""
    values: tuple[Any, ...] | None = None
    """The values themselves."""
    linear: LinearRange | None = None
    """Values at equal distances."""
    powers_of_two: PowerRange | None = None
    """Values that double."""
    options: Mapping[str, Mapping[str, Any]] | None = None
    """By name, the fields that an option sets and their values."""

    def __post_init__(self) -> None:
        kinds = ("values", "linear", "powers_of_two", "options")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(kinds)}, has {' and '.join(given) or 'none'}")
        if not getattr(self, given[0]):
            raise ValueError(f"{given[0]} is empty")
        if self.options is not None and self.fields:
            raise ValueError("options name their own fields: leave fields out")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveEntry:
    """What the search makes small or large: a metric over all workloads, of the hardware, or over all scenarios.

    Of workloads: a figure of a run's summary.json (`energy_pj`, `latency_ps`, `edp_j_s`, `ed2p_j_s2`, `utilization`,
    `steady_state.energy_pj`, `traffic_bytes.MEMORY`, `accelerators.NAME.busy_ps`, ...), `tops_per_w`, `mean_power_mw`.
    The steady state's are planned for inferences that follow others, not for the first one as a run's.
    Of the hardware: `area_mm2`, `peak_tops`, `buffer_bytes`, `leakage_mw`, ... Of scenarios: `scenario.p99_ps` (also
    `p50_ps`, `p95_ps`, `max_ps`) of the slowest stream, `scenario.deadline_misses`, `scenario.overloaded_streams`,
    `scenario.throughput_per_s`, `scenario.energy_per_inference_pj`, `scenario.mean_power_mw`, and of one stream
    `scenario.streams.NAME.p99_ps` and what else the summary of a scenario has of it.
    """

    metric: str
    """A figure of a run's summary, of the hardware or of a scenario, by its dotted name."""
    direction: Direction | None = None
    """None: rates, utilizations and TOPS/W are maximised, anything else is minimised."""
    over: Over | None = None
    """None: as the space says."""
    scenario: str | None = None
    """For a metric of scenarios, the one that counts, as it stands in the space's list; none: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerEntry:
    """How points are chosen."""

    name: SamplerName = "tpe"
    """The algorithm."""
    seed: int = 0
    """Of what it draws."""
    batch: int | None = None
    """Designs that an adaptive sampler chooses before it learns from them; none: 8 for tpe, 24 for nsga2."""

    def __post_init__(self) -> None:
        within(0, MAX_SEED, self, "seed")
        at_least(1, self, "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceFile:
    """A design space as its file describes it; paths are relative to the file, bare names are shipped files."""

    name: str
    """Its name, which is also that of its folder of results."""
    system: str
    """The system that every design starts from."""
    parameters: Mapping[str, ParameterEntry]
    """What varies, by name; `scheduler` and `objective` may, too."""
    objectives: tuple[ObjectiveEntry, ...]
    """What is sought; of several, the front."""
    workloads: tuple[str, ...] = ()
    """Each is run once, alone."""
    scenarios: tuple[str, ...] = ()
    """Each is run whole, its streams at once, with its own seed."""
    conditions: tuple[str, ...] = ()
    """What a design must fulfil to be run, as in `area_mm2 <= 15`."""
    scheduler: str | None = None
    """None: as the system's own file says, else mensa."""
    objective: ObjectiveName | None = None
    """What the scheduler and the mapper minimise; none: as the system's own file says, else edp."""
    timings: TimingsMode = "fit"
    """Whether measured accelerators run only the kernels of their tables, or also what a fit to them predicts."""
    over: Over = "geometric_mean"
    """How a metric of several workloads becomes one number."""
    sampler: SamplerEntry = field(default_factory=SamplerEntry)
    """How designs are chosen."""
    trials: int = 100
    """Designs to run, unless the command line says otherwise; a grid ends by itself."""
    references: tuple[str, ...] = ("mensa_g", "edge_tpu")
    """Systems that stand beside the front in the report, scheduled as their own files say, else as this one does."""
    source: str = ""
    """Where the ranges come from."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        empty = [name for name in ("parameters", "objectives") if not getattr(self, name)]
        empty = empty if self.workloads or self.scenarios else ["workloads", "scenarios", *empty]
        if empty:
            raise ValueError(f"{' and '.join(empty)}: nothing stands there")
        at_least(1, self, "trials")
        for name in ("workloads", "scenarios", "references"):
            entries = getattr(self, name)
            if len(set(entries)) != len(entries):
                raise ValueError(f"{name}: one stands there twice")


def read_space(path: Path) -> SpaceFile:
    """The space of a YAML file; `FileError` with every fault that the file alone shows."""
    return read_record(path, SpaceFile)
