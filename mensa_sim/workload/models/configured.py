"""Decoders by the configurations that `transformers` writes beside a model's weights: `config.json`.

What a file leaves out is what its family's class takes. `transformers` itself is not needed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mensa_sim.errors import FileError
from mensa_sim.io.files import read_text
from mensa_sim.io.json_text import parsed_json
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.workload.models.decoder import Decoder

FULL_ATTENTION, WINDOWED_ATTENTION = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderFamily:
    """What the layers of a family have, and what its configurations need not say."""

    tied_embeddings: bool = False
    attn_bias: bool = False
    """Where no `attention_bias` says otherwise."""
    qk_norm: bool = False
    norms_per_layer: int = 2
    windowed: bool = False
    """Whether a `sliding_window` holds without `use_sliding_window`."""
    window_every: int | None = None
    """Every so many layers one sees everything, where neither a pattern nor types of layers are given."""


DECODER_FAMILIES: Mapping[str, DecoderFamily] = {
    "gemma2": DecoderFamily(tied_embeddings=True, norms_per_layer=4, windowed=True, window_every=2),
    "gemma3_text": DecoderFamily(tied_embeddings=True, qk_norm=True, norms_per_layer=4, windowed=True, window_every=6),
    "llama": DecoderFamily(),
    "mistral": DecoderFamily(windowed=True),
    "qwen2": DecoderFamily(attn_bias=True),
    "qwen3": DecoderFamily(qk_norm=True),
    "qwen3_moe": DecoderFamily(qk_norm=True),
}
"""By `model_type`, as the classes of `transformers` 5.24 have it."""


def read_decoder(path: Path) -> Decoder:
    """The decoder of a configuration; `FileError` for one that says too little, or of another kind of model."""
    try:
        config = parsed_json(read_text(path))
    except ValueError as error:
        raise FileError(str(path), [f"is no JSON: {error}"]) from error
    if not isinstance(config, dict):
        raise FileError(str(path), ["must be a mapping"])
    family = lookup(DECODER_FAMILIES, str(config.get("model_type")), f"model_type of {path}")
    needed = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    missing = [f"{name}: is required" for name in needed if config.get(name) is None]
    if missing:
        raise FileError(str(path), missing)
    try:
        return _decoder(config, family)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise FileError(str(path), [str(error)]) from error


def _decoder(config: Mapping[str, Any], family: DecoderFamily) -> Decoder:
    heads, experts = config["num_attention_heads"], config.get("num_experts") or config.get("num_local_experts")
    if experts and (config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1):
        raise ValueError("mlp_only_layers, decoder_sparse_step: every layer must have its experts")
    window, every = _windows(config, family)
    return Decoder(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        intermediate=config["moe_intermediate_size"] if experts else config["intermediate_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        vocab=config["vocab_size"],
        tied_embeddings=bool(config.get("tie_word_embeddings", family.tied_embeddings)),
        attn_bias=bool(config.get("attention_bias", family.attn_bias)),
        qk_norm=family.qk_norm,
        norms_per_layer=family.norms_per_layer,
        attention_window=window,
        window_every=every,
        experts=experts or None,
        experts_per_token=config["num_experts_per_tok"] if experts else None,
    )


def _windows(config: Mapping[str, Any], family: DecoderFamily) -> tuple[int | None, int | None]:
    """Tokens that a windowed layer sees, and every how many layers one sees everything."""
    window, types = config.get("sliding_window"), config.get("layer_types")
    if not window or not config.get("use_sliding_window", family.windowed):
        return None, None
    every = config.get("sliding_window_pattern", family.window_every)
    if not types:
        return window, every
    if WINDOWED_ATTENTION not in types:
        return None, None
    every = types.index(FULL_ATTENTION) + 1 if FULL_ATTENTION in types else None
    wanted = [
        FULL_ATTENTION if every and (layer + 1) % every == 0 else WINDOWED_ATTENTION for layer in range(len(types))
    ]
    if list(types) != wanted or len(types) != config["num_hidden_layers"]:
        raise ValueError("layer_types: must be windowed layers with a full one after every so many")
    return window, every
