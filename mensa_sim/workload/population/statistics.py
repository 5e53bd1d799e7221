"""What the paper publishes of its 24 models' layers, and what that leaves open (Boroumand et al., PACT 2021).

The models are not public. Their layers lie in five families (`workload.families.paper`), 97 % of them inside the
ranges; a gate averages 2.1 M parameters; a parameter buffer of 4 MB holds 11.9 % of the parameters of LSTMs and
transducers and one of eight times that 46.5 %. Nothing that the paper reports of time or energy stands here.

How the two shares are read: of all bytes of those models together, each model filling the buffer on its own,
sum(min(buffer, model)) / sum(model). Read as the mean over models of min(1, buffer / model) they ask for models of
over a gigabyte, hundreds of average gates, which no phone holds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from types import MappingProxyType

from mensa_sim.records import dataclass
from mensa_sim.units import MIB

_KINDS = {"cnn": 13, "lstm": 4, "transducer": 4, "rcnn": 3}
_HELD = {4 * MIB: 0.119, 32 * MIB: 0.465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The published figures that a population is drawn to have."""

    kinds: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(_KINDS))
    """Models of each kind; 13 CNNs are published, the rest of the mix is inferred (`workload.model_kinds`)."""
    gate_parameters: float = 2.1e6
    """Mean over all gates, input and hidden half together."""
    held: Mapping[int, float] = field(default_factory=lambda: MappingProxyType(_HELD))
    """Buffer's bytes to the share of the bytes of LSTMs and transducers that it holds."""
    inside_families: float = 0.97
    """Share of the layers that lie inside their family's ranges."""

    def __post_init__(self) -> None:
        if not all(0 < share < 1 for share in (*self.held.values(), self.inside_families)):
            raise ValueError("statistics: a share is not between 0 and 1")
        if self.gate_parameters <= 0 or any(count < 1 for count in self.kinds.values()):
            raise ValueError("statistics: a gate without parameters, or a kind without models")
        shares = [self.held[size_bytes] for size_bytes in sorted(self.held)]
        if len(shares) != 2 or shares[0] >= shares[1]:
            raise ValueError("statistics: held must be of two buffers, of which the larger one holds more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the statistics leave open: inclusive ranges that are drawn from evenly (sizes: evenly in their logarithm).

    Each is a choice, made from what mobile networks look like and before any result; a study varies them.
    """

    steps: tuple[int, int] = (32, 128)
    """Time steps of a sequence: 0.3 to 4 s of speech at 10 to 30 ms a frame."""
    labels_per_step: float = 0.25
    """Labels that a transducer emits for each frame."""
    prediction_share: float = 0.25
    """Share of a transducer's recurrent layers that stand in its prediction network."""
    first_depth: tuple[int, int] = (1, 4)
    """Standard convolutions at each resolution of family 1."""
    middle_depth: tuple[int, int] = (5, 11)
    """Inverted residual blocks: pointwise (family 2), depthwise (family 5), pointwise."""
    last_depth: tuple[int, int] = (2, 6)
    """Pairs of late convolutions (family 4), with a depthwise one between them where the ranges allow one."""
    expansion: tuple[int, int] = (2, 6)
    """Channels inside a block over those between blocks."""
    recurrent_layers: tuple[int, int] = (1, 3)
    """Recurrent layers after the convolutions of an RCNN."""

    def __post_init__(self) -> None:
        for name in ("steps", "first_depth", "middle_depth", "last_depth", "expansion", "recurrent_layers"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"choices: {name} {low} to {high} is no range of at least 1")
        if not 0 < self.labels_per_step <= 1 or not 0 < self.prediction_share < 1:
            raise ValueError("choices: labels_per_step and prediction_share are shares")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLaw:
    """Sizes of models in bytes: the smallest there is, and a log-normal part above it."""

    least_bytes: float
    mu: float
    sigma: float

    def size_bytes(self, quantile: float) -> float:
        """The size below which that share of the models lies."""
        from scipy.special import ndtri  # scipy takes half a second, and few studies draw anything

        return self.least_bytes + math.exp(self.mu + self.sigma * float(ndtri(quantile)))

    def held(self, buffer_bytes: float) -> float:
        """Expected share of the bytes that a buffer holds: E[min(buffer, size)] / E[size].

        >>> round(SizeLaw(least_bytes=1.0, mu=0.0, sigma=1e-9).held(1.5), 3)  # every model has two bytes
        0.75
        """
        from scipy.special import ndtr

        room_bytes = buffer_bytes - self.least_bytes
        mean_bytes = math.exp(self.mu + self.sigma**2 / 2)
        above = (math.log(room_bytes) - self.mu) / self.sigma
        part_bytes = mean_bytes * float(ndtr(above - self.sigma)) + room_bytes * float(ndtr(-above))
        return (self.least_bytes + part_bytes) / (self.least_bytes + mean_bytes)


def size_law(statistics: Statistics, least_bytes: float) -> SizeLaw:
    """The law whose expected shares are the two published ones: two equations, two unknowns."""
    return _law(tuple(sorted(statistics.held.items())), least_bytes)


@cache
def _law(shares: tuple[tuple[int, float], ...], least_bytes: float) -> SizeLaw:
    from scipy.optimize import root

    def miss(unknown: Sequence[float]) -> list[float]:
        law = SizeLaw(least_bytes=least_bytes, mu=unknown[0], sigma=math.exp(unknown[1]))
        return [law.held(size_bytes) - share for size_bytes, share in shares]

    found = root(miss, (math.log(least_bytes), 0.5))
    if not found.success:
        raise ValueError(f"no law of sizes above {least_bytes:.0f} bytes gives the shares {dict(shares)}")
    return SizeLaw(least_bytes=least_bytes, mu=float(found.x[0]), sigma=math.exp(float(found.x[1])))
