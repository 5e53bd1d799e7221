"""One node of an ONNX model, as handlers see it: attributes, tensors of the builder, known values."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mensa_sim.errors import TraceError
from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.importers.file_call import FileCall
from mensa_sim.workload.importers.onnx.model import OnnxModel


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxCall(FileCall):
    """A node; its inputs are names of the graph's tensors."""

    form: ClassVar[str] = "onnx"
    noun: ClassVar[str] = "node "
    model: OnnxModel
    attributes: Mapping[str, Any]
    """As plain values."""

    def value(self, at: int) -> Any:
        """The known value of an input as a numpy array; none where it is missing, large or computed."""
        return self.model.value(self.inputs[at]) if self.has(at) else None

    def listed(self, attribute: str, at: int) -> list[int] | None:
        """A list of integers that older models give as an attribute and newer ones as an input."""
        given = self.attributes.get(attribute)
        return self.integers(at) if given is None else [int(item) for item in given]

    def _known(self, at: int) -> Tensor:
        return self._made(self.inputs[at])

    def _made(self, name: str, scaled: tuple[str, ...] = ()) -> Tensor:
        """A tensor; of a constant among the scales of others, those that are `scaled`."""
        if name in scaled:
            raise TraceError(f"constant {name} is its own scale")
        constant = self.model.constants.get(name)
        if constant is None or self.builder.has(name):
            return self.builder.tensor(name)
        return self.builder.constant(
            name,
            constant.shape,
            name=name,
            fill=constant.literal,
            bits=self.model.bits.get(name),
            scales=tuple(self._made(each, (*scaled, name)) for each in self.model.scales.get(name, ())),
        )


OnnxHandler = Callable[[OnnxCall], None]
