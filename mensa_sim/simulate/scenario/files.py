"""Scenario files, and the traces of arrivals that they name."""

import csv
import io
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from mensa_sim.errors import FileError
from mensa_sim.io.files import read_record, read_text
from mensa_sim.names import check_folder_name
from mensa_sim.ranges import positive
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.options import Options, ParameterPolicy
from mensa_sim.simulate.scenario.arrivals import Arrivals, ClosedLoop, Periodic, Poisson, Trace
from mensa_sim.simulate.scenario.conversation import CONTEXT_STEP, Conversation, TokenCount, fixed
from mensa_sim.simulate.scenario.scenario import Policy, Scenario, Stream
from mensa_sim.units import ms_to_ps, seconds_to_ps

TRACE_COLUMN = "arrival_ms"

FIELDS_OF: dict[str, tuple[str, ...]] = {
    "one": ("offset_ms",),
    "closed_loop": ("in_flight", "requests"),
    "periodic": ("fps", "offset_ms", "requests"),
    "poisson": ("rate_per_s", "requests"),
    "trace": ("trace",),
}
"""What each kind of arrivals may say."""

NEEDED = {"periodic": "fps", "poisson": "rate_per_s", "trace": "trace"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalsFile:
    """When a stream's requests arrive, as a scenario file says it."""

    kind: Literal["one", "closed_loop", "periodic", "poisson", "trace"]
    """At once (`one`), when another ends (`closed_loop`), evenly (`periodic`), by chance (`poisson`), or as a file
    says (`trace`)."""
    fps: float | None = None
    """Of `periodic`: requests in a second."""
    rate_per_s: float | None = None
    """Of `poisson`: mean requests in a second."""
    in_flight: int | None = None
    """Of `closed_loop`: requests at work at any time; none: 1."""
    requests: int | None = None
    """How many arrive in all; none: as many as the duration holds."""
    offset_ms: float | None = None
    """Of `one` and `periodic`: when the first arrives; none: 0."""
    trace: str | None = None
    """A CSV file with a column `arrival_ms`, relative to the scenario file."""

    def __post_init__(self) -> None:
        allowed = FIELDS_OF[self.kind]
        for name in ("fps", "rate_per_s", "in_flight", "requests", "offset_ms", "trace"):
            if getattr(self, name) is not None and name not in allowed:
                raise ValueError(f"{name} does not go with kind {self.kind}; it has {', '.join(allowed)}")
        needed = NEEDED.get(self.kind)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"kind {self.kind} needs {needed}")
        if self.kind != "trace":
            self.arrivals(())

    def arrivals(self, trace_ps: tuple[int, ...]) -> Arrivals:
        """The arrivals; `trace_ps` are those of the trace file."""
        offset_ps = ms_to_ps(self.offset_ms or 0.0)
        match self.kind:
            case "one":
                return Trace(times_ps=(offset_ps,))
            case "closed_loop":
                return ClosedLoop(in_flight=1 if self.in_flight is None else self.in_flight, requests=self.requests)
            case "periodic":
                return Periodic(fps=self.fps or 0.0, offset_ps=offset_ps, requests=self.requests)
            case "poisson":
                return Poisson(rate_per_s=self.rate_per_s or 0.0, requests=self.requests)
            case "trace":
                return Trace(times_ps=trace_ps)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFile:
    """How long the conversations of a stream are, as a scenario file says it."""

    prompt_tokens: int | TokenCount
    """Tokens of each prompt."""
    new_tokens: int | TokenCount
    """Tokens of each answer: the first comes with the prompt, every other takes a step."""
    token_deadline_ms: float | None = None
    """From one token to the next; the stream's own `deadline_ms` is for the first one."""
    context_step: int = CONTEXT_STEP
    """Tokens of context that are priced together."""
    batch: int = 1
    """The most conversations whose steps are joined in one, which reads the weights once for all of them."""

    def __post_init__(self) -> None:
        positive(self, "token_deadline_ms")
        _ = self.conversation

    @property
    def conversation(self) -> Conversation:
        """The same, drawn from where it is not one number."""
        prompt, new = (
            fixed(tokens) if isinstance(tokens, int) else tokens for tokens in (self.prompt_tokens, self.new_tokens)
        )
        return Conversation(
            prompt_tokens=prompt,
            new_tokens=new,
            token_deadline_ps=None if self.token_deadline_ms is None else ms_to_ps(self.token_deadline_ms),
            context_step=self.context_step,
            batch=self.batch,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFile:
    """One stream, as a scenario file says it."""

    name: str
    """Its name in the results."""
    workload: str
    """A shipped workload's bare name, or a path relative to the scenario file."""
    arrivals: ArrivalsFile
    """When its requests arrive."""
    priority: int = 0
    """Under the policy `priority`, larger goes first."""
    deadline_ms: float | None = None
    """From a request's arrival, of a conversation to its first token; later ends are misses, and `edf` goes by it."""
    conversation: ConversationFile | None = None
    """Of a workload that generates, instead of the lengths that its own file states."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """Layer to the accelerator of the system that it must run on; with `*`, `prompt:` and `steps:` as in `--pin`."""
    schedule: str | None = None
    """A schedule.yaml to take as it stands, relative to the scenario file."""

    def __post_init__(self) -> None:
        positive(self, "deadline_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile:
    """A scenario, as its file says it."""

    name: str
    """Its name, which is also that of its folder of results."""
    streams: tuple[StreamFile, ...]
    """What runs at once."""
    duration_s: float | None = None
    """When it stops; none: when the last request has ended."""
    policy: Policy = "fcfs"
    """Which waiting layer goes first: of the earliest arrival (`fcfs`), the highest priority or the earliest
    deadline (`edf`)."""
    seed: int = 0
    """Of the arrivals that are drawn."""
    prefetch: bool = True
    """Whether the next layer's parameters come while a layer runs."""
    activations: bool = True
    """Whether outputs may stay on chip for the next layer."""
    parameters: ParameterPolicy = "best-value"
    """Which parameters stay on chip between inferences."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)


def read_scenario(path: Path) -> Scenario:
    """The scenario of a file; a workload given as a path becomes one from where the file lies.

    Raises `FileError` with the faults of the file, or of a trace that it names.
    """
    found = read_record(path, ScenarioFile)
    streams: list[Stream] = []
    faults: list[str] = []
    for index, stream in enumerate(found.streams):
        trace = stream.arrivals.trace
        times_ps = read_trace(path.parent / trace) if trace is not None else ()
        try:
            streams.append(_stream(stream, times_ps, path))
        except ValueError as error:
            faults.append(f"streams[{index}]: {error}")
    if not faults:
        try:
            return Scenario(
                name=found.name,
                streams=tuple(streams),
                duration_ps=None if found.duration_s is None else seconds_to_ps(found.duration_s),
                policy=found.policy,
                seed=found.seed,
                options=Options(prefetch=found.prefetch, activations=found.activations, parameters=found.parameters),
            )
        except ValueError as error:
            faults.append(str(error))
    raise FileError(str(path), faults)


def _stream(stream: StreamFile, times_ps: tuple[int, ...], path: Path) -> Stream:
    bare = "/" not in stream.workload and not stream.workload.endswith((".yaml", ".yml"))
    return Stream(
        name=stream.name,
        workload=stream.workload if bare else str(path.parent / stream.workload),
        arrivals=stream.arrivals.arrivals(times_ps),
        priority=stream.priority,
        deadline_ps=None if stream.deadline_ms is None else ms_to_ps(stream.deadline_ms),
        conversation=None if stream.conversation is None else stream.conversation.conversation,
        pins=stream.pins,
        schedule=None if stream.schedule is None else str(path.parent / stream.schedule),
    )


def trace_files(path: Path) -> tuple[Path, ...]:
    """The files of arrivals that a scenario file names, each once."""
    streams = read_record(path, ScenarioFile).streams
    return tuple(dict.fromkeys(path.parent / s.arrivals.trace for s in streams if s.arrivals.trace is not None))


def read_trace(path: Path) -> tuple[int, ...]:
    """The arrival times of a CSV file with a column `arrival_ms`, in ps.

    Raises `FileError` with every fault, among them a time before the one above it.
    """
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline="")))
    except csv.Error as error:
        raise FileError(str(path), [f"cannot be read: {error}"]) from error
    if not rows or TRACE_COLUMN not in rows[0]:
        raise FileError(str(path), [f"the first line must name a column {TRACE_COLUMN}"])
    column = rows[0].index(TRACE_COLUMN)
    times_ps: list[int] = []
    faults: list[str] = []
    for number, row in enumerate(rows[1:], start=2):
        text = row[column] if column < len(row) else ""
        time_ps = _trace_time_ps(text)
        if time_ps is None:
            faults.append(f"line {number}: {TRACE_COLUMN} is {text!r}, must be a number of at least 0")
        elif times_ps and time_ps < times_ps[-1]:
            faults.append(f"line {number}: {text} ms comes before the line above; sort the arrivals")
        else:
            times_ps.append(time_ps)
    if faults:
        raise FileError(str(path), faults)
    return tuple(times_ps)


def _trace_time_ps(text: str) -> int | None:
    try:
        time_ps = ms_to_ps(float(text))
    except ValueError:
        return None
    return time_ps if time_ps >= 0 else None
