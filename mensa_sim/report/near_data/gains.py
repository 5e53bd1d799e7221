"""What `mensa-sim reproduce-pim` shows: published gains of units in the memory beside ours."""

import math

from mensa_sim.report.page.colours import BLUE, ORANGE
from mensa_sim.report.page.figure import PARITY, Drawn, figure, lines, ranges, scatter
from mensa_sim.report.page.plain import StudyText, plain_report
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.near_data.study import GAIN_FIELDS, PUBLISHED, GainSide, PimStudy, RecomputedGain

NEAR = 1.25
"""Times that ours and a published gain may be apart and be called near: a choice."""

GAIN_COLUMNS = [*texts("work", "gain in"), *numbers("ours", "published", "ours/published"), *texts("tag", "against")]


def _text(study: PimStudy) -> StudyText:
    rows = [
        (gain.work, gain.figure, f"{row.ours:.2f}", published_text(row), f"{row.times_published:.2f}", gain.tag, said)
        for row in study.rows
        for gain in (row.gain,)
        for said in (gain.against,)
    ]
    reasons = [
        f"{row.gain.work}, {row.gain.figure}: {_workload(row)} on {_said(row.gain.ours)} against "
        f"{_said(row.gain.baseline)}: {row.gain.reason}"
        for row in study.rows
    ]
    return StudyText(
        finding=f"{_finding(study)}; farthest: {_farthest(study)}.",
        sheets={"How many times better": Sheet(GAIN_COLUMNS, rows)},
        notes=(
            *reasons,
            "tags: R, read in the publication or its data; S, as others quote it",
            *(f"not recomputed: {name}: {reason}" for name, reason in PUBLISHED.not_recomputed.items()),
        ),
    )


def _finding(study: PimStudy) -> str:
    near = sum(1 / NEAR <= row.times_published <= NEAR for row in study.rows)
    return f"{near} of {len(study.rows)} published gains come out within {NEAR:g} times of what is published"


def _farthest(study: PimStudy) -> str:
    row = max(study.rows, key=lambda row: abs(math.log(row.times_published)))
    return f"{row.gain.work}, {row.gain.figure}, {row.ours:.2f} times instead of {published_text(row)}"


def published_text(row: RecomputedGain) -> str:
    """One figure, or the range of several."""
    low, high = row.gain.low, row.gain.high
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _workload(row: RecomputedGain) -> str:
    workload = row.gain.workload
    return workload if isinstance(workload, str) else str(workload["name"])


def _said(side: GainSide) -> str:
    own = side.system if side.scheduler is None else f"{side.system} ({side.scheduler})"
    return f"{own} with {len(side.overrides)} fields changed" if side.overrides else own


def gains_figures(study: PimStudy) -> dict[str, Drawn]:
    """Ours beside what is published."""
    names = [lines(f"{row.gain.work}, {row.gain.figure}", _workload(row)) for row in study.rows]
    lows, highs = ([row.gain.published[end] for row in study.rows] for end in (0, 1))
    traces = [
        ranges(
            "published",
            names,
            lows,
            highs,
            x=[(low + high) / 2 for low, high in zip(lows, highs, strict=True)],
            marker={"color": ORANGE, "size": 12, "symbol": "diamond"},
            text=[published_text(row) for row in study.rows],
            hovertemplate="published %{text}<extra></extra>",
        ),
        scatter(
            name="ours",
            mode="markers",
            x=[row.ours for row in study.rows],
            y=names,
            marker={"color": BLUE, "size": 11},
            hovertemplate="ours %{x:.2f}<extra></extra>",
        ),
    ]
    x = {"title": "times better than the baseline (ratio)", "type": "log", "tickvals": [0.5, 1, 2, 5, 10, 20]}
    y = {"title": "work and workload", "autorange": "reversed"}
    return {
        "gains": Drawn(
            figure=figure(_finding(study), x, y, traces, shapes=[PARITY]), wide=True, height_rem=12 + 2.2 * len(names)
        )
    }


GAINS = plain_report(
    title="Published gains of units in the memory, beside ours",
    told=_text,
    figures=gains_figures,
    row_fields=GAIN_FIELDS,
    records=lambda study: study.rows,
)
