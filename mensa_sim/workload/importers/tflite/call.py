"""One operator of a TFLite model, as handlers see it: options, tensors of the builder, known values.

TFLite keeps channels last and the layer makers want them first; the elements are the same, so a tensor is shown to
them in the other order.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from mensa_sim.errors import TraceError
from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.importers.file_call import FileCall
from mensa_sim.workload.importers.tflite.file import TfliteModel, TfliteOperator
from mensa_sim.workload.operators.elementwise import elementwise

_ACTIVATIONS: Mapping[int, str] = {1: "relu", 2: "hardtanh", 3: "hardtanh", 4: "tanh", 5: "sign"}
"""The schema's ActivationFunctionType: RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteCall(FileCall):
    """An operator; its inputs are called by their places in the file."""

    form: ClassVar[str] = "tflite"
    model: TfliteModel
    source: TfliteOperator
    dilation: tuple[int, ...] | None = None
    """That of a convolution that stood between space-to-batch and batch-to-space."""

    def _known(self, at: int) -> Tensor:
        return replace(self.builder.tensor(self.inputs[at]), shape=self.model.tensors[self.source.inputs[at]].shape)

    def value(self, at: int) -> Any:
        """The known value of an input as a numpy array; none where it is missing, large or computed."""
        return self.model.tensors[self.source.inputs[at]].value if self.has(at) else None

    def is_zero(self, at: int) -> bool:
        """Whether an input is known to stand for zero."""
        value = self.value(at)
        return value is not None and bool((value == self.model.tensors[self.source.inputs[at]].zero_point).all())

    def option(self, name: str, default: Any = None) -> Any:
        """An option by the schema's name; the default (or an error, where there is none) without options."""
        if self.source.options is None or not hasattr(self.source.options, name):
            if default is None:
                raise TraceError(f"{self.label} lacks its option {name}")
            return default
        return getattr(self.source.options, name)()

    def before_activation(self) -> Tensor:
        """What an operator makes before the activation that is fused into it: the result where there is none."""
        if self._activation() is None:
            return self.result
        return replace(self.result, id=f"{self.result.id}/linear")

    def activate(self) -> None:
        """Adds the activation that is fused into the operator, if any."""
        name = self._activation()
        if name is not None:
            made = self.builder.tensor(f"{self.result.id}/linear")
            elementwise(self, operator=name, operands=(made,), output=self.result)

    def _activation(self) -> str | None:
        number = self.option("FusedActivationFunction", 0)
        if number and number not in _ACTIVATIONS:
            raise TraceError(f"{self.label} has the unknown activation {number}")
        return _ACTIVATIONS.get(number)


TfliteHandler = Callable[[TfliteCall], None]


def tensor_id(index: int) -> str:
    """What the builder calls a tensor of the file."""
    return f"t{index}"


def channels_first(tensor: Tensor) -> Tensor:
    """[N, *space, C] shown as [N, C, *space]."""
    first, *space = tensor.shape
    return replace(tensor, shape=(first, *space[-1:], *space[:-1]))
