"""What a notebook types to decide between systems, and what it does with the decision."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.api.asks import asks
from mensa_sim.api.reproduction import Resumed
from mensa_sim.api.shown import with_methods
from mensa_sim.io.atomic import refuse_unwritable
from mensa_sim.report.page.output_folder import MARKER
from mensa_sim.report.page.quantities import factor_text
from mensa_sim.study.decide.decide import decide as decide_request
from mensa_sim.study.decide.request import DecideRequest
from mensa_sim.study.decide.result import DecideResult
from mensa_sim.study.request.command import choices_of, results_folder

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mensa_sim.report.page.drawn import Drawn


class Decision(Resumed, DecideResult):
    """Which system is better: `best`, its `lead`, `certain.share` of the worlds, and what `turns` it."""

    __slots__ = ()

    @property
    def _title(self) -> str:
        return (
            f"{self.best} over {self.runner_up}, {factor_text(self.lead)}, best in {self.certain.share:.0%} of worlds"
        )

    @property
    def folder(self) -> Path:
        """A folder of workloads, systems and the choices that are no defaults."""
        return results_folder("-".join((*self.shares, "decide")), self.choices)

    def table(self) -> "RenderableType":
        """The verdict, the systems, how sure it is, and where it turns."""
        from mensa_sim.report.decide.files import decide_tables

        return decide_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.decide.figures import decide_figures

        return decide_figures(self)

    def files(self) -> Mapping[str, str]:
        """report.html, summary.json and tried.csv: name to text."""
        from mensa_sim.report.decide.files import decide_json, tried_csv
        from mensa_sim.report.decide.page import decide_html

        return {"report.html": decide_html(self), MARKER: decide_json(self), "tried.csv": tried_csv(self)}

    def _csv(self) -> str:
        from mensa_sim.report.decide.files import tried_csv

        return tried_csv(self)


@asks(DecideRequest)
def decide(request: DecideRequest) -> Decision:
    """Which of several systems is the better one for several workloads, each with its best schedule.

    Says by how much, in how many of the worlds that the technology leaves open, and at which value of which price,
    choice or field it turns. Output folder and jobs are as for `reproduce`.
    """
    if request.output is not None:
        refuse_unwritable(Path(request.output))
    return with_methods(decide_request(request), Decision)


def folder_of(request: DecideRequest) -> Path:
    """Where the command writes a decision: where it is told to, else a folder of what it is between."""
    if request.output is not None:
        return Path(request.output)
    return results_folder("-".join((*request.names, "decide")), choices_of(request))
