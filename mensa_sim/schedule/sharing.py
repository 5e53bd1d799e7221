"""Units and copies as they run beside one another: those that use a memory or a link at once share it equally."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from mensa_sim.schedule.problem import Problem

_Phase = tuple[float, str, float]
"""A time of its own, and beside it the time that a resource is used, which is that of all who use it at once."""


def run_together(
    problem: Problem, assignment: Sequence[int], order: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """When units start and end, in ps: each accelerator takes its own in order, as soon as their inputs are there."""
    jobs = _Jobs(problem, assignment, order)
    jobs.run()
    units = len(problem.units)
    return tuple(map(round, jobs.starts[:units])), tuple(map(round, jobs.ends[:units]))


def check_order(problem: Problem, order: Sequence[int]) -> None:
    """`ValueError` for an order that takes a reader before its producer, or leaves a unit out."""
    taken: set[int] = set()
    for index in order:
        for tensor in problem.incoming[index]:
            if tensor.producer not in taken:
                raise ValueError(f"{problem.units[index].name} is ordered before {problem.units[tensor.producer].name}")
        taken.add(index)
    left = [unit.name for index, unit in enumerate(problem.units) if index not in taken]
    if left:
        raise ValueError(f"{problem.name}: the order leaves out {left[0]}")


class _SharedResource:
    """A resource whose users have equal parts of it (processor sharing, by virtual time)."""

    __slots__ = ("last", "served", "users")

    def __init__(self) -> None:
        self.users: list[tuple[float, int]] = []
        """The served time at which each has all that it needs, and the job."""
        self.served = self.last = 0.0

    def join(self, now: float, work: float, job: int) -> None:
        self._pass(now)
        heappush(self.users, (self.served + work, job))

    def leave(self, now: float) -> int:
        """The next that has all it needs."""
        goal, job = heappop(self.users)
        self.served, self.last = goal, now
        return job

    def _pass(self, now: float) -> None:
        self.served = self.served + (now - self.last) / len(self.users) if self.users else 0.0
        self.last = now

    @property
    def next_end(self) -> float:
        return self.last + (self.users[0][0] - self.served) * len(self.users)


class _Jobs:
    """Units, then copies, by number: phases one after another, once all that they wait for has ended."""

    def __init__(self, problem: Problem, assignment: Sequence[int], order: Sequence[int]) -> None:
        self._begin_ps = float(problem.host_ps)
        self._phases: list[Iterator[_Phase]] = []
        self._after: list[list[int]] = [[] for _ in problem.units]
        self._waits_for = [0] * len(problem.units)
        self._parts = [0] * len(problem.units)
        """What a phase under way still waits for: its own time, its resource."""
        self._timers: list[tuple[float, int]] = []
        self._lanes: dict[str, _SharedResource] = {}
        for unit, accelerator in zip(problem.units, assignment, strict=True):
            option = unit.option(accelerator)
            channel = problem.channel(accelerator)
            shared = ((float(own_ps), channel, float(used_ps)) for own_ps, used_ps in option.phases)
            self._phases.append(iter([(float(option.fixed_ps), "", 0.0), *shared]))
        last: dict[int, int] = {}
        for index in order:
            if assignment[index] in last:
                self._wait(index, last[assignment[index]])
            last[assignment[index]] = index
        self._copies(problem, assignment)
        self.starts, self.ends = [0.0] * len(self._phases), [0.0] * len(self._phases)

    def _wait(self, job: int, before: int) -> None:
        self._after[before].append(job)
        self._waits_for[job] += 1

    def _copies(self, problem: Problem, assignment: Sequence[int]) -> None:
        for tensor in problem.tensors:
            source, made = problem.memories[assignment[tensor.producer]], dict[str, int]()
            for reader in tensor.readers:
                target = problem.memories[assignment[reader]]
                if target not in made:
                    made[target] = self._copy(problem, tensor.producer, tensor.size_bytes, source, target)
                self._wait(reader, made[target])

    def _copy(self, problem: Problem, producer: int, size_bytes: int, source: str, target: str) -> int:
        """The job that brings a tensor to a memory; the producer itself where it lies there."""
        if not problem.transfer_ps(size_bytes, source, target):
            return producer
        legs = problem.routes[source, target].legs
        phases = [(float(leg.latency_ps), "", 0.0) for leg in legs]
        shared = [
            (0.0, problem.channel_of(leg.resource), float(leg.time_ps(size_bytes) - leg.latency_ps)) for leg in legs
        ]
        self._phases.append(iter([phase for pair in zip(phases, shared, strict=True) for phase in pair]))
        self._after.append([])
        self._waits_for.append(0)
        self._parts.append(0)
        copy = len(self._phases) - 1
        self._wait(copy, producer)
        return copy

    def run(self) -> None:
        """From the first to the last end."""
        for job, count in enumerate(list(self._waits_for)):
            if not count:
                self._start(self._begin_ps, job)
        while True:
            lane = min(
                (each for each in self._lanes.values() if each.users), key=lambda each: each.next_end, default=None
            )
            if self._timers and (lane is None or self._timers[0][0] <= lane.next_end):
                now, job = heappop(self._timers)
            elif lane is not None:
                now = lane.next_end
                job = lane.leave(now)
            else:
                return
            self._parts[job] -= 1
            if not self._parts[job]:
                self._go_on(now, job)

    def _start(self, now: float, job: int) -> None:
        self.starts[job] = now
        self._go_on(now, job)

    def _go_on(self, now: float, job: int) -> None:
        """Begin the next phase that takes time; after the last, all that waited for this alone."""
        ended = [job]
        while ended:
            job = ended.pop()
            if self._next_phase(now, job):
                continue
            self.ends[job] = now
            for other in self._after[job]:
                self._waits_for[other] -= 1
                if not self._waits_for[other]:
                    self.starts[other] = now
                    ended.append(other)

    def _next_phase(self, now: float, job: int) -> bool:
        for own, resource, shared in self._phases[job]:
            if own:
                heappush(self._timers, (now + own, job))
            if shared:
                if resource not in self._lanes:
                    self._lanes[resource] = _SharedResource()
                self._lanes[resource].join(now, shared, job)
            self._parts[job] = bool(own) + bool(shared)
            if self._parts[job]:
                return True
        return False
