"""Decoder-only language models by their shape: Llama, Qwen, Gemma, SmolLM, Mistral, Phi and their like.

Not a torch module: a model of this kind is known by a dozen numbers, and each of its phases is a graph whose sizes are
functions of the tokens and the context, made in milliseconds. Its products are those of the `transformers` model of the
same configuration, layer by layer.
"""

from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.generation.writer import ROTARY_OPERATIONS, PhaseWriter
from mensa_sim.workload.graph import LayerGraph

EMBEDDING = "embedding"


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
    """Pre-norm decoder with rotary positions, grouped-query attention and gated feed-forward layers."""

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
    qk_norm: bool = False
    norms_per_layer: int = 2
    """2, or 4 where the outputs of attention and feed-forward part are normalised too."""
    experts: int | None = None
    experts_per_token: int | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim", "vocab"):
            check_size(name, getattr(self, name))
        if self.heads % self.kv_heads:
            raise ValueError(f"heads is {self.heads}, must be a multiple of kv_heads ({self.kv_heads})")
        if self.norms_per_layer not in (2, 4):
            raise ValueError(f"norms_per_layer is {self.norms_per_layer}, must be 2 or 4")
        for name in ("attention_window", "window_every", "experts", "experts_per_token"):
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
        attention += (queries + 2 * keys) * self.attn_bias + 2 * self.head_dim * self.qk_norm
        forward = 3 * self.hidden * self.intermediate * (self.experts or 1) + self.hidden * (self.experts or 0)
        tables = self.vocab * self.hidden * (1 if self.tied_embeddings else 2)
        return self.layers * (attention + forward + self.norms_per_layer * self.hidden) + self.hidden + tables

    def kv_bytes(self, context: int, widths: ModelWidths) -> int:
        """Keys and values of one conversation after so many tokens; a windowed layer keeps its window."""
        rows = sum(min(context, self.window(layer) or context) for layer in range(self.layers))
        return -(-2 * rows * self.kv_heads * self.head_dim * widths.kv_bits // 8)

    def phase(self, name: str, widths: ModelWidths, *, tokens: int, context: int, batch: int = 1) -> LayerGraph:
        """The graph of `tokens` new tokens after `context` that lie in the cache, and the logits that are asked for.

        Of a prompt those of its last token, of later phases those of each: a check compares all with what was guessed.
        A prompt is `tokens` after none, a decoding step one token after the context, a check of guessed tokens more.
        """
        table, head = widths.tables(tied=self.tied_embeddings)
        writer = PhaseWriter(name, widths, batch=batch, tokens=tokens, context=context)
        x = writer.embed(
            writer.input("tokens", batch, tokens, index=True), self.vocab, self.hidden, table=EMBEDDING, bits=table
        )
        for layer in range(self.layers):
            with writer.part(f"layers.{layer}"):
                x = self._layer(writer, x, self.window(layer))
        x = writer.norm(writer.view(x, batch, tokens if context else 1, self.hidden), "norm")
        shared = EMBEDDING if self.tied_embeddings else None
        writer.output(writer.linear(x, self.vocab, "head", weight=shared, bits=head))
        return writer.builder.build()

    def _layer(self, writer: PhaseWriter, x: Tensor, window: int | None) -> Tensor:
        attended = self._attention(writer, writer.norm(x, "attention_norm"), window)
        if self.norms_per_layer == 4:
            attended = writer.norm(attended, "attention_output_norm")
        x = writer.apply("add", attended, x)
        normed = writer.norm(x, "feed_forward_norm")
        forward = self._gated(writer, normed) if self.experts is None else self._mixture(writer, normed)
        if self.norms_per_layer == 4:
            forward = writer.norm(forward, "feed_forward_output_norm")
        return writer.apply("add", forward, x)

    def _attention(self, writer: PhaseWriter, x: Tensor, window: int | None) -> Tensor:
        query, key, value = (
            writer.heads(writer.linear(x, heads * self.head_dim, name, bias=self.attn_bias), self.head_dim)
            for name, heads in (("query", self.heads), ("key", self.kv_heads), ("value", self.kv_heads))
        )
        if self.qk_norm:
            query, key = writer.norm(query, "query_norm"), writer.norm(key, "key_norm")
        query, key = (writer.apply("rotary", each, operations=ROTARY_OPERATIONS) for each in (query, key))
        key, value = writer.cached(key, "keys", window=window), writer.cached(value, "values", window=window)
        return writer.linear(writer.attend(query, key, value, causal=True), self.hidden, "attention_output")

    def _gated(self, writer: PhaseWriter, x: Tensor) -> Tensor:
        gate = writer.apply("silu", writer.linear(x, self.intermediate, "gate"))
        up = writer.linear(x, self.intermediate, "up")
        return writer.linear(writer.apply("mul", up, gate), self.hidden, "down")

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
