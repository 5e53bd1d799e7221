"""Speculative decoding: what a round gives, what it costs, and what the memories hold of two models."""

import random
from pathlib import Path

import pytest

import mensa_sim as ms
from mensa_sim.errors import MensaError
from mensa_sim.study.generation.answer import Answer
from mensa_sim.workload.generation.model import Speculation

MODEL = """
name: NAME
model: mensa_sim.workload.models.decoder:Decoder
arguments: {layers: LAYERS, hidden: 64, intermediate: 96, heads: 4, kv_heads: 2, head_dim: 32, vocab: 500}
generate: {prompt_tokens: 40, new_tokens: 9MORE}
weight_bits: 8
activation_bits: 8
"""


def written(tmp_path: Path, name: str, *, layers: int, more: str = "") -> Path:
    file = tmp_path / f"{name}.yaml"
    file.write_text(MODEL.replace("NAME", name).replace("LAYERS", str(layers)).replace("MORE", more))
    return file


def speculating(tmp_path: Path, tokens: int, acceptance: float) -> Path:
    written(tmp_path, "draft", layers=1)
    more = f", speculation: {{draft: ./draft.yaml, tokens: {tokens}, acceptance: {acceptance}}}"
    return written(tmp_path, "large", layers=2, more=more)


def answered(file: Path) -> Answer:
    answer = ms.run(file, system="mensa_g", baseline="mensa_g").answer
    assert answer is not None
    return answer


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answer, Answer]:
    """The draft and the large model, each by itself."""
    folder = tmp_path_factory.mktemp("apart")
    return answered(written(folder, "draft", layers=1)), answered(written(folder, "large", layers=2))


@pytest.mark.parametrize(("tokens", "acceptance"), [(1, 0.3), (4, 0.8), (6, 0.0), (3, 1.0)])
def test_a_round_gives_the_tokens_before_the_first_wrong_proposal_and_one_more(tokens: int, acceptance: float) -> None:
    generator = random.Random(5)

    def drawn() -> int:
        right = 0
        while right < tokens and generator.random() < acceptance:
            right += 1
        return right + 1

    rounds = 20_000
    mean = sum(drawn() for _ in range(rounds)) / rounds
    said = Speculation(draft="d", tokens=tokens, acceptance=acceptance).tokens_a_round
    assert said == pytest.approx(mean, rel=0.02)


def test_a_token_costs_its_share_of_the_proposals_and_of_the_step_that_reads_them(
    tmp_path: Path, apart: tuple[Answer, Answer]
) -> None:
    never, always = answered(speculating(tmp_path, 3, 0.0)), answered(speculating(tmp_path, 3, 1.0))
    draft, alone = apart
    assert never.time_per_token_ps is not None
    assert always.time_per_token_ps is not None
    assert draft.time_per_token_ps is not None
    assert never.time_per_token_ps == pytest.approx(4 * always.time_per_token_ps)
    assert alone.time_per_token_ps is not None
    verified_ps = never.time_per_token_ps - 3 * draft.time_per_token_ps
    assert alone.time_per_token_ps < verified_ps < 4 * alone.time_per_token_ps, "one step reads four tokens"
    assert always.prompt.latency_ps == pytest.approx(alone.prompt.latency_ps + draft.prompt.latency_ps)
    assert never.over_steps(lambda step: step.weight_bytes) > alone.over_steps(lambda step: step.weight_bytes)


def test_no_model_finds_on_chip_what_the_other_ones_steps_may_have_displaced(tmp_path: Path) -> None:
    """No step gets faster: one alone finds what the step before it has left, which is all of so small a model."""
    found = ms.run(speculating(tmp_path, 2, 0.5), system="edge_tpu", baseline="edge_tpu").answer
    assert found is not None
    assert found.decoding[0].first.latency_ps < found.decoding[-1].last.latency_ps


def test_the_memories_hold_both_models(tmp_path: Path, apart: tuple[Answer, Answer]) -> None:
    both = answered(speculating(tmp_path, 3, 0.5))
    draft, alone = apart
    held, parts = (sum(each.weights_held_bytes.values()) for each in (both, draft)), alone.weights_held_bytes
    assert next(held) == next(held) + sum(parts.values())
    assert both.kv_bytes > draft.kv_bytes + alone.kv_bytes, "rows of proposals that are not taken"


@pytest.mark.parametrize(
    ("speculation", "fault"),
    [
        ("{draft: keyword_spotting, tokens: 2, acceptance: 0.5}", "keyword_spotting generates nothing"),
        ("{draft: ./nowhere.yaml, tokens: 2, acceptance: 0.5}", "nowhere.yaml"),
        ("{draft: smollm2_135m, tokens: 0, acceptance: 0.5}", "at least 1"),
        ("{draft: smollm2_135m, tokens: 2, acceptance: 1.5}", "from 0 to 1"),
        ("{draft: ./large.yaml, tokens: 2, acceptance: 0.5}", "large.yaml has a draft of its own"),
    ],
)
def test_what_no_draft_can_be_is_a_fault_of_the_file(tmp_path: Path, speculation: str, fault: str) -> None:
    with pytest.raises(MensaError, match=fault):
        ms.run(written(tmp_path, "large", layers=1, more=f", speculation: {speculation}"), system="mensa_g")
