"""What a notebook types to decide between systems, and what it does with the decision."""

from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.api.reproduce import Resumed
from mensa_sim.api.shown import with_methods
from mensa_sim.io.atomic import refuse_unwritable
from mensa_sim.report.page.quantities import factor_text
from mensa_sim.study.decide.decide import decide as decide_request
from mensa_sim.study.decide.request import DecideRequest
from mensa_sim.study.decide.result import DecideResult
from mensa_sim.study.request.command import results_folder


class Decision(Resumed, DecideResult):
    """Which system is better: `best`, its `lead`, `certain.share` of the worlds, and what `turns` it."""

    __slots__ = ()
    shown_by = "decide.page:DECISION"

    @property
    def _title(self) -> str:
        return (
            f"{self.best} over {self.runner_up}, {factor_text(self.lead)}, best in {self.certain.share:.0%} of worlds"
        )

    @property
    def folder(self) -> Path:
        """A folder of workloads, systems and the choices that are no defaults."""
        return results_folder("-".join((*self.shares, "decide")), self.choices)


@asks(DecideRequest)
def decide(request: DecideRequest) -> Decision:
    """Which of several systems is the better one for several workloads, each with its best schedule.

    Says by how much, in how many of the worlds that the technology leaves open, and at which value of which price,
    choice or field it turns. Output folder and jobs are as for `reproduce`.
    """
    refuse_unwritable(request.output)
    return with_methods(decide_request(request), Decision)
