"""What a notebook does with the explanation of a layer."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.api.shown import DrawnResult
from mensa_sim.report.page.output_folder import MARKER
from mensa_sim.study.explain.explain import ExplainResult
from mensa_sim.study.request.command import results_folder

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
