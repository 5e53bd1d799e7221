"""Data plans on disk, beside the prices: what one command has planned, no other plans again."""

from dataclasses import asdict
from functools import cache

from mensa_sim.flow import HOMES, LAYERS, FlowName
from mensa_sim.hardware.accelerator import Device
from mensa_sim.io.pack import Pack
from mensa_sim.io.store import digest_of
from mensa_sim.objective import objective_named
from mensa_sim.schedule.data_plan import DataPlan, Home, KeptParameters
from mensa_sim.simulate.plan.options import Options
from mensa_sim.study.run.placement import Placement
from mensa_sim.workload.graph_json import graph_to_data

_MADE_BY = "mensa_sim.study.run.flows"
"""The module that, with all that it imports, makes a plan of a placement."""


class KeptPlan:
    """The place on disk of the plan of one placement, by all that the plan depends on.

    Whole layers alone: stacks and pieces have prices of their own. Where a device is measured there is none, as its
    prices depend on more than the system.
    """

    def __init__(self, placement: Placement, flow: FlowName, on_chip: Options, pack: Pack | None) -> None:
        system = placement.costs.system
        whole = flow in {LAYERS, HOMES} and not any(isinstance(each.spec, Device) for each in system.accelerators)
        self._pack = pack if whole else None
        self._name = _name(placement, flow, on_chip) if self._pack else b""

    def get(self) -> DataPlan | None:
        """The plan, if it is there."""
        data = self._pack.get_data(self._name) if self._pack else None
        if data is None:
            return None
        homes = tuple(Home(**home) for home in data.pop("homes"))
        parameters = tuple(KeptParameters(**{**each, "layers": tuple(each["layers"])}) for each in data["parameters"])
        return DataPlan(**{**data, "homes": homes, "parameters": parameters})

    def put(self, plan: DataPlan) -> None:
        """Keep the plan."""
        if self._pack:
            data = {name: value for name, value in asdict(plan).items() if name not in {"stacks", "splits"}}
            self._pack.put_data(self._name, data)


def _name(placement: Placement, flow: FlowName, on_chip: Options) -> bytes:
    costs, problem = placement.costs, placement.problem
    goal = (costs.objective, objective_named(problem.objective), problem.static_pj_per_ps, flow, on_chip)
    return bytes.fromhex(
        digest_of(graph_to_data(costs.graph), costs.system.everything, placement.schedule.assignment, goal, _made_by())
    )


@cache
def _made_by() -> str:
    return digest_of(module=_MADE_BY, libraries=("numpy", "scipy"))
