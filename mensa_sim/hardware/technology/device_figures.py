"""What a device could do at most, as its datasheet says it."""

import math

from mensa_sim.hardware.technology.node_scaling import NODES_NM, energy_factor
from mensa_sim.ranges import positive, share
from mensa_sim.records import dataclass

HOME_NM = 12.0
"""The node that energies of a MAC are quoted at."""
VDD_V = 0.8
"""A choice: the one supply voltage at which nodes are compared."""
BELOW_7_NM = 0.7
"""N5 against N7: 30 % less power at the same speed (Yeap et al., IEDM 2019); a 4 nm class is taken as one of 5 nm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFigures:
    """What a device could do at most, from its datasheet or from the table's own probes."""

    processors: int
    """Units that work on tiles of their own: SMs of a GPU, threads of a CPU."""
    cache_bytes: int
    """Last cache level that all processors share."""
    bytes_per_s: float
    """Memory bandwidth."""
    peak_macs_per_s: float
    """At the element type in question."""
    power_w: float | None = None
    """What its board may draw."""
    node_nm: float | None = None
    """Its process node."""
    base_share: float | None = None
    """Base clock over boost clock: what its power lasts for whatever it does. Absent: not stated."""

    def __post_init__(self) -> None:
        positive(self, "processors", "cache_bytes", "bytes_per_s", "peak_macs_per_s", "power_w", "node_nm")
        share(self, "base_share")

    def clock_excess(self, home_pj_per_mac: float) -> float:
        """By how much its boost clock exceeds the one that its power lasts for, where a MAC takes that at `HOME_NM`.

        A board that would draw more than it may runs slower in proportion, but never below its base clock.
        `ValueError` where power or node is absent.

        >>> v100 = DeviceFigures(processors=80, cache_bytes=6 * 2**20, bytes_per_s=9e11, peak_macs_per_s=7e12,
        ...                      power_w=250, node_nm=12, base_share=0.8)
        >>> [round(v100.clock_excess(pj), 2) for pj in (20.0, 40.0, 60.0)]
        [0.0, 0.12, 0.25]
        """
        if self.power_w is None or self.node_nm is None:
            raise ValueError("the clock that lasts depends on power_w and node_nm: give both")
        at_node = energy_factor(HOME_NM, VDD_V, max(self.node_nm, NODES_NM[0]), VDD_V)
        at_node *= BELOW_7_NM if self.node_nm < NODES_NM[0] else 1.0
        wanted_w = home_pj_per_mac * 1e-12 * at_node * self.peak_macs_per_s
        most = math.inf if self.base_share is None else 1 / self.base_share - 1
        return min(most, max(0.0, wanted_w / self.power_w - 1))
