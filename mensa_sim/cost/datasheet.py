"""What a layer costs on a device that is known by its datasheet, and by the rates that it was seen to reach."""

import math

from mensa_sim.cost.layer_cost import MEMORY, LayerCost, Traffic
from mensa_sim.cost.refusals import refusal
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.accelerator import DatasheetDevice, DeviceRates
from mensa_sim.hardware.memory import Memory
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, leakage_pj, seconds_to_ps
from mensa_sim.workload.layer import Layer

PACKED_BITS, UNPACKED_BITS = 4, 8
"""Up to how many bits all weights must be unpacked, and from how many on they are multiplied as they lie in memory;
between them a model is a mixture of both: choices, as the runtimes behind the fits do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWork:
    """What a layer, or many, ask of a device."""

    launches: int = 0
    """Products."""
    macs: int = 0
    """Of products with parameters."""
    attention_macs: int = 0
    """Of products of two activations."""
    vector_ops: int = 0
    streamed_bytes: int = 0
    """Weights, and activations but those that pass inside an attention: all runtimes behind the fits fuse it."""
    cache_bytes: int = 0
    """Keys and values."""
    packed_weights: int = 0
    """Weights that are narrower than numbers that the device multiplies."""
    logits: int = 0
    """Tokens of the vocabulary that the runtime looks at to choose one."""
    prompts: int = 0
    """That the runtime receives."""

    def __add__(self, other: "DeviceWork") -> "DeviceWork":
        return DeviceWork(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})

    def times(self, count: int) -> "DeviceWork":
        """So many of it; of what is taken away, fewer than none."""
        return DeviceWork(**{name: count * getattr(self, name) for name in self.__slots__})

    def runtime_seconds(self, rates: DeviceRates) -> float:
        """Time that its runtime takes besides: launches, tokens chosen, prompts received."""
        launches = self.launches * rates.launch_us.value * 1e-6
        logits = self.logits * rates.logit_ns.value * 1e-9 if rates.logit_ns else 0.0
        return launches + logits + (self.prompts * rates.prompt_ms.value * 1e-3 if rates.prompt_ms else 0.0)

    def compute_seconds(self, rates: DeviceRates, macs_per_s: float) -> float:
        """Time that its products and its operations on single elements take."""
        attention = rates.attention_efficiency or rates.compute_efficiency
        products = (self.macs / rates.compute_efficiency.value + self.attention_macs / attention.value) / macs_per_s
        return products + (self.vector_ops / rates.vector_ops_per_s.value if rates.vector_ops_per_s else 0.0)

    def stream_seconds(self, rates: DeviceRates, bytes_per_s: float) -> float:
        """Time that its bytes take, and the unpacking of its weights."""
        streaming = self.streamed_bytes / (bytes_per_s * rates.weight_efficiency.value)
        cache = self.cache_bytes / (bytes_per_s * rates.cache_efficiency.value)
        unpack = rates.unpack_weights_per_s
        return streaming + cache + (self.packed_weights / unpack.value if unpack else 0.0)


def device_work(layer: Layer) -> DeviceWork:
    """What a layer asks of a device; parameters are read once, and have the bits that they take with their scales."""
    nest, narrow = layer.nest, 0
    if nest is not None and layer.parameters:
        narrow = packed_weights(nest.weight_elements, BITS_PER_BYTE * layer.read_parameter_bytes / nest.weight_elements)
    return DeviceWork(
        launches=layer.steps if nest else 0,
        macs=layer.macs if layer.parameters else 0,
        attention_macs=0 if layer.parameters else layer.macs,
        vector_ops=layer.vector_ops,
        streamed_bytes=layer.read_parameter_bytes + sum(_activations_moved(layer)),
        cache_bytes=layer.state_bytes,
        packed_weights=narrow,
        logits=nest.output_elements if layer.chooses and nest else 0,
        prompts=layer.prompts,
    )


def _activations_moved(layer: Layer) -> tuple[int, int]:
    """Bytes of inputs and outputs that cross the memory, keys and values aside: none inside an attention."""
    if layer.in_attention:
        return 0, 0
    return layer.input_bytes - layer.state_bytes, layer.output_bytes


def packed_weights(weights: int, bits: float) -> int:
    """Those of so many weights that are unpacked before they are multiplied, at so many bits in the mean.

    >>> [packed_weights(100, bits) for bits in (2, 4, 5, 8, 16)]
    [100, 100, 75, 0, 0]
    """
    return round(weights * min(1.0, max(0.0, (UNPACKED_BITS - bits) / (UNPACKED_BITS - PACKED_BITS))))


def datasheet_cost(layer: Layer, spec: DatasheetDevice, memory: Memory) -> LayerCost:
    """What the runtime takes, then all that streams, then the products at the rate it reaches, one after the other.

    `InfeasibleError` where the device states no power: a total without its energy would count it as zero.
    """
    refused = refusal(layer, spec)
    if refused is not None or not layer.supported:
        raise InfeasibleError(refused or f"it does not run {layer.operator}")
    if spec.power_mw is None:
        raise InfeasibleError("its power is not stated, and no total may leave its energy out; give it a power_mw")
    work, rates = device_work(layer), spec.reached
    runtime = work.runtime_seconds(rates)
    compute = work.compute_seconds(rates, spec.macs_per_s)
    stream = work.stream_seconds(rates, memory.bandwidth_bytes_per_s)
    seconds = runtime + stream + compute
    inputs, outputs = _activations_moved(layer)
    moved = (
        Traffic(operand="weight", level=MEMORY, read_bytes=layer.read_parameter_bytes, write_bytes=0),
        Traffic(operand="input", level=MEMORY, read_bytes=inputs + work.cache_bytes, write_bytes=0),
        Traffic(operand="output", level=MEMORY, read_bytes=0, write_bytes=outputs),
    )
    return LayerCost(
        layer=layer.name,
        accelerator=spec.name,
        source="datasheet",
        macs=layer.macs,
        clock_hz=spec.clock_hz,
        compute_cycles=_cycles(seconds if compute > stream else runtime + compute, spec),
        buffer_cycles=_cycles(seconds if compute <= stream else stream, spec),
        spatial_utilization=1.0 if layer.macs else 0.0,
        peak_macs_per_s=spec.peak_macs_per_s,
        traffic=tuple(each for each in moved if each.read_bytes or each.write_bytes),
        dynamic_pj={"device": _dynamic_pj(work, spec, spec.power_mw.value, seconds, streams=stream >= compute)},
        mapping="datasheet: runtime, streaming, products",
        caveats=(f"times from its datasheet and from rates that it was seen to reach ({rates.launch_us.source})",),
    )


def _dynamic_pj(work: DeviceWork, spec: DatasheetDevice, power_mw: float, seconds: float, *, streams: bool) -> float:
    """Energy above idle power: of the bits where they set the time and their energy is known, else power times time."""
    if streams and spec.streamed_pj_per_bit is not None:
        return BITS_PER_BYTE * (work.streamed_bytes + work.cache_bytes) * spec.streamed_pj_per_bit.value
    idle_mw = 0.0 if spec.idle_mw is None else spec.idle_mw.value
    return leakage_pj(power_mw - idle_mw, seconds_to_ps(seconds))


def _cycles(seconds: float, spec: DatasheetDevice) -> int:
    return math.ceil(round(seconds * spec.clock_hz, 3))  # a float's last digits are no cycle
