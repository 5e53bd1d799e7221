"""What `mensa-sim reproduce` prints: every figure beside the paper's, and what explains the distance."""

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType

from mensa_sim.flow import HOMES, STACKS
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.study.reproduce.findings import AUTHORS, Closer, Deviation
from mensa_sim.study.reproduce.paper import SOURCE, TAGS
from mensa_sim.study.reproduce.populations import DrawnFigure
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.table import AGREEMENT_TOLERANCE, NAMED, Row
from mensa_sim.workload.model_kinds import MODELS

DEFINITION = (
    "Means over models are arithmetic. Throughput of one inference is 1 / latency. Utilization is MACs over the sum of "
    "peak x busy time. First inference, default simulation options, layer by layer (`--flow layers`); beside it the "
    "same with tensors at home on chip (`--flow homes`). Which of the two the paper's simulator did is not known."
)


def held(result: ReproduceResult) -> int:
    """How many figures are of the models that the paper's are of, and held against these."""
    return sum(row.ratio is not None for row in result.rows)


def taken_text(result: ReproduceResult) -> str:
    """Which models were run, and what was taken for all of them."""
    names = [each.model for each in result.runs.models]
    ran = f"All {len(MODELS)} models" if tuple(names) == MODELS else f"{len(names)} of {len(MODELS)} models ran"
    ran += "" if len(names) > NAMED else f": {', '.join(names)}"
    settings = dict.fromkeys(text for texts in result.runs.taken.overrides.values() for text in texts)
    goal = result.runs.taken.goal
    options = [f"{name}={value:g}" for name, value in goal.options.items()]
    how = f"scheduler {' with '.join([name_of(goal.scheduler), *([', '.join(options)] if options else [])])}"
    return "; ".join([ran, how, *(f"set {text}" for text in settings)]) + "."


def lead_text(result: ReproduceResult) -> str:
    """How many of the paper's figures come out, the authors' own first, and how far off the others are."""
    rows = [row for row in result.rows if row.ratio is not None]
    own = claims(result)
    off = sorted(abs(math.log(row.ratio)) for row in rows if row.ratio is not None and row.ratio > 0)
    half = f"; half of the figures within {math.exp(off[len(off) // 2]):.2g}x" if off else ""
    return (
        f"{sum(row.agrees is True for row in own)} of the authors' own {len(own)} claims and "
        f"{sum(row.agrees is True for row in rows)} of all {len(rows)} figures come out within "
        f"{100 * AGREEMENT_TOLERANCE:g} % of the paper's{half}."
    )


def claims(result: ReproduceResult) -> list[Row]:
    """The figures that the authors claim in their own words."""
    return [row for row in result.rows if row.figure.tag == AUTHORS and row.ours is not None]


CLAIMED = ("paper", "ours", "ratio", "optimal", HOMES, STACKS)
"""What stands beside each of the authors' own claims."""


def claim_rows(result: ReproduceResult) -> list[tuple[str, ...]]:
    """Each claim, its values in the order of `CLAIMED`, and whether ours agrees.

    The last three values are what ours would be with another choice.
    """
    return [
        (
            short_name(row),
            number_text(row.figure.value),
            number_text(row.ours.arithmetic if row.ours else None),
            ratio_text(row),
            *map(number_text, (row.optimal, row.homes, row.stacks)),
            "yes" if row.agrees else "no",
        )
        for row in claims(result)
    ]


PLACES = (
    f"The figures tagged {AUTHORS} stand in the paper's abstract; where the others stand in it is not known here, as "
    "they were recalled or come second-hand."
)


def reproduce_tables(result: ReproduceResult) -> RenderableType:
    """Everything that the command prints: the rest stands on the page."""
    opening = (
        Sheet(
            [*texts("the authors' own claims"), *numbers(*CLAIMED), *texts("agrees")],
            claim_rows(result),
        ),
        "",
        lead_text(result),
        "",
    )
    beside = ("", verdict_text(result.deviations), *agreement_lines(result))
    others = [row for row in result.rows if not held(result) or row.figure.tag != AUTHORS]
    return Group(
        *(opening if held(result) else ()),
        figures_table(others),
        "",
        f"{taken_text(result)} Paper: {SOURCE}. Tag {AUTHORS}: {TAGS[AUTHORS]}; the other figures were recalled or "
        "come second-hand. The page says how sure each is, what it means, what closes the distance, and what other "
        "means, flows and changes give.",
        *(f"{line}." for line in list(drawn_lines(result))[:1]),
        *(beside if held(result) else [f"\n{NONE_HELD}"]),
        *(f"not computed: {row.figure.name}: {row.reason}" for row in result.missing),
    )


NONE_HELD = "The paper's figures are means over models that were not all run: nothing here is held against them."


def short_name(row: Row) -> str:
    """A figure in few words: those over all models do not say so."""
    figure = row.figure
    pair = " / ".join(name for name in (figure.system, figure.against) if name)
    models = row.ran or figure.models
    said = f"{figure.quantity.replace('_', ' ')}{f': {pair}' if pair else ''}"
    return said if models == "all" else f"{said}, {models}"


def published_cells(row: Row) -> tuple[str, str, str]:
    """A figure's name and, where it is one of the paper's, its value there and its tag."""
    if row.ran:
        return short_name(row), "", ""
    bound = {"fraction_at_most": "<= ", "fraction_at_least": ">= "}.get(row.figure.unit, "")
    return short_name(row), bound + number_text(row.figure.value), row.figure.tag


def ratio_text(row: Row) -> str:
    """Ours over the paper's; empty where they are not held against each other."""
    return "" if row.ratio is None else f"{row.ratio:.2f}"


def figures_table(rows: Sequence[Row]) -> Sheet:
    """One row a figure."""
    cells = [
        (
            *published_cells(row),
            number_text(row.ours.arithmetic),
            ratio_text(row),
            "agrees" if row.agrees else "",
        )
        for row in rows
        if row.ours is not None
    ]
    columns = [*texts("figure of the paper"), *numbers("paper", "tag", "ours", "ratio"), *texts("")]
    return Sheet(columns, list(dict.fromkeys(cells)))


def drawn_text(figure: DrawnFigure | None) -> str:
    """Median and interval over populations; nothing where none gives the figure."""
    if figure is None:
        return ""
    return f"{number_text(figure.middle)} [{number_text(figure.low)}, {number_text(figure.high)}]"


def drawn_lines(result: ReproduceResult) -> Iterator[str]:
    """What the populations are, and how many of the paper's figures they give."""
    if not result.drawn:
        return
    known = [row.figure for row in result.rows if row.figure.name in result.drawn]
    inside = sum(result.drawn[figure.name].holds(figure.value) for figure in known)
    populations = len(next(iter(result.drawn.values())).values)
    yield (
        f"drawn: median and interval over {populations} populations of 24 models drawn from the paper's statistics of "
        f"layers, gates and parameters; {inside} of {len(known)} figures of the paper lie in the interval"
    )
    for each in result.statistics:
        yield f"{each.name}: {drawn_text(each.drawn)}, published {number_text(each.published)}"


def number_text(value: float | None) -> str:
    """Three significant digits; empty for an unknown value.

    >>> number_text(0.34), number_text(13.25)
    ('0.34', '13.2')
    """
    return "" if value is None else f"{value:.3g}"


def closer_text(closer: Closer) -> str:
    """One run, or count, in words."""
    share = "goes past it" if closer.closed > 1 else f"{closer.closed:.0%}"
    return f"{number_text(closer.value)} with {closer.change} ({share}): {closer.mechanism}"


def verdict_text(deviations: tuple[Deviation, ...]) -> str:
    """How many deviations are explained to the end."""
    explained = sum("explained" not in deviation.verdict for deviation in deviations)
    count = len(deviations)
    return f"{count} figures are further off: one or several changes close or span the distance of {explained}."


def agreement_lines(result: ReproduceResult) -> Iterator[str]:
    """Whether any one set of choices brings the paper's figures."""
    if not result.agreements:
        return
    computed = held(result)
    best = max(result.agreements, key=lambda each: each.agreeing)
    most = max(each.authors for each in result.agreements)
    authors = sum(row.figure.tag == AUTHORS for row in result.rows if row.ratio is not None)
    fewest = min(each.agreeing for each in result.agreements)
    yield (
        f"Under {len(result.agreements)} other sets of choices between {fewest} and {best.agreeing} of the {computed} "
        f"figures agree, the most with {best.change}; of the authors' own {authors} never more than {most} at once. "
        f"Agreement at one set of choices is no evidence."
    )
