"""Data plans are kept on disk: found by all that they depend on, never by less, and the same as if planned anew."""

from pathlib import Path

import pytest

from mensa_sim.cost.prices.kept import FILE, KeptPrices
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.flow import FlowName
from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.study.run import flows
from mensa_sim.study.run.placement import Goal, place
from mensa_sim.workload.families.clusters import Cluster, families_yaml
from mensa_sim.workload.load import load_workload

PREFETCH_ALONE = Options(activations=True, parameters="best-value")


class Planner:
    """Plans of a small network by commands that share a file of prices, and how many of them were sought."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self.sought = 0

    def plan(
        self,
        *settings: str,
        workload: str = "small_cnn",
        system: str = "mensa_g",
        flow: FlowName = "homes",
        on_chip: Options = FULL,
        scheduler: str = "mensa",
        objective: str = "edp",
        families: Path | None = None,
        deadline_ps: int | None = None,
    ) -> DataPlan:
        memo = PriceMemo(KeptPrices(self._file))
        goal = Goal(
            scheduler=scheduler, objective=objective, flow=flow, families_file=families, deadline_ps=deadline_ps
        )
        placed = place(load_workload(workload), load_system(system, settings), goal, memo)
        return flows.data_of(flows.with_data_plan(placed, flow, on_chip, goal, memo))


@pytest.fixture
def planner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    made, seek = Planner(tmp_path), flows._with_new_plan

    def counted(*given, **named):
        made.sought += 1
        return seek(*given, **named)

    monkeypatch.setattr(flows, "_with_new_plan", counted)
    return made


def test_what_one_has_planned_the_next_finds_as_it_was(planner: Planner) -> None:
    first = planner.plan()
    assert len(first.homes) > 3
    assert any(kept.layers for kept in first.parameters)
    assert planner.plan() == first
    assert planner.sought == 1


def test_a_plan_is_found_by_all_that_it_depends_on(planner: Planner) -> None:
    asked = (
        {},
        {"flow": "layers"},
        {"on_chip": PREFETCH_ALONE},
        {"objective": "energy"},
        {"deadline_ps": 10**9},
        {"scheduler": "single:pascal"},
        {"workload": "mnist_cnn"},
        {"system": "edge_tpu"},
    )
    settings = ("accelerators.jacquard.buffers.activation.capacity_bytes=8192", "memories.lpddr4.efficiency=0.7")
    plans = [planner.plan(**each) for each in asked] + [planner.plan(each) for each in settings]
    assert planner.sought == len(plans)
    assert [planner.plan(**each) for each in asked] + [planner.plan(each) for each in settings] == plans
    assert planner.sought == len(plans)


def test_the_plan_of_an_optimum_is_found_by_the_families_of_its_rivals(planner: Planner, tmp_path: Path) -> None:
    large, small = (10.0, 1.0, 12.0, 0.0), (5.0, 5.0, 12.0, 0.0)
    files = []
    for centres in ([large], [large, small], [large]):
        found = enumerate(centres, 1)
        clusters = {n: Cluster(number=n, description="", centre=centre, spread=(1.0,) * 4) for n, centre in found}
        files.append(tmp_path / f"{len(files)}.yaml")
        files[-1].write_text(families_yaml(clusters))
    for scheduler, sought in (("optimal", [1, 2, 2]), ("greedy", [3, 3, 3])):
        for file, times in zip(files, sought, strict=True):
            planner.plan(scheduler=scheduler, families=file)
            assert planner.sought == times


@pytest.mark.parametrize(("system", "flow"), [("mensa_g", "stacks"), ("gpu_v100", "homes")])
def test_stacks_and_measured_devices_are_planned_anew(planner: Planner, system: str, flow: FlowName) -> None:
    for times in (1, 2):
        planner.plan(workload="mnist_cnn", system=system, flow=flow, scheduler="greedy")
        assert planner.sought == times


def test_systems_that_differ_in_a_link_share_all_of_a_plan_but_its_copies() -> None:
    memo, graph, plans = PriceMemo(), load_workload("small_cnn"), []
    where = {layer.name: ("pascal", "jacquard")[place % 2] for place, layer in enumerate(graph.layers)}
    for link in ([], ["links.0.bandwidth_bytes_per_s=1000000000"], ["links.0.latency_ps=77"]):
        system = load_system("mensa_g", link)
        shared, alone = (make_plan(graph, price(graph, system, memo=known), where) for known in (memo, None))
        assert shared == alone
        plans.append(shared)
    assert plans[0].units is plans[1].units is plans[2].units
    assert plans[0].copies != plans[1].copies != plans[2].copies
