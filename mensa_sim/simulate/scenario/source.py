"""Where requests come from: a stream lets them arrive, follows each to its end, and counts."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mensa_sim.errors import UsageError
from mensa_sim.simulate.engine.clock import Process
from mensa_sim.simulate.engine.engine import Engine
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.metrics.scenario import Backlog
from mensa_sim.simulate.plan.plan import Plan
from mensa_sim.simulate.scenario import scenario as limits
from mensa_sim.simulate.scenario.arrivals import ClosedLoop, arrival_times
from mensa_sim.simulate.scenario.scenario import Scenario, Stream, rank
from mensa_sim.units import PS_PER_S, ps_to_seconds

LOGGER = logging.getLogger(__name__)
TOLD_EVERY = 1000

MAX_WAITING = 200_000
"""Requests of one stream on their way at once: a rate that piles up more is taken for a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """What a stream runs: prompts by their tokens, steps by the tokens before them."""

    prompts: Mapping[int, Plan]
    """Of a workload that does not generate, its inference stands at `NO_PROMPT`."""
    steps: Mapping[int, Plan] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Plan, ...]:
        """Every plan."""
        return (*self.prompts.values(), *self.steps.values())


NO_PROMPT = 0
"""Stands for the tokens of an inference that has no prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    """One inference on the way of a request: of a conversation, its prompt or a step."""

    plan: Plan
    name: str
    deadline_ps: int | None
    """After it begins."""


class _Asked:
    """A request that has arrived, and what is still to be run for it."""

    __slots__ = ("arrival_ps", "legs")

    def __init__(self, arrival_ps: int, legs: Iterator[_Leg]) -> None:
        self.arrival_ps = arrival_ps
        self.legs = legs


class RequestSource:
    """Lets the requests of one stream arrive and counts them."""

    def __init__(self, engine: Engine, scenario: Scenario, index: int, plans: Plans) -> None:
        self.last_end_ps = 0
        self.live: dict[tuple[str, int], Request] = {}
        """What is on its way, by name and number."""
        self.most_at_once = 0
        """Requests on their way at once, at most."""
        self._engine = engine
        self._scenario = scenario
        self._index = index
        self._plans = plans
        self._begun = dict.fromkeys(self._stream.names, 0)
        self._early = dict.fromkeys(self._stream.names, 0)
        self._asked: dict[tuple[str, int], _Asked] = {}
        seed = f"{scenario.seed}/{self._stream.name}"
        self._seed = seed
        conversation = self._stream.conversation
        self._lengths = None if conversation is None else conversation.drawn(f"{seed}/tokens")

    @property
    def _stream(self) -> Stream:
        return self._scenario.streams[self._index]

    @property
    def arrived(self) -> int:
        """Requests so far; of conversations, their prompts."""
        return self._begun[self._stream.name]

    def begin(self) -> None:
        """Start the stream."""
        arrivals = self._stream.arrivals
        if isinstance(arrivals, ClosedLoop):
            for _ in range(min(arrivals.in_flight, arrivals.requests or arrivals.in_flight)):
                self._arrive()
        else:
            self._engine.clock.process(self._let_arrive(arrival_times(arrivals, self._seed)))

    def ended(self, request: Request) -> None:
        """An inference has ended: the next step of its conversation begins, or in a closed loop the next arrives."""
        now_ps = self._engine.clock.now_ps
        self.last_end_ps = now_ps
        del self.live[request.stream, request.number]
        asked = self._asked.pop((request.stream, request.number))
        leg = next(asked.legs, None)
        if leg is not None:
            self._start(leg, asked)
            return
        arrivals = self._stream.arrivals
        if isinstance(arrivals, ClosedLoop) and (arrivals.requests is None or self.arrived < arrivals.requests):
            if now_ps == asked.arrival_ps:
                raise UsageError(
                    f"stream {self._stream.name}: an inference of {self._stream.workload} takes no time, "
                    "so a closed loop would never end"
                )
            self._arrive()

    def backlog(self, end_ps: int) -> dict[str, Backlog]:
        """By name, what had arrived and what was left when the run stopped."""
        return {name: self._backlog(name, end_ps) for name in self._stream.names}

    def _backlog(self, name: str, end_ps: int) -> Backlog:
        live = [request for request in self.live.values() if request.stream == name]
        late = [each for each in live if each.deadline_ps is not None and each.deadline_ps < end_ps]
        return Backlog(
            arrived=self._begun[name],
            arrived_by_middle=self._early[name],
            missed_unfinished=len(late),
            never_started=sum(request.start_ps < 0 for request in live),
        )

    def _let_arrive(self, times_ps: Iterator[int]) -> Process:
        clock = self._engine.clock
        for time_ps in times_ps:
            if time_ps > clock.now_ps:
                yield clock.timeout(time_ps - clock.now_ps)
            self._arrive()

    def _arrive(self) -> None:
        now_ps = self._engine.clock.now_ps
        asked = _Asked(now_ps, self._legs())
        if len(self.live) >= MAX_WAITING:
            raise UsageError(
                f"stream {self._stream.name}: {MAX_WAITING} requests wait after {now_ps / PS_PER_S:.3g} s; "
                "lower its rate or the scenario's duration"
            )
        self.most_at_once = max(self.most_at_once, len(self.live) + 1)
        self._start(next(asked.legs), asked)

    def _legs(self) -> Iterator[_Leg]:
        """What the next request runs, one inference after another."""
        stream, conversation, plans = self._stream, self._stream.conversation, self._plans
        if conversation is None or self._lengths is None:
            yield _Leg(plan=plans.prompts[NO_PROMPT], name=stream.name, deadline_ps=stream.deadline_ps)
            return
        prompt, new = next(self._lengths)
        first = plans.prompts[conversation.prompt_for(prompt)]
        yield _Leg(plan=first, name=stream.name, deadline_ps=stream.deadline_ps)
        for context in range(prompt, prompt + new - 1):
            plan = plans.steps[conversation.context_for(context)]
            yield _Leg(plan=plan, name=stream.steps_name, deadline_ps=conversation.token_deadline_ps)

    def _start(self, leg: _Leg, asked: _Asked) -> None:
        now_ps = self._engine.clock.now_ps
        number = self._begun[leg.name]
        if number >= limits.MAX_REQUESTS:
            raise UsageError(limits.too_many(leg.name, f"more than {number}"))
        if number and not number % TOLD_EVERY:
            LOGGER.info("%s: %d requests of %s in %.4g s", self._scenario.name, number, leg.name, ps_to_seconds(now_ps))
        deadline_ps = None if leg.deadline_ps is None else now_ps + leg.deadline_ps
        request = Request(
            leg.plan,
            stream=leg.name,
            number=number,
            rank=rank(self._scenario, self._index, leg.name, arrival_ps=now_ps, deadline_ps=deadline_ps, number=number),
            arrival_ps=now_ps,
            deadline_ps=deadline_ps,
        )
        self._begun[leg.name] = number + 1
        duration_ps = self._scenario.duration_ps
        if duration_ps is not None and now_ps <= duration_ps // 2:
            self._early[leg.name] += 1
        self.live[leg.name, number] = request
        self._asked[leg.name, number] = asked
        self._engine.start(request)
