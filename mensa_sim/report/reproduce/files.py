"""summary.json and models.csv of the reproduction: names as in the paper's table of figures."""

from collections.abc import Iterator

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import picked, present
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.study.reproduce.experiments.experiment import LISTED_EXPERIMENTS
from mensa_sim.study.reproduce.findings import Deviation
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.populations import DrawnFigure
from mensa_sim.study.reproduce.quantities import DEFINITIONS
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.table import MAIN, Row
from mensa_sim.study.run.result import ENERGY_COMPONENTS


def reproduce_data(result: ReproduceResult) -> dict[str, object]:
    """The reproduction as plain JSON values in a fixed order."""
    return {
        "rows": [_row(row, result.drawn.get(row.figure.name)) for row in result.rows if row.ours is not None],
        "not_computed": [{**_name(row), **picked(row, "paper=figure.value", "reason")} for row in result.missing],
        "statistics": [{**picked(each, "name", "published"), **_drawn(each.drawn)} for each in result.statistics],
        "deviations": [_deviation(each) for each in result.deviations],
        "agreements": [
            picked(each, "experiment=name", "change", "joint", "agreeing", "authors", "gained", "lost")
            for each in result.agreements
        ],
        **picked(result, "statements"),
        "definitions": dict(DEFINITIONS),
        "models": {each.model: each.kind for each in result.runs.models},
        **provenance_summary(result),
    }


def _name(row: Row) -> dict[str, object]:
    named = picked(row.figure, "quantity", "system", "against", "models", "unit", "tag")
    return named | {"models": row.ran or row.figure.models}


def _row(row: Row, drawn: DrawnFigure | None) -> dict[str, object]:
    ours = row.ours
    means = {} if ours is None else picked(ours, "geometric", "harmonic", "totals")
    otherwise = ("steady_state=steady", "activations_through_memory=plain", "optimal_schedule=optimal")
    beside = means | picked(row, *otherwise, "flow_homes=homes", "flow_stacks=stacks")
    # What drawn populations stand beside, where the row is of other models than they are.
    of_all = {"models": row.figure.models, "paper": row.figure.value} if row.ran else {}
    return {
        **_name(row),
        **present({"ours": ours.arithmetic if ours else None}),
        **({} if row.ran else picked(row, "paper=figure.value", "ratio", "agrees")),
        "count": row.models,
        **present(beside),
        **({} if drawn is None else {"drawn": {**of_all, **_drawn(drawn)}}),
    }


def _drawn(figure: DrawnFigure) -> dict[str, object]:
    return picked(figure, "median=middle", "low", "high", "values")


def _deviation(deviation: Deviation) -> dict[str, object]:
    return {
        **_name(deviation.row),
        **picked(deviation, "verdict", "tried"),
        **({"note": deviation.note} if deviation.note else {}),
        "closed_by": [
            picked(closer, "experiment=name", "change", "mechanism", "value", "closed", "how")
            for closer in deviation.closers
        ],
    }


def models_csv(result: ReproduceResult) -> str:
    """models.csv as text: one row for each model, system and listed case; others only appear in the explanations."""
    header = [*(name.partition("=")[0] for name in _CASE_FIELDS), *(f"energy_{part}_pj" for part in ENERGY_COMPONENTS)]
    rows = (
        (*picked(each, *_CASE_FIELDS).values(), *(each.component_pj.get(part, 0.0) for part in ENERGY_COMPONENTS))
        for each in _outcomes(result)
    )
    return csv_text(header, rows)


def _outcomes(result: ReproduceResult) -> Iterator[Outcome]:
    for each in result.runs.models:
        yield from (outcome for outcome in each.outcomes if outcome.label in {MAIN, *LISTED_EXPERIMENTS})


_CASE_FIELDS = (
    *("model", "kind", "system", "case=label", "macs", "parameter_bytes", "latency_ps", "energy_pj"),
    *("throughput_inferences_per_s", "utilization", "handoffs", "traffic_bytes"),
    *(
        "steady_latency_ps=steady.latency_ps",
        "steady_energy_pj=steady.energy_pj",
        "closed_loop_inferences_per_s=closed_loop_per_s",
    ),
    *("objective_value=value", "objective_bound=bound"),
)
