"""Scenarios of conversations: a prompt and its steps, several users at once, and what the memories hold of them."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.errors import InfeasibleError, MensaError, UsageError
from mensa_sim.simulate.scenario.conversation import Conversation, TokenCount, fixed
from mensa_sim.study.generation.generation import WHOLE_STEPS
from mensa_sim.study.run.flows import with_data_plan
from mensa_sim.study.run.placement import Placement
from mensa_sim.study.scenario import placing

WORKLOAD = """
name: small
model: mensa_sim.workload.models.decoder:Decoder
arguments: {layers: 2, hidden: 64, intermediate: 96, heads: 4, kv_heads: 2, head_dim: 32, vocab: 500}
generate: {prompt_tokens: 40, new_tokens: 9}
weight_bits: 8
activation_bits: 8
"""
STREAM = "{name: chat, workload: ./small.yaml, arrivals: {kind: closed_loop, in_flight: USERS, requests: 6}MORE}"


def written(tmp_path: Path, *, users: int = 1, more: str = "", workload: str = WORKLOAD) -> Path:
    (tmp_path / "small.yaml").write_text(workload)
    file = tmp_path / "talks.yaml"
    stream = STREAM.replace("USERS", str(users)).replace("MORE", f", {more}" if more else "")
    file.write_text(f"name: talks\nseed: 3\nstreams:\n  - {stream}\n")
    return file


def ran(file: Path, system: str = "mensa_g") -> ms.ScenarioRun:
    """On one system, which stands for the baseline too."""
    return ms.run_scenario(file, system=system, baseline=system)


def test_one_user_waits_as_long_as_an_answer_by_itself_takes(tmp_path: Path) -> None:
    file = written(tmp_path)
    answer = ms.run(tmp_path / "small.yaml", system="mensa_g", baseline="mensa_g").answer
    streams = ran(file).main.metrics.streams
    prompts, tokens = streams["chat"], streams["chat tokens"]
    assert (prompts.finished, tokens.finished) == (6, 6 * 8)
    assert answer is not None
    assert answer.time_per_token_ps is not None
    assert prompts.max_ps is not None
    # here keys and values leave while later layers of the prompt run; an answer by itself carries them after it
    assert answer.prompt.latency_ps <= prompts.max_ps <= answer.ttft_ps
    assert tokens.mean_latency_ps == pytest.approx(answer.time_per_token_ps, rel=0.01)
    assert tokens.throughput_per_s == pytest.approx(
        8 * 1e12 / (prompts.max_ps + 8 * answer.time_per_token_ps), rel=0.01
    )


@pytest.mark.parametrize("system", ["mensa_g", "npu_lpddr5_pim"])
def test_of_one_token_a_conversation_is_an_answer_by_itself_in_stacks_too(tmp_path: Path, system: str) -> None:
    """Stacks are placed as layers are; pieces, which no answer has, are taken as stacks, and both say so."""
    file = written(tmp_path, more="conversation: {prompt_tokens: 40, new_tokens: 1}")
    alone = ms.run(tmp_path / "small.yaml", system=system, baseline=system, flow="stacks", new_tokens=1)
    answer, later = alone.answer, alone.main.steady
    assert answer is not None
    for flow in ("stacks", "tiles"):
        main = ms.run_scenario(file, system=system, baseline=system, flow=flow).main
        assert main.metrics.streams["chat"].max_ps == answer.latency_ps
        # the first prompt finds empty buffers, the five behind it the parameters that stayed
        assert main.metrics.energy_pj == pytest.approx(answer.energy_pj + 5 * later.energy_pj, rel=1e-9)
        assert (WHOLE_STEPS in main.caveats) == (flow == "tiles")
    spoken = ms.run(tmp_path / "small.yaml", system=system, baseline=system, flow="tiles", new_tokens=1)
    assert [WHOLE_STEPS in each.main.caveats for each in (alone, spoken)] == [False, True]


def test_users_beside_each_other_wait_for_each_other_and_miss_deadlines(tmp_path: Path) -> None:
    alone = ran(written(tmp_path)).main.metrics.streams["chat tokens"]
    assert alone.max_ps is not None
    deadline = f"conversation: {{prompt_tokens: 40, new_tokens: 9, token_deadline_ms: {1.05 * alone.max_ps / 1e9}}}"
    one, three = (
        ran(written(tmp_path, users=users, more=deadline)).main.metrics.streams["chat tokens"] for users in (1, 3)
    )
    assert one.deadline_misses == 0
    assert three.deadline_misses > 0
    assert (three.p99_ps or 0) > 1.05 * alone.max_ps
    assert three.finished == one.finished


def test_where_data_lives_is_planned_for_the_longest_step_and_held_by_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = []

    def counted(placement: Placement, *rest: Any, **more: Any) -> Placement:
        planned.append((placement.costs.graph.name, placement.goal.steady))
        return with_data_plan(placement, *rest, **more)

    monkeypatch.setattr(placing, "with_data_plan", counted)
    file = written(tmp_path, more="conversation: {prompt_tokens: 40, new_tokens: 5, context_step: 1}")
    file.write_text(f"parameters: none\n{file.read_text()}")
    found = ran(file, "edge_tpu").main.metrics.streams["chat tokens"]
    each = [("small_prompt", False), ("small", True), ("small", True)]
    assert planned == each * 2, "of four steps the first and the last, on both systems, as they follow others"
    step = ms.run(tmp_path / "small.yaml", system="edge_tpu", prompt_tokens=43, new_tokens=2).main
    assert found.max_ps == pytest.approx(step.latency_ps, rel=0.01), "the last step, and nothing on chip before it"


def test_joined_steps_read_the_weights_once_for_all_users_and_the_keys_and_values_of_each(tmp_path: Path) -> None:
    found = []
    for batch in (1, 4):
        lengths = f"conversation: {{prompt_tokens: 40, new_tokens: 9, batch: {batch}}}"
        file = written(tmp_path, users=4, more=lengths)
        file.write_text(f"parameters: none\n{file.read_text()}")
        found.append(ran(file, "edge_tpu").main.metrics)
    alone, joined = found
    several = WORKLOAD.replace("new_tokens: 9", "new_tokens: 9, conversations: 4").replace("small", "four")
    (tmp_path / "four.yaml").write_text(several)
    one, four = (ms.run(tmp_path / f"{name}.yaml", system="edge_tpu").answer for name in ("small", "four"))
    assert one is not None
    assert four is not None
    tokens = alone.streams["chat tokens"], joined.streams["chat tokens"]
    assert [each.finished for each in tokens] == [6 * 8, 6 * 8]
    assert joined.end_ps < alone.end_ps
    slowest_ps = tokens[1].max_ps
    assert slowest_ps is not None
    assert four.decoding[0].first.latency_ps * 0.99 <= slowest_ps, "at some time all four are joined"
    saved = alone.channels["lpddr4"].size_bytes - joined.channels["lpddr4"].size_bytes
    weights = one.decoding[0].first.weight_bytes
    steps = 6 * 8 - saved / weights
    assert 6 * 8 / 4 <= steps < 6 * 8 / 2, "that many reads of the weights, for 48 tokens"


def test_keys_and_values_that_steps_read_elsewhere_cross_the_link_once_a_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path)
    answer = ms.run(tmp_path / "small.yaml", system="mensa_g", baseline="mensa_g").answer
    assert answer is not None
    moved = answer.moved_bytes
    whole = ran(file).main.metrics.channels
    monkeypatch.setattr(placing, "moved_to_steps", lambda *_: ())
    without = ran(file).main.metrics.channels
    assert moved > 0, "on this system the prompt and the steps read from two memories"
    assert whole["lpddr4-stacked"].size_bytes - without["lpddr4-stacked"].size_bytes == 6 * moved


def test_lengths_are_drawn_by_the_seed_within_their_bounds() -> None:
    drawn = Conversation(
        prompt_tokens=TokenCount(kind="uniform", least=10, most=20),
        new_tokens=TokenCount(kind="lognormal", least=2, most=50, median=8, sigma=1.0),
    )
    lengths = list(islice(drawn.drawn("0/chat"), 2000))
    assert lengths == list(islice(drawn.drawn("0/chat"), 2000))
    assert lengths != list(islice(drawn.drawn("1/chat"), 2000))
    prompts, answers = ([each[at] for each in lengths] for at in (0, 1))
    assert (min(prompts), max(prompts)) == (10, 20)
    assert (min(answers), max(answers)) == (2, 50)
    assert sorted(answers)[1000] == pytest.approx(8, abs=1)


@pytest.mark.parametrize("step", [1, 7, 64])
def test_every_length_is_priced_by_one_within_half_a_step(step: int) -> None:
    talk = Conversation(
        prompt_tokens=TokenCount(kind="uniform", least=30, most=70), new_tokens=fixed(20), context_step=step
    )
    for tokens in range(30, 71):
        assert abs(talk.prompt_for(tokens) - tokens) <= step / 2
        assert talk.prompt_for(tokens) in talk.prompts
    for context in range(30, 70 + 20 - 1):
        assert abs(talk.context_for(context) - context) <= step / 2
        assert talk.context_for(context) in talk.contexts


def test_a_workload_that_generates_needs_no_word_of_it_and_another_cannot_converse(tmp_path: Path) -> None:
    assert "chat tokens" in ran(written(tmp_path)).main.metrics.streams
    file = written(tmp_path, more="conversation: {prompt_tokens: 4, new_tokens: 2}")
    file.write_text(file.read_text().replace("./small.yaml", "keyword_spotting"))
    with pytest.raises(UsageError, match="stream chat: conversation: keyword_spotting does not generate"):
        ran(file)


def test_too_many_conversations_for_a_memory_are_an_error_with_the_bytes(tmp_path: Path) -> None:
    file = written(tmp_path, users=3)
    held = ms.run(tmp_path / "small.yaml", system="edge_tpu").answer
    assert held is not None
    room = sum(held.weights_held_bytes.values()) + 2 * held.kv_bytes
    small = [f"memories.lpddr4.capacity_bytes={room}"]
    with pytest.raises(InfeasibleError, match=f"3 at once does not fit .* {held.kv_bytes} fewer"):
        ms.run_scenario(file, system="edge_tpu", overrides=small)
    assert ms.run_scenario(written(tmp_path, users=2), system="edge_tpu", overrides=small)


def test_more_tokens_than_conversations_may_have_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where steps are joined all of them count."""
    monkeypatch.setattr("mensa_sim.workload.generation.model.MAX_TOKENS", 60)
    file = written(tmp_path, users=2, more="conversation: {prompt_tokens: 40, new_tokens: 9, batch: 2}")
    with pytest.raises(UsageError, match="small: all conversations together have more than 60 tokens"):
        ran(file)


@pytest.mark.parametrize(
    ("conversation", "fault"),
    [
        ("{prompt_tokens: 0, new_tokens: 2}", "at least 1"),
        ("{prompt_tokens: {kind: lognormal, least: 1, most: 9}, new_tokens: 2}", "needs both"),
        ("{prompt_tokens: {kind: uniform, least: 1, most: 90000}, new_tokens: 2}", "raise context_step"),
        ("{prompt_tokens: 4, new_tokens: 2, token_deadline_ms: 0}", "must be positive"),
        ("{prompt_tokens: 4, new_tokens: {kind: fixed, least: 1, most: 2}}", "is one number"),
    ],
)
def test_what_no_conversation_can_be_is_a_fault_of_its_file(tmp_path: Path, conversation: str, fault: str) -> None:
    with pytest.raises(MensaError, match=fault):
        ran(written(tmp_path, more=f"conversation: {conversation}"))


FEED_FORWARD = {f"steps:layers.*.{part}": "lpddr5_pim" for part in ("gate", "up", "down")}


def test_the_feed_forward_part_of_the_steps_alone_runs_in_the_memory(tmp_path: Path) -> None:
    written(tmp_path)
    pins = {"*": "phone_npu", **FEED_FORWARD}
    result = ms.run(tmp_path / "small.yaml", system="npu_lpddr5_pim", baseline="npu_lpddr5_pim", pins=pins)
    inside = [layer.name for layer in result.main.layers if layer.accelerator == "lpddr5_pim"]
    assert sorted(inside) == sorted(f"layers.{layer}.{part}" for layer in (0, 1) for part in ("gate", "up", "down"))
    assert result.answer is not None
    assert result.answer.placed["prompt"]["lpddr5_pim"] == 0
    with pytest.raises(MensaError, match=r"unknown layer in a pin 'layers\.\*\.gates'"):
        ms.run(tmp_path / "small.yaml", system="npu_lpddr5_pim", pins={"steps:layers.*.gates": "lpddr5_pim"})


def test_steps_run_in_the_memory_while_another_prompt_is_read_and_exclusive_ways_take_turns(tmp_path: Path) -> None:
    file = written(tmp_path, users=2, more="pins: {'prompt:*': phone_npu, 'steps:*': lpddr5_pim}")
    ends = []
    for exclusive in ("false", "true"):
        overrides = [f"memories.lpddr5.exclusive={exclusive}"]
        found = ms.run_scenario(file, system="npu_lpddr5_pim", baseline="edge_tpu", overrides=overrides).main
        busy = {"phone_npu": [], "lpddr5_pim": []}
        for span in found.timeline.spans:
            if span.resource in busy:
                busy[span.resource].append((span.start_ps, span.end_ps))
                assert span.request.startswith("chat tokens") == (span.resource == "lpddr5_pim")
        at_once = sum(
            max(0, min(one[1], other[1]) - max(one[0], other[0]))
            for one in busy["phone_npu"]
            for other in busy["lpddr5_pim"]
        )
        assert at_once > 0.02 * found.metrics.end_ps
        ends.append(found.metrics.end_ps)
    assert ends[0] < ends[1]
