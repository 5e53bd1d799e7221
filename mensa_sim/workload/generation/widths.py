"""How wide the tensors of a generating model are, and what the scales of grouped weights add."""

from mensa_sim.ranges import at_least, within
from mensa_sim.records import dataclass
from mensa_sim.workload.layer import MAX_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightGroup:
    """Weights that share a scale, and a zero point where they have one: a run of input channels of one output."""

    group: int
    """Weights of one group."""
    scale_bits: int = 16
    """Of the scale that a group shares."""
    zero_bits: int = 0
    """Of the zero point that a group shares; 0: it has none."""

    def __post_init__(self) -> None:
        at_least(1, self, "group")
        within(1, MAX_BITS, self, "scale_bits")
        within(0, MAX_BITS, self, "zero_bits")

    @property
    def bits(self) -> int:
        """Bits that one group adds."""
        return self.scale_bits + self.zero_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightWidth:
    """The width of one matrix of weights."""

    bits: int
    group: WeightGroup | None = None

    def scales(self, weights: int) -> int:
        """Groups of so many weights, each with a scale."""
        return 0 if self.group is None else -(-weights // self.group.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWidths:
    """Bits of the elements of a generating model; norms, biases and activations have `activation_bits`."""

    weight_bits: int = 8
    activation_bits: int = 16
    kv_bits: int = 16
    """Of keys and values in the cache."""
    embedding_bits: int | None = None
    """Of the table of tokens; none: as the weights, and their groups with it."""
    head_bits: int | None = None
    """Of the product that makes logits; none: as the weights, or as the table that it is tied to."""
    weight_group: WeightGroup | None = None

    def __post_init__(self) -> None:
        within(1, MAX_BITS, self, "weight_bits", "activation_bits", "kv_bits", "embedding_bits", "head_bits")

    @property
    def weights(self) -> WeightWidth:
        """Of the products inside."""
        return WeightWidth(bits=self.weight_bits, group=self.weight_group)

    def tables(self, *, tied: bool) -> tuple[WeightWidth, WeightWidth]:
        """Of the table of tokens and of the product that makes logits, which is the same table where they are tied.

        >>> [each.bits for each in ModelWidths(weight_bits=4, embedding_bits=8).tables(tied=False)]
        [8, 4]
        """
        wide = (self.embedding_bits, self.head_bits)
        table, head = (self.weights if bits is None else WeightWidth(bits=bits) for bits in wide)
        if tied and self.head_bits not in (None, self.embedding_bits):
            raise ValueError("head_bits must be left out, or equal embedding_bits: the embeddings are tied")
        return table, table if tied else head
