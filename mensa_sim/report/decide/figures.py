"""The figures of a decision: the worlds by the best system's lead, and what moves that lead one thing at a time."""

import math

from mensa_sim.objective import objective_named
from mensa_sim.report.page.colours import BLUE, ORANGE, looks
from mensa_sim.report.page.figure import PARITY, Drawn, Figure, bar, figure, log_axis, shown
from mensa_sim.report.page.quantities import factor_text, percent_text, setting_text
from mensa_sim.report.sensitivity.page import BARS, from_taken
from mensa_sim.study.decide.result import DecideResult, Tried


def decide_figures(result: DecideResult) -> dict[str, Drawn]:
    """By name; one that would have nothing to show is absent."""
    found = {"worlds": Drawn(figure=worlds_figure(result)), "workloads": Drawn(figure=workloads_figure(result))}
    moving = moving_figure(result)
    note = "Left of the dotted line another system wins."
    return found if moving is None else {**found, "moving": Drawn(figure=moving, note=note, wide=True)}


def worlds_figure(result: DecideResult) -> Figure:
    """How many worlds have which lead."""
    traces = [
        bar(
            name=name,
            x=[math.sqrt(low * high) for low, high, _ in own],
            y=[count / result.worlds for _, _, count in own],
            width=[high - low for low, high, _ in own],
            marker={"color": colour},
            customdata=[[low, high] for low, high, _ in own],
            hovertemplate="%{customdata[0]:.3g} to %{customdata[1]:.3g}: %{y:.1%} of worlds<extra></extra>",
        )
        for name, colour, own in (
            ("another is the best", ORANGE, [each for each in result.histogram if each[0] < 1]),
            (f"{shown(result.best)} is the best", BLUE, [each for each in result.histogram if each[0] >= 1]),
        )
    ]
    title = f"{result.best} is the best in {world_share(result)} of {result.worlds} drawn worlds"
    low, high = result.histogram[0][0], result.histogram[-1][1]
    ratio = f"lead of {result.best} over the best of the others (ratio, logarithmic); above 1 it wins"
    x = log_axis(ratio, math.log10(min(low, 0.95)), math.log10(max(high, 1.05)))
    return figure(title, x, {"title": "share of worlds (%)", "tickformat": ".0%"}, traces, shapes=[PARITY])


def world_share(result: DecideResult) -> str:
    """The share of worlds in which the best as taken is the best; all and none only where it is so.

    What three digits would round to 100 % stays below it.
    """
    share = result.certain.share
    if 0.9995 <= share < 1:
        return "more than 99.9 %"
    return "100 %" if share == 1 else percent_text(share)


def workloads_figure(result: DecideResult) -> Figure:
    """How many times better each system is than the first on each workload."""
    first = result.standings[0].system
    values = {(each.workload, each.system): each.value for each in result.measured}
    names = list(result.shares)
    traces = []
    for system, look in looks([each.system for each in result.standings]).items():
        ratios = [values[name, first] / values[name, system] for name in names]
        traces.append(
            bar(
                name=shown(system),
                x=[shown(name) for name in names],
                y=ratios,
                text=[factor_text(ratio) for ratio in ratios],
                marker=look.bar,
                hovertemplate="%{x}: %{text}<extra>" + shown(system) + "</extra>",
            )
        )
    wins = sum(min(values[name, s.system] for s in result.standings) == values[name, result.best] for name in names)
    title = f"{result.best} is the best on {wins} of {len(names)} workloads, as taken"
    y = f"times less {objective_named(result.objective).title} than {first} (ratio)"
    return figure(title, {"title": "workload", "type": "category"}, y, traces, barmode="group")


def moving_figure(result: DecideResult) -> Figure | None:
    """What moves the lead most, each from the lead as taken to the one with it otherwise."""
    lead = result.lead
    moving = [each for each in result.tried if abs(each.lead / lead - 1) > 1e-3]
    moving.sort(key=lambda tried: -max(tried.lead / lead, lead / tried.lead))
    if not moving:
        return None
    chosen = moving[:BARS]
    first = chosen[0]
    where = f"{factor_text(result.lead)} as taken, {factor_text(first.lead)} at {setting_text(first.setting)}"
    title = f"{first.name} moves the lead most: {where}"
    moved = [(_label(each), each.lead) for each in chosen]
    return from_taken(title, f"lead of {result.best} (ratio)", "what is otherwise", lead, moved, factor_text)


def _label(tried: Tried) -> str:
    where = f" on {', '.join(tried.systems)}" if tried.kind == "field" and tried.systems[0] not in tried.name else ""
    return shown(f"{tried.name}: {setting_text(tried.setting)}{where}")
