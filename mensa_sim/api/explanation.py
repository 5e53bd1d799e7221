"""Placing a workload without simulating it, why a layer runs where it does, and what a notebook does with that."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.api.asks import asks
from mensa_sim.api.session import refuse_scenario
from mensa_sim.api.shown import DrawnResult, with_methods
from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.flow import LAYERS
from mensa_sim.report.page.output_folder import MARKER
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.study.explain.explain import ExplainResult, Move
from mensa_sim.study.explain.explain import moves as moves_of
from mensa_sim.study.explain.placed import explain_placed
from mensa_sim.study.request.command import results_folder
from mensa_sim.study.run.flows import with_data_plan
from mensa_sim.study.run.given import graph_given, system_given
from mensa_sim.study.run.placement import Placement
from mensa_sim.study.run.placement import place as place_graph
from mensa_sim.study.run.request import PlaceRequest
from mensa_sim.study.run.scheduling import goal_asked

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mensa_sim.report.page.drawn import Drawn


class Explanation(DrawnResult, ExplainResult):
    """Why a layer runs where it does: `places` with its cost everywhere, the `runner_up`, and what would change it.

    >>> import mensa_sim as ms
    >>> ms.explain(ms.place("small_cnn", scheduler="single:pascal"), "head.linear")
    <Explanation: head.linear on pascal>
    """

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{self.layer} on {self.accelerator}"

    @property
    def folder(self) -> Path:
        """A folder of the layer's name."""
        return results_folder("explain", {"layer": self.layer})

    def table(self) -> "RenderableType":
        """The layer on every accelerator, the runner-up, and what its levels hold and move."""
        from mensa_sim.report.explain.explain import explanation_tables

        return explanation_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.explain.page import explain_figures

        return explain_figures(self)

    def files(self) -> Mapping[str, str]:
        """report.html and summary.json: name to text."""
        from mensa_sim.report.explain.explain import explanation_json
        from mensa_sim.report.explain.page import explanation_html
        from mensa_sim.study.run.provenance import versions

        return {"report.html": explanation_html(self, versions()), MARKER: explanation_json(self, ())}

    def _csv(self) -> str:
        from mensa_sim.report.explain.explain import places_csv

        return places_csv(self)


@asks(PlaceRequest)
def place(request: PlaceRequest) -> Placement:
    """Price and schedule a workload without simulating it: costs, problem and schedule.

    >>> import mensa_sim as ms
    >>> placement = ms.place("small_cnn", scheduler="optimal")
    >>> placement.schedule.gap
    0.0
    >>> placement.problem.accelerators
    ('pascal', 'pavlov', 'jacquard')
    """
    refuse_scenario(request)
    graph = graph_given(request)
    system = system_given(request.system, request.overrides)
    return place_graph(graph, system, goal_asked(request, system), shared_memo(cache=request.cache))


def explain(placement: Placement, layer: str) -> Explanation:
    """Why a layer runs where it does: its cost everywhere, the runner-up, and what it would need to win.

    Under a flow beyond the first, also where its output lives until it is read, and why it left the chip if it did;
    under one with stacks, in which it runs, or in which pieces, or why it runs by itself.

    >>> import mensa_sim as ms
    >>> ms.explain(ms.place("small_cnn", scheduler="single:pascal"), "head.linear").accelerator
    'pascal'
    """
    goal = placement.goal
    planned = placement if goal.flow == LAYERS else with_data_plan(placement, goal.flow, FULL, goal)
    return with_methods(explain_placed(planned, layer), Explanation)


def moves(placement: Placement) -> tuple[Move, ...]:
    """Every tensor that is read on another accelerator than it was made on."""
    return moves_of(placement.problem, placement.schedule)
