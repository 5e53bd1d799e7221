"""Encoder-decoder speech recognition by its shape: Whisper (Radford et al. 2022, arXiv 2212.04356).

Not a torch module, as in `decoder`. The prompt's phase is the encoder over the whole window of audio, the keys and
values that its output gives to every layer of the decoder, and the decoder over the prompt's tokens.
"""

from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.generation.writer import PhaseWriter
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.models.decoder import EMBEDDING, check_size

_TAPS = 3
"""Of the encoder's two convolutions, the second of which halves the frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechDecoder:
    """Convolutional stem, pre-norm encoder, decoder that attends to itself and to the encoder; tied embeddings."""

    layers: int
    """Of the encoder, and of the decoder where it has no others."""
    hidden: int
    intermediate: int
    heads: int
    vocab: int
    mels: int = 80
    frames: int = 3000
    """Of 10 ms in the window of audio; the encoder makes one row of two frames."""
    longest: int = 448
    """Tokens for which the decoder has learned positions."""
    decoder_layers: int | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if name != "decoder_layers":
                check_size(name, getattr(self, name))
        check_size("layers", self.answering_layers)
        if self.hidden % self.heads:
            raise ValueError(f"hidden is {self.hidden}, must be a multiple of heads ({self.heads})")

    @property
    def answering_layers(self) -> int:
        """Layers of the decoder."""
        return self.layers if self.decoder_layers is None else self.decoder_layers

    @property
    def rows(self) -> int:
        """Rows of the encoder's output."""
        return -(-self.frames // 2)

    @property
    def parameters(self) -> int:
        """Parameters of the model, the encoder's fixed positions among them as they are in its files.

        >>> SpeechDecoder(layers=4, hidden=384, intermediate=1536, heads=6, vocab=51865).parameters  # Whisper tiny
        37760640
        """
        width = self.hidden
        attention = 4 * width * width + 3 * width
        forward = 2 * width * self.intermediate + self.intermediate + width
        norm = 2 * width
        stem = _TAPS * width * (self.mels + width) + 2 * width
        encoder = self.layers * (attention + forward + 2 * norm) + norm + stem + self.rows * width
        decoder = (
            self.answering_layers * (2 * attention + forward + 3 * norm) + norm + (self.vocab + self.longest) * width
        )
        return encoder + decoder

    def kv_bytes(self, context: int, widths: ModelWidths) -> int:
        """Keys and values of one conversation after so many tokens, those of the encoder's output included."""
        return -(-2 * self.answering_layers * (context + self.rows) * self.hidden * widths.kv_bits // 8)

    def phase(self, name: str, widths: ModelWidths, *, tokens: int, context: int, batch: int = 1) -> LayerGraph:
        """The graph of `tokens` new tokens after `context`, with logits as a `Decoder` has; the first phase hears."""
        if context + tokens > self.longest:
            raise ValueError(f"{context + tokens} tokens are more than the {self.longest} that have positions")
        table, _ = widths.tables(tied=True)
        writer = PhaseWriter(name, widths, batch=batch, tokens=tokens, context=context)
        heard = None if context else self._encoder(writer)
        x = writer.embed(
            writer.input("tokens", batch, tokens, index=True), self.vocab, self.hidden, table=EMBEDDING, bits=table
        )
        x = writer.positions(x, "decoder.positions", self.longest)
        for layer in range(self.answering_layers):
            with writer.part(f"decoder.{layer}"):
                x = self._attention(writer, x, "self")
                x = self._hearing(writer, x, heard)
                x = self._forward(writer, x)
        x = writer.norm(writer.view(x, batch, tokens if context else 1, self.hidden), "decoder.norm", kind="layer_norm")
        writer.output(writer.linear(x, self.vocab, "head", weight=EMBEDDING, bits=table))
        return writer.builder.build()

    def _encoder(self, writer: PhaseWriter) -> Tensor:
        x = writer.input("audio", writer.batch, self.mels, self.frames)
        with writer.part("encoder"):
            x = writer.apply("gelu", writer.convolution(x, self.hidden, _TAPS, "stem_0", stride=1))
            x = writer.apply("gelu", writer.convolution(x, self.hidden, _TAPS, "stem_1", stride=2))
            x = writer.view(x, writer.batch, self.rows, self.hidden)
            x = writer.positions(x, "encoder.positions", self.rows)
            for layer in range(self.layers):
                with writer.part(str(layer)):
                    x = self._forward(writer, self._attention(writer, x, None))
            return writer.norm(x, "norm", kind="layer_norm")

    @property
    def _size(self) -> int:
        return self.hidden // self.heads

    def _heads(self, writer: PhaseWriter, x: Tensor, name: str, *, bias: bool = True) -> Tensor:
        return writer.heads(writer.linear(x, self.hidden, name, bias=bias), self._size)

    def _attention(self, writer: PhaseWriter, x: Tensor, cache: str | None) -> Tensor:
        """Attention to itself; with a name, over a cache, and to what came before alone."""
        normed = writer.norm(x, "attention_norm", kind="layer_norm")
        query = self._heads(writer, normed, "query")
        key, value = self._heads(writer, normed, "key", bias=False), self._heads(writer, normed, "value")
        if cache is not None:
            key, value = writer.cached(key, f"{cache}.keys"), writer.cached(value, f"{cache}.values")
        attended = writer.attend(query, key, value, causal=cache is not None)
        return writer.apply("add", writer.linear(attended, self.hidden, "attention_output", bias=True), x)

    def _hearing(self, writer: PhaseWriter, x: Tensor, heard: Tensor | None) -> Tensor:
        """Attention to the encoder's output, whose keys and values are made once and kept."""
        with writer.part("encoder_attention"):
            query = self._heads(writer, writer.norm(x, "norm", kind="layer_norm"), "query")
            if heard is None:
                key, value = (writer.kept(name, self.heads, self.rows, self._size) for name in ("keys", "values"))
            else:
                key, value = self._heads(writer, heard, "key", bias=False), self._heads(writer, heard, "value")
                key, value = writer.stored(key, "keys"), writer.stored(value, "values")
            attended = writer.attend(query, key, value, causal=False)
            return writer.apply("add", writer.linear(attended, self.hidden, "output", bias=True), x)

    def _forward(self, writer: PhaseWriter, x: Tensor) -> Tensor:
        normed = writer.norm(x, "feed_forward_norm", kind="layer_norm")
        inner = writer.apply("gelu", writer.linear(normed, self.intermediate, "up", bias=True))
        return writer.apply("add", writer.linear(inner, self.hidden, "down", bias=True), x)
