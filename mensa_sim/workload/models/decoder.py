"""Decoder-only language models by their shape: Llama, Qwen, Gemma, Mistral, Phi, OLMo, Falcon, GPT-2 and their like.

Not a torch module: a model of this kind is known by a dozen numbers, and each of its phases is a graph whose sizes are
functions of the tokens and the context, made in milliseconds. Its products are those of the `transformers` model of the
same configuration, layer by layer.
"""

from collections.abc import Mapping
from typing import Literal

from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.generation.writer import ROTARY_OPERATIONS, PhaseWriter
from mensa_sim.workload.graph import LayerGraph

EMBEDDING = "embedding"


NORMS: Mapping[str, int] = {"rms_norm": 1, "layer_norm": 2, "bare_norm": 0}
"""Norms by name, and their parameters for each element of a row."""
MAX_LAYERS, MAX_SIZE = 1024, 2**24
"""Choices: ten times what the largest published models have, and what can be counted in a moment."""


def check_size(name: str, value: int) -> None:
    """Refuses what is no size of a model."""
    most = MAX_LAYERS if name == "layers" else MAX_SIZE
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}, must be a whole number")
    if not 1 <= value <= most:
        raise ValueError(f"{name} is {value}, must be from 1 to {most}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Decoder with grouped-query attention; what is not said is as in Llama: RMS norms, rotary positions, no biases."""

    layers: int
    hidden: int
    intermediate: int
    """Width of the feed-forward part, of each expert where there are several."""
    heads: int
    kv_heads: int
    """Heads of keys and values; fewer than `heads` is grouped-query attention, 1 is multi-query."""
    head_dim: int
    vocab: int
    tied_embeddings: bool = False
    """Whether the product that makes logits shares the table of tokens."""
    attention_window: int | None = None
    """Tokens that a windowed layer sees."""
    window_every: int | None = None
    """Every so many layers one sees everything; none: where there is a window, no layer does."""
    attn_bias: bool = False
    """Whether queries, keys and values have biases."""
    output_bias: bool = False
    """Whether the product after attention has one."""
    forward_bias: bool = False
    """Whether the products of the feed-forward part have biases."""
    head_bias: bool = False
    qk_norm: bool = False
    qk_norm_whole: bool = False
    """Whether queries and keys are normalised over all heads together, not each by itself."""
    norms_per_layer: int = 2
    """2, or 4 where the outputs of attention and feed-forward part are normalised too; 1 where `parallel` shares it."""
    norms_after: bool = False
    """Whether the two norms of a layer are those of the outputs alone."""
    norm: Literal["rms_norm", "layer_norm", "bare_norm"] = "rms_norm"
    """With a weight, centred with weight and bias, or centred without either."""
    parallel: bool = False
    """Whether attention and feed-forward part read the same input, and both are added to it."""
    gated: bool = True
    """Whether one product of the feed-forward part gates another; without, there is one and an activation."""
    positions: int | None = None
    """Tokens that have learned positions; none: positions are rotary."""
    experts: int | None = None
    experts_per_token: int | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim", "vocab"):
            check_size(name, getattr(self, name))
        if self.heads % self.kv_heads:
            raise ValueError(f"heads is {self.heads}, must be a multiple of kv_heads ({self.kv_heads})")
        if self.norms_per_layer not in ((1, 2) if self.parallel else (2, 4)):
            allowed = "1 or 2 where both parts are parallel" if self.parallel else "2 or 4"
            raise ValueError(f"norms_per_layer is {self.norms_per_layer}, must be {allowed}")
        if self.norms_after and (self.parallel or self.norms_per_layer != 2):
            raise ValueError("norms_after: goes with two norms a layer, one part after the other")
        if self.norm not in NORMS:
            raise ValueError(f"norm is {self.norm!r}, must be one of {', '.join(NORMS)}")
        if self.experts is not None and not self.gated:
            raise ValueError("gated: experts are")
        if self.experts is not None and self.forward_bias:
            raise ValueError("forward_bias: experts have none")
        for name in ("attention_window", "window_every", "experts", "experts_per_token", "positions"):
            if getattr(self, name) is not None:
                check_size(name, getattr(self, name))
        if self.window_every is not None and self.attention_window is None:
            raise ValueError("window_every needs an attention_window")
        if (self.experts is None) != (self.experts_per_token is None):
            raise ValueError("experts and experts_per_token go together")
        if self.experts is not None and self.experts_per_token is not None and self.experts_per_token > self.experts:
            raise ValueError(f"experts_per_token is {self.experts_per_token}, more than the {self.experts} experts")

    def window(self, layer: int) -> int | None:
        """Tokens that a layer sees; none for all.

        >>> gemma = Decoder(layers=6, hidden=8, intermediate=8, heads=1, kv_heads=1, head_dim=8, vocab=8,
        ...                 attention_window=512, window_every=6)
        >>> [gemma.window(layer) for layer in range(6)]
        [512, 512, 512, 512, 512, None]
        """
        sees_all = self.window_every is not None and (layer + 1) % self.window_every == 0
        return None if sees_all else self.attention_window

    @property
    def parameters(self) -> int:
        """Parameters of the model, a tied table once.

        >>> llama = Decoder(layers=16, hidden=2048, intermediate=8192, heads=32, kv_heads=8, head_dim=64,
        ...                 vocab=128256, tied_embeddings=True)
        >>> llama.parameters  # Llama 3.2 1B
        1235814400
        """
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = 2 * self.hidden * (queries + keys)
        attention += (queries + 2 * keys) * self.attn_bias + self.hidden * self.output_bias
        if self.qk_norm:
            attention += NORMS[self.norm] * (queries + keys if self.qk_norm_whole else 2 * self.head_dim)
        inner = 2 if self.gated else 1
        forward = (inner + 1) * self.hidden * self.intermediate * (self.experts or 1) + self.hidden * (
            self.experts or 0
        )
        forward += (inner * self.intermediate + self.hidden) * self.forward_bias
        norm = NORMS[self.norm] * self.hidden
        tables = (self.vocab * (1 if self.tied_embeddings else 2) + (self.positions or 0)) * self.hidden
        tables += self.vocab * self.head_bias
        return self.layers * (attention + forward + self.norms_per_layer * norm) + norm + tables

    def kv_bytes(self, context: int, widths: ModelWidths) -> int:
        """Keys and values of one conversation after so many tokens; a windowed layer keeps its window."""
        rows = sum(min(context, self.window(layer) or context) for layer in range(self.layers))
        return -(-2 * rows * self.kv_heads * self.head_dim * widths.kv_bits // 8)

    def phase(self, name: str, widths: ModelWidths, *, tokens: int, context: int, batch: int = 1) -> LayerGraph:
        """The graph of `tokens` new tokens after `context` that lie in the cache, and the logits that are asked for.

        Of a prompt those of its last token, of later phases those of each: a check compares all with what was guessed.
        A prompt is `tokens` after none, a decoding step one token after the context, a check of guessed tokens more.
        """
        if self.positions is not None and context + tokens > self.positions:
            raise ValueError(f"{context + tokens} tokens are more than the {self.positions} that have positions")
        table, head = widths.tables(tied=self.tied_embeddings)
        writer = PhaseWriter(name, widths, batch=batch, tokens=tokens, context=context)
        x = writer.embed(
            writer.input("tokens", batch, tokens, index=True), self.vocab, self.hidden, table=EMBEDDING, bits=table
        )
        if self.positions is not None:
            x = writer.positions(x, "positions", self.positions)
        for layer in range(self.layers):
            with writer.part(f"layers.{layer}"):
                x = self._layer(writer, x, self.window(layer))
        x = writer.norm(writer.view(x, batch, tokens if context else 1, self.hidden), "norm", kind=self.norm)
        shared = EMBEDDING if self.tied_embeddings else None
        writer.output(writer.linear(x, self.vocab, "head", weight=shared, bits=head, bias=self.head_bias))
        return writer.builder.build()

    def _layer(self, writer: PhaseWriter, x: Tensor, window: int | None) -> Tensor:
        before, after = not self.norms_after, self.norms_after or self.norms_per_layer == 4
        read = self._normed(writer, x, "attention_norm", before)
        attended = self._normed(writer, self._attention(writer, read, window), "attention_output_norm", after)
        if self.parallel:
            given = read if self.norms_per_layer == 1 else self._normed(writer, x, "feed_forward_norm", before)
            return writer.apply("add", self._forward(writer, given), writer.apply("add", attended, x))
        x = writer.apply("add", attended, x)
        forward = self._forward(writer, self._normed(writer, x, "feed_forward_norm", before))
        return writer.apply("add", self._normed(writer, forward, "feed_forward_output_norm", after), x)

    def _normed(self, writer: PhaseWriter, x: Tensor, name: str, wanted: bool = True) -> Tensor:
        return writer.norm(x, name, kind=self.norm) if wanted else x

    def _attention(self, writer: PhaseWriter, x: Tensor, window: int | None) -> Tensor:
        query, key, value = (
            writer.linear(x, heads * self.head_dim, name, bias=self.attn_bias)
            for name, heads in (("query", self.heads), ("key", self.kv_heads), ("value", self.kv_heads))
        )
        whole, each = self.qk_norm and self.qk_norm_whole, self.qk_norm and not self.qk_norm_whole
        query, key = self._normed(writer, query, "query_norm", whole), self._normed(writer, key, "key_norm", whole)
        query, key, value = (writer.heads(tensor, self.head_dim) for tensor in (query, key, value))
        query, key = self._normed(writer, query, "query_norm", each), self._normed(writer, key, "key_norm", each)
        if self.positions is None:
            query, key = (writer.apply("rotary", tensor, operations=ROTARY_OPERATIONS) for tensor in (query, key))
        key, value = writer.cached(key, "keys", window=window), writer.cached(value, "values", window=window)
        attended = writer.attend(query, key, value, causal=True)
        return writer.linear(attended, self.hidden, "attention_output", bias=self.output_bias)

    def _forward(self, writer: PhaseWriter, x: Tensor) -> Tensor:
        if self.experts is not None:
            return self._mixture(writer, x)
        if self.gated:
            gate = writer.apply("silu", writer.linear(x, self.intermediate, "gate", bias=self.forward_bias))
            up = writer.linear(x, self.intermediate, "up", bias=self.forward_bias)
            inner = writer.apply("mul", up, gate)
        else:
            inner = writer.apply("gelu", writer.linear(x, self.intermediate, "up", bias=self.forward_bias))
        return writer.linear(inner, self.hidden, "down", bias=self.forward_bias)

    def _mixture(self, writer: PhaseWriter, x: Tensor) -> Tensor:
        """A router's choice of experts, each token's outputs summed by its scores."""
        assert self.experts is not None
        assert self.experts_per_token is not None
        scores = writer.softmax(writer.linear(x, self.experts, "router"))
        rows = writer.view(x, x.elements // self.hidden * self.experts_per_token, self.hidden)
        gate = writer.apply("silu", writer.experts(rows, self.intermediate, "gate", experts=self.experts))
        mixed = writer.apply("mul", writer.experts(rows, self.intermediate, "up", experts=self.experts), gate)
        made = writer.experts(mixed, self.hidden, "down", experts=self.experts)
        return writer.summed(made, scores, *x.shape)
