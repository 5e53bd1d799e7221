"""Configurations of `transformers` as workloads: the decoder of the same shape, whose phases are those of the model."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.errors import UsageError
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.load import load_generation, workload_files
from mensa_sim.workload.models.configured import DECODER_FAMILIES, read_decoder
from mensa_sim.workload.models.decoder import Decoder
from mensa_sim.workload.models.speech_decoder import SpeechDecoder

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 500,
}
OWN: dict[str, dict[str, Any]] = {
    "falcon": {"ffn_hidden_size": 80},
    "gpt2": {"n_embd": 64, "n_layer": 12, "n_head": 4, "n_inner": 80},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {"num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 48, "decoder_sparse_step": 1},
}
REQUIRED = [key for key in SIZES if key != "num_key_value_heads"]
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in DECODER_FAMILIES),
    ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    ("falcon", {"parallel_attn": False, "bias": True, "multi_query": False}),
    ("gpt_neox", {"use_parallel_residual": False, "attention_bias": False}),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("qwen3", {"attention_bias": True}),
    ("stablelm", {"use_qkv_bias": True, "use_parallel_residual": True}),
    ("starcoder2", {"use_bias": False, "tie_word_embeddings": False}),
]
WINDOWED_IN_EVERY_LAYER = ("mistral", "mixtral", "phi3", "starcoder2")
"""Whose classes list no types of layers."""


def written(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(("family", "more"), VARIANTS, ids=[f"{family}{len(more)}" for family, more in VARIANTS])
def test_a_configuration_gives_the_parameters_and_the_windows_of_its_class(
    family: str, more: dict[str, Any], tmp_path: Path
) -> None:
    """Whether the file says all that the class fills in, or only what it must."""
    transformers = pytest.importorskip("transformers")
    import torch

    sizes = {**SIZES, "pad_token_id": 0, **OWN.get(family, {}), **more}
    config = transformers.models.auto.configuration_auto.CONFIG_MAPPING[family](**sizes)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    count = sum(parameter.numel() for parameter in model.parameters())
    types = getattr(config, "layer_types", None) or ["full_attention"] * 12
    own = {name: getattr(config, name, None) for name in ("head_dim", "sliding_window")}
    for said in (config.to_dict(), {"model_type": family, **own, **sizes}):
        decoder = read_decoder(written(tmp_path, said))
        assert isinstance(decoder, Decoder)
        assert decoder.parameters == count
        windowed = [decoder.window(layer) is not None for layer in range(12)]
        every = family in WINDOWED_IN_EVERY_LAYER and own["sliding_window"] is not None
        assert windowed == [each == "sliding_attention" or every for each in types]


@pytest.mark.parametrize("family", [family for family in DECODER_FAMILIES if family not in ("falcon", "gpt2")])
def test_a_key_that_is_left_out_is_what_the_class_takes_or_is_required(family: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    import torch

    kind = transformers.models.auto.configuration_auto.CONFIG_MAPPING[family]
    whole = {**SIZES, "hidden_size": 128, "num_attention_heads": 64, **OWN.get(family, {})}
    whole |= {"head_dim": 2, "sliding_window": 32, "tie_word_embeddings": True}
    for left_out in (*whole, None):
        said = {key: value for key, value in whole.items() if key != left_out and (left_out or key in REQUIRED)}
        path = written(tmp_path, {"model_type": family, **said})
        if left_out in REQUIRED:
            with pytest.raises(UsageError, match=f"{left_out}: is required"):
                read_decoder(path)
            continue
        config = kind(**said, pad_token_id=0)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
        decoder = read_decoder(path)
        assert isinstance(decoder, Decoder)
        assert decoder.parameters == sum(parameter.numel() for parameter in model.parameters()), left_out
        assert decoder.attention_window == (getattr(config, "sliding_window", None) if windowed(config) else None)
        assert decoder.experts_per_token == getattr(config, "num_experts_per_tok", None)


def windowed(config: Any) -> bool:
    """Whether a layer of a class's configuration sees its window alone."""
    types = getattr(config, "layer_types", None)
    return "sliding_attention" in types if types else config.model_type in (*WINDOWED_IN_EVERY_LAYER, "qwen3_moe")


def test_a_configuration_of_whisper_gives_the_parameters_of_its_class(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    import torch

    sizes = {"encoder_layers": 5, "decoder_layers": 2, "d_model": 64, "encoder_ffn_dim": 96, "decoder_ffn_dim": 96}
    sizes |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "vocab_size": 500, "num_mel_bins": 128}
    config = transformers.WhisperConfig(**sizes, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    with torch.device("meta"):
        model = transformers.WhisperForConditionalGeneration(config)
    for said in (config.to_dict(), {"model_type": "whisper", **sizes}):
        found = read_decoder(written(tmp_path, said))
        assert found.parameters == sum(parameter.numel() for parameter in model.parameters())
        for context in (0, 7):
            graph = found.phase("small", ModelWidths(), tokens=1, context=context)
            assert [f"decoder.{layer}.up" in graph for layer in range(5)] == [True, True, False, False, False]


def test_what_is_null_in_a_configuration_is_as_if_it_were_left_out_or_told(tmp_path: Path) -> None:
    sizes = {"encoder_layers": 3, "decoder_layers": 2, "d_model": 48, "encoder_ffn_dim": 72, "decoder_ffn_dim": 72}
    sizes |= {"encoder_attention_heads": 6, "decoder_attention_heads": 6, "vocab_size": 300}
    said = {"model_type": "whisper", **sizes}
    nulls = dict.fromkeys(("num_mel_bins", "max_source_positions", "max_target_positions"))
    assert read_decoder(written(tmp_path, said | nulls)) == read_decoder(written(tmp_path, said))
    with pytest.raises(UsageError, match="decoder_ffn_dim: is required"):
        read_decoder(written(tmp_path, said | {"decoder_ffn_dim": None}))
    with pytest.raises(ValueError, match="mels is None, must be a whole number"):
        SpeechDecoder(layers=3, hidden=48, intermediate=72, heads=6, vocab=300, mels=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="layers is 0, must be from 1"):
        SpeechDecoder(layers=3, hidden=48, intermediate=72, heads=6, vocab=300, decoder_layers=0)
    gpt2 = {"model_type": "gpt2", "vocab_size": 300, "n_embd": 48, "n_layer": 2, "n_head": 6, "n_positions": None}
    decoder = read_decoder(written(tmp_path, gpt2))
    assert isinstance(decoder, Decoder)
    assert decoder.positions == 1024


def test_a_window_without_types_of_layers_is_that_of_every_layer(tmp_path: Path) -> None:
    decoder = read_decoder(written(tmp_path, {"model_type": "mistral", "sliding_window": 128, **SIZES}))
    assert isinstance(decoder, Decoder)
    assert {decoder.window(layer) for layer in range(12)} == {128}


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    written(tmp_path, {"model_type": "llama", "tie_word_embeddings": True, **SIZES, "num_hidden_layers": 2})
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nmodel: config.json\ngenerate: {prompt_tokens: 8, new_tokens: 3}\nweight_bits: 4\n")
    return path


def test_a_workload_names_a_configuration_beside_it_and_runs(workload: Path) -> None:
    generation = load_generation(workload)
    assert generation is not None
    assert generation.model == Decoder(
        layers=2,
        hidden=64,
        intermediate=96,
        heads=4,
        kv_heads=2,
        head_dim=16,
        vocab=500,
        tied_embeddings=True,
    )
    assert workload_files(workload) == (workload, workload.parent / "config.json")
    assert ms.run(str(workload), system="rk3588_npu", baseline="rk3588_npu").answer is not None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"model_type": "mamba"}, "unknown model_type of .*mamba.*choose from falcon"),
        ({"vocab_size": None}, "vocab_size: is required"),
        ({"num_attention_heads": 0}, "zero"),
        ({"num_hidden_layers": "twelve"}, "layers is 'twelve', must be a whole number"),
        ({"num_experts": 4}, "num_experts_per_tok: is required"),
        ({"num_experts": 4, "num_experts_per_tok": 2, "mlp_bias": True}, "forward_bias: experts have none"),
        ({"sliding_window": 9, "use_sliding_window": True}, "layer_types: is required"),
        ({"num_experts": 4, "decoder_sparse_step": 2}, "every layer must have its experts"),
        ({"sliding_window": 9, "use_sliding_window": True, "layer_types": ["sliding_attention"]}, "layer_types"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_told(change: dict[str, Any], fault: str, workload: Path) -> None:
    written(workload.parent, {"model_type": "llama", **SIZES, **change})
    with pytest.raises(UsageError, match=fault):
        load_generation(workload)
    (told,) = ms.check([workload])
    assert re.search(fault, told)


def test_a_configuration_needs_lengths_and_takes_no_arguments(workload: Path) -> None:
    text = workload.read_text()
    workload.write_text(text.replace("generate", "#"))
    with pytest.raises(UsageError, match="say how much in generate"):
        load_generation(workload)
    workload.write_text(text + "arguments: {layers: 3}\n")
    with pytest.raises(UsageError, match="arguments must be left out"):
        load_generation(workload)
    workload.write_text(text.replace("config.json", "none.json"))
    with pytest.raises(UsageError, match=r"none\.json"):
        load_generation(workload)
