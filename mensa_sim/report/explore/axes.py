"""Axes of metrics: milliseconds and millijoules instead of pico-units."""

from collections.abc import Mapping

from mensa_sim.units import PJ_PER_MJ, PS_PER_MS

SCALES: Mapping[str, tuple[float, str]] = {
    "_ps": (PS_PER_MS, "ms"),
    "_pj": (PJ_PER_MJ, "mJ"),
    "_mm2": (1, "mm²"),
}
"""By the end of a metric's name: what an axis divides by, and its unit."""


def axis(name: str) -> tuple[float, str]:
    """What the values of a metric are divided by on an axis, and the axis's title.

    >>> axis("latency_ps"), axis("tops_per_w"), axis("energy_pj (worst)")
    ((1000000000, 'latency (ms)'), (1, 'tops per w'), (1000000000, 'energy, worst (mJ)'))
    >>> axis("scenario.p99_ps")
    (1000000000, 'scenario p99 (ms)')
    """
    plain, _, how = name.partition(" ")
    end = next((end for end in SCALES if plain.endswith(end)), "")
    scale, unit = SCALES.get(end, (1, ""))
    words = plain.removesuffix(end).replace("_", " ").replace(".", " ") + (
        f", {how.strip('()').replace('_', ' ')}" if how else ""
    )
    return scale, f"{words} ({unit})" if unit else words
