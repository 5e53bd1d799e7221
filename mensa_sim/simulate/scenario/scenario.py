"""A scenario: several workloads at once, when their requests arrive, and who goes first."""

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.simulate.engine.request import Rank
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.simulate.scenario.arrivals import Arrivals, ClosedLoop, Periodic, Poisson, Trace, check_time, is_finite
from mensa_sim.simulate.scenario.conversation import Conversation
from mensa_sim.units import ps_to_seconds

Policy = Literal["fcfs", "priority", "edf"]
MAX_REQUESTS = 1_000_000
"""Requests of one stream: nine hours of a camera at 30 images per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The requests of one workload."""

    name: str
    workload: str
    """A shipped workload's bare name, or a path."""
    arrivals: Arrivals
    priority: int = 0
    """The higher goes first under the policy `priority`."""
    deadline_ps: int | None = None
    """After the arrival; of a conversation, for its first token."""
    conversation: Conversation | None = None
    """Of a workload that generates: each request is a prompt and the steps after it."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """Layer to the accelerator that it must run on."""
    schedule: str | None = None
    """Path of a schedule to take as it stands."""

    def __post_init__(self) -> None:
        if not self.name or "#" in self.name:
            raise ValueError(f"a stream's name is {self.name!r}; it must not be empty nor hold a #")
        if self.deadline_ps is not None and self.deadline_ps <= 0:
            raise ValueError(f"stream {self.name}: the deadline is {self.deadline_ps} ps, must be positive")

    @property
    def steps_name(self) -> str:
        """What the decoding steps of its conversations are called where streams are told apart."""
        return f"{self.name} tokens"

    @property
    def names(self) -> tuple[str, ...]:
        """What is measured of it by itself: its requests, and the steps after prompts."""
        return (self.name,) if self.conversation is None else (self.name, self.steps_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Streams on one system. With a duration the run stops there, whatever is on its way; without, when all is done."""

    name: str
    streams: tuple[Stream, ...]
    duration_ps: int | None = None
    policy: Policy = "fcfs"
    seed: int = 0
    options: Options = field(default=FULL)

    def __post_init__(self) -> None:
        if not self.streams:
            raise ValueError("scenario: streams is empty")
        if twice := repeated(name for stream in self.streams for name in stream.names):
            raise ValueError(f"scenario: two streams are called {twice[0]!r}")
        if self.duration_ps is not None and self.duration_ps <= 0:
            raise ValueError(f"scenario: the duration is {self.duration_ps} ps, must be positive")
        check_time("scenario: the duration", self.duration_ps or 0)
        if self.policy not in RANKS:
            raise ValueError(f"scenario: unknown policy {self.policy!r}; choose from {', '.join(RANKS)}")
        for stream in self.streams:
            self._check_requests(stream)
        if self.duration_ps is None:
            endless = [stream.name for stream in self.streams if not is_finite(stream.arrivals)]
            if endless:
                raise ValueError(
                    f"scenario: stream {endless[0]} never ends; give the scenario a duration or its arrivals `requests`"
                )

    def _check_requests(self, stream: Stream) -> None:
        """Refuses what could not be simulated in a lifetime."""
        seconds = math.inf if self.duration_ps is None else ps_to_seconds(self.duration_ps)
        match stream.arrivals:
            case Trace(times_ps=times_ps):
                expected: float = len(times_ps)
            case Periodic(fps=rate, requests=requests) | Poisson(rate_per_s=rate, requests=requests):
                expected = min(rate * seconds, math.inf if requests is None else requests)
            case ClosedLoop(in_flight=in_flight, requests=requests):
                expected = in_flight if requests is None else requests
        if MAX_REQUESTS < expected < math.inf:
            raise ValueError(too_many(stream.name, f"{expected:.4g}"))


def too_many(stream: str, requests: str) -> str:
    """What to say of a stream that is too long."""
    return (
        f"scenario: stream {stream} has {requests} requests, at most {MAX_REQUESTS:,} are simulated; "
        "shorten duration_s, or give its arrivals fewer `requests`"
    )


NO_DEADLINE = (1, 0)


RANKS: Mapping[str, Callable[[Stream, int, int | None], Rank]] = {
    "fcfs": lambda stream, arrival_ps, deadline_ps: (arrival_ps,),
    "priority": lambda stream, arrival_ps, deadline_ps: (-stream.priority, arrival_ps),
    "edf": lambda stream, arrival_ps, deadline_ps: (
        *(NO_DEADLINE if deadline_ps is None else (0, deadline_ps)),
        arrival_ps,
    ),
}
"""Who goes first on an accelerator between two layers: the request that came first, that of the highest priority, or
that with the earliest deadline; equal ones in order of arrival, then of the streams. A step of a conversation comes
when the one before it ends."""


def rank(scenario: Scenario, index: int, name: str, *, arrival_ps: int, deadline_ps: int | None, number: int) -> Rank:
    """The rank of what a stream asks under one of its names: unique, and the lower goes first."""
    stream = scenario.streams[index]
    return (*RANKS[scenario.policy](stream, arrival_ps, deadline_ps), index, stream.names.index(name), number)
