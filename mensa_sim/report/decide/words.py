"""A decision in words: the verdict, how sure it is, and where it turns."""

from mensa_sim.lookup import both
from mensa_sim.objective import objective_named
from mensa_sim.report.page.quantities import factor_text, percent_text
from mensa_sim.study.decide.result import DecideResult

EVEN = 0.005
"""Systems nearer to each other than this are as good as each other: a choice, what a third digit shows."""


def verdict_text(result: DecideResult) -> str:
    """Which is better, by how much, and in how many worlds."""
    title = objective_named(result.objective).title
    count = len(result.shares)
    over = next(iter(result.shares)) if count == 1 else f"{count} workloads"
    if result.lead - 1 < EVEN:
        return f"{result.best} and {result.runner_up} are as good as each other on {over} in {title}."
    return (
        f"{result.best} is better than {result.runner_up} on {over}: {factor_text(result.lead)} less {title}, each "
        f"with its best schedule; it is the best in {world_share(result)} of the drawn worlds."
    )


def world_share(result: DecideResult) -> str:
    """The share of worlds in which the best as taken is the best; all and none only where it is so.

    What three digits would round to 100 % stays below it.
    """
    share = result.certain.share
    if 0.9995 <= share < 1:
        return "more than 99.9 %"
    return "100 %" if share == 1 else percent_text(share)


def certainty_text(result: DecideResult) -> str:
    """How far the lead goes over the worlds, and what that rests on."""
    sure, lead = result.certain, result.interval
    low, median, high = map(factor_text, (lead.low, lead.median, lead.high))
    return (
        f"{result.worlds} worlds: {len(result.draws)} draws of the choices that need a run, each at {result.prices} "
        f"draws of all prices, seed {result.seed}. In the middle 90 % of them {result.best} needs {low} to "
        f"{high} less than the best of the others (median {median}). So few draws leave open a "
        f"share of {percent_text(sure.share_low)} to {percent_text(sure.share_high)} (95 % confidence)."
    )


def tried_text(result: DecideResult) -> str:
    """What was tried one at a time, and how much of it turns the decision."""
    names: dict[str, set[str]] = {"price": set(), "choice": set(), "field": set()}
    for each in result.tried:
        names[each.kind].add(f"{each.name} {each.systems}")
    words = {"price": "prices of the technology", "choice": "stated choices", "field": "fields of the systems"}
    tried = both([f"{len(names[kind])} {word}" for kind, word in words.items() if names[kind]])
    turning = len({(each.name, each.systems) for each in result.turns})
    if not turning:
        return f"One at a time, {tried} were tried: none turns the decision."
    return f"One at a time, {tried} were tried: {turning} of them turn{'s' if turning == 1 else ''} the decision."
