"""Which kernels to time, and which table of others to read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.io.progress import Progress, silent
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import StudyRequest, spelled

if TYPE_CHECKING:
    from mensa_sim.measurement.measure import KernelStep

MOST_THREADS = 1024
"""A choice: hardly a processor of today runs more."""
FIRST_TABLE = Path("results/timings.csv")
FIRST_MODELS = Path("results/models.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRequest(StudyRequest):
    """Workloads whose layers' kernels are timed on a device, into a table that is continued where it is there."""

    workloads: Sequence[str | Path] = field(kw_only=False, metadata=spelled(form="names", kinds=("workloads",)))
    """Workload files or bare names of shipped ones."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""
    output: str | Path = field(default=FIRST_TABLE, metadata=spelled(role="means"))
    """Timing table to write or continue."""
    dtypes: Sequence[str] = field(default=("float32",), metadata=spelled("--dtype", form="names"))
    """float32, float16, bfloat16, int8; several with commas."""
    threads: int | None = field(default=None, metadata=spelled(minimum=1, maximum=MOST_THREADS))
    """CPU threads; one is timed by its own clock."""
    budget_s: float = field(default=0.5, metadata=spelled(role="means"))
    """Seconds for one kernel at most."""
    relative_error: float = field(default=0.02, metadata=spelled(role="means"))
    """Standard error of the median that is enough."""
    allow_code: bool = field(default=False, metadata=spelled(role="means"))
    """Let the workload name code outside the shipped models."""
    progress: "Callable[[KernelStep], None]" = field(
        default=lambda step: None, metadata=spelled(role="means", at_hand=True, counts="kernels measured")
    )
    """Told of each kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureModelsRequest(StudyRequest):
    """Workloads whose whole models are timed on a device, into measurements that `validate` reads."""

    workloads: Sequence[str | Path] = field(kw_only=False, metadata=spelled(form="names", kinds=("workloads",)))
    """Workload files or bare names of shipped ones; each names a torch module."""
    system: str
    """The system whose predictions the measurements are held against."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""
    output: str | Path = field(default=FIRST_MODELS, metadata=spelled(role="means"))
    """Measurement file to write."""
    dtype: str = "float32"
    """float32, float16 or bfloat16."""
    threads: int | None = field(default=None, metadata=spelled(minimum=1, maximum=MOST_THREADS))
    """CPU threads."""
    budget_s: float = field(default=0.5, metadata=spelled(role="means"))
    """Seconds for one way of running a model at most."""
    relative_error: float = field(default=0.02, metadata=spelled(role="means"))
    """Standard error of the median that is enough."""
    allow_code: bool = field(default=False, metadata=spelled(role="means"))
    """Let the workload name code outside the shipped models."""
    progress: Progress = field(default=silent, metadata=spelled(role="means", at_hand=True, counts="models measured"))
    """Told the models done so far, their number, and the last one's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTimingsRequest:
    """A table that others measured, and what its columns and its device are."""

    table: str | Path = field(kw_only=False)
    """CSV or .csv.gz that others measured."""
    columns: Mapping[str, str] = field(metadata=spelled(form="pairs", commas=True))
    """OURS=THEIRS, as in K=n, median_ms=latency; repeatable."""
    operator: str
    """Operator of all rows: linear, matmul, conv2d, add, ..."""
    output: str | Path
    """Timing table to write."""
    device_name: str
    """The device, by its maker's name."""
    source: str
    """Who measured it, how and when."""
    processors: int
    """SMs, or threads."""
    cache_bytes: int
    """Last shared cache."""
    bytes_per_s: float
    """Memory bandwidth."""
    peak_macs_per_s: float
    """Peak rate at the element type."""
    dtype: str = "float32"
    """float32, float16, bfloat16 or int8."""
    where: Mapping[str, str] = field(default_factory=dict, metadata=spelled(form="pairs", commas=True))
    """THEIRS=VALUE: only such rows; repeatable."""
    append: bool = False
    """Add to the table there, of the same device."""
