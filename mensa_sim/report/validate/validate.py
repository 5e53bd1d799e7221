"""A validation as JSON, as tables and as a page with a parity plot."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.hardware.files import load_system
from mensa_sim.io.csv_text import csv_of
from mensa_sim.io.json_text import picked, plain, present
from mensa_sim.report.page.colours import looks
from mensa_sim.report.page.figure import Drawn, Figure, Trace, parity_figure, scatter, shown
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.page import drawn_block, heading, paragraph, sheet_block, table_block
from mensa_sim.report.page.quantities import setting_text
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.validate.fitted_constants import fitted_constants
from mensa_sim.study.validate.validate import ROLES, GroupScore, Score, ValidateResult, ValidationRow

ROW_COLUMNS = ("workload", "system", "metric", "measured", "predicted", "error", "role")
AXIS_TITLES = {
    "latency_ms": "latency (ms)",
    "energy_mj": "energy (mJ)",
    "compiler_cycles": "compiler's cycles (cycles)",
    "cached_parameter_bytes": "cached parameters (bytes)",
    "ttft_ms": "time to first token (ms)",
    "prefill_tokens_per_s": "prompt rate (tokens/s)",
    "decode_tokens_per_s": "decoding rate (tokens/s)",
    "energy_per_token_mj": "energy per token (mJ)",
}
"""Metrics with their units, for people."""
VALIDATION_FIELDS = (
    *("measurement.workload", "measurement.system", "measurement.metric", "measurement.measured", "predicted"),
    *("error_percent", "measurement.group", "role", "measurement.source"),
)


def validation_data(result: ValidateResult) -> dict[str, object]:
    """All rows with their errors in percent, scores, failures and fitted constants."""
    return {
        "rows": [
            present(picked(row, *VALIDATION_FIELDS[:-2], "roofline", *VALIDATION_FIELDS[-2:])) for row in result.rows
        ],
        "metrics": {metric: _scores(scores) for metric, scores in result.metrics.items()},
        "groups": [
            {"system": system, "metric": metric, "group": group, **_scores(scores)}
            for (system, metric, group), scores in result.groups.items()
        ],
        "constants": plain(fitted_constants(load_system)),
        "failures": [
            {**picked(each.measurement, "workload", "system", "metric"), "reason": each.reason}
            for each in result.failures
        ],
        **provenance_summary(result),
    }


def _scores(scores: GroupScore) -> dict[str, object]:
    """Errors of rows that were fitted on apart from the others'."""
    means = ("mean_absolute_percentage_error=mean_percent", "max_absolute_percentage_error=max_percent")
    parts = {ROLES[True]: scores.fitted, ROLES[False]: scores.others}
    found = {name: part and present(picked(part, "count=rows", *means, "spearman")) for name, part in parts.items()}
    return present({**found, "roofline_mean_absolute_percentage_error": scores.roofline_percent})


def validation_tables(result: ValidateResult) -> RenderableType:
    """Rows, scores by system and metric, the fitted constants, and rows without prediction."""
    return Group(
        _table(ROW_COLUMNS, [_cells(row) for row in result.rows], 3),
        Text(),
        Text(SCORES_NOTE),
        scores_sheet(result),
        Text(),
        Text("Fitted constants"),
        *(
            Text(f"{each.system} {each.name} = {each.value:.6g}, fitted on {each.rows}; others: {each.others}")
            for each in fitted_constants(load_system)
        ),
        *(Text(f"no prediction: {each[0]} on {each[1]}, {each[2]}: {each[3]}") for each in failure_cells(result)),
    )


def failure_cells(result: ValidateResult) -> list[tuple[str, str, str, str]]:
    """One line for each row without a prediction: workload, system, metric, reason."""
    rows = [(each.measurement, each.reason) for each in result.failures]
    return [(each.workload, each.system, each.metric, reason) for each, reason in rows]


SCORE_COLUMNS = (
    *("system", "metric", "group", "rows", "mean error", "largest", "Spearman", "roofline's error"),
    *("rows fitted on", "error there"),
)
SCORES_NOTE = (
    "Errors of rows that no constant was fitted on; how near fits come to their own rows stands apart. Where every row"
    " was fitted on, the constants below say how far off each model is when left out; the roofline's is of all rows."
)
CONSTANT_COLUMNS = ("system", "fitted constant", "value", "fitted on", "others' mean error")


def scores_sheet(result: ValidateResult) -> Sheet:
    """One line for each system, metric and group, then one for each metric."""
    parts = list(result.groups.items()) + [(("all", metric, ""), scores) for metric, scores in result.metrics.items()]
    rows = [
        (
            *key,
            *_score_texts(scores.others),
            "" if scores.roofline_percent is None else f"{scores.roofline_percent:.1f} %",
            *_score_texts(scores.fitted)[:2],
        )
        for key, scores in parts
    ]
    return _table(SCORE_COLUMNS, rows, 3)


def _score_texts(score: Score | None) -> tuple[str, ...]:
    """Rows, mean error, largest, rank correlation."""
    if score is None:
        return ("", "", "", "")
    rank = "-" if score.spearman is None else f"{score.spearman:.3f}"
    return str(score.rows), f"{score.mean_percent:.1f} %", f"{score.max_percent:.1f} %", rank


def _cells(row: ValidationRow) -> tuple[str, ...]:
    each = row.measurement
    error = f"{row.error_percent:+.1f} %"
    figures = (f"{each.measured:.4g}", f"{row.predicted:.4g}", error)
    return each.workload, each.system, each.metric, *figures, row.role


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int) -> Sheet:
    return Sheet([*texts(*columns[:text_columns]), *numbers(*columns[text_columns:])], rows)


def validation_blocks(result: ValidateResult, figures: dict[str, Drawn]) -> list[str]:
    """A parity plot for each metric, scores, fitted constants, rows, failures."""
    constants = [
        (each.system, each.name, setting_text(f"{each.value:.6g}"), each.rows, each.others)
        for each in fitted_constants(load_system)
    ]
    parts = [paragraph(_headline(result), kind="lead"), drawn_block(figures, *figures)]
    parts += [heading("Errors"), paragraph(SCORES_NOTE), sheet_block(scores_sheet(result))]
    parts += [heading("Fitted constants"), table_block(CONSTANT_COLUMNS, constants, ("value",))]
    sourced = [(*_cells(row), row.measurement.source) for row in result.rows]
    parts += [heading("Rows"), table_block((*ROW_COLUMNS, "source"), sourced, ROW_COLUMNS[3:6], name="rows")]
    if result.failures:
        parts += [heading("Without prediction"), table_block((*ROW_COLUMNS[:3], "reason"), failure_cells(result))]
    return parts


def validate_figures(result: ValidateResult) -> dict[str, Drawn]:
    """By name: a parity plot for each metric with more than one row."""
    rows = Counter(row.measurement.metric for row in result.rows)
    note = "Open marks: rows that only test."
    return {f"parity_{each}": Drawn(figure=_parity(result, each), note=note) for each in rows if rows[each] > 1}


def _headline(result: ValidateResult) -> str:
    if not result.rows:
        return "No row has a prediction."
    unseen = {metric: scores.others for metric, scores in result.metrics.items()}
    parts = [
        f"{_words(metric)} {each.mean_percent:.1f} % over {each.rows}, at most {each.max_percent:.1f} %"
        for metric, each in unseen.items()
        if each
    ]
    fitted = sum(row.may_be_fitted for row in result.rows)
    beside = f" Constants were fitted on {fitted} more." if fitted else ""
    if not parts:
        return f"Constants were fitted on all {fitted} rows."
    return f"Mean absolute errors of rows that no constant was fitted on: {'; '.join(parts)}.{beside}"


def _words(metric: str) -> str:
    return AXIS_TITLES.get(metric, metric).partition(" (")[0]


def _parity(result: ValidateResult, metric: str) -> Figure:
    """A colour for each system, open marks for rows that only test."""
    rows = [row for row in result.rows if row.measurement.metric == metric]
    traces: list[Trace] = []
    for system, look in looks(row.measurement.system for row in rows).items():
        own = [row for row in rows if row.measurement.system == system]
        traces.append(
            scatter(
                x=[row.measurement.measured for row in own],
                y=[row.predicted for row in own],
                mode="markers",
                name=shown(system),
                text=[shown(f"{row.measurement.workload}: {row.error_percent:+.1f} %") for row in own],
                hovertemplate="%{text}<br>measured %{x:.4g}, predicted %{y:.4g}<extra>%{fullData.name}</extra>",
                marker={
                    "color": look.colour,
                    "size": 9,
                    "symbol": [f"{look.symbol}{'' if row.may_be_fitted else '-open'}" for row in own],
                },
            )
        )
    return parity_figure(f"{_words(metric)}: {_finding(rows)}", AXIS_TITLES.get(metric, metric), traces)


def _finding(rows: Sequence[ValidationRow]) -> str:
    unseen = [row for row in rows if not row.may_be_fitted]
    errors = [abs(row.error_percent) for row in unseen or rows]
    what = "rows that only test" if unseen else "rows, all fitted on,"
    return f"{sum(error <= 20 for error in errors)} of {len(errors)} {what} within 20 %"


VALIDATION = Report(
    table=validation_tables,
    figures=validate_figures,
    title=lambda _: "Predicted against measured",
    blocks=validation_blocks,
    data=validation_data,
    rows=lambda result: csv_of(VALIDATION_FIELDS, result.rows),
)
