"""Scheduling problems that hypothesis draws: several accelerators and memories, branches, refusals, pins."""

from hypothesis import strategies as st

from mensa_sim.hardware.routes import Leg, Route
from mensa_sim.objective import OBJECTIVES
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option, Refusal, Unit, UnitTensor

LATENCIES = st.integers(0, 1000) | st.integers(1, 10**9)
ENERGIES = st.floats(0, 1000, width=32) | st.integers(0, 20).map(float)
BANDWIDTHS, PJ_PER_BYTE = st.sampled_from([1e11, 3e12]), st.floats(0, 4, width=32)
STATIC_MW, HOST_PS = st.sampled_from([0.0, 1.0, 30.0, 250.0, 780.0]), st.sampled_from([0, 0, 700, 10**8])
OBJECTIVE = st.sampled_from(sorted(OBJECTIVES))
UP_TO_3, UP_TO_4, UP_TO_5 = (st.integers(0, most) for most in (3, 4, 5))
FAMILIES = st.none() | st.integers(1, 5)
PARAMETER_BYTES, MACS = st.integers(0, 2000), st.integers(0, 100_000)
"""Made once: hypothesis asks each strategy anew what it is."""


def _unit(draw: st.DrawFn, index: int, accelerators: int) -> Unit:
    """A unit that at least one accelerator runs, a recurrent group of three layers one time in four."""
    options: list[Option | Refusal] = []
    for _ in range(accelerators):
        if draw(UP_TO_4) == 0:
            options.append(Refusal(reason="no buffer holds one tile"))
        else:
            latency_ps = draw(LATENCIES)
            compute_ps, memory_ps = draw(st.integers(0, latency_ps)), draw(st.integers(0, latency_ps))
            options.append(
                Option(
                    latency_ps=latency_ps,
                    energy_pj=draw(ENERGIES),
                    compute_ps=compute_ps,
                    memory_ps=memory_ps,
                    phases=draw(st.sampled_from(((), ((latency_ps, memory_ps),), ((0, memory_ps),)))),
                )
            )
    if all(isinstance(option, Refusal) for option in options):
        options[draw(st.integers(0, accelerators - 1))] = Option(latency_ps=draw(LATENCIES), energy_pj=draw(ENERGIES))
    able = [number for number, option in enumerate(options) if isinstance(option, Option)]
    name = f"u{index}"
    layers = tuple(f"{name}.{part}" for part in "abc") if draw(UP_TO_3) == 0 else (name,)
    return Unit(
        name=name,
        layers=layers,
        options=tuple(options),
        family=draw(FAMILIES),
        parameter_bytes=draw(PARAMETER_BYTES),
        macs_per_step=draw(MACS),
        pin=draw(st.sampled_from(able)) if draw(UP_TO_5) == 0 else None,
    )


@st.composite
def problems(
    draw: st.DrawFn, max_units: int = 7, max_accelerators: int = 3, executions: tuple[str, ...] = ()
) -> Problem:
    """A feasible problem without a deadline."""
    accelerators = draw(st.integers(1, max_accelerators))
    memories = tuple(f"m{draw(st.integers(0, 1))}" for _ in range(accelerators))
    count = draw(st.integers(1, max_units))
    tensors = []
    for producer in range(count - 1):
        later = st.sets(st.integers(producer + 1, min(count - 1, producer + 4)), min_size=1, max_size=3)
        for readers in draw(st.lists(later, max_size=2)):
            size_bytes = draw(st.integers(0, 500))
            tensors.append(UnitTensor(producer=producer, readers=tuple(sorted(readers)), size_bytes=size_bytes))
    route = Route(
        legs=(
            Leg(resource="m", bandwidth_bytes_per_s=draw(BANDWIDTHS), pj_per_byte={"memory": 1.0}),
            Leg(
                resource="link",
                bandwidth_bytes_per_s=1e12,
                pj_per_byte={"link": draw(PJ_PER_BYTE)},
                latency_ps=draw(st.integers(0, 100)),
            ),
        )
    )
    return Problem(
        name="random",
        accelerators=tuple(f"a{number}" for number in range(accelerators)),
        memories=memories,
        units=tuple(_unit(draw, index, accelerators) for index in range(count)),
        tensors=tuple(tensors),
        routes={(s, t): route for s in ("m0", "m1") for t in ("m0", "m1") if s != t},
        static_mw=draw(STATIC_MW),
        families=draw(st.dictionaries(st.integers(1, 5), st.integers(0, accelerators - 1), max_size=3)),
        objective=draw(OBJECTIVE),
        execution=draw(st.sampled_from(executions or ("serial", "parallel"))),
        host_ps=draw(HOST_PS),
    )
