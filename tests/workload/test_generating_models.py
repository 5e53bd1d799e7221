"""Models that generate, by their shape: published sizes, and phases that agree with the models of `transformers`."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from killed import ended
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mensa_sim.errors import UsageError
from mensa_sim.workload.generation.widths import ModelWidths, WeightGroup
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.load import load_generation, load_workload
from mensa_sim.workload.models.decoder import Decoder
from mensa_sim.workload.models.speech_decoder import SpeechDecoder

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 500,
    "max_position_embeddings": 256,
    "attn_implementation": "eager",
}
"""Attention spelled out: torch's counter knows no fused one on a CPU."""
SHAPE = {"layers": 2, "hidden": 64, "intermediate": 96, "heads": 4, "kv_heads": 2, "head_dim": 32, "vocab": 500}
WINDOWED = ["sliding_attention", "full_attention"]
EXPERTS = {
    "moe_intermediate_size": 48,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "experts_implementation": "eager",
}
"""Expert by expert: torch's counter knows no grouped product."""

OLD_HEADS = {"head_dim": 16}
"""Of classes that know no size of heads but the even one."""
BIASED = {"attn_bias": True, "output_bias": True, "forward_bias": True}
LAYER_NORMS = {**OLD_HEADS, "norm": "layer_norm", "gated": False}

FAMILIES: Mapping[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", {"tie_word_embeddings": True}, {"tied_embeddings": True}),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", {"hidden_size": 128}, {"hidden": 128, "attn_bias": True}),
    "gemma3": (
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        {"sliding_window": 16, "layer_types": WINDOWED, "tie_word_embeddings": True},
        {
            "tied_embeddings": True,
            "qk_norm": True,
            "norms_per_layer": 4,
            "attention_window": 16,
            "window_every": 2,
        },
    ),
    "falcon": (
        "FalconConfig",
        "FalconForCausalLM",
        {"ffn_hidden_size": 96, "tie_word_embeddings": True, "head_dim": None},
        {**LAYER_NORMS, "tied_embeddings": True, "kv_heads": 1, "parallel": True, "norms_per_layer": 1},
    ),
    "gpt2": (
        "GPT2Config",
        "GPT2LMHeadModel",
        {"n_inner": 96, "tie_word_embeddings": True},
        {**LAYER_NORMS, **BIASED, "tied_embeddings": True, "kv_heads": 4, "positions": 256},
    ),
    "gpt_neox": (
        "GPTNeoXConfig",
        "GPTNeoXForCausalLM",
        {},
        {**LAYER_NORMS, **BIASED, "kv_heads": 4, "parallel": True},
    ),
    "llama_biased": (
        "LlamaConfig",
        "LlamaForCausalLM",
        {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False},
        BIASED,
    ),
    "mixtral": (
        "MixtralConfig",
        "MixtralForCausalLM",
        {"num_local_experts": 8, "num_experts_per_tok": 2, "experts_implementation": "eager"},
        {"experts": 8, "experts_per_token": 2},
    ),
    "olmo": ("OlmoConfig", "OlmoForCausalLM", {}, {"norm": "bare_norm"}),
    "olmo2": (
        "Olmo2Config",
        "Olmo2ForCausalLM",
        {},
        {"norms_after": True, "qk_norm": True, "qk_norm_whole": True},
    ),
    "phi": (
        "PhiConfig",
        "PhiForCausalLM",
        {},
        {**LAYER_NORMS, **BIASED, "head_dim": 32, "head_bias": True, "parallel": True, "norms_per_layer": 1},
    ),
    "qwen3_moe": (
        "Qwen3MoeConfig",
        "Qwen3MoeForCausalLM",
        {**EXPERTS, "tie_word_embeddings": False},
        {"qk_norm": True, "experts": 8, "experts_per_token": 2, "intermediate": 48},
    ),
}


class Step(nn.Module):
    """One call of a language model of `transformers` with the keys and values of earlier tokens."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, *kept: Tensor) -> Tensor:
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config)
        for layer in range(len(kept) // 2):
            cache.update(kept[2 * layer], kept[2 * layer + 1], layer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # its newest version has another name for the cache
            logits: Tensor = self.model(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        return logits


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest) -> tuple[Step, Decoder]:
    """A small model of `transformers`, and the decoder of the same shape."""
    transformers = pytest.importorskip("transformers")
    config, model, settings, shape = FAMILIES[request.param]
    said = {name: value for name, value in {**SMALL, **settings}.items() if value is not None}
    made = getattr(transformers, model)(getattr(transformers, config)(**said))
    return Step(made.eval()), Decoder(**{**SHAPE, **shape})


def kept(decoder: Decoder, context: int) -> list[Tensor]:
    """The keys and values that a cache holds: all, or those that a window's next token still sees."""
    lengths = [min(context, (decoder.window(layer) or context + 1) - 1) for layer in range(decoder.layers)]
    size = (1, decoder.kv_heads, decoder.head_dim)
    return [torch.zeros(*size[:2], length, size[2]) for length in lengths if length for _ in "kv"]


def flop_macs(module: nn.Module, *inputs: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(("tokens", "context"), [(24, 0), (1, 40)], ids=["prompt", "step"])
def test_the_macs_of_a_phase_are_those_that_torch_counts(pair: tuple[Step, Decoder], tokens: int, context: int) -> None:
    step, decoder = pair
    graph = decoder.phase("small", ModelWidths(), tokens=tokens, context=context)
    assert graph.macs == flop_macs(step, torch.zeros(1, tokens, dtype=torch.int64), *kept(decoder, context))


def test_a_prompt_has_the_logits_of_its_last_token_and_a_check_those_of_each() -> None:
    for model in (Decoder(**SHAPE), SpeechDecoder(layers=2, hidden=64, intermediate=96, heads=4, vocab=500, mels=20)):
        for tokens, context, rows in ((5, 0, 1), (5, 9, 5), (1, 9, 1)):
            graph = model.phase("small", ModelWidths(), tokens=tokens, context=context, batch=3)
            assert graph["head"].macs == 3 * rows * model.hidden * model.vocab


def test_the_parameters_are_those_of_the_model(pair: tuple[Step, Decoder]) -> None:
    step, decoder = pair
    count = sum(parameter.numel() for parameter in step.parameters())
    assert decoder.parameters == count
    plain = ModelWidths(weight_bits=8, activation_bits=8)
    assert decoder.phase("small", plain, tokens=1, context=5).parameter_bytes == count


def work(graph: LayerGraph) -> list[tuple[str, int, int]]:
    """Of every product in order: whether it has weights, its MACs and the bytes of its parameters."""
    return [(each.operator, each.macs, each.parameter_bytes) for each in graph.layers if each.nest is not None]


@pytest.mark.parametrize(("tokens", "context"), [(24, 0), (1, 40)], ids=["prompt", "step"])
def test_a_traced_model_has_the_same_layers(tokens: int, context: int) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen3Config(**{**SMALL, "attn_implementation": "sdpa"}, tie_word_embeddings=False)
    decoder = Decoder(**SHAPE, qk_norm=True)
    inputs = [torch.zeros(1, tokens, dtype=torch.int64), *kept(decoder, context)]
    traced = trace(Step(transformers.Qwen3ForCausalLM(config).eval()), inputs, name="traced")
    own = decoder.phase("own", ModelWidths(weight_bits=8, activation_bits=8), tokens=tokens, context=context)
    assert work(own) == work(traced)


SEVEN_BILLION = """
import sys
sys.path.append("..")
import torch
import transformers
from test_generating_models import Step, kept, work
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.models.decoder import Decoder

decoder = Decoder(layers=32, hidden=4096, intermediate=11008, heads=32, kv_heads=32, head_dim=128, vocab=32000)
with torch.device("meta"):
    step = Step(transformers.LlamaForCausalLM(transformers.LlamaConfig(tie_word_embeddings=False)).eval())
    graph = trace(step, [torch.zeros(1, 1, dtype=torch.int64), *kept(decoder, 40)], name="traced")
own = decoder.phase("own", ModelWidths(weight_bits=8, activation_bits=8), tokens=1, context=40)
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(work(own) == work(graph), peak)
"""


@pytest.mark.long
def test_a_model_of_seven_billion_parameters_is_traced_in_less_than_a_gigabyte() -> None:
    """The peak of a process of its own, torch and `transformers` included; layer by layer it is the decoder.

    `getrusage` would have the peak of the process that began it, too.
    """
    pytest.importorskip("transformers")
    code, said, errors = ended("-c", SEVEN_BILLION, cwd=Path(__file__).parent)
    assert code == 0, errors
    equal, peak_kb = said.split()
    assert equal == "True"
    assert int(peak_kb) < 1_000_000


PUBLISHED = {
    "smollm2_135m": 134_515_008,
    "qwen3_0_6b": 596_049_920,
    "llama_3_2_1b": 1_235_814_400,
    "llama_3_2_3b": 3_212_749_824,
    "gemma_3_1b": 999_885_952,
    "whisper_tiny": 37_760_640,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_shipped_model_has_the_parameters_of_its_publication(name: str) -> None:
    generation = load_generation(name)
    assert generation is not None
    assert generation.model.parameters == pytest.approx(PUBLISHED[name], rel=1e-3)


def test_whispers_prompt_hears_the_whole_window_of_audio_once() -> None:
    transformers = pytest.importorskip("transformers")
    shape = {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "vocab_size": 500, "num_mel_bins": 20}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 96, "decoder_ffn_dim": 96}
    config = transformers.WhisperConfig(**shape, **heads, attn_implementation="eager", pad_token_id=0)
    with torch.device("meta"):
        whisper = transformers.WhisperForConditionalGeneration(config).eval()
        inputs = {"input_features": torch.zeros(1, 20, 3000), "decoder_input_ids": torch.zeros(1, 4).long()}
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            whisper(**inputs)
    speech = SpeechDecoder(layers=2, hidden=64, intermediate=96, heads=4, vocab=500, mels=20)
    assert speech.parameters == sum(parameter.numel() for parameter in whisper.parameters())
    prompt = speech.phase("prompt", ModelWidths(), tokens=4, context=0)
    all_logits = 3 * 64 * 500  # transformers makes those of every token of the prompt
    assert prompt.macs + all_logits == counter.get_total_flops() // 2
    step = speech.phase("step", ModelWidths(kv_bits=16), tokens=1, context=10)
    assert sum(layer.state_bytes for layer in step.layers) == speech.kv_bytes(10, ModelWidths(kv_bits=16))
    assert not any(layer.operator == "conv1d" for layer in step.layers)


@pytest.mark.parametrize("context", [3, 40])
def test_a_step_reads_the_cache_whole_and_writes_one_row(context: int) -> None:
    decoder = Decoder(**SHAPE, attention_window=16, window_every=2)
    graph = decoder.phase("step", ModelWidths(kv_bits=4), tokens=1, context=context)
    row = 2 * decoder.head_dim * 4 // 8
    windowed, whole = min(context, 15), context
    assert [layer.state_bytes for layer in graph.layers if layer.state_bytes] == [
        windowed * row,
        windowed * row,
        whole * row,
        whole * row,
    ]
    made = [layer for layer in graph.layers if layer.name.endswith((".key", ".value"))]
    assert [layer.output_bytes for layer in made] == [row] * 4
    assert not any(layer.operator == "copy" for layer in graph.layers)


def test_conversations_share_the_weights_and_have_caches_of_their_own() -> None:
    one, three = (Decoder(**SHAPE).phase("step", ModelWidths(), tokens=1, context=9, batch=n) for n in (1, 3))
    assert one.parameter_bytes == three.parameter_bytes
    assert three.macs == 3 * one.macs
    assert sum(layer.state_bytes for layer in three.layers) == 3 * sum(layer.state_bytes for layer in one.layers)


def test_scales_of_groups_are_parameters_and_their_products_work() -> None:
    decoder = Decoder(**SHAPE)
    plain, grouped = (
        decoder.phase("step", ModelWidths(weight_bits=4, weight_group=group), tokens=1, context=9)
        for group in (None, WeightGroup(group=32, scale_bits=16, zero_bits=4))
    )
    norms = 5 * decoder.hidden
    weights = decoder.parameters - norms
    assert grouped.parameter_bytes - plain.parameter_bytes == weights // 32 * 20 // 8
    work = [sum(layer.vector_ops for layer in graph.layers) for graph in (plain, grouped)]
    products = weights - decoder.vocab * decoder.hidden
    assert work[1] - work[0] == products // 32 + decoder.hidden  # one for each group, and those of the token's row


def test_experts_that_no_token_is_sent_to_are_not_read() -> None:
    decoder = Decoder(**SHAPE, experts=8, experts_per_token=2)
    graph = decoder.phase("step", ModelWidths(weight_bits=8), tokens=1, context=9)
    expert = decoder.hidden * decoder.intermediate
    gathered = [layer.gathered_bytes for layer in graph.layers if layer.name.endswith((".gate", ".up", ".down"))]
    assert gathered == [2 * expert] * 6


def test_a_trace_of_a_generating_workload_needs_no_torch() -> None:
    code = (
        "import sys; from mensa_sim.workload.load import load_generation; "
        "load_generation('smollm2_135m').step(5); print('torch' in sys.modules)"
    )
    assert ended("-c", code) == (0, "False\n", "")


HEAD = "name: own\nmodel: mensa_sim.workload.models.decoder:Decoder\n"
ARGUMENTS = "arguments: {layers: 1, hidden: 8, intermediate: 8, heads: 2, kv_heads: 1, head_dim: 4, vocab: 10}\n"
GENERATE = "generate: {prompt_tokens: 4, new_tokens: 2}\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (HEAD + ARGUMENTS.replace("heads: 2", "heads: 3, kv_head: 2") + GENERATE, "arguments.kv_head"),
        (HEAD + ARGUMENTS.replace("kv_heads: 1", "kv_heads: 3") + GENERATE, "must be a multiple of kv_heads"),
        (HEAD + ARGUMENTS.replace("layers: 1", "layers: 99999999") + GENERATE, "layers is 99999999, must be from 1 to"),
        (HEAD + ARGUMENTS.replace("layers: 1", "layers: 1.5") + GENERATE, "layers is 1.5, must be a whole number"),
        (HEAD + ARGUMENTS + GENERATE.replace("4", "999999999"), "more than 16777216 tokens"),
        (HEAD + ARGUMENTS + GENERATE.replace("4", "0"), "prompt_tokens is 0"),
        (HEAD + ARGUMENTS + GENERATE + "weight_group: {group: 0}\n", "group is 0"),
        (HEAD + ARGUMENTS + GENERATE + "kv_bits: 0\n", "kv_bits is 0"),
        (HEAD + ARGUMENTS + GENERATE + "inputs: [{shape: [1]}]\n", "inputs must be left out"),
        (HEAD + ARGUMENTS + "kv_bits: 8\ninputs: [{shape: [1]}]\n", "kv_bits must be left out"),
        ("name: own\nlayers: [{name: a, operator: linear, dims: {K: 2}}]\n" + GENERATE, "generate needs a model"),
        (HEAD.replace("decoder:Decoder", "recurrent:StackedLSTM") + GENERATE, "StackedLSTM"),
    ],
)
def test_a_mistake_in_a_generating_workload_is_told_with_its_field(text: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=fault) as error:
        load_workload(file)
    assert str(file) in str(error.value)
