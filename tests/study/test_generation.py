"""Answers of models that generate: against every step by itself, against what the memory can carry, and what fits."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mensa_sim as ms
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.static_energy import STATIC, static_power
from mensa_sim.hardware.system import System
from mensa_sim.study.generation.answer import Answer
from mensa_sim.study.generation.generation import answer_on
from mensa_sim.study.generation.stretches import OFF_THE_LINE, linear_stretches
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.generation.model import Generate, Generation
from mensa_sim.workload.generation.widths import ModelWidths, WeightGroup
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.models.decoder import Decoder

SHAPE = {"layers": 2, "hidden": 64, "intermediate": 96, "heads": 4, "kv_heads": 2, "head_dim": 32, "vocab": 500}
MEMO = PriceMemo()
WINDOWED = Decoder(**SHAPE, attention_window=140, window_every=2)
FILE = """
name: small
model: mensa_sim.workload.models.decoder:Decoder
arguments: {layers: 2, hidden: 64, intermediate: 96, heads: 4, kv_heads: 2, head_dim: 32, vocab: 500}
generate: {prompt_tokens: 40, new_tokens: 9}
weight_bits: 8
activation_bits: 8
"""


def generation(model: Decoder = WINDOWED, *, prompt: int = 125, new: int = 18, conversations: int = 1) -> Generation:
    lengths = Generate(prompt_tokens=prompt, new_tokens=new, conversations=conversations)
    return Generation(name="small", model=model, widths=ModelWidths(activation_bits=8, kv_bits=8), generate=lengths)


def answered(asked: Generation, system: str = "mensa_g", **more: str) -> Answer:
    answer = answer_on(asked, load_system(system), Goal(**more), evaluate, MEMO).answer
    assert answer is not None
    return answer


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(FILE)
    return file


@pytest.mark.parametrize(
    ("system", "conversations"), [("mensa_g", 1), ("edge_tpu", 3), ("simba_4", 1), ("coral_usb3", 1)]
)
def test_an_answer_is_the_sum_of_its_steps_each_priced_by_itself(system: str, conversations: int) -> None:
    """Across a jump of the arrays' fill (128 keys) and the bend of a window (140)."""
    asked, hardware = generation(conversations=conversations), load_system(system)
    goals: list[Goal] = []

    def seen(graph: LayerGraph, system: System, goal: Goal, *rest: Any, **more: Any) -> SystemResult:
        goals.append(goal)
        return evaluate(graph, system, goal, *rest, **more)

    found = answer_on(asked, hardware, Goal(), seen, MEMO)
    assert found.answer is not None
    prompt, *later = goals
    assert not prompt.steady
    assert all(each.steady for each in later), "what stays on chip is chosen for steps that follow others"
    kept = Goal(pins=found.step.schedule.assignment, steady=True)
    first, *others = asked.generate.steps
    steps = [evaluate(asked.step(first), hardware, kept, memo=MEMO)]
    steps += [evaluate(asked.step(context), hardware, kept, memo=MEMO, later=True) for context in others]
    time_ps, energy_pj = sum(step.latency_ps for step in steps), sum(step.energy_pj for step in steps)
    assert found.answer.over_steps(lambda step: step.latency_ps) == pytest.approx(time_ps, rel=1e-3)
    assert found.answer.over_steps(lambda step: step.energy_pj) == pytest.approx(energy_pj, rel=1e-3)
    kv_bytes = sum(layer.state_bytes for step in steps for layer in step.graph.layers)
    assert found.answer.over_steps(lambda step: step.kv_bytes) == pytest.approx(kv_bytes, rel=1e-9)
    assert found.answer.steps == 17


@pytest.mark.parametrize(("system", "flow"), [("pavlov", "layers"), ("edge_tpu", "layers"), ("edge_tpu", "homes")])
def test_a_step_takes_no_less_than_the_memory_takes_for_weights_and_cache(system: str, flow: str) -> None:
    answer = answered(generation(prompt=30, new=4), system, flow=flow)
    (memory,) = load_system(system).memories.values()
    cache = 2 * 2 * 30 * 2 * 32
    assert answer.decoding[0].first.kv_bytes == cache
    for stretch in answer.decoding:
        for step in (stretch.first, stretch.last):
            assert step.latency_ps >= (step.weight_bytes + step.kv_bytes) / memory.effective_bytes_per_s * 1e12


def test_a_step_reads_every_weight_once_and_the_whole_cache() -> None:
    model = Decoder(**SHAPE)
    answer = answered(generation(model, prompt=20, new=3), "pavlov")
    first = answer.decoding[0].first
    norms = 5 * model.hidden  # in 8 bits here, as activations are
    table = (model.vocab - 1) * model.hidden
    assert first.weight_bytes == model.parameters - table
    assert norms < first.weight_bytes
    assert first.kv_bytes == 2 * 2 * 20 * model.kv_heads * model.head_dim
    assert answer.kv_bytes == 2 * 2 * 22 * model.kv_heads * model.head_dim


def test_conversations_at_once_share_the_reading_of_weights() -> None:
    one, four = (answered(generation(Decoder(**SHAPE), prompt=9, new=3, conversations=n), "pavlov") for n in (1, 4))
    assert four.per_step(lambda step: step.weight_bytes) == pytest.approx(
        (one.per_step(lambda step: step.weight_bytes) or 0) + 3 * SHAPE["hidden"], rel=1e-6
    )  # three more rows of the table of tokens
    assert four.kv_bytes == 4 * one.kv_bytes


def test_keys_and_values_that_the_steps_read_elsewhere_are_carried_there_before_the_first_token() -> None:
    asked = generation(Decoder(**SHAPE), prompt=64, new=4)
    hardware = load_system("mensa_g")
    prompt = dict.fromkeys((layer.name for layer in asked.prompt.layers), "pascal")

    def place(graph: object, system: object, goal: Goal, **more: object) -> object:
        pins = prompt if graph is asked.prompt else {**dict.fromkeys(prompt, "pavlov"), **goal.pins}
        return evaluate(graph, system, replace(goal, pins=pins), **more)  # type: ignore[arg-type]

    answer = answer_on(asked, hardware, Goal(), place, MEMO).answer  # type: ignore[arg-type]
    assert answer is not None
    cache = 2 * 2 * 64 * 2 * 32
    assert answer.moved_bytes == cache
    slowest = min(memory.effective_bytes_per_s for memory in hardware.memories.values())
    assert answer.ttft_ps >= answer.prompt.latency_ps + cache / slowest * 1e12
    idle_pj = sum(answer.energy_by_component_pj.get(name, 0.0) for name in STATIC)
    assert idle_pj == pytest.approx(static_power(hardware).total_mw * answer.latency_ps / 1e3, rel=1e-6)
    assert sum(answer.weights_held_bytes.values()) == pytest.approx(2 * asked.model.parameters, rel=1e-6)


def test_a_model_that_does_not_fit_is_an_error_that_says_by_how_much(small: Path) -> None:
    on_pavlov = partial(ms.run, str(small), system="pavlov", baseline="pavlov")
    fits = on_pavlov().answer
    assert fits is not None
    needed = sum(fits.weights_held_bytes.values()) + fits.kv_bytes
    on_pavlov(overrides=[f"memories.hbm_internal.capacity_bytes={needed}"])
    with pytest.raises(InfeasibleError, match=f"hbm_internal holds {needed - 7} bytes, 7 fewer than the"):
        on_pavlov(overrides=[f"memories.hbm_internal.capacity_bytes={needed - 7}"])


def test_the_summary_and_the_page_tell_the_answer(small: Path) -> None:
    result = ms.run(str(small), prompt_tokens=30)
    found = result.summary()["generation"]
    answer = result.answer
    assert answer is not None
    assert result.baseline_answer is not None
    assert (found["prompt_tokens"], found["new_tokens"]) == (30, 9)
    assert found["answer_ps"] == pytest.approx(found["ttft_ps"] + 8 * found["time_per_token_ps"], abs=8)
    assert found["tokens_per_s"] == pytest.approx(1e12 / found["time_per_token_ps"], rel=1e-6)
    assert sum(found["answer_energy_by_component_pj"].values()) == pytest.approx(found["answer_energy_pj"], rel=1e-9)
    assert result.summary()["baseline"]["generation"]["ttft_ps"] == result.baseline_answer.ttft_ps
    assert {"tokens", "context", "bytes", "energy_per_token"} <= set(result.figures())
    assert "time to first token" in result.files()["report.html"]
    assert "time to first token" in str(result)


def test_a_step_is_explained_as_it_is_planned_where_others_follow(small: Path) -> None:
    several, alone = ms.place(str(small), system="edge_tpu"), ms.place("small_cnn", system="edge_tpu")
    assert (several.goal.steady, alone.goal.steady) == (True, False)


def test_an_answer_of_one_token_is_its_prompt(small: Path) -> None:
    result = ms.run(str(small), new_tokens=1)
    found = result.summary()["generation"]
    assert found["answer_ps"] == found["ttft_ps"] == result.main.latency_ps
    assert "time_per_token_ps" not in found


def test_parameters_that_could_stay_but_for_the_tiles_beside_them_stop_no_prompt() -> None:
    """Of Llama 3.2 3B's shape: the rows that a prompt reads of its table are more than Jacquard's buffer holds."""
    shape = {"layers": 1, "hidden": 3072, "intermediate": 8192, "heads": 24, "kv_heads": 8, "head_dim": 128}
    widths = ModelWidths(weight_bits=4, weight_group=WeightGroup(group=32))
    prompt = Decoder(**shape, vocab=128256, tied_embeddings=True).phase("prompt", widths, tokens=512, context=0)
    result = evaluate(prompt, load_system("mensa_g"), Goal())
    assert result.macs == prompt.macs


def test_more_tokens_than_a_model_has_places_for_are_refused() -> None:
    with pytest.raises(UsageError, match="whisper_tiny: 600 tokens are more than the 448 that have positions"):
        ms.run("whisper_tiny", prompt_tokens=600)
    with pytest.raises(UsageError, match="more than 16777216 tokens"):
        ms.run("whisper_tiny", prompt_tokens=10**9)


def test_lengths_are_refused_where_nothing_generates() -> None:
    with pytest.raises(UsageError, match="--new-tokens: small_cnn does not generate"):
        ms.run("small_cnn", new_tokens=3)


def test_steps_that_are_rounded_up_to_whole_cycles_are_one_stretch_of_which_few_are_looked_at() -> None:
    """A cycle more in some steps, at 1 GHz, is no other slope: every step of an answer was priced."""
    asked: list[int] = []

    def cost(context: int) -> float:
        return 9_000_000 + 1000 * -(-10_854 * context // 1000)

    def profile(contexts: Sequence[int]) -> list[tuple[float]]:
        asked.extend(contexts)
        return [(cost(each),) for each in contexts]

    assert linear_stretches(profile, 64, 4063) == [(64, 4063)]
    assert len(asked) == len(set(asked)) <= 20
    total = 4000 * (cost(64) + cost(4063)) / 2
    assert total == pytest.approx(sum(map(cost, range(64, 4064))), rel=OFF_THE_LINE)


def test_an_answer_whose_every_step_bends_is_looked_at_in_few_and_its_sum_is_as_near() -> None:
    """As a tiny draft's on a large array: what ten thousand steps take bends at each."""
    asked: list[int] = []
    rough = [0.02 * (each * 7919 % 101) for each in range(10_000)]

    def cost(context: int) -> float:
        return 100.0 + 0.05 * context + 3 * (context // 64) + rough[context]

    def profile(contexts: Sequence[int]) -> list[tuple[float]]:
        asked.extend(contexts)
        return [(cost(each),) for each in contexts]

    found = linear_stretches(profile, 0, 9999)
    assert [(low, high) for low, high in found if high - low > 256] == []
    assert len(found) <= 256
    assert len(asked) < 1500
    total = sum((high - low + 1) * (cost(low) + cost(high)) / 2 for low, high in found)
    assert total == pytest.approx(sum(map(cost, range(10_000))), rel=10 * OFF_THE_LINE)


def test_a_slope_that_changes_beside_an_end_is_found() -> None:
    def cost(context: int) -> float:
        return 1000.0 + 5 * min(context, 40)

    found = linear_stretches(lambda contexts: [(cost(each),) for each in contexts], 30, 2000)
    assert len(found) > 1
    total = sum((high - low + 1) * (cost(low) + cost(high)) / 2 for low, high in found)
    assert total == pytest.approx(sum(map(cost, range(30, 2001))), rel=OFF_THE_LINE)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 300),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(1, 96), st.floats(0, 5)), max_size=3),
    st.floats(0, 2),
    st.integers(0, 500),
)
def test_stretches_add_up_to_every_step(
    first: int, length: int, stairs: list[tuple[int, float]], slope: float, window: int
) -> None:
    """Whatever is rounded up to whole passes of an array, and bent at a window."""

    def cost(context: int) -> float:
        passes = sum(height * -(-(context + 1) // width) for width, height in stairs)
        return 1000 + slope * min(context, window) + passes

    last = first + length
    found = linear_stretches(lambda contexts: [(cost(each),) for each in contexts], first, last)
    covered = [context for low, high in found for context in range(low, high + 1)]
    assert covered == list(range(first, last + 1))
    total = sum((high - low + 1) * (cost(low) + cost(high)) / 2 for low, high in found)
    assert total == pytest.approx(sum(map(cost, covered)), rel=10 * OFF_THE_LINE)
