"""What `mensa-sim near-data` shows: where units in the memory beat an NPU alone."""

from collections.abc import Callable, Mapping

from mensa_sim.report.page.colours import looks
from mensa_sim.report.page.figure import PARITY, Drawn, Figure, figure, ranges, shown
from mensa_sim.report.page.plain import StudyText, plain_report
from mensa_sim.report.page.quantities import energy_text, engineering
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.near_data.worth import NPU_SIDE, WORTH_FIELDS, GainInWorlds, NearDataStudy, WorthRow
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.units import PS_PER_S

STEP_COLUMNS = [
    *texts("system", "model"),
    *numbers("bits", "context", "limit", "alone", "with units", "less time", "less energy"),
]


GAINS_SHOWN: Mapping[str, Callable[[WorthRow], GainInWorlds]] = {
    "time": lambda row: row.time,
    "energy": lambda row: row.energy,
}


def _text(study: NearDataStudy) -> StudyText:
    rows = [
        (
            *(row.system, row.cell.model, str(row.cell.bits), str(row.cell.context), _limit(row) or "-"),
            *(_step(row.alone), _step(row.together), row.time.text, row.energy.text),
        )
        for row in study.rows
    ]
    return StudyText(
        finding=" ".join(_finding(study, what, gain) for what, gain in GAINS_SHOWN.items()),
        sheets={"A decoding step, alone and with units in the memory": Sheet(STEP_COLUMNS, rows)},
        notes=(
            *study.findings,
            f"Tokens in a second and the energy of one; gains as taken [the least, the most of {study.worlds} worlds], "
            "in each of which all prices and the share of each bandwidth that is reached are drawn anew.",
            *(f"no row: {text}" for text in study.failures),
        ),
    )


def _finding(study: NearDataStudy, what: str, gain: Callable[[WorthRow], GainInWorlds]) -> str:
    always = sum(gain(row).least > 1 for row in study.rows)
    return f"Less {what} in every world in {always} of {len(study.rows)} rows."


def _limit(row: WorthRow) -> str:
    return "" if row.limit_w is None else f"{row.limit_w:g} W"


def _step(outcome: Outcome) -> str:
    """Tokens in a second, and the energy of one."""
    return f"{engineering(PS_PER_S / outcome.latency_ps, '').strip()}/s, {energy_text(outcome.energy_pj)}"


def worth_figures(study: NearDataStudy) -> dict[str, Drawn]:
    """Gains in time and in energy, with their intervals; none where no row was found."""
    if not study.rows:
        return {}
    height = 14 + 1.4 * len({_name(row) for row in study.rows})
    gains: dict[str, Callable[[WorthRow], GainInWorlds]] = {
        "time": lambda row: row.time,
        "energy": lambda row: row.energy,
    }
    note = (
        f"Left of the dotted line {NPU_SIDE} is better. Lines: the least and the most of {study.worlds} drawn worlds."
    )
    return {
        f"less_{name}": Drawn(figure=_gain_figure(study, name, gain), note=note, height_rem=height)
        for name, gain in gains.items()
    }


def _name(row: WorthRow) -> str:
    return ", ".join(filter(None, (row.cell.model, f"{row.cell.bits} bits", str(row.cell.context), _limit(row))))


def _gain_figure(study: NearDataStudy, what: str, gain: Callable[[WorthRow], GainInWorlds]) -> Figure:
    series: dict[str, list[WorthRow]] = {}
    for row in study.rows:
        series.setdefault(row.system, []).append(row)
    traces = [
        ranges(
            shown(name),
            [shown(_name(row)) for row in series[name]],
            [gain(row).least for row in series[name]],
            [gain(row).most for row in series[name]],
            x=[gain(row).taken for row in series[name]],
            text=[gain(row).text for row in series[name]],
            marker={"color": look.colour, "symbol": look.symbol, "size": 10},
            hovertemplate="%{y}: %{text}<extra>%{fullData.name}</extra>",
            orientation="h",
        )
        for name, look in looks(series).items()
    ]
    title = f"times less {what} with units in the memory (ratio)"
    x = {"title": title, "type": "log", "tickvals": [0.2, 0.5, 1, 2, 5, 10, 20, 50]}
    y = {"title": "model, weights, context", "autorange": "reversed", "type": "category"}
    return figure(_finding(study, what, gain).removesuffix("."), x, y, traces, shapes=[PARITY], scattermode="group")


WORTH = plain_report(
    title="When does a unit in the memory pay?",
    told=_text,
    figures=worth_figures,
    row_fields=WORTH_FIELDS,
    records=lambda study: study.rows,
    data=lambda study: {"worlds": study.worlds, "findings": list(study.findings), "failures": list(study.failures)},
)
