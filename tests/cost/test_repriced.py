"""A pair that comes again at another speed costs what a fresh search says, to the last bit."""

from dataclasses import replace

from drawn import accelerators, nests
from hypothesis import given, settings
from hypothesis import strategies as st
from test_together import MEMORY, energy_of, layer_of

from mensa_sim.cost.prices.memo import Job
from mensa_sim.cost.prices.repriced import Contests
from mensa_sim.cost.prices.together import price_layers
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.objective import OBJECTIVES

SPEEDS = {"clock_hz": (10**3, 10**8, 3 * 10**9), "bandwidth_bytes_per_s": (10**5, 10**9, 10**12)}
"""From where leakage is all that counts to where nothing but the memory, or the array, does."""


def jobs_at(clock_hz: int, jobs: dict[str, Job]) -> dict[str, Job]:
    return {key: (layer, steps, replace(spec, clock_hz=clock_hz)) for key, (layer, steps, spec) in jobs.items()}


def drawn_jobs(data: st.DataObject, spec: PeArray) -> dict[str, Job]:
    """Layers of several shapes, widths, steps and rooms, and one without a nest."""
    jobs: dict[str, Job] = {}
    for number in range(data.draw(st.integers(1, 3))):
        layer = layer_of(data.draw(nests(largest=6)), data.draw(st.sampled_from([8, 8, 16])))
        part = data.draw(st.sampled_from([1, 1, 2, 5]))
        levels = [replace(level, capacity_bytes=max(1, level.capacity_bytes // part)) for level in spec.levels]
        steps = Steps(nest=layer.nest, steps=data.draw(st.sampled_from([1, 3])), resident=False)
        jobs[f"{number}"] = layer, steps, replace(spec, levels=tuple(levels))
    added = replace(next(iter(jobs.values()))[0], nest=None, operator="add", parameters=(), vector_ops=77)
    return {**jobs, "added": (added, Steps(nest=None, steps=1, resident=False), spec)}


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_a_price_at_another_speed_is_that_of_a_fresh_search(data: st.DataObject) -> None:
    """Of clocks, bandwidths, leakages and objectives, where any of them alone decides and where all do."""
    spec = data.draw(accelerators(deep=data.draw(st.integers(0, 5)) == 0))
    jobs, contests = drawn_jobs(data, spec), Contests()
    assert contests.priced(jobs, MEMORY, energy_of(spec), "edp") == {}
    for _ in range(3):
        clock_hz, bandwidth = (data.draw(st.sampled_from(each)) for each in SPEEDS.values())
        own, memory = jobs_at(clock_hz, jobs), replace(MEMORY, bandwidth_bytes_per_s=bandwidth)
        energy = replace(energy_of(spec), leakage_mw=data.draw(st.sampled_from([0.0, 1.0, 10.0**4])))
        objective = data.draw(st.sampled_from(list(OBJECTIVES)))
        fresh = dict(zip(own, price_layers(list(own.values()), memory, energy, objective), strict=True))
        again = contests.priced(own, memory, energy, objective)
        assert repr(again) == repr({key: fresh[key] for key in again})
        assert "added" in again
