"""A workload as an explicit list of layers, for people without the model: what an entry may say."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from mensa_sim.io.faults import Fault
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import DIMS, window_span
from mensa_sim.workload.layer import MAX_BITS, OPERAND_WIDTHS, LoopBounds, LoopNest
from mensa_sim.workload.operators.convolution import Phases, phases
from mensa_sim.workload.operators.elementwise import OPERATIONS_PER_ELEMENT as ELEMENTWISE

_TRANSPOSED = ("transposed_convolution", "conv_transpose2d")
"""Convolutions that make a larger image: their dims and stride are those of the output."""

_PRODUCTS = (
    *("convolution", "linear", "matmul", "input_gate", "hidden_gate", "projection", "conv1d", "conv2d", "conv3d"),
    *_TRANSPOSED,
)
"""Operators with a loop nest, under the names that traced layers have (a convolution is a conv2d)."""

PER_ELEMENT: Mapping[str, int] = {"elementwise": 1, "activation": 1, "embedding": 0, "copy": 0} | dict(ELEMENTWISE)
"""Vector operators whose operations follow from the size of the output."""

COUNTED = (
    *("pooling", "avg_pool", "max_pool", "softmax", "log_softmax", "reduction", "mean", "sum", "resize", "cell_update"),
    *("normalization", "layer_norm", "rms_norm", "group_norm", "instance_norm", "batch_norm"),
)
"""Vector operators whose operations must be given."""

MAX_MACS = 2**48
"""Sizes are counted in 64-bit integers, of bits and of repeated fetches; no real layer comes near."""
MAX_TAPS = 1024
"""The longest filter along an axis: every pair of taps is looked at when what it reads is counted."""
MAX_POSITIONS = 2**26
"""The largest plane of input positions: an image of 8192 x 8192."""
MAX_STEPS = 2**24
"""The longest loop or sequence; the positions along an axis are enumerated when it is priced."""

_COMMON = ("convolution", "linear", "matmul", "elementwise", "activation", "pooling", "softmax", "embedding", "copy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dims(LoopBounds):
    """The loop bounds of one step; those left out are 1."""

    def __post_init__(self) -> None:
        for dim, size in zip(DIMS, self.sizes, strict=True):
            most = MAX_TAPS if dim in ("FY", "FX") else MAX_STEPS
            if not 1 <= size <= most:
                raise ValueError(f"{dim} is {size}, must be at {'least 1' if size < 1 else f'most {most}'}")
        if self.macs > MAX_MACS:
            raise ValueError(f"{self.macs} MACs in one step, at most {MAX_MACS} can be counted exactly")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEntry:
    """One layer of a list; bytes are derived from sizes and precision unless they are given.

    A convolution, linear layer or matmul has `dims`; anything else has `elements`, the size of its output.
    `stride`, `dilation` and `input_size` are one number or [y, x]. Without `input_size` a convolution's input has
    the rows and columns of the layers it reads; where those say nothing it has what `padding` implies: `same`
    (stride x output) or `valid`; a transposed one has output / stride. `steps` repeats the layer; a recurrent layer's
    steps follow one another inside its `group`. Layers that name the same `parameter` share its bytes.
    """

    name: str
    """Its name, unlike any other's."""
    operator: str
    """What it computes: `conv2d`, `linear`, `matmul`, `add`, `softmax`, ..."""
    inputs: tuple[str, ...] = ()
    """The layers that it reads; none: the model's input."""
    dims: Dims | None = None
    """Of an operator with products: the loop bounds."""
    stride: int | tuple[int, int] = 1
    """One number or [y, x]."""
    dilation: int | tuple[int, int] = 1
    """One number or [y, x]."""
    padding: Literal["same", "valid"] | None = None
    """What a convolution's input is, where nothing else says: `same` (stride x output) or `valid`."""
    input_size: int | tuple[int, int] | None = None
    """Rows and columns of a convolution's input, one number or [y, x]; none: those of the layers it reads, else as
    `padding` implies."""
    elements: int | None = None
    """Of an operator without products: elements of its output in a step."""
    vector_ops: int | None = None
    """Elementwise operations over all steps; none: they follow from the operator and `elements`."""
    slice_elements: int | None = None
    """Of a softmax or a norm: elements of each row or group, which is gone over twice; none: it is read once."""
    bias: bool = False
    """Whether each output channel has a bias."""
    parameter: str | None = None
    """Name of its parameter tensor; layers that name the same share its bytes."""
    parameter_bytes: int | None = None
    """None: as `dims` and `bias` say."""
    gathered_bytes: int | None = None
    """Of its parameters, what one inference reads, where that is not all."""
    input_bytes: int | None = None
    """What it reads over all steps; none: as sizes and widths say."""
    output_bytes: int | None = None
    """What it hands on over all steps; none: as sizes and widths say."""
    steps: int = 1
    """How often it runs in one inference."""
    recurrent: bool = False
    """Whether its steps follow one another inside its `group`."""
    group: str | None = None
    """Layers of one group run on one accelerator as one unit."""
    gate: str | None = None
    """The gate that an `input_gate` and a `hidden_gate` are the halves of; statistics join them."""
    weight_bits: int | None = None
    """Of an element of the weights, where it is not the workload's."""
    input_bits: int | None = None
    """Likewise of the input."""
    output_bits: int | None = None
    """Likewise of the output."""
    accumulator_bits: int | None = None
    """Likewise of a partial sum."""
    input_zeros: float = 0.0
    """Share of zeros among the elements of the input, which a memory's code leaves out."""
    output_zeros: float = 0.0
    """Likewise of the output."""

    def __post_init__(self) -> None:
        faults = [*self._range_faults(), *self._shape_faults()]
        if faults:
            raise ValueError("; ".join(faults))

    def _range_faults(self) -> Iterable[str]:
        if not self.name.strip():
            yield "name is empty"
        elif not self.name.isprintable():
            yield f"name {self.name!r} holds a line break or another character that cannot be shown"
        for key in ("vector_ops", "parameter_bytes", "gathered_bytes", "input_bytes", "output_bytes"):
            value = getattr(self, key)
            if value is not None and not 0 <= value <= MAX_MACS:
                yield f"{key} is {value}, must {'not be negative' if value < 0 else f'be at most {MAX_MACS}'}"
        for key in ("stride", "dilation", "input_size", "elements", "slice_elements", "steps"):
            value = getattr(self, key)
            if value is not None and min(pair(value)) < 1:
                yield f"{key} is {list(value) if isinstance(value, tuple) else value}, must be at least 1"
            elif value is not None and max(pair(value)) > (MAX_MACS if key.endswith("elements") else MAX_STEPS):
                yield f"{key} is {list(value) if isinstance(value, tuple) else value}, more than can be counted exactly"
        for key in OPERAND_WIDTHS:
            value = getattr(self, key)
            if value is not None and not 1 <= value <= MAX_BITS:
                yield f"{key} is {value}, must be from 1 to {MAX_BITS}"
        for key in ("input_zeros", "output_zeros"):
            if not 0 <= getattr(self, key) <= 1:
                yield f"{key} is {getattr(self, key)}, must be from 0 to 1"
        if self.dims is not None:
            outputs, taps = (self.dims.OY, self.dims.OX), (self.dims.FY, self.dims.FX)
            reach = list(map(window_span, outputs, taps, pair(self.stride), pair(self.dilation)))
            if min(reach) > 1 and math.prod(reach) > MAX_POSITIONS:
                yield f"its window reaches over {reach[0]} x {reach[1]} positions, at most {MAX_POSITIONS} are counted"
        if self.recurrent and self.group is None:
            yield "a recurrent layer needs a group"
        if len(set(self.inputs)) != len(self.inputs):
            yield "inputs names a layer twice"

    def _shape_faults(self) -> Iterable[str]:
        known = (*_PRODUCTS, *PER_ELEMENT, *COUNTED)
        if self.operator not in known:
            near = difflib.get_close_matches(self.operator, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield f"unknown operator {self.operator!r}; {hint}common ones are {', '.join(_COMMON)}"
        elif self.operator in _PRODUCTS:
            if self.dims is None:
                yield f"a {self.operator} needs dims"
            yield from self._refused(("elements", "slice_elements"), f"a {self.operator} has dims instead")
        else:
            if self.elements is None:
                yield f"{self.operator} needs elements, the size of its output"
            elif self.slice_elements and self.elements % self.slice_elements:
                yield f"slice_elements is {self.slice_elements}, must divide elements, {self.elements}"
            if self.vector_ops is None and self.operator in COUNTED:
                yield f"{self.operator} needs vector_ops, its elementwise operations"
            yield from self._refused(("dims", "bias"), f"{self.operator} has elements instead")
        if not self.is_convolution:
            yield from self._refused(("stride", "dilation", "padding", "input_size"), "only a convolution has one")
            if self.dims is not None and (self.dims.OY, self.dims.FY, self.dims.FX) != (1, 1, 1):
                yield f"a {self.operator} has no OY, FY or FX; its rows are OX"
        if self.operator == "matmul":
            because = "a matmul multiplies two activations; use linear for parameters"
            yield from self._refused(("bias", "parameter", "parameter_bytes"), because)
        if self.is_transposed:
            yield from self._refused(("padding",), "say input_size where it is not output / stride")
        if self.padding is not None and self.input_size is not None:
            yield "give padding or input_size, not both"

    def _refused(self, keys: Sequence[str], because: str) -> Iterable[str]:
        for key in keys:
            if getattr(self, key) not in (None, False, 1):
                yield f"{key} must be left out: {because}"

    @property
    def is_convolution(self) -> bool:
        """Whether the layer slides a filter over rows and columns."""
        return self.operator.startswith("conv") or self.is_transposed

    @property
    def is_transposed(self) -> bool:
        """Whether its stride spreads the input out."""
        return self.operator in _TRANSPOSED

    @property
    def phases(self) -> Phases:
        """How a transposed convolution's positions are made; none of its dims may be missing."""
        taps = (1, 1) if self.dims is None else (self.dims.FY, self.dims.FX)
        return phases(taps, pair(self.stride), undilated=pair(self.dilation) == (1, 1))

    def nest(self, input_size: tuple[int, int]) -> LoopNest | None:
        """The loop nest, given the rows and columns of the real input."""
        if self.dims is None:
            return None
        sizes = dict(zip(DIMS, self.dims.sizes, strict=True))
        if self.is_transposed:
            rows, columns = input_size
            taps = dict(zip(("FY", "FX"), self.phases.taps, strict=True))
            inside = {"OY": rows, "OX": columns, "input_height": rows, "input_width": columns}
            return LoopNest(**{**sizes, "K": sizes["K"] * self.phases.positions, **taps, **inside})
        (stride_y, stride_x), (dilation_y, dilation_x) = pair(self.stride), pair(self.dilation)
        return LoopNest(
            **sizes,
            stride_y=stride_y,
            stride_x=stride_x,
            dilation_y=dilation_y,
            dilation_x=dilation_x,
            input_height=input_size[0],
            input_width=input_size[1],
        )


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of what is one number for both, or two.

    >>> pair(2), pair((2, 1))
    ((2, 2), (2, 1))
    """
    return value if isinstance(value, tuple) else (value, value)


def reference_faults(layers: Sequence[Any]) -> Iterable[Fault]:
    """Names used twice and inputs that name no layer, in plain data of any shape."""
    names = [layer.get("name") if isinstance(layer, Mapping) else None for layer in layers]
    known = [name for name in names if isinstance(name, str)]
    first: dict[str, int] = {}
    for index, layer in enumerate(layers):
        name = names[index]
        if isinstance(name, str) and first.setdefault(name, index) != index:
            message = f"the name {name!r} is taken by layers[{first[name]}]"
            yield Fault(location=("layers", index, "name"), message=message)
        inputs = layer.get("inputs") if isinstance(layer, Mapping) else None
        for position, wanted in enumerate(inputs if isinstance(inputs, list) else ()):
            if isinstance(wanted, str) and (wanted not in first and wanted not in known):
                near = difflib.get_close_matches(wanted, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                message = f"no layer is called {wanted!r}{hint}"
                yield Fault(location=("layers", index, "inputs", position), message=message)
            elif isinstance(wanted, str) and wanted == name:
                message = "a layer cannot read itself; mark it recurrent instead"
                yield Fault(location=("layers", index, "inputs", position), message=message)
