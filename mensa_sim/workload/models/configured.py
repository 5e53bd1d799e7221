"""Models that generate, by the configurations that `transformers` writes beside their weights: `config.json`.

The sizes of a model must be said; of all else, what a file leaves out is what its family's class takes.
`transformers` itself is not needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from mensa_sim.errors import FileError
from mensa_sim.io.files import read_text
from mensa_sim.io.json_text import parsed_json
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.workload.models.decoder import Decoder
from mensa_sim.workload.models.speech_decoder import SpeechDecoder

FULL_ATTENTION, WINDOWED_ATTENTION = "full_attention", "sliding_attention"
WHISPER = "whisper"

Stated = Mapping[str, tuple[str, bool]]
"""By field of a `Decoder`, the key that says it and what it is where the file does not."""

_ATTENTION: Stated = {"attn_bias": ("attention_bias", False), "output_bias": ("attention_bias", False)}
_LLAMA: Stated = {**_ATTENTION, "forward_bias": ("mlp_bias", False)}
_BIASED = dict.fromkeys(("attn_bias", "output_bias", "forward_bias"), True)
_GPT2_NAMES = {
    "num_hidden_layers": "n_layer",
    "hidden_size": "n_embd",
    "intermediate_size": "n_inner",
    "num_attention_heads": "n_head",
}
_FALCON_NAMES = {"intermediate_size": "ffn_hidden_size"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderFamily:
    """What the layers of a family have, and what its configurations need not say."""

    tied_embeddings: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its `Decoder` that no configuration says."""
    stated: Stated = field(default_factory=dict)
    windowed: bool = False
    """Whether a `sliding_window` holds without `use_sliding_window`, and without types of layers."""
    window_every: int | None = None
    """Every so many layers one sees everything, where neither a pattern nor types of layers are given."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Its own keys by the usual ones."""
    inner_by_hidden: int | None = None
    """Width of the feed-forward part over that of a row, where its width is not given."""
    refused: tuple[str, ...] = ()
    """What a configuration may not ask for."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What its configuration class takes for a key that is left out, where that follows from no other."""


_GEMMA = {"norms_per_layer": 4}
_GEMMA_DEFAULTS = {"num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096}
_LAYER_NORMS: Mapping[str, Any] = {"norm": "layer_norm", "gated": False}

DECODER_FAMILIES: Mapping[str, DecoderFamily] = {
    "falcon": DecoderFamily(
        tied_embeddings=True,
        fixed=_LAYER_NORMS,
        stated={**dict.fromkeys(_BIASED, ("bias", False)), "parallel": ("parallel_attn", True)},
        names=_FALCON_NAMES,
        inner_by_hidden=4,
        refused=("alibi",),
    ),
    "gemma": DecoderFamily(
        tied_embeddings=True, stated=_ATTENTION, defaults={"num_key_value_heads": 16, "head_dim": 256}
    ),
    "gemma2": DecoderFamily(
        tied_embeddings=True,
        fixed=_GEMMA,
        stated=_ATTENTION,
        windowed=True,
        window_every=2,
        defaults=_GEMMA_DEFAULTS,
    ),
    "gemma3_text": DecoderFamily(
        tied_embeddings=True,
        fixed={**_GEMMA, "qk_norm": True},
        stated=_ATTENTION,
        windowed=True,
        window_every=6,
        defaults=_GEMMA_DEFAULTS,
    ),
    "gpt2": DecoderFamily(
        tied_embeddings=True, fixed={**_LAYER_NORMS, **_BIASED}, names=_GPT2_NAMES, inner_by_hidden=4
    ),
    "gpt_neox": DecoderFamily(
        fixed={**_LAYER_NORMS, "forward_bias": True},
        stated={
            **dict.fromkeys(_ATTENTION, ("attention_bias", True)),
            "parallel": ("use_parallel_residual", True),
        },
    ),
    "granite": DecoderFamily(stated=_LLAMA),
    "llama": DecoderFamily(stated=_LLAMA),
    "mistral": DecoderFamily(windowed=True, defaults={"num_key_value_heads": 8, "sliding_window": 4096}),
    "mixtral": DecoderFamily(
        windowed=True, defaults={"num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2}
    ),
    "olmo": DecoderFamily(fixed={"norm": "bare_norm"}, stated=_ATTENTION),
    "olmo2": DecoderFamily(fixed={"norms_after": True, "qk_norm": True, "qk_norm_whole": True}, stated=_ATTENTION),
    "phi": DecoderFamily(
        fixed={**_LAYER_NORMS, **_BIASED, "head_bias": True, "parallel": True, "norms_per_layer": 1},
        refused=("qk_layernorm",),
    ),
    "phi3": DecoderFamily(windowed=True),
    "qwen2": DecoderFamily(fixed={"attn_bias": True}, defaults={"num_key_value_heads": 32, "sliding_window": 4096}),
    "qwen3": DecoderFamily(
        fixed={"qk_norm": True},
        stated=_ATTENTION,
        defaults={"num_key_value_heads": 32, "head_dim": 128, "sliding_window": 4096},
    ),
    "qwen3_moe": DecoderFamily(
        fixed={"qk_norm": True},
        stated=_ATTENTION,
        windowed=True,
        defaults={
            "num_key_value_heads": 4,
            "sliding_window": 4096,
            "use_sliding_window": False,
            "num_local_experts": 128,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 768,
        },
    ),
    "smollm3": DecoderFamily(tied_embeddings=True, stated=_LLAMA, defaults={"num_key_value_heads": 4}),
    "stablelm": DecoderFamily(
        fixed={"norm": "layer_norm"},
        stated={"attn_bias": ("use_qkv_bias", False), "parallel": ("use_parallel_residual", False)},
        refused=("qk_layernorm",),
        defaults={"num_key_value_heads": 32},
    ),
    "starcoder2": DecoderFamily(
        tied_embeddings=True,
        fixed=_LAYER_NORMS,
        stated=dict.fromkeys(_BIASED, ("use_bias", True)),
        windowed=True,
        defaults={"num_key_value_heads": 2},
    ),
}
"""By `model_type`, as the classes of `transformers` 5.24 have it."""


def read_decoder(path: Path) -> Decoder | SpeechDecoder:
    """The model of a configuration; `FileError` for one that says too little, or of another kind of model."""
    try:
        config = parsed_json(read_text(path))
    except ValueError as error:
        raise FileError(str(path), [f"is no JSON: {error}"]) from error
    if not isinstance(config, dict):
        raise FileError(str(path), ["must be a mapping"])
    kind = str(config.get("model_type"))
    try:
        if kind == WHISPER:
            return _whisper(config)
        family = lookup({**DECODER_FAMILIES, WHISPER: DecoderFamily()}, kind, f"model_type of {path}")
        return _decoder(_usual(config, family), kind, family)
    except _MissingError as error:
        raise FileError(str(path), [f"{name}: is required" for name in error.args]) from error
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise FileError(str(path), [str(error)]) from error


class _MissingError(Exception):
    """The keys that a configuration lacks."""


def _require(config: Mapping[str, Any], *names: str) -> None:
    missing = [name for name in names if config.get(name) is None]
    if missing:
        raise _MissingError(*missing)


def _usual(config: Mapping[str, Any], family: DecoderFamily) -> dict[str, Any]:
    """A configuration by the usual keys with its class's defaults, and the width of the feed-forward part."""
    found = {
        **family.defaults,
        **config,
        **{usual: config[own] for usual, own in family.names.items() if own in config},
    }
    if family.inner_by_hidden is not None and found.get("intermediate_size") is None and found.get("hidden_size"):
        found["intermediate_size"] = family.inner_by_hidden * found["hidden_size"]
    return found


def _decoder(config: Mapping[str, Any], kind: str, family: DecoderFamily) -> Decoder:
    needed = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    _require(config, *needed)
    for name in family.refused:
        if config.get(name):
            raise ValueError(f"{name}: has no equivalent")
    heads, experts = config["num_attention_heads"], config.get("num_experts") or config.get("num_local_experts")
    if experts and (config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1):
        raise ValueError("mlp_only_layers, decoder_sparse_step: every layer must have its experts")
    if experts:
        _require(config, "num_experts_per_tok")
    window, every = _windows(config, family)
    fields: dict[str, Any] = {
        "layers": config["num_hidden_layers"],
        "hidden": config["hidden_size"],
        "intermediate": (experts and config.get("moe_intermediate_size")) or config["intermediate_size"],
        "heads": heads,
        "kv_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or config["hidden_size"] // heads,
        "vocab": config["vocab_size"],
        "tied_embeddings": bool(config.get("tie_word_embeddings", family.tied_embeddings)),
        "attention_window": window,
        "window_every": every,
        "experts": experts or None,
        "experts_per_token": config["num_experts_per_tok"] if experts else None,
        **family.fixed,
        **{ours: bool(config.get(key, default)) for ours, (key, default) in family.stated.items()},
    }
    return Decoder(**fields | (_OWN[kind](config, fields) if kind in _OWN else {}))


def _falcon(config: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Its newer layers have as many heads of keys as said and a norm for each part, its older ones one or all."""
    newer = config.get("new_decoder_architecture", False)
    norms = config.get("num_ln_in_parallel_attn") or (2 if newer else 1)
    shared = 1 if config.get("multi_query", True) else fields["heads"]
    return {
        "kv_heads": (config.get("num_kv_heads") or fields["heads"]) if newer else shared,
        "parallel": newer or fields["parallel"],
        "norms_per_layer": norms if newer or fields["parallel"] else 2,
    }


_OWN: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    "falcon": _falcon,
    "gpt2": lambda config, fields: {"positions": config.get("n_positions") or 1024, "kv_heads": fields["heads"]},
    "gpt_neox": lambda config, fields: {"kv_heads": fields["heads"]},
    "stablelm": lambda config, fields: {"norms_per_layer": 1 if fields["parallel"] else 2},
}
"""What a family's configurations say together, by `model_type`."""


def _whisper(config: Mapping[str, Any]) -> SpeechDecoder:
    sizes = ("d_model", "encoder_layers", "decoder_layers", "encoder_ffn_dim", "encoder_attention_heads", "vocab_size")
    sames = ("ffn_dim", "attention_heads")
    _require(config, *sizes, *(f"decoder_{ours}" for ours in sames))
    for ours in sames:
        if config[f"decoder_{ours}"] != config[f"encoder_{ours}"]:
            raise ValueError(f"decoder_{ours}: must be as encoder_{ours}")
    return SpeechDecoder(
        layers=config["encoder_layers"],
        decoder_layers=config["decoder_layers"],
        hidden=config["d_model"],
        intermediate=config["encoder_ffn_dim"],
        heads=config["encoder_attention_heads"],
        vocab=config["vocab_size"],
        mels=config.get("num_mel_bins") or 80,
        frames=2 * (config.get("max_source_positions") or 1500),
        longest=config.get("max_target_positions") or 448,
    )


def _windows(config: Mapping[str, Any], family: DecoderFamily) -> tuple[int | None, int | None]:
    """Tokens that a windowed layer sees, and every how many layers one sees everything."""
    window, types = config.get("sliding_window"), config.get("layer_types")
    if not window or not config.get("use_sliding_window", family.windowed):
        return None, None
    every = config.get("sliding_window_pattern", family.window_every)
    if not types:
        _require(config, *(() if family.windowed else ("layer_types",)))
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
