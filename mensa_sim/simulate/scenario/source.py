"""Where requests come from: a stream lets them arrive, follows each to its end, and counts."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.simulate.engine.clock import Process
from mensa_sim.simulate.engine.engine import Engine
from mensa_sim.simulate.engine.request import Asker, Request
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
    """What a stream runs: prompts by their tokens, steps by how many are joined and the tokens before them."""

    prompts: Mapping[int, Plan]
    """Of a workload that does not generate, its inference stands at `NO_PROMPT`."""
    steps: Mapping[tuple[int, int], Plan] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Plan, ...]:
        """Every plan."""
        return (*self.prompts.values(), *self.steps.values())


NO_PROMPT = 0
"""Stands for the tokens of an inference that has no prompt."""


class _Talk:
    """A request that has arrived: of a conversation its prompt, and then one step after another."""

    __slots__ = ("arrival_ps", "asker", "context", "number", "steps")

    asker: Asker
    """Of what it waits for."""
    number: int
    """Of that, among all of its name."""
    context: int
    """Of a step, the tokens before it."""

    def __init__(self, arrival_ps: int, steps: Iterator[int]) -> None:
        self.arrival_ps = arrival_ps
        self.steps = steps
        """The contexts of those that are to come."""


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
        self._talks: dict[tuple[str, int], Sequence[_Talk]] = {}
        """Those who wait for what is on its way, by name and number."""
        self._at_work = 0
        """Requests that have arrived and have not ended, conversations with all their steps."""
        self._waiting: list[_Talk] = []
        """For a step that will be joined with others."""
        self._joining = False
        """Whether a joined step is on its way, or chosen at the end of this instant."""
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
        """An inference has ended: the next step of a conversation is asked for, or in a closed loop another arrives."""
        self.last_end_ps = self._engine.clock.now_ps
        key = request.stream, request.number
        del self.live[key]
        if self._batch > 1 and request.stream == self._stream.steps_name:
            self._joining = False
        for talk in self._talks.pop(key):
            context = next(talk.steps, None)
            if context is None:
                self._end(talk)
            else:
                self._ask_step(talk, context)
        self._join_later()

    def _end(self, talk: _Talk) -> None:
        self._at_work -= 1
        arrivals = self._stream.arrivals
        if isinstance(arrivals, ClosedLoop) and (arrivals.requests is None or self.arrived < arrivals.requests):
            if self.last_end_ps == talk.arrival_ps:
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
        waiting = [talk.asker for talk in self._waiting] if name == self._stream.steps_name else []
        askers = [*waiting, *(asker for request in live for asker in request.askers)]
        return Backlog(
            arrived=self._begun[name],
            arrived_by_middle=self._early[name],
            missed_unfinished=sum(each.deadline_ps is not None and each.deadline_ps < end_ps for each in askers),
            never_started=len(waiting) + sum(len(request.askers) for request in live if request.start_ps < 0),
        )

    def _let_arrive(self, times_ps: Iterator[int]) -> Process:
        clock = self._engine.clock
        for time_ps in times_ps:
            if time_ps > clock.now_ps:
                yield clock.timeout(time_ps - clock.now_ps)
            self._arrive()

    def _arrive(self) -> None:
        now_ps = self._engine.clock.now_ps
        if self._at_work >= MAX_WAITING:
            raise UsageError(
                f"stream {self._stream.name}: {MAX_WAITING} requests wait after {now_ps / PS_PER_S:.3g} s; "
                "lower its rate or the scenario's duration"
            )
        self._at_work += 1
        self.most_at_once = max(self.most_at_once, self._at_work)
        stream, conversation = self._stream, self._stream.conversation
        if conversation is None or self._lengths is None:
            talk, plan = _Talk(now_ps, iter(())), self._plans.prompts[NO_PROMPT]
        else:
            prompt, new = next(self._lengths)
            talk = _Talk(now_ps, iter(range(prompt, prompt + new - 1)))
            plan = self._plans.prompts[conversation.prompt_for(prompt)]
        self._ask(talk, stream.name, stream.deadline_ps)
        self._start(plan, stream.name, [talk])

    def _ask_step(self, talk: _Talk, context: int) -> None:
        """The next step of a conversation: at once by itself, or with others that wait when the one on its way ends."""
        stream, conversation = self._stream, self._stream.conversation
        assert conversation is not None  # another request has no steps
        talk.context = context
        self._ask(talk, stream.steps_name, conversation.token_deadline_ps)
        if self._batch == 1:
            self._start(self._plans.steps[1, conversation.context_for(context)], stream.steps_name, [talk])
        else:
            self._waiting.append(talk)

    @property
    def _batch(self) -> int:
        conversation = self._stream.conversation
        return 1 if conversation is None else conversation.batch

    def _join_later(self) -> None:
        """Begin a joined step when all that may be asked at this instant is, unless one is on its way."""
        if self._waiting and not self._joining:
            self._joining = True
            self._engine.clock.settle(self._join)

    def _join(self, now_ps: int) -> None:
        conversation = self._stream.conversation
        assert conversation is not None
        talks, self._waiting = self._waiting[: conversation.batch], self._waiting[conversation.batch :]
        context = conversation.context_for(round(sum(talk.context for talk in talks) / len(talks)))
        plan = self._plans.steps[conversation.batch_for(len(talks)), context]
        self._start(plan, self._stream.steps_name, talks)

    def _ask(self, talk: _Talk, name: str, within_ps: int | None) -> None:
        """Count what is asked for now, and is late when that long has passed."""
        now_ps, number = self._engine.clock.now_ps, self._begun[name]
        if number >= limits.MAX_REQUESTS:
            raise UsageError(limits.too_many(name, f"more than {number}"))
        if number and not number % TOLD_EVERY:
            LOGGER.info("%s: %d requests of %s in %.4g s", self._scenario.name, number, name, ps_to_seconds(now_ps))
        talk.asker = Asker(now_ps, None if within_ps is None else now_ps + within_ps)
        talk.number = number
        self._begun[name] = number + 1
        duration_ps = self._scenario.duration_ps
        if duration_ps is not None and now_ps <= duration_ps // 2:
            self._early[name] += 1

    def _start(self, plan: Plan, name: str, talks: Sequence[_Talk]) -> None:
        """Run what some wait for; the one who has waited longest says who goes first."""
        first = talks[0]
        arrival_ps, deadline_ps = first.asker
        place = rank(
            self._scenario, self._index, name, arrival_ps=arrival_ps, deadline_ps=deadline_ps, number=first.number
        )
        request = Request(
            plan,
            stream=name,
            number=first.number,
            rank=place,
            arrival_ps=arrival_ps,
            deadline_ps=deadline_ps,
            askers=[talk.asker for talk in talks],
        )
        self.live[name, first.number] = request
        self._talks[name, first.number] = talks
        self._engine.start(request)
