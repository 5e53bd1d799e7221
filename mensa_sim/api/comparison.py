"""Systems compared on a workload, on several, on a scenario, and what a notebook does with that."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mensa_sim.api.asks import asks
from mensa_sim.api.session import refuse_scenario
from mensa_sim.api.shown import Shown, with_methods
from mensa_sim.errors import UsageError
from mensa_sim.study.compare.compare import CompareResult, ScenarioCompareResult, SeveralResult, compare_several
from mensa_sim.study.compare.compare import compare as compare_one
from mensa_sim.study.compare.compare import compare_scenario as compare_streams
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.compare.systems import SideBySide
from mensa_sim.study.request.command import results_folder


class _SideBySide(Shown, SideBySide[Any]):
    """What a workload and a scenario on several systems have alike."""

    __slots__ = ()

    @property
    def _title(self) -> str:
        return f"{self.workload} on {', '.join(self.systems)}"

    @property
    def folder(self) -> Path:
        """A folder of workload or scenario, systems and the choices that are no defaults."""
        return results_folder(f"{self.workload}-compare", self.choices)


class Comparison(_SideBySide, CompareResult):
    """One workload on several systems: `systems` by name, `ratios(name)` against the first (above 1 is better).

    >>> import mensa_sim as ms
    >>> found = ms.compare("small_cnn", ["edge_tpu", "mensa_g"])
    >>> found.baseline, list(found.systems), found.ratios("edge_tpu").latency
    ('edge_tpu', ['edge_tpu', 'mensa_g'], 1.0)
    """

    __slots__ = ()
    shown_by = "compare.compare:COMPARISON"


class ScenarioComparison(_SideBySide, ScenarioCompareResult):
    """One scenario on several systems: `systems` by name, `ranking` with the best first.

    >>> import mensa_sim as ms
    >>> found = ms.compare_scenario("voice_assistant", ["edge_tpu", "mensa_g"])
    >>> found, sorted(found.ranking)
    (<ScenarioComparison: voice_assistant on edge_tpu, mensa_g>, ['edge_tpu', 'mensa_g'])
    """

    __slots__ = ()
    shown_by = "compare.scenario:SCENARIO_COMPARISON"


class Comparisons(Shown, SeveralResult):
    """Several workloads on several systems: `parts` by workload, `ranking` and means over all of them.

    >>> import mensa_sim as ms
    >>> found = ms.compare_workloads(["small_cnn", "lstm"], ["edge_tpu", "mensa_g"])
    >>> found, found.parts["lstm"].baseline, found.mean_ratios("edge_tpu").latency
    (<Comparisons: small_cnn, lstm on edge_tpu, mensa_g>, 'edge_tpu', 1.0)
    """

    __slots__ = ()
    shown_by = "compare.several:COMPARISONS"

    @property
    def _title(self) -> str:
        return f"{', '.join(self.parts)} on {', '.join(self.systems)}"

    @property
    def folder(self) -> Path:
        """A folder of workloads, systems and the choices that are no defaults."""
        return results_folder("compare", {"workloads": list(self.parts), **self.choices})


@asks(CompareRequest)
def compare(request: CompareRequest) -> Comparison:
    """One workload on several systems; the first is the baseline.

    >>> import mensa_sim as ms
    >>> ms.compare("small_cnn", ["edge_tpu", "mensa_g"])
    <Comparison: small_cnn on edge_tpu, mensa_g>
    """
    if len(request.workloads) > 1:
        raise UsageError("`compare` takes one workload, `compare_workloads` several")
    refuse_scenario(request, "`compare_scenario` takes one")
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
