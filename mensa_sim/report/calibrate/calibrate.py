"""What `mensa-sim calibrate` shows: the constants that were fitted, and how wrong they are on other kernels."""

from dataclasses import fields

from mensa_sim.report.page.colours import BLUE, ORANGE, pattern
from mensa_sim.report.page.figure import Drawn, bar, categories, figure, shown
from mensa_sim.report.page.plain import StudyText, plain_report
from mensa_sim.report.page.quantities import setting_text
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.calibrate.calibrate import Calibration, JudgedKernels


def _text(found: Calibration) -> StudyText:
    rows = [
        (each.operator, str(each.rows), *_percents(each.error_percent, each.error_before_percent))
        for each in found.judged
    ]
    changed = [(field, setting_text(old), setting_text(new)) for field, (old, new) in found.fitted.items()]
    fitted = {"What was fitted": Sheet([*texts("field"), *numbers("was", "is")], changed)} if changed else {}
    errors = Sheet([*texts("kernels"), *numbers("rows", "mean error", _before(found))], rows)
    left_out = f"kernels left out, as it cannot run them: {found.left_out}"
    return StudyText(
        finding=f"{_finding(found)}.",
        sheets={**fitted, "Kernels that nothing was fitted to": errors},
        notes=[left_out] if found.left_out else [],
    )


def _before(found: Calibration) -> str:
    return "as it was" if found.fitted else "plain roofline"


def _percents(*percents: float) -> list[str]:
    return [f"{percent:.1f} %" for percent in percents]


def _finding(found: Calibration) -> str:
    now, before = _percents(found.error_percent, found.error_before_percent)
    judged = sum(each.rows for each in found.judged)
    kept = f"on {judged} other kernels" if found.fitted else "on kernels left out"
    return f"{found.spec}: fitted to {found.rows} kernels; mean error {kept} {now}, {_before(found)} {before}"


def calibration_figures(found: Calibration) -> dict[str, Drawn]:
    """The errors by operator."""
    traces = [
        bar(
            name=name,
            x=[shown(each.operator) for each in found.judged],
            y=percents,
            text=_percents(*percents),
            textposition="outside",
            cliponaxis=False,
            customdata=[each.rows for each in found.judged],
            marker={"color": colour, "pattern": pattern(shape)},
            hovertemplate="%{x}: %{text}, %{customdata} rows<extra>" + name + "</extra>",
        )
        for name, colour, shape, percents in (
            ("fitted", BLUE, "", [each.error_percent for each in found.judged]),
            (_before(found), ORANGE, "/", [each.error_before_percent for each in found.judged]),
        )
    ]
    nearer = sum(each.error_percent < each.error_before_percent for each in found.judged)
    title = f"{nearer} of {len(found.judged)} kinds of kernels come nearer than {_before(found)}"
    y = "mean error of kernels left out (%)"
    errors = figure(title, categories("operator"), y, traces, barmode="group")
    return {"kernels": Drawn(figure=errors, wide=True)}


def _data(found: Calibration) -> dict[str, object]:
    return {
        "spec": found.spec,
        "fitted": {field: {"before": old, "after": new} for field, (old, new) in found.fitted.items()},
        "rows": found.rows,
        "left_out": found.left_out,
        "error_percent": found.error_percent,
        "error_before_percent": found.error_before_percent,
    }


CALIBRATED = plain_report(
    title="Constants fitted to a table",
    told=_text,
    figures=calibration_figures,
    row_fields=[each.name for each in fields(JudgedKernels)],
    records=lambda found: found.judged,
    rows_name="kernels",
    data=_data,
)
