"""Where each layer lies among the families, and where it went: footprint against reuse."""

import math
import textwrap

from mensa_sim.report.page.colours import GREY, SYMBOLS, looks
from mensa_sim.report.page.figure import MAX_POINTS, Figure, Trace, figure, lines, logarithmic, most_of, shown
from mensa_sim.report.page.quantities import bytes_text, engineering, percent_text
from mensa_sim.study.run.result import SystemResult
from mensa_sim.workload.families.paper import FAMILIES, Membership, memberships

LABEL_SIGNS = 22
"""Of a line of a family's name, so that it lies within the narrowest region."""


def family_figure(main: SystemResult) -> Figure | None:
    """Layers over the paper's ranges, in the colour of their accelerator; none where no layer has a family."""
    members = most_of(memberships(main.graph), lambda member: member.features.parameter_bytes)
    if not members:
        return None
    where = {layer.name: layer.accelerator for layer in main.layers}
    traces: list[Trace] = []
    for name, look in looks(main.accelerators).items():
        own = [member for member in members if where[member.layers[0]] == name]
        if own:
            traces.append(_points(name, look.colour, own))
    return figure(
        _finding(main),
        logarithmic("parameter footprint (bytes)"),
        logarithmic("MACs per parameter byte in one step (MAC/B)"),
        traces,
        shapes=[_region(number) for number in FAMILIES],
        annotations=[_label(number) for number in FAMILIES],
    )


def family_note(main: SystemResult) -> str:
    """How to read the figure, and what is not in it."""
    count = len(memberships(main.graph))
    thinned = f" Thinned out: of {count} the {MAX_POINTS} with most parameters are drawn." if count > MAX_POINTS else ""
    return FAMILY_NOTE + thinned


FAMILY_NOTE = (
    "Rectangles: the ranges of footprint and reuse of the Mensa paper's five families; a hollow mark lies outside "
    "those of its nearest family, or has fewer or more MACs than they allow. A gate's two halves are "
    "one mark. Layers without parameters or without MACs belong to no family."
)


def _region(number: int) -> dict[str, object]:
    family = FAMILIES[number]
    (x0, x1), (y0, y1) = family.parameter_bytes, family.macs_per_parameter_byte
    return {
        "type": "rect",
        "layer": "below",
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "line": {"color": GREY, "width": 1},
        "fillcolor": GREY,
        "opacity": 0.18,
    }


def _label(number: int) -> dict[str, object]:
    """A family's name in the upper left corner of its region, above the lines of the grid, in lines that fit it."""
    family = FAMILIES[number]
    left, top = family.parameter_bytes[0], family.macs_per_parameter_byte[1]
    return {
        "text": "<br>".join(textwrap.wrap(f"{number}: {family.description}", LABEL_SIGNS)),
        "x": math.log10(left),
        "y": math.log10(top),
        "xanchor": "left",
        "yanchor": "top",
        "align": "left",
        "showarrow": False,
        "font": {"size": 11, "color": "#000000"},
    }


def _points(accelerator: str, colour: str, members: list[Membership]) -> Trace:
    symbols = [SYMBOLS[(member.family - 1) % len(SYMBOLS)] for member in members]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": shown(f"on {accelerator}"),
        "x": [member.features.parameter_bytes for member in members],
        "y": [member.features.macs_per_parameter_byte for member in members],
        "customdata": [
            lines(
                " + ".join(member.layers),
                f"family {member.family}{'' if member.inside else ', outside its ranges'}, on {accelerator}",
                f"{bytes_text(member.features.parameter_bytes)}, {engineering(member.features.macs, 'MAC')} a step",
            )
            for member in members
        ],
        "hovertemplate": "%{customdata}<br>%{y:.3g} MAC/B<extra></extra>",
        "marker": {
            "color": colour,
            "size": 9,
            "symbol": [
                symbol if member.inside else f"{symbol}-open" for symbol, member in zip(symbols, members, strict=True)
            ],
        },
    }


def _finding(main: SystemResult) -> str:
    carried = dict.fromkeys(main.accelerators, 0)
    worked = dict.fromkeys(main.accelerators, 0)
    for layer in main.layers:
        carried[layer.accelerator] += layer.parameter_bytes
        worked[layer.accelerator] += layer.macs
    most = max(carried, key=carried.__getitem__)
    share = carried[most] / (sum(carried.values()) or 1)
    macs = worked[most] / (sum(worked.values()) or 1)
    return f"{most} carries {_share(share)} of the parameter bytes and does {_share(macs)} of the MACs"


def _share(share: float) -> str:
    return "all" if math.isclose(share, 1) else percent_text(share)
