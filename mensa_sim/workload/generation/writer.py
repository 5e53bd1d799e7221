"""Transformer parts as operations of a layer graph: what the models that generate are written with.

The sizes are those of one phase: so many new tokens after so many that lie in the cache. Whatever a runtime may fuse is
fused as in traced models: activations, residual sums and rotary embeddings into the product that feeds them.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Role, Site, Spot, Tensor
from mensa_sim.workload.generation.widths import ModelWidths, WeightWidth
from mensa_sim.workload.operators.attention import attention
from mensa_sim.workload.operators.convolution import convolution
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.experts import even_shares
from mensa_sim.workload.operators.matrix import matrix_nest
from mensa_sim.workload.operators.normalisation import normalisation
from mensa_sim.workload.operators.reduction import softmax

ROTARY_OPERATIONS = 3
"""Of an element: its product with a cosine, its partner's with a sine, their sum (Su et al. 2021, arXiv 2104.09864)."""


class PhaseWriter:
    """Writes one phase of a model; tensors are [batch, tokens, width], those of heads [batch, heads, tokens, size]."""

    def __init__(self, name: str, widths: ModelWidths, *, batch: int, tokens: int, context: int) -> None:
        if min(batch, tokens) < 1 or context < 0:
            raise ValueError(f"{name}: {tokens} tokens of {batch} conversations after {context}")
        self.builder = GraphBuilder(name, parameter_bits=widths.weight_bits, activation_bits=widths.activation_bits)
        self.widths, self.batch, self.tokens, self.context = widths, batch, tokens, context
        self.weights = widths.weights
        self._path: list[str] = []
        self._nodes = 0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Names what is written inside after a part of the model."""
        self._path.append(name)
        yield
        self._path.pop()

    def _spot(self, name: str) -> Spot:
        """The place of the next operation."""
        self._nodes += 1
        full = ".".join((*self._path, name))
        return Spot(builder=self.builder, site=Site(node=f"{full}#{self._nodes}", name=full, source=full))

    def _constant(self, spot: Spot, name: str, *shape: int, bits: int) -> Tensor:
        """A parameter of that name; one that is named again is the same."""
        return self.builder.constant(f"{spot.site.node}/{name}", shape, name=name, bits=bits)

    def input(self, name: str, *shape: int, index: bool = False) -> Tensor:
        """What enters the model."""
        return self.builder.input(name, shape, index=index)

    def output(self, tensor: Tensor) -> None:
        """What leaves the model."""
        self.builder.output(tensor.id)

    def embed(self, tokens: Tensor, vocabulary: int, width: int, *, table: str, bits: WeightWidth) -> Tensor:
        """Rows of a table of tokens, and the scales of their groups."""
        spot = self._spot("embed")
        weight, *scales = self._weight(spot, table, vocabulary, width, bits=bits)
        made = spot.new("made", (self.batch, tokens.elements // self.batch, width))
        spot.add(
            "embedding",
            reads=(weight, *scales, tokens),
            writes=(made,),
            gathered=made.elements + self._scale_elements(made.elements, bits),
            vector_ops=made.elements if scales else 0,
            foldable=False,
        )
        return made

    def _weight(self, spot: Spot, name: str, *shape: int, bits: WeightWidth) -> tuple[Tensor, ...]:
        """A parameter, and the scales of its groups where it has any."""
        weight = self._constant(spot, name, *shape, bits=bits.bits)
        count = bits.scales(weight.elements)
        if not count or bits.group is None:
            return (weight,)
        return weight, self._constant(spot, f"{name}.scales", count, bits=bits.group.bits)

    def linear(
        self,
        data: Tensor,
        columns: int,
        name: str,
        *,
        bias: bool = False,
        weight: str | None = None,
        bits: WeightWidth | None = None,
    ) -> Tensor:
        """Rows of [..., C] times a weight [columns, C]; a shared weight is named.

        Scales multiply the partial sum of each group for each row, or every weight once where that is less work.
        """
        bits = bits or self.weights
        spot = self._spot(name)
        depth = data.shape[-1]
        rows = data.elements // depth
        held, *scales = self._weight(spot, weight or f"{spot.site.name}.weight", columns, depth, bits=bits)
        made = spot.new("made", (*data.shape[:-1], columns))
        spot.multiply(
            "linear",
            operands=(data, held, *scales),
            bias=self._vector(spot, "bias", columns) if bias else None,
            output=made,
            nest=matrix_nest(rows=rows, columns=columns, depth=depth),
            vector_ops=min(rows * bits.scales(held.elements), held.elements) if scales else 0,
        )
        return made

    def experts(self, rows: Tensor, columns: int, name: str, *, experts: int) -> Tensor:
        """Rows [R, C], each times the weights of the expert that a router chose for it.

        Rows are spread evenly (`operators.experts`).
        """
        shares = even_shares(rows.shape[0], experts)
        parts = tuple(self._some_experts(rows, columns, name, experts, count, each) for count, each in shares)
        return parts[0] if len(parts) == 1 else self.view(parts, rows.shape[0], columns)

    def _some_experts(self, rows: Tensor, columns: int, name: str, experts: int, count: int, each: int) -> Tensor:
        spot = self._spot(name)
        depth = rows.shape[-1]
        data = rows if count * each == rows.shape[0] else self.view(rows, count * each, depth)
        held, *scales = self._weight(spot, f"{spot.site.name}.weight", experts, columns, depth, bits=self.weights)
        made = spot.new("made", (count * each, columns))
        weights = count * columns * depth
        spot.add(
            "linear",
            reads=(data, held, *scales),
            writes=(made,),
            nest=matrix_nest(rows=each, columns=columns, depth=depth, groups=count),
            vector_ops=min(each * self.weights.scales(weights), weights) if scales else 0,
            gathered=weights + self._scale_elements(weights, self.weights) if count < experts else None,
        )
        return made

    @staticmethod
    def _scale_elements(weights: int, bits: WeightWidth) -> int:
        """What the scales of so many weights take, in elements as wide as a weight."""
        return 0 if bits.group is None else -(-bits.scales(weights) * bits.group.bits // bits.bits)

    def _vector(self, spot: Spot, name: str, size: int) -> Tensor:
        return self._constant(spot, f"{spot.site.name}.{name}", size, bits=self.widths.activation_bits)

    def norm(self, data: Tensor, name: str, *, kind: str = "rms_norm") -> Tensor:
        """Rows of unit size by a weight (`rms_norm`), or centred, with weight and bias (`layer_norm`) or not."""
        spot = self._spot(name)
        made = spot.new("made", data.shape)
        normalisation(
            spot,
            operator="rms_norm" if kind == "rms_norm" else "layer_norm",
            data=data,
            output=made,
            statistics=data.elements // data.shape[-1],
            weight=None if kind == "bare_norm" else self._vector(spot, "weight", data.shape[-1]),
            bias=self._vector(spot, "bias", data.shape[-1]) if kind == "layer_norm" else None,
        )
        return made

    def apply(self, name: str, *operands: Tensor, operations: int = 1) -> Tensor:
        """An elementwise operator of so many operations an element; what has one product before it fuses into that."""
        spot = self._spot(name)
        made = spot.new("made", operands[0].shape)
        elementwise(spot, operator=name, operands=operands, output=made, operations_per_element=operations)
        return made

    def softmax(self, data: Tensor) -> Tensor:
        """Softmax along the last axis."""
        spot = self._spot("softmax")
        made = spot.new("made", data.shape)
        softmax(spot, data=data, output=made, axes=(len(data.shape) - 1,))
        return made

    def convolution(self, data: Tensor, channels: int, taps: int, name: str, *, stride: int) -> Tensor:
        """[batch, channels, frames] through a biased convolution that pads as much as its taps overhang."""
        spot = self._spot(name)
        bits = self.widths.activation_bits
        made = spot.new("made", (data.shape[0], channels, -(-data.shape[2] // stride)))
        convolution(
            spot,
            data=data,
            weight=self._constant(spot, f"{spot.site.name}.weight", channels, data.shape[1], taps, bits=bits),
            bias=self._vector(spot, "bias", channels),
            output=made,
            stride=(stride,),
            dilation=(1,),
        )
        return made

    def positions(self, data: Tensor, table: str, longest: int) -> Tensor:
        """Learned positions added to [batch, tokens, width]."""
        spot = self._spot("positions")
        width = data.shape[-1]
        places = self._constant(spot, table, longest, width, bits=self.widths.activation_bits)
        made = spot.new("made", data.shape)
        read = data.shape[1] * width
        spot.add("add", reads=(data, places), writes=(made,), vector_ops=made.elements, gathered=read)
        return made

    def view(self, data: Tensor | tuple[Tensor, ...], *shape: int) -> Tensor:
        """The same elements in another shape: of one tensor or of several, fewer of them or some several times."""
        spot = self._spot("view")
        reads = data if isinstance(data, tuple) else (data,)
        made = spot.new("made", shape, stored=min(math.prod(shape), sum(tensor.stored for tensor in reads)))
        spot.add("view", role=Role.VIEW, reads=reads, writes=(made,))
        return made

    def summed(self, rows: Tensor, scores: Tensor, *shape: int) -> Tensor:
        """Rows weighted by scores and summed to fewer: a product and a sum for each element of a row."""
        spot = self._spot("weighted_sum")
        made = spot.new("made", shape)
        operations = 2 * rows.elements - made.elements
        spot.add("weighted_sum", reads=(rows, scores), writes=(made,), vector_ops=operations)
        return made

    def heads(self, data: Tensor, size: int) -> Tensor:
        """[batch, tokens, heads x size] as [batch, heads, tokens, size]."""
        batch, tokens, width = data.shape
        return self.view(data, batch, width // size, tokens, size)

    def cached(self, new: Tensor, name: str, *, window: int | None = None) -> Tensor:
        """All keys (or values) that a phase reads: those of the cache, and the new ones, which are appended in place.

        Of the cache a sliding window reads what the first new token sees. Before the first token there is no cache.
        """
        batch, heads, tokens, size = new.shape
        before = self.context if window is None else min(self.context, window - 1)
        if not before:
            return self.stored(new, name)
        reads = (self.kept(name, heads, before, size), new)
        return self._appended(name, reads, (batch, heads, before + tokens, size))

    def stored(self, new: Tensor, name: str) -> Tensor:
        """Keys (or values) that a phase makes for later ones."""
        return self._appended(name, (new,), new.shape)

    def _appended(self, name: str, parts: tuple[Tensor, ...], shape: tuple[int, ...]) -> Tensor:
        spot = self._spot(name)
        whole = spot.new("whole", shape, bits=self.widths.kv_bits)
        spot.add("append", role=Role.VIEW, reads=parts, writes=(whole,))
        self.builder.output(whole.id)
        return whole

    def kept(self, name: str, heads: int, rows: int, size: int) -> Tensor:
        """Keys (or values) of earlier phases, as they lie in the cache."""
        node = self._spot(name).site.node
        return self.builder.state(f"{node}/cache", (self.batch, heads, rows, size), bits=self.widths.kv_bits)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Tensor:
        """Scaled dot-product attention of [batch, heads, tokens, size] over keys of as many or fewer heads."""
        spot = self._spot("attention")
        batch, heads, tokens, _ = query.shape
        made = spot.new("made", (batch, heads, tokens, value.shape[-1]))
        attention(spot, query=query, key=key, value=value, mask=None, causal=causal and tokens > 1, output=made)
        return self.view(made, batch, tokens, heads * value.shape[-1])
