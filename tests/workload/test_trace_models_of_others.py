"""Models that this project did not write: nothing unsupported, and the MACs that torch counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mensa_sim.workload.importers.torch.trace import trace

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def tokens() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.zeros(1, 16, dtype=torch.int64, device="meta")}


def floats(*shape: int) -> list[torch.Tensor]:
    return [torch.empty(shape, device="meta")]


def transformers() -> Any:
    return pytest.importorskip("transformers")


MODELS: Mapping[str, Callable[[], tuple[torch.nn.Module, Any]]] = {
    "bert": lambda: (transformers().BertModel(transformers().BertConfig(**SMALL, vocab_size=100)), tokens()),
    "vit": lambda: (
        transformers().ViTModel(transformers().ViTConfig(**SMALL, image_size=32, patch_size=8)),
        floats(1, 3, 32, 32),
    ),
    "mobilevit": lambda: (
        transformers().MobileViTModel(
            transformers().MobileViTConfig(image_size=64, hidden_sizes=[16, 24, 32], num_attention_heads=4)
        ),
        floats(1, 3, 64, 64),
    ),
    "whisper_encoder": lambda: (
        transformers()
        .WhisperModel(
            transformers().WhisperConfig(
                d_model=32,
                encoder_layers=2,
                decoder_layers=1,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                num_mel_bins=8,
                max_source_positions=50,
                vocab_size=100,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=1,
            )
        )
        .encoder,
        floats(1, 8, 100),
    ),
    "t5_encoder": lambda: (
        transformers().T5EncoderModel(
            transformers().T5Config(d_model=32, d_ff=64, num_layers=2, num_heads=4, d_kv=8, vocab_size=100)
        ),
        tokens(),
    ),
    "swin": lambda: (
        transformers().SwinModel(
            transformers().SwinConfig(
                image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4
            )
        ),
        floats(1, 3, 32, 32),
    ),
    "nn.Transformer": lambda: (
        torch.nn.Transformer(32, 4, 2, 2, 64, batch_first=True),
        floats(1, 8, 32) + floats(1, 6, 32),
    ),
    "nn.MultiheadAttention": lambda: (
        torch.nn.MultiheadAttention(32, 4, batch_first=True),
        floats(2, 8, 32) * 3,
    ),
}


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:transformers")
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning:torch.nn")
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_others_traces_with_nothing_unsupported(name: str) -> None:
    with torch.device("meta"):
        module, inputs = MODELS[name]()
        module.eval()
        graph = trace(module, inputs, name=name)
        assert graph.coverage.unsupported_operators == ()
        assert graph.macs == torch_macs(module, inputs)


def torch_macs(module: torch.nn.Module, inputs: Mapping[str, Any] | Sequence[Any]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        _ = module(**inputs) if isinstance(inputs, Mapping) else module(*inputs)
    return counter.get_total_flops() // 2


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:transformers")
def test_a_decoder_traces_with_a_tied_embedding_counted_once() -> None:
    config = transformers().GPT2Config(
        n_embd=32,
        n_layer=2,
        n_head=4,
        vocab_size=100,
        n_positions=32,
        use_cache=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.device("meta"):
        module = transformers().GPT2LMHeadModel(config)
    graph = trace(module, tokens(), name="gpt2")
    assert graph.coverage.unsupported_operators == ()
    mask = 16 * 16
    assert graph.parameter_bytes == sum(p.numel() for p in module.parameters()) + mask
