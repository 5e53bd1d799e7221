"""Systems compared on a workload, on several, on a scenario, and what a notebook does with that."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mensa_sim.api.asks import asks
from mensa_sim.api.session import refuse_scenario
from mensa_sim.api.shown import DrawnResult, with_methods
from mensa_sim.errors import UsageError
from mensa_sim.io.csv_text import csv_text
from mensa_sim.report.page.output_folder import MARKER
from mensa_sim.study.compare.compare import CompareResult
from mensa_sim.study.compare.compare import compare as compare_one
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.compare.scenarios import ScenarioCompareResult
from mensa_sim.study.compare.scenarios import compare_scenario as compare_streams
from mensa_sim.study.compare.several import SeveralResult, compare_several
from mensa_sim.study.request.command import results_folder

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mensa_sim.report.page.drawn import Drawn


class Comparison(DrawnResult, CompareResult):
    """One workload on several systems: `systems` by name, `ratios(name)` against the first (above 1 is better).

    >>> import mensa_sim as ms
    >>> found = ms.compare("small_cnn", ["edge_tpu", "mensa_g"])
    >>> found.baseline, list(found.systems), found.ratios("edge_tpu").latency
    ('edge_tpu', ['edge_tpu', 'mensa_g'], 1.0)
    """

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{self.workload} on {', '.join(self.systems)}"

    @property
    def folder(self) -> Path:
        """A folder of workload, systems and the choices that are no defaults."""
        return results_folder(f"{self.workload}-compare", self.choices)

    def table(self) -> "RenderableType":
        """One column a system."""
        from mensa_sim.report.compare.compare import compare_tables

        return compare_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.compare.compare import compare_figures

        return compare_figures(self)

    def files(self) -> Mapping[str, str]:
        """report.html and summary.json: name to text."""
        from mensa_sim.report.compare.compare import compare_html, compare_json

        return {"report.html": compare_html(self), MARKER: compare_json(self)}

    def _csv(self) -> str:
        return _csv_of(self.summary()["systems"])


class ScenarioComparison(DrawnResult, ScenarioCompareResult):
    """One scenario on several systems: `systems` by name, `ranking` with the best first.

    >>> import mensa_sim as ms
    >>> found = ms.compare_scenario("ar_headset", ["edge_tpu", "mensa_g"])
    >>> found, sorted(found.ranking)
    (<ScenarioComparison: ar_headset on edge_tpu, mensa_g>, ['edge_tpu', 'mensa_g'])
    """

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{self.workload} on {', '.join(self.systems)}"

    @property
    def folder(self) -> Path:
        """A folder of scenario, systems and the choices that are no defaults."""
        return results_folder(f"{self.workload}-compare", self.choices)

    def table(self) -> "RenderableType":
        """One column a system."""
        from mensa_sim.report.compare.scenario import scenario_compare_tables

        return scenario_compare_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.compare.scenario import scenario_compare_figures

        return scenario_compare_figures(self)

    def files(self) -> Mapping[str, str]:
        """report.html and summary.json: name to text."""
        from mensa_sim.report.compare.scenario import scenario_compare_html, scenario_compare_json

        return {"report.html": scenario_compare_html(self), MARKER: scenario_compare_json(self)}

    def _csv(self) -> str:
        return _csv_of(self.summary()["systems"])


class Comparisons(DrawnResult, SeveralResult):
    """Several workloads on several systems: `parts` by workload, `ranking` and means over all of them.

    >>> import mensa_sim as ms
    >>> found = ms.compare_workloads(["small_cnn", "lstm"], ["edge_tpu", "mensa_g"])
    >>> found, found.parts["lstm"].baseline, found.mean_ratios("edge_tpu").latency
    (<Comparisons: small_cnn, lstm on edge_tpu, mensa_g>, 'edge_tpu', 1.0)
    """

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{', '.join(self.parts)} on {', '.join(self.systems)}"

    @property
    def folder(self) -> Path:
        """A folder of workloads, systems and the choices that are no defaults."""
        return results_folder("compare", {"workloads": list(self.parts), **self.choices})

    def table(self) -> "RenderableType":
        """One row a workload."""
        from mensa_sim.report.compare.several import several_tables

        return several_tables(self)

    def _drawn(self) -> "Mapping[str, Drawn]":
        from mensa_sim.report.compare.several import several_figures

        return several_figures(self)

    def files(self) -> Mapping[str, str]:
        """report.html and summary.json: name to text."""
        from mensa_sim.report.compare.several import several_html, several_json

        return {"report.html": several_html(self), MARKER: several_json(self)}

    def _csv(self) -> str:
        parts = self.summary()["compared"]
        return _csv_of([{"workload": part["workload"], **each} for part in parts for each in part["systems"]])


@asks(CompareRequest)
def compare(request: CompareRequest) -> Comparison:
    """One workload on several systems; the first is the baseline.

    >>> import mensa_sim as ms
    >>> ms.compare("small_cnn", ["edge_tpu", "mensa_g"])
    <Comparison: small_cnn on edge_tpu, mensa_g>
    """
    if len(request.workloads) > 1:
        raise UsageError("`compare` takes one workload, `compare_workloads` several")
    refuse_scenario(request)
    return with_methods(compare_one(request), Comparison)


@asks(CompareRequest)
def compare_workloads(request: CompareRequest) -> Comparisons:
    """Several workloads on several systems; the first system is the baseline, means are geometric.

    >>> import mensa_sim as ms
    >>> ms.compare_workloads(["small_cnn", "lstm"], ["edge_tpu", "mensa_g"]).ranking
    ('mensa_g', 'edge_tpu')
    """
    for workload in request.workloads:
        refuse_scenario(replace(request, workload=workload))
    return with_methods(compare_several(request), Comparisons)


@asks(CompareRequest)
def compare_scenario(request: CompareRequest) -> ScenarioComparison:
    """One scenario on several systems; the first is the baseline, and every stream is placed anew on each."""
    return with_methods(compare_streams(request), ScenarioComparison)


def _csv_of(entries: Sequence[Mapping[str, Any]]) -> str:
    rows = [dict(_flat(entry)) for entry in entries]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return csv_text(names, ([row.get(name) for name in names] for row in rows))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
