"""Conversations whose steps are joined: who is in which step, against a loop that knows nothing of the engine."""

import random
from collections.abc import Mapping

import pytest
from simulation_problems import accelerator, chain, cost, everything_on, layer, system, table

from mensa_sim.simulate.scenario.arrivals import Trace
from mensa_sim.simulate.scenario.conversation import Conversation, TokenCount, fixed
from mensa_sim.simulate.scenario.run import Scheduled, SimulatedScenario, TalkPhases, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream

PROMPT, PROMPT_CYCLES, NS = 8, 400, 1000
DEADLINE_NS = 700


def step_cycles(batch: int, context: int) -> int:
    """What all pay once, and what each adds."""
    return 200 + batch * (30 + context)


def scheduled(name: str, cycles: int) -> Scheduled:
    hardware, graph = system([accelerator("acc")]), chain(layer("only"), name=name)
    costs = table(graph, hardware, [cost("only", "acc", compute=cycles)])
    return Scheduled(graph=graph, costs=costs, assignment=everything_on(graph, "acc"))


def simulated(arrivals_ns: list[int], new: TokenCount, batch: int) -> SimulatedScenario:
    talk = Conversation(
        prompt_tokens=fixed(PROMPT),
        new_tokens=new,
        context_step=1,
        batch=batch,
        token_deadline_ps=DEADLINE_NS * NS,
    )
    stream = Stream(
        name="chat",
        workload="small",
        arrivals=Trace(times_ps=tuple(NS * each for each in arrivals_ns)),
        conversation=talk,
    )
    phases = TalkPhases(
        prompts={PROMPT: scheduled("prompt", PROMPT_CYCLES)},
        steps={
            (joined, context): scheduled("step", step_cycles(joined, context))
            for joined in talk.batches
            for context in talk.contexts
        },
        carried={},
    )
    return simulate_scenario(
        Scenario(name="talks", streams=(stream,)), {}, phases={"chat": phases}, leakage_mw={"acc": {}}
    )


def expected(arrivals_ns: list[int], new: list[int], batch: int) -> tuple[list[int], list[int]]:
    """Latencies in ns of prompts, and of steps, in the order of their ends: one server, first come, first served."""
    coming = list(enumerate(arrivals_ns))
    queue: list[tuple[tuple[int, int, int], int, list[tuple[int, int, int]]]] = []
    waiting: list[tuple[int, int, int]] = []  # talk, when it asked, its number among steps
    steps_done, asked, joining = [0] * len(new), 0, False
    prompts, tokens = list[int](), list[int]()
    running: tuple[int, tuple[int, int, int], list[tuple[int, int, int]]] | None = None
    while coming or queue or waiting or running:
        times = [*([coming[0][1]] if coming else []), *([running[0]] if running else [])]
        now = min(times)
        if running is not None and running[0] == now:
            _, place, members = running
            running = None
            joining = joining and not place[1]
            for talk, since, _ in members:
                (tokens if place[1] else prompts).append(now - since)
                steps_done[talk] += place[1]
                if steps_done[talk] < new[talk] - 1:
                    waiting.append((talk, now, asked))
                    asked += 1
        while coming and coming[0][1] == now:
            talk, since = coming.pop(0)
            queue.append(((now, 0, talk), PROMPT_CYCLES, [(talk, since, talk)]))
        if waiting and not joining:
            members, waiting = waiting[:batch], waiting[batch:]
            context = round(sum(PROMPT + steps_done[talk] for talk, _, _ in members) / len(members))
            priced = next(size for size in (1, 2, 4, 8, batch) if batch >= size >= len(members) or size == batch)
            queue.append(((members[0][1], 1, members[0][2]), step_cycles(priced, context), members))
            joining = True
        if running is None and queue:
            queue.sort()
            place, cycles, members = queue.pop(0)
            running = (now + cycles, place, members)
    return prompts, tokens


@pytest.mark.parametrize("batch", [2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_whoever_waits_when_a_step_ends_is_in_the_next_one(batch: int, seed: int) -> None:
    generator = random.Random(seed)
    arrivals = sorted(generator.randrange(6000) for _ in range(generator.randrange(1, 9)))
    new = TokenCount(kind="uniform", least=2, most=7)
    found = simulated(arrivals, new, batch).metrics.streams
    drawn = Conversation(prompt_tokens=fixed(PROMPT), new_tokens=new).drawn("0/chat/tokens")
    prompts, tokens = expected(arrivals, [next(drawn)[1] for _ in arrivals], batch)
    for name, latencies in (("chat", prompts), ("chat tokens", tokens)):
        metrics = found[name]
        assert (metrics.requests, metrics.finished) == (len(latencies), len(latencies))
        assert metrics.mean_latency_ps == pytest.approx(NS * sum(latencies) / len(latencies))
        assert metrics.max_ps == NS * max(latencies)
    assert found["chat tokens"].deadline_misses == sum(latency > DEADLINE_NS for latency in tokens)


def executions(found: SimulatedScenario) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for span in found.timeline.spans:
        counts[span.request.partition("#")[0]] = counts.get(span.request.partition("#")[0], 0) + 1
    return counts


def test_eight_who_speak_at_once_are_answered_in_an_eighth_of_the_steps_and_one_alone_as_without() -> None:
    alone, joined = (simulated([0] * 8, fixed(40), batch) for batch in (1, 8))
    assert executions(alone)["chat tokens"] == 8 * 39
    assert executions(joined)["chat tokens"] < 8 * 39 / 4, "prompts come one after another, so the first are few"
    assert joined.metrics.streams["chat tokens"].finished == alone.metrics.streams["chat tokens"].finished
    assert joined.metrics.end_ps < 0.8 * alone.metrics.end_ps
    assert joined.most_at_once == alone.most_at_once == {"chat": 8}
    one = [simulated([0], fixed(40), batch).metrics for batch in (1, 8)]
    assert one[0] == one[1]


@pytest.mark.parametrize("batch", [0, 257])
def test_no_steps_or_too_many_are_not_joined(batch: int) -> None:
    with pytest.raises(ValueError, match=f"batch is {batch}, must be from 1 to 256"):
        Conversation(prompt_tokens=fixed(1), new_tokens=fixed(1), batch=batch)
