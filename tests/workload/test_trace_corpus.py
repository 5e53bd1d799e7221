"""Every architecture of `transformers`, small, and every module of `timm`: the MACs that torch counts and nothing
unsupported, or why not.

For timm (`pip install --no-deps timm torchvision`) torchvision's compiled operators are stubbed: they are built for
another torch.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mensa_sim.errors import TraceError
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

SMALL: Mapping[str, int | bool] = {
    **dict.fromkeys(
        ("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "image_size", "moe_intermediate_size"), 64
    ),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim", "vocab_size"), 128),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    "head_dim": 16,
    "patch_size": 16,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "use_cache": False,
}
"""What configurations call the same sizes."""
LARGEST = 60_000_000
"""Parameters of the largest model that is run: some configurations take none of the small sizes."""
DIFFERS: Mapping[str, str] = {
    "mra": "without its kernel for CUDA its attention is zeros: nothing reads the queries, keys and values",
    **dict.fromkeys(
        ("sew-d", "xlnet", "funnel", "mask2former", "gemma4_vit_167m", "swinv2_cr_tiny_224"),
        "products of positions or of learned queries alone are computed once, before the model runs",
    ),
    "bailing_hybrid": "the product that makes a scan's last state, which nothing reads, is not run",
    "olmo_hybrid": "where it runs it solves a triangular system, which torch does not count; products are exported",
    "flava": "what projects text for the images' side, which is given no image, is not run",
    "pegasus_x": "the last encoder layer's global tokens, which nothing reads, are not run",
}
"""Architectures whose MACs differ from torch's count by more than 1 %, and why."""


def architectures() -> list[str]:
    transformers = pytest.importorskip("transformers")
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    return sorted(mapping.keys())


def configuration(name: str) -> Any:
    """A small configuration, or the architecture's own where it takes none of the small sizes together."""
    import transformers

    kind = transformers.models.auto.configuration_auto.CONFIG_MAPPING[name]
    known = {*inspect.signature(kind.__init__).parameters, *getattr(kind, "__annotations__", {})}
    try:
        made = kind(**{key: value for key, value in SMALL.items() if key in known or hasattr(kind, key)})
    except Exception:
        made = kind()
    for part in (made, *(value for value in vars(made).values() if isinstance(value, transformers.PretrainedConfig))):
        part._attn_implementation, part.use_cache = "eager", False
    return made


def shrink(configuration: Any) -> None:
    """Gives the small sizes to the configurations inside, to which the constructor does not hand them."""
    for value in vars(configuration).values():
        if hasattr(value, "to_diff_dict"):
            shrink(value)
    for key, size in SMALL.items():
        with suppress(Exception):  # some follow from others
            if not key.endswith("token_id") and isinstance(getattr(configuration, key), int):
                setattr(configuration, key, size)
    configuration._attn_implementation, configuration.use_cache = "eager", False


def parameters(made: Callable[[Any], torch.nn.Module], configuration: Any) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in made(configuration).parameters())


def examples(module: Any) -> dict[str, torch.Tensor]:
    """Inputs by the name of the model's main one."""
    names = inspect.signature(module.forward).parameters
    size = getattr(module.config, "image_size", 64)
    size = size if isinstance(size, int) else 64
    given: dict[str, torch.Tensor] = {
        "pixel_values": torch.zeros(1, getattr(module.config, "num_channels", 3), size, size),
        "input_features": torch.zeros(1, 80, 200),
        "input_values": torch.zeros(1, 4000),
        "pixel_values_videos": torch.zeros(1, 4, 3, size, size),
    }
    main = module.main_input_name
    inputs = {main: given[main]} if main in given else {"input_ids": torch.ones(1, 12, dtype=torch.long)}
    if module.config.is_encoder_decoder and "decoder_input_ids" in names:
        inputs["decoder_input_ids"] = torch.ones(1, 6, dtype=torch.long)
    return inputs


def of_experts(rows: Any, weight: Any, *_: Any, **__: Any) -> int:
    """What torch's counter lacks: each row meets one expert."""
    return 2 * rows[0] * weight[-1] * weight[-2]


def torch_macs(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> int:
    grouped = [torch.ops.aten._grouped_mm]
    if hasattr(torch.ops.transformers, "grouped_mm_fallback"):
        grouped.append(torch.ops.transformers.grouped_mm_fallback)
    counted = FlopCounterMode(display=False, custom_mapping=dict.fromkeys(grouped, of_experts))
    with counted as counter, torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):  # it hides an LSTM's products
        module(**inputs)
    return counter.get_total_flops() // 2


Models = Iterator[tuple[str, torch.nn.Module, dict[str, torch.Tensor], int]]
"""Names, models, their inputs, and the MACs that torch counts."""


def of_transformers(skipped: Counter[str]) -> Models:
    """Every architecture that a small configuration alone makes, and that runs on its main input."""
    import transformers

    mapping = transformers.models.auto.modeling_auto.MODEL_MAPPING
    for name in architectures():
        kind = transformers.models.auto.configuration_auto.CONFIG_MAPPING[name]
        if kind not in mapping:
            continue
        try:
            made = mapping[kind]
            made = made[0] if isinstance(made, tuple) else made
            config = configuration(name)
            if parameters(made, config) > LARGEST:
                shrink(config)
            if parameters(made, config) > LARGEST:
                skipped["too large"] += 1
                continue
            module = made(config).eval().float()
            inputs = examples(module)
            counted = torch_macs(module, inputs)
        except Exception as error:
            skipped[type(error).__name__] += 1
            continue
        yield name, module, inputs, counted


@contextmanager
def stubbed_torchvision() -> Iterator[None]:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
    yield
    library._destroy()


SIZES = ("tiny", "nano", "atto", "femto", "_xs", "_xxs", "_s", "18", "pico", "b0", "mini")
"""What timm calls its small models."""


def of_timm(_: Counter[str]) -> Models:
    """One model of each module: of those that are called small the one with the shortest name."""
    with stubbed_torchvision():
        timm = pytest.importorskip("timm")
        timm.layers.set_fused_attn(False)  # torch's counter does not know the CPU's kernel of the whole attention
        for module in timm.list_modules():
            names = timm.list_models(module=module)
            if not names:
                continue
            name = min(names, key=lambda name: (not any(word in name for word in SIZES), len(name), name))
            model = timm.create_model(name).eval().requires_grad_(False)
            pixels = next(iter(inspect.signature(model.forward).parameters))
            inputs = {pixels: torch.zeros(1, *model.default_cfg["input_size"])}
            yield name, model, inputs, torch_macs(model, inputs)


@pytest.mark.parametrize(("models", "fewest"), [(of_transformers, 100), (of_timm, 80)])
def test_every_architecture_has_the_macs_that_torch_counts_or_a_reason(
    models: Callable[[Counter[str]], Models], fewest: int
) -> None:
    wrong: dict[str, str] = {}
    refused: Counter[str] = Counter()
    traced = 0
    for name, module, inputs, counted in models(skipped := Counter()):
        graph: LayerGraph
        try:
            graph = trace(module, inputs, name=name)
        except TraceError as error:
            refused[str(error).partition("torch.export failed: ")[2].split(" at ")[0][:60]] += 1
            continue
        traced += 1
        if abs(graph.macs - counted) > 0.01 * counted and name not in DIFFERS:
            wrong[name] = f"{graph.macs} MACs, torch counts {counted}"
        if graph.coverage.unsupported:
            wrong[name] = f"unsupported: {', '.join(graph.coverage.unsupported_operators)}"
    print(f"{traced} traced; refused, by cause: {dict(refused)}; that do not run as built here: {dict(skipped)}")
    assert not wrong
    assert len(DIFFERS) <= 30
    assert traced > fewest
    assert sum(refused.values()) < traced / 10
