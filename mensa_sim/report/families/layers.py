"""Where layers lie among the paper's families: footprint against reuse."""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.records import dataclass
from mensa_sim.report.page.colours import GREY, INK, PAPER, PURPLE, SKY, SYMBOLS, VERMILION, YELLOW
from mensa_sim.report.page.figure import MAX_POINTS, Figure, Trace, figure, lines, logarithmic, most_of, scatter, shown
from mensa_sim.report.page.quantities import bytes_text, engineering
from mensa_sim.workload.families.paper import FAMILIES, Membership

FAMILY_COLOURS = dict(zip(FAMILIES, (VERMILION, SKY, PURPLE, YELLOW, INK), strict=True))
"""None is that of one of the paper's accelerators."""

LAYERS_NOTE = (
    "Rectangles: the ranges of footprint and reuse of the Mensa paper's five families, by number; a hollow mark lies "
    "outside those of its nearest family, or has fewer or more MACs than they allow. A gate's two halves are "
    "one mark. Layers without parameters or without MACs belong to no family."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnLayer:
    """A layer, or a gate's two halves, and where it is: of a model, or on an accelerator."""

    where: str
    """In words."""
    member: Membership


def layers_note(count: int) -> str:
    """How to read the figure of so many layers, and what is not in it."""
    thinned = f" Thinned out: of {count} the {MAX_POINTS} with most parameters are drawn." if count > MAX_POINTS else ""
    return LAYERS_NOTE + thinned


def layers_figure(title: str, layers: Sequence[DrawnLayer], colours: Mapping[str, str] | None = None) -> Figure:
    """Layers over the paper's ranges, in the colour of where they are, else of their family."""
    most = most_of(layers, lambda each: each.member.features.parameter_bytes)
    if colours is None:
        groups = [
            (_named(number), FAMILY_COLOURS[number], [each for each in most if each.member.family == number])
            for number in FAMILIES
        ]
    else:
        groups = [(name, colour, [each for each in most if each.where == name]) for name, colour in colours.items()]
    points = [_points(*group) for group in groups if group[2]]
    drawn = {each["name"] for each in points}
    points += [_key(number) for number in FAMILIES if shown(_named(number)) not in drawn]
    return figure(
        title,
        logarithmic("parameter footprint (bytes)"),
        logarithmic("MACs per parameter byte in one step (MAC/B)"),
        points,
        shapes=[_region(number) for number in FAMILIES],
        annotations=[_label(number) for number in FAMILIES],
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


def _named(number: int) -> str:
    return f"{number}: {FAMILIES[number].description}"


def _key(number: int) -> Trace:
    """What the legend says of a family whose layers are drawn in other colours, or which has none."""
    mark = {"color": GREY, "size": 9, "symbol": SYMBOLS[number - 1]}
    return scatter(mode="markers", name=shown(_named(number)), x=[None], y=[None], hoverinfo="skip", marker=mark)


def _label(number: int) -> dict[str, object]:
    """A family's number in the upper left corner of its region, over whatever marks lie there."""
    family = FAMILIES[number]
    return {
        "text": f"<b>{number}</b>",
        "x": math.log10(family.parameter_bytes[0]),
        "y": math.log10(family.macs_per_parameter_byte[1]),
        "xanchor": "left",
        "yanchor": "top",
        "showarrow": False,
        "borderpad": 1,
        "bgcolor": PAPER,
        "font": {"size": 12, "color": INK},
    }


def _points(name: str, colour: str, layers: Sequence[DrawnLayer]) -> Trace:
    symbols = [f"{SYMBOLS[each.member.family - 1]}{'' if each.member.inside else '-open'}" for each in layers]
    return scatter(
        mode="markers",
        name=shown(name),
        x=[each.member.features.parameter_bytes for each in layers],
        y=[each.member.features.macs_per_parameter_byte for each in layers],
        customdata=[_said(each.where, each.member) for each in layers],
        hovertemplate="%{customdata}<br>%{y:.3g} MAC/B<extra></extra>",
        marker={"color": colour, "size": 9, "symbol": symbols},
    )


def _said(where: str, member: Membership) -> str:
    return lines(
        " + ".join(member.layers),
        f"family {member.family}{'' if member.inside else ', outside its ranges'}, {where}",
        f"{bytes_text(member.features.parameter_bytes)}, {engineering(member.features.macs, 'MAC')} a step",
    )
