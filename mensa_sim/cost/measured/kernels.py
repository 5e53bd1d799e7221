"""Which kernels a layer is made of: the same rule measures them on a device and finds them in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.measured.table import Kernel
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.build.operation import INDEX_BITS
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest

SAME_KERNEL: Mapping[str, str] = {"input_gate": "linear", "hidden_gate": "linear", "projection": "linear"}
"""Layers that a device runs as another operator's kernel."""

_FUSED_KERNEL: Mapping[str, str] = {"batch_norm": "add"}
"""Folded into a convolution's weights, what is left of a batch normalisation is its bias, which libraries add after."""

BINARY = ("add", "sub", "rsub", "mul", "div", "maximum", "minimum", "pow", "eq", "lt", "gt")
"""Elementwise operators of two operands."""

_CELLS: Mapping[int, str] = {4: "lstm", 3: "gru", 1: "rnn"}
"""Cell kinds by their number of hidden gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRuns:
    """A kernel, and how often one inference runs it for a layer."""

    kernel: Kernel
    times: int


def kernel_runs(layer: Layer, dtype: str) -> KernelRuns:
    """The kernel of one layer.

    A recurrent layer runs the kernel of one step after another; any other takes all its steps in one kernel
    (time steps that are known beforehand are rows of one matrix product). What a layer fused is not in its kernel: see
    `fused_kernels`. A gather's input elements are its indices.
    """
    times = layer.steps if layer.recurrent else 1
    operator = SAME_KERNEL.get(layer.operator, layer.operator)
    if layer.nest is not None:
        nest = layer.nest if layer.recurrent else _joined(layer.nest, layer.steps)
        return KernelRuns(kernel=Kernel(operator=operator, dtype=dtype, nest=nest), times=times)
    bits = INDEX_BITS if layer.gathered_bytes is not None else layer.activation_bits
    kernel = Kernel(
        operator=operator,
        dtype=dtype,
        vector_ops=-(-layer.vector_ops // times),
        input_elements=-(-_elements(layer.input_bytes, bits) // times),
        output_elements=-(-_elements(layer.output_bytes, layer.activation_bits) // times),
        parameter_elements=_elements(layer.parameter_bytes, layer.parameter_bits),
    )
    return KernelRuns(kernel=kernel, times=times)


def fused_kernels(layer: Layer, dtype: str) -> tuple[Kernel, ...]:
    """What a library that fuses nothing runs beside the layer's own kernel: an elementwise kernel for each operator."""
    written = _elements(layer.output_bytes, layer.activation_bits)
    found = []
    for name in layer.fused:
        count = _elements(layer.input_bytes, layer.activation_bits) if name == "pad" else written
        channels = layer.nest.K * layer.nest.G if layer.nest is not None and name in _FUSED_KERNEL else 0
        operator = _FUSED_KERNEL.get(name, name)
        found.append(
            Kernel(
                operator=operator,
                dtype=dtype,
                vector_ops=count,
                input_elements=count + channels,
                output_elements=count,
            )
        )
    return tuple(found)


def sequence_kernel(members: Sequence[Layer], dtype: str) -> Kernel | None:
    """The library's fused kernel of one recurrent group, or none where the group is not a cell that we know.

    Its nest is one hidden gate's; the input half is not part of it (those are layers of their own).
    """
    gates = [layer for layer in members if layer.operator == "hidden_gate"]
    others = [layer.operator for layer in members if layer.operator != "hidden_gate"]
    nests = {layer.nest for layer in gates}
    if len(nests) != 1 or len(gates) not in _CELLS:
        return None
    if others not in (["cell_update"], ["cell_update", "projection"]):
        return None
    operator = _CELLS[len(gates)] + ("_projected" if "projection" in others else "")
    return Kernel(operator=operator, dtype=dtype, form="sequence", steps=gates[0].steps, nest=gates[0].nest)


def kernels_of(graphs: Sequence[LayerGraph], dtypes: Sequence[str]) -> tuple[Kernel, ...]:
    """Every distinct kernel of some workloads, in order of first appearance; unsupported layers have none."""
    found: dict[Kernel, None] = {}
    for dtype in dtypes:
        for graph in graphs:
            for layer in graph.layers:
                if layer.supported and (layer.nest or layer.input_bytes or layer.output_bytes):
                    found |= dict.fromkeys((kernel_runs(layer, dtype).kernel, *fused_kernels(layer, dtype)))
            for members in graph.groups.values():
                kernel = sequence_kernel(members, dtype)
                if kernel is not None:
                    found[kernel] = None
    return tuple(found)


def _joined(nest: LoopNest, steps: int) -> LoopNest:
    """The nest of all steps at once: more rows of a matrix product, a larger batch of anything else."""
    if steps == 1:
        return nest
    if nest.OY == nest.FY == nest.FX == nest.stride_x == 1 and nest.input_width == nest.OX:
        return replace(nest, OX=nest.OX * steps, input_width=nest.input_width * steps)
    return replace(nest, B=nest.B * steps)


def _elements(size_bytes: int, bits: int) -> int:
    """Elements that some bytes hold, rounded up."""
    return -(-size_bytes * BITS_PER_BYTE // bits)
