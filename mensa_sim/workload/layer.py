"""A layer and its loop nest: what an accelerator is asked to compute."""

import math

from mensa_sim.ranges import at_least, within
from mensa_sim.records import dataclass
from mensa_sim.units import bits_to_bytes
from mensa_sim.workload.dims import DIMS, Operand
from mensa_sim.workload.own_mapping import OwnMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopBounds:
    """The loop bounds of one step of a convolution or matrix product, in ZigZag's letters; those left out are 1."""

    B: int = 1
    """Batch."""
    G: int = 1
    """Groups."""
    K: int = 1
    """Output channels of a group."""
    C: int = 1
    """Input channels of a group."""
    OY: int = 1
    """Output rows."""
    OX: int = 1
    """Output columns; the rows of a matrix product."""
    FY: int = 1
    """Filter rows."""
    FX: int = 1
    """Filter columns."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """In the order of `DIMS`."""
        return tuple(getattr(self, dim) for dim in DIMS)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step: the product of all loop bounds.

        >>> LoopBounds(K=64, C=3, OY=112, OX=112, FY=3, FX=3).macs
        21676032
        """
        return math.prod(self.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopNest(LoopBounds):
    """The loops of one step. The three operands index them as

        output[B, G, K, OY, OX] += weight[G, K, C, FY, FX] * input[B, G, C, IY, IX]
        IY = stride_y * OY + dilation_y * FY - padding;  IX likewise

    A matrix product is B, G, K, C and OX (rows). Input height and width are the real ones, without padding.
    """

    stride_y: int = 1
    stride_x: int = 1
    dilation_y: int = 1
    dilation_x: int = 1
    input_height: int = 1
    input_width: int = 1

    def __post_init__(self) -> None:
        at_least(1, self, *DIMS, *self.__slots__, label="loop nest")

    @property
    def depthwise(self) -> bool:
        """Whether every group has one input and one output channel."""
        return self.K == self.C == 1 and self.G > 1

    @property
    def weight_elements(self) -> int:
        """Elements of the weight operand."""
        return self.G * self.K * self.C * self.FY * self.FX

    @property
    def input_elements(self) -> int:
        """Elements of the real input, each counted once."""
        return self.B * self.G * self.C * self.input_height * self.input_width

    @property
    def output_elements(self) -> int:
        """Elements of the output."""
        return self.B * self.G * self.K * self.OY * self.OX


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter tensor of the model; layers that name the same tensor share it."""

    name: str
    size_bytes: int

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise ValueError(f"parameter {self.name}: {self.size_bytes} bytes")


OPERAND_WIDTHS = ("weight_bits", "input_bits", "output_bits", "accumulator_bits")
"""The fields that say how wide elements of a nest's operands are: final ones, and partial sums."""
WIDTHS = ("parameter_bits", "activation_bits", *OPERAND_WIDTHS)
"""The fields of a layer that say how wide elements are."""
_SIZES = (
    *("vector_ops", "gathered_bytes", "input_bytes", "output_bytes"),
    *("summed_elements", "waiting_elements", "further_rows", "slices", "slice_elements"),
    *("model_input_bytes", "model_output_bytes", "state_bytes", "prompts"),
)
MAX_BITS = 64
"""The widest element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One schedulable piece of a model.

    `nest` and `operator` describe one step; `vector_ops`, `input_bytes` and `output_bytes` are totals over all
    `steps`. A layer with a nest and no parameters multiplies two activations: its weight operand is one of them
    and stands in `input_bytes`. Layers of one `group` run on one accelerator as one unit, `recurrent` ones step
    after step.
    """

    name: str
    operator: str
    nest: LoopNest | None = None
    window: LoopNest | None = None
    """Of a layer without products that moves a window over rows and columns (pooling): its geometry, channels as G."""
    output_channels: int | None = None
    """Where they are not the nest's: a transposed convolution computes several positions as channels of one."""
    summed_elements: int = 0
    """Of a transposed convolution: elements of one step's output that its columns add up to; of others 0, as each that
    the nest makes is one of the output's."""
    waiting_elements: int = 0
    """Of them, those that at any time wait on chip for what the next row of the input adds."""
    further_rows: int = 0
    """Of a transposed convolution: rows of its input that a row of the nest needs beside those under its taps."""
    slices: int = 0
    """Of a softmax or a norm: rows, images or groups that are gone over twice, first for what all elements of one have
    in common (a maximum and a sum, a mean and a variance), then to write them."""
    slice_elements: int = 0
    """Of each of them."""
    vector_ops: int = 0
    """Elementwise operations over all steps (an add, a compare or one evaluation of an activation is one)."""
    parameters: tuple[Parameter, ...] = ()
    gathered_bytes: int | None = None
    """Bytes of the parameters that one inference reads, where it is not all of them (an embedding)."""
    input_bytes: int = 0
    output_bytes: int = 0
    model_input_bytes: int = 0
    """The part of `input_bytes` that enters the model from outside."""
    model_output_bytes: int = 0
    """The part of `output_bytes` that leaves the model."""
    state_bytes: int = 0
    """The part of `input_bytes` that the memory keeps from earlier inferences (keys and values): read whole."""
    steps: int = 1
    recurrent: bool = False
    group: str | None = None
    gate: str | None = None
    """The gate that an input-MVM and a hidden-MVM layer are the two halves of; statistics join them."""
    fused: tuple[str, ...] = ()
    """Operators of the model that this layer computes on its way out (batch norm, activation, bias)."""
    supported: bool = True
    """False for an operator that we cannot cost: charged its traffic alone, and marked."""
    source: str = ""
    """Module path in the traced model."""
    parameter_bits: int = 8
    activation_bits: int = 8
    weight_bits: int | None = None
    """Bits of an element of the nest's weight operand; none: those of a parameter, or of an activation that it is."""
    input_bits: int | None = None
    """Bits of an element of the input; none: `activation_bits`."""
    output_bits: int | None = None
    """Bits of a final element of the output; none: `activation_bits`."""
    accumulator_bits: int | None = None
    """Bits of a partial sum; none: those of the accelerator's accumulators."""
    input_zeros: float = 0.0
    """Share of zeros among the elements of the input, where it is known."""
    output_zeros: float = 0.0
    """Likewise of the output."""
    in_attention: bool = False
    """A product of two activations before or behind a softmax, or that softmax: a runtime may fuse the three."""
    chooses: bool = False
    """Whether a token is chosen among its outputs, for each of its rows: the head of a model that generates."""
    prompts: int = 0
    """Prompts that are received before it works: the first layer of what reads them."""
    mappings: tuple[OwnMapping, ...] = ()
    """What the workload's file fixes of its mapping, on some accelerators."""

    def __post_init__(self) -> None:
        at_least(0, self, *_SIZES, label=self.name)
        at_least(1, self, "steps", *WIDTHS, label=self.name)
        within(0, 1, self, "input_zeros", "output_zeros", label=self.name)
        if self.nest is not None and self.window is not None:
            raise ValueError(f"{self.name}: a window is for a layer without a nest")
        if self.recurrent and self.group is None:
            raise ValueError(f"{self.name}: a recurrent layer needs a group")

    @property
    def macs(self) -> int:
        """Multiply-accumulates over all steps."""
        return self.steps * self.nest.macs if self.nest else 0

    @property
    def parameter_bytes(self) -> int:
        """Footprint of the parameters, biases included."""
        return sum(parameter.size_bytes for parameter in self.parameters)

    @property
    def read_parameter_bytes(self) -> int:
        """Bytes of the parameters that one inference reads: all, or the rows that it gathers."""
        return self.parameter_bytes if self.gathered_bytes is None else self.gathered_bytes

    @property
    def made_elements(self) -> int:
        """Elements that the nest makes of the output in one step."""
        return self.summed_elements or (self.nest.output_elements if self.nest else 0)

    @property
    def slice_bytes(self) -> int:
        """Bytes of a slice that is gone over twice."""
        return bits_to_bytes(self.slice_elements * self.element_bits("input"))

    @property
    def weight_bytes(self) -> int:
        """Bytes of the nest's weight operand in one step, parameters or activations."""
        if self.nest is None:
            return 0
        return bits_to_bytes(self.nest.weight_elements * self.element_bits("weight"))

    def element_bits(self, operand: Operand) -> int:
        """Bits of a final element of one of the nest's operands."""
        default = self.parameter_bits if operand == "weight" and self.parameters else self.activation_bits
        own: int | None = getattr(self, f"{operand}_bits")
        return default if own is None else own

    @property
    def weights_are_activations(self) -> bool:
        """True where both operands are computed at run time (attention, bmm)."""
        return self.nest is not None and not self.parameters

    @property
    def macs_per_parameter_byte(self) -> float:
        """Parameter reuse, the axis that separates layer families; infinite without parameters."""
        return macs_per_parameter_byte(self.macs, self.parameter_bytes)


def macs_per_parameter_byte(macs: int, parameter_bytes: int) -> float:
    """Parameter reuse (Boroumand et al., PACT 2021, call it FLOP/B).

    >>> macs_per_parameter_byte(macs=4096, parameter_bytes=4096)  # one step of an LSTM gate: no reuse
    1.0
    """
    return macs / parameter_bytes if parameter_bytes else math.inf
