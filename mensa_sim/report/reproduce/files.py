"""summary.json and models.csv of the reproduction: names as in the paper's table of figures."""

from collections.abc import Iterator

from mensa_sim.flow import HOMES, STACKS
from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import json_text, present
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.study.reproduce.agreement import Agreement
from mensa_sim.study.reproduce.experiments.experiment import OPTIMAL, PLAIN_READING
from mensa_sim.study.reproduce.findings import Deviation
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.populations import DrawnFigure
from mensa_sim.study.reproduce.quantities import DEFINITIONS
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.table import MAIN, Row
from mensa_sim.study.run.result import ENERGY_COMPONENTS

LISTED_CASES = (MAIN, OPTIMAL, PLAIN_READING, HOMES, STACKS)
"""The cases that models.csv lists; the experiments only appear in the explanations."""


def reproduce_json(result: ReproduceResult) -> str:
    """summary.json as text; an unknown value is absent."""
    return json_text(reproduce_data(result))


def reproduce_data(result: ReproduceResult) -> dict[str, object]:
    """The reproduction as plain JSON values in a fixed order."""
    return {
        "rows": [_row(row, result.drawn.get(row.figure.name)) for row in result.rows if row.ours is not None],
        "not_computed": [{**_name(row), "paper": row.figure.value, "reason": row.reason} for row in result.missing],
        "statistics": [
            {"name": each.name, "published": each.published, **_drawn(each.drawn)} for each in result.statistics
        ],
        "deviations": [_deviation(each) for each in result.deviations],
        "agreements": [_agreement(each) for each in result.agreements],
        "statements": list(result.statements),
        "definitions": dict(DEFINITIONS),
        "models": {each.model: each.kind for each in result.runs.models},
        **provenance_summary(result),
    }


def _name(row: Row) -> dict[str, object]:
    figure = row.figure
    return {
        "quantity": figure.quantity,
        "system": figure.system,
        "against": figure.against,
        "models": row.ran or figure.models,
        "unit": figure.unit,
        "tag": figure.tag,
    }


def _row(row: Row, drawn: DrawnFigure | None) -> dict[str, object]:
    ours = row.ours
    beside = {
        "geometric": ours.geometric if ours else None,
        "harmonic": ours.harmonic if ours else None,
        "totals": ours.totals if ours else None,
        "steady_state": row.steady,
        "activations_through_memory": row.plain,
        "optimal_schedule": row.optimal,
        "flow_homes": row.homes,
        "flow_stacks": row.stacks,
    }
    return {
        **_name(row),
        **present({"ours": ours.arithmetic if ours else None}),
        **({} if row.ran else {"paper": row.figure.value, "ratio": row.ratio, "agrees": row.agrees}),
        "count": row.models,
        **present(beside),
        **({} if drawn is None else {"drawn": {**_of_all(row), **_drawn(drawn)}}),
    }


def _of_all(row: Row) -> dict[str, object]:
    """What drawn populations stand beside, where the row is of other models than they are."""
    return {"models": row.figure.models, "paper": row.figure.value} if row.ran else {}


def _drawn(figure: DrawnFigure) -> dict[str, object]:
    return {"median": figure.middle, "low": figure.low, "high": figure.high, "values": list(figure.values)}


def _deviation(deviation: Deviation) -> dict[str, object]:
    return {
        **_name(deviation.row),
        "verdict": deviation.verdict,
        "tried": deviation.tried,
        **({"note": deviation.note} if deviation.note else {}),
        "closed_by": [
            {
                "experiment": closer.name,
                "change": closer.change,
                "mechanism": closer.mechanism,
                "value": closer.value,
                "closed": closer.closed,
                "how": closer.how,
            }
            for closer in deviation.closers
        ],
    }


def _agreement(agreement: Agreement) -> dict[str, object]:
    return {
        "experiment": agreement.name,
        "change": agreement.change,
        "joint": agreement.joint,
        "agreeing": agreement.agreeing,
        "authors": agreement.authors,
        "gained": list(agreement.gained),
        "lost": list(agreement.lost),
    }


def models_csv(result: ReproduceResult) -> str:
    """models.csv as text: one row for each model, system and case."""
    rows = [_csv_row(outcome) for outcome in _outcomes(result)]
    return csv_text(_FIELDS, ([row[name] for name in _FIELDS] for row in rows))


def _outcomes(result: ReproduceResult) -> Iterator[Outcome]:
    for each in result.runs.models:
        yield from (outcome for outcome in each.outcomes if outcome.label in LISTED_CASES)


_FIELDS = (
    "model",
    "kind",
    "system",
    "case",
    "macs",
    "parameter_bytes",
    "latency_ps",
    "energy_pj",
    "throughput_inferences_per_s",
    "utilization",
    "handoffs",
    "traffic_bytes",
    "steady_latency_ps",
    "steady_energy_pj",
    "closed_loop_inferences_per_s",
    "objective_value",
    "objective_bound",
    *(f"energy_{name}_pj" for name in ENERGY_COMPONENTS),
)


def _csv_row(outcome: Outcome) -> dict[str, object]:
    components = outcome.component_pj
    return {
        "model": outcome.model,
        "kind": outcome.kind,
        "system": outcome.system,
        "case": outcome.label,
        "macs": outcome.macs,
        "parameter_bytes": outcome.parameter_bytes,
        "latency_ps": outcome.latency_ps,
        "energy_pj": outcome.total_pj,
        "throughput_inferences_per_s": outcome.throughput_per_s,
        "utilization": outcome.utilization,
        "handoffs": outcome.handoffs,
        "traffic_bytes": outcome.traffic_bytes,
        "steady_latency_ps": outcome.steady_latency_ps,
        "steady_energy_pj": outcome.steady_energy_pj,
        "closed_loop_inferences_per_s": outcome.closed_loop_per_s,
        "objective_value": outcome.value,
        "objective_bound": outcome.bound,
        **{f"energy_{name}_pj": components.get(name, 0.0) for name in ENERGY_COMPONENTS},
    }
