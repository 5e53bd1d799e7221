"""What `mensa-sim reproduce` prints: every figure beside the paper's, and what explains the distance."""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType

from mensa_sim.flow import HOMES
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.study.reproduce.agreement import AUTHORS
from mensa_sim.study.reproduce.findings import Closer, Deviation
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


def reproduce_tables(result: ReproduceResult) -> RenderableType:
    """Everything that the command prints."""
    agreeing = sum(row.agrees is True for row in result.rows)
    beside = (
        f"\n{agreeing} of {held(result)} figures come out within {AGREEMENT_TOLERANCE:.0%} of the paper's.",
        *(f"- {text}" for text in result.statements),
        "\nWhat closes the distance of the others, by a run or a count each (share of the distance closed):",
        *(line for deviation in result.deviations for line in deviation_lines(deviation)),
        "",
        *verdict_lines(result.deviations),
        *agreement_lines(result),
    )
    return Group(
        figures_table(result.rows, result.drawn),
        "",
        f"{taken_text(result)} {DEFINITION}",
        f"Paper: {SOURCE}. Tags: " + "; ".join(f"{tag} {words}" for tag, words in TAGS.items()) + ".",
        *drawn_lines(result),
        *(beside if held(result) else [f"\n{NONE_HELD}"]),
        *(f"not computed: {row.figure.name}: {row.reason}" for row in result.missing),
    )


NONE_HELD = "The paper's figures are means over models that were not all run: nothing here is held against them."


def figures_table(rows: tuple[Row, ...], drawn: Mapping[str, DrawnFigure]) -> Sheet:
    """One row a figure; `drawn` by name, where populations were drawn."""
    cells = [
        (
            row.name,
            "" if row.ran else f"{bound_text(row.figure.unit)}{number_text(row.figure.value)}",
            "" if row.ran else row.figure.tag,
            number_text(row.ours.arithmetic),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            "" if row.homes is None else number_text(row.homes),
            *([drawn_text(drawn.get(row.figure.name))] if drawn else []),
            "agrees" if row.agrees else "",
        )
        for row in rows
        if row.ours is not None
    ]
    beside = ("drawn",) if drawn else ()
    columns = [*texts("figure"), *numbers("paper", "tag", "ours", "ratio", HOMES, *beside), *texts("")]
    return Sheet(columns, list(dict.fromkeys(cells)), title="figures of the paper")


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
        f"layers, gates and parameters; {inside} of {len(known)} figures of the paper lie in the interval."
    )
    for each in result.statistics:
        yield f"  {each.name}: {drawn_text(each.drawn)}, published {number_text(each.published)}"


def bound_text(unit: str) -> str:
    """The sign before a figure that is a bound."""
    return {"fraction_at_most": "<= ", "fraction_at_least": ">= "}.get(unit, "")


def number_text(value: float) -> str:
    """Three significant digits.

    >>> number_text(0.34), number_text(13.25)
    ('0.34', '13.2')
    """
    return f"{value:.3g}"


def deviation_lines(deviation: Deviation) -> Iterator[str]:
    """A deviation in a line, and each run that closes part of it in another."""
    row = deviation.row
    ours = number_text(row.ours.arithmetic) if row.ours else "-"
    yield f"- {row.figure.name}: {ours}, paper {number_text(row.figure.value)} ({row.figure.tag}); {deviation.verdict}"
    for closer in deviation.closers:
        yield f"    {closer_text(closer)}"
    if deviation.note:
        yield f"    {deviation.note}"


def closer_text(closer: Closer) -> str:
    """One run, or count, in words."""
    share = "goes past it" if closer.closed > 1 else f"{closer.closed:.0%}"
    return f"{number_text(closer.value)} with {closer.change} ({share}): {closer.mechanism}"


def verdict_lines(deviations: tuple[Deviation, ...]) -> Iterator[str]:
    """How many deviations are explained to the end, and which are not."""
    kinds: dict[str, list[str]] = {}
    for deviation in deviations:
        kinds.setdefault(deviation.verdict, []).append(deviation.row.figure.name)
    explained = sum(len(names) for words, names in kinds.items() if "explained" not in words)
    yield f"The runs close or span {explained} of {len(deviations)} distances; what is left:"
    for words, names in kinds.items():
        if "explained" in words:
            yield from (f"- {name}: {words}" for name in names)


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
