"""Placing a workload without simulating it, why a layer runs where it does, and what a notebook does with that."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from mensa_sim.api.asks import asks
from mensa_sim.api.session import refuse_scenario
from mensa_sim.api.shown import Shown, with_methods
from mensa_sim.arguments import checked
from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.errors import UsageError
from mensa_sim.flow import LAYERS
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.study.explain.explain import ExplainResult, Move
from mensa_sim.study.explain.explain import moves as moves_of
from mensa_sim.study.explain.placed import explain_placed
from mensa_sim.study.request.command import made_of, results_folder
from mensa_sim.study.run.flows import with_data_plan
from mensa_sim.study.run.given import (
    generation_given,
    graph_given,
    system_files_given,
    system_given,
    workload_files_given,
)
from mensa_sim.study.run.placement import Placement, goal_asked
from mensa_sim.study.run.placement import place as place_graph
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.run.request import PlaceRequest


class Explanation(Shown, ExplainResult):
    """Why a layer runs where it does: `places` with its cost everywhere, the `runner_up`, and what would change it.

    >>> import mensa_sim as ms
    >>> ms.explain("small_cnn", "head.linear", scheduler="single:pascal")
    <Explanation: head.linear on pascal>
    """

    __slots__ = ()
    shown_by = "explain.page:EXPLANATION"

    @property
    def _title(self) -> str:
        return f"{self.layer} on {self.accelerator}"

    @property
    def folder(self) -> Path:
        """A folder of the layer's name."""
        return results_folder("explain", {"layer": self.layer})


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
    generation = generation_given(request.workload, allow_code=request.allow_code)
    # As the steps of an answer are planned, unless a draft's come between them.
    several = generation is not None and generation.draft is None and len(generation.generate.steps) > 1
    goal = replace(goal_asked(request, system), steady=several)
    placement = place_graph(graph, system, goal, shared_memo(cache=request.cache))
    files = (*workload_files_given(request.workload), *system_files_given(request.system))
    return replace(placement, made=Provenance(**made_of("explain", request, files)))


def explain(workload: object, layer: str, **choices: Any) -> Explanation:
    """Why a layer runs where it does: its cost everywhere, the runner-up, and what it would need to win.

    Of a workload, with the choices that `place` takes, or of what `place` gave, which then serves many layers.
    Under a flow beyond the first, also where its output lives until it is read, and why it left the chip if it did;
    under one with stacks, in which it runs, or in which pieces, or why it runs by itself.

    >>> import mensa_sim as ms
    >>> ms.explain(ms.place("small_cnn", scheduler="single:pascal"), "head.linear").accelerator
    'pascal'
    """
    placement = _placed(workload, choices)
    goal = placement.goal
    planned = placement if goal.flow == LAYERS else with_data_plan(placement, goal.flow, FULL, goal)
    made = placement.made
    return with_methods(
        replace(
            explain_placed(planned, layer),
            versions=made.versions,
            inputs=made.inputs,
            choices=made.choices,
            command=made.command and f"{made.command} --layer {shlex.quote(layer)}",
        ),
        Explanation,
    )


def moves(workload: object, **choices: Any) -> tuple[Move, ...]:
    """Every tensor that is read on another accelerator than it was made on; of what `explain` takes."""
    placement = _placed(workload, choices)
    return moves_of(placement.problem, placement.schedule)


def _placed(workload: object, choices: dict[str, Any]) -> Placement:
    if not isinstance(workload, Placement):
        return checked(place)(workload, **choices)
    if choices:
        raise UsageError(f"{', '.join(choices)}: it is placed already; give the choices to `place`")
    return workload
