"""What a phase of a language model takes on a device: the sum of what its parts take, one after the other.

Its products are launched, its weights, keys and values stream, weights of few bits are unpacked, and products of
weights and of two activations have rates of their own. The runtime adds what no layer has: a token is chosen among the
vocabulary, and a prompt is received.
"""

import math

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.datasheet import DeviceWork
from mensa_sim.records import dataclass

THREAD_BYTES_PER_S = 1e10
"""What a thread's rates are over, as one core is as fast beside 800 GB/s as beside 17: about what one streams, a choice
of scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPhase:
    """A prompt, or one decoding step."""

    work: DeviceWork
    bytes_per_s: float
    """The memory's quoted bandwidth."""
    threads: int | None = None
    """Of a CPU, those that work, where that is said."""

    @property
    def parts(self) -> tuple[float, ...]:
        """What its time is the sum of, before prices, in the order of `USUAL`: seconds at a constant of one."""
        work, bandwidth = self.work, self.bytes_per_s
        computed = bandwidth if self.threads is None else self.threads * THREAD_BYTES_PER_S
        return (
            1e-6 * work.launches,
            work.streamed_bytes / bandwidth,
            work.cache_bytes / bandwidth,
            work.packed_weights / computed,
            work.macs / computed,
            work.attention_macs / computed,
            1e-9 * work.logits,
            1e-3 * work.prompts,
        )

    @property
    def read_bytes(self) -> int:
        """What crosses the memory."""
        return self.work.streamed_bytes + self.work.cache_bytes


USUAL = {
    "launch_us": (8.0, 1.0),
    "weight_efficiency": (0.75, 0.25),
    "cache_efficiency": (0.45, 0.7),
    "unpack_weights_per_byte": (6.0, 1.2),
    "macs_per_byte": (30.0, 1.5),
    "attention_macs_per_byte": (15.0, 1.5),
    "logit_ns": (5.0, 1.0),
    "prompt_ms": (10.0, 1.5),
}
"""By constant, what devices usually reach and the deviation of its logarithm from device to device, both rounded, read
off some 300 published runs on 40 devices. Rates are over the memory's bandwidth, so that one value serves phones and
servers."""

SLOWNESS = (1.0, 0.7)
"""Likewise of a factor that all parts share but the memory's, as a clock or a mode of power gives: a choice."""

_SIGN = np.array([1.0 if name.rpartition("_")[2] in {"us", "ns", "ms"} else -1.0 for name in USUAL])
"""By constant, whether a part costs it (a time), or its inverse (a rate)."""
_SHARE = np.array([name in {"weight_efficiency", "cache_efficiency"} for name in USUAL])

MIX: Floats = np.column_stack([np.diag(_SIGN), np.where(_SHARE, 0.0, 1.0)])
"""How each logarithm, of the constants and of slowness, enters that of each part's price: [parts, logarithms]."""

MOST_LOG: Floats = np.append(np.where(_SHARE, 0.0, math.inf), math.inf)
"""The largest of each logarithm: no share of the bandwidth is above one."""


def prices(logs: Floats) -> Floats:
    """What each part costs at logarithms, which lie along the last axis."""
    found: Floats = np.exp(np.minimum(logs, MOST_LOG) @ MIX.T)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedDevice:
    """The constants of a device under one runtime, with weights of one format."""

    launch_us: float
    """Of each product, small operators around it included."""
    weight_efficiency: float
    """Share of the bandwidth at which weights and activations stream."""
    cache_efficiency: float
    """Likewise of keys and values."""
    unpack_weights_per_byte: float
    """Narrow weights that are unpacked while the memory could give one byte."""
    macs_per_byte: float
    """Likewise of products with weights."""
    attention_macs_per_byte: float
    """Likewise of products of two activations."""
    logit_ns: float
    """Of each token of the vocabulary, when one is chosen."""
    prompt_ms: float
    """Of each prompt, whatever its length."""

    @classmethod
    def at(cls, logs: Floats) -> "FittedDevice":
        """At logarithms of constants, slowness last, which enters them."""
        return cls(**dict(zip(USUAL, (prices(logs) ** _SIGN).tolist(), strict=True)))

    def seconds(self, phase: RunPhase) -> float:
        """What a phase takes."""
        return float(np.array(phase.parts) @ np.array([getattr(self, name) for name in USUAL]) ** _SIGN)
