"""Mean cost of each family on each accelerator."""

from dataclasses import replace

from chains import chain, unit

from mensa_sim.schedule.affinity import affinities
from mensa_sim.schedule.unit import Refusal


def test_means_run_over_units_that_can_run_there_and_refusals_are_counted() -> None:
    refused = unit("b", 300, 50, family=3)
    refused = replace(refused, options=(Refusal(reason="no"), refused.option(1)))
    problem = chain(unit("a", 100, 10, family=3), refused, unit("pool", 1, 1), objective="latency")
    near, far = affinities([problem, problem])
    assert (near.family, near.accelerator, near.units, near.refused, near.latency_ps) == (3, "near", 2, 2, 100.0)
    assert (far.units, far.refused, far.latency_ps, far.energy_pj, far.value) == (4, 0, 30.0, 30.0, 30.0)


def test_a_family_that_runs_nowhere_there_has_no_mean() -> None:
    layer = unit("a", 100, 10, family=1)
    problem = chain(replace(layer, options=(Refusal(reason="no"), layer.option(1))))
    assert affinities([problem])[0].latency_ps is None
