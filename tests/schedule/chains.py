"""Hand-made problems: a chain of units on two accelerators, the second beside another memory."""

from mensa_sim.hardware.routes import Leg, Route
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option, Unit, UnitTensor

LINK = Route(legs=(Leg(resource="link", bandwidth_bytes_per_s=1e12, pj_per_byte={"link": 2.0}, latency_ps=10),))
"""10 ps, then 1 ps a byte; 2 pJ a byte."""


def unit(name: str, *latencies_ps: int, **fields: object) -> Unit:
    """A unit whose energy is 1 pJ a ps and whose compute time is its latency."""
    options = tuple(Option(latency_ps=time, energy_pj=float(time), compute_ps=time) for time in latencies_ps)
    return Unit(name=name, layers=(name,), options=options, **fields)  # type: ignore[arg-type]


def chain(*units: Unit, sizes_bytes: tuple[int, ...] = (), **fields: object) -> Problem:
    """Units one after another; `sizes_bytes` flow between them, 100 each if not given."""
    sizes = sizes_bytes or (100,) * (len(units) - 1)
    tensors = tuple(UnitTensor(producer=i, readers=(i + 1,), size_bytes=size) for i, size in enumerate(sizes))
    settings: dict[str, object] = {
        "name": "chain",
        "accelerators": ("near", "far"),
        "memories": ("m0", "m1"),
        "routes": {("m0", "m1"): LINK, ("m1", "m0"): LINK},
        "static_mw": 0.0,
        "units": units,
        "tensors": tensors,
    }
    return Problem(**{**settings, **fields})  # type: ignore[arg-type]
