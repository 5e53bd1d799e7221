"""What `mensa-sim explore` prints in 80 columns: the front, systems beside it, how designs ended."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.objective import OBJECTIVES, mixed_objectives
from mensa_sim.report.explore.files import all_of
from mensa_sim.report.page.quantities import (
    energy_axis,
    energy_text,
    engineering,
    percent_text,
    setting_text,
    time_axis,
    time_text,
)
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.explore.result import DesignResult, ExploreResult, Reference, recommended

SHOWN_DESIGNS = 12
"""Designs of the front that a terminal shows."""


def metric_text(name: str, value: float) -> str:
    """A metric with its unit, by the end of its name.

    >>> metric_text("latency_ps", 2_500_000), metric_text("area_mm2", 1.5406), metric_text("accelerators", 3)
    ('2.5 µs', '1.54 mm²', '3')
    """
    plain = name.split(" ")[0].split(".")[-1]
    if plain.endswith("_ps"):
        return time_text(round(value))
    if plain.endswith("_pj"):
        return energy_text(value)
    if plain == "utilization":
        return percent_text(value)
    units = {
        **{figure: OBJECTIVES[objective].unit for objective, figure in mixed_objectives().items()},
        "throughput_per_s": "inf/s",
        "throughput_inferences_per_s": "inf/s",
        "macs_per_s": "MAC/s",
        "peak_macs_per_s": "MAC/s",
        "buffer_bytes": "B",
        "memory_bandwidth_bytes_per_s": "B/s",
    }
    if plain in units:
        return engineering(value, units[plain])
    if plain == "area_mm2":
        return f"{value:.3g} mm²"
    suffixes = {"tops_per_w": " TOPS/W", "mean_power_mw": " mW", "leakage_mw": " mW"}
    return f"{value:.4g}{suffixes.get(plain, '')}"


def outcome_text(result: ExploreResult) -> str:
    """How many designs were run, and how the others ended."""
    points = f"{result.space.size:,} points"
    text = f"{result.trials} designs run of {points}; {len(result.front)} on the front"
    others = {state: result.count(state) for state in ("failed", "excluded", "repeat")}
    words = {"failed": "failed", "excluded": "left out by conditions", "repeat": "chosen again and not run again"}
    parts = [f"{count} {words[state]}" for state, count in others.items() if count]
    return "; ".join((text, *parts)) + "."


def finding_text(reference: Reference, result: ExploreResult) -> str:
    """Whether a design beats a reference in every objective at no more area."""
    count = len(reference.dominated_by)
    names = ", ".join(objective.name for objective in result.objectives)
    if not count:
        return f"None of {len(result.designs)} designs dominates {reference.name} in {names} at no more area."
    front = {design.number for design in result.front}
    best = next((number for number in reference.dominated_by if number in front), reference.dominated_by[0])
    verb = "dominates" if count == 1 else "dominate"
    design = "design" if count == 1 else "designs"
    return f"{count} {design} {verb} {reference.name} in {names} at no more area, design {best} among them."


def columns(result: ExploreResult) -> list[str]:
    """The metrics that a table of the front shows: the objectives, then area, and TOPS/W of single inferences."""
    names = [objective.name for objective in result.objectives]
    return list(dict.fromkeys((*names, "area_mm2", *(("tops_per_w",) if result.space.file.workloads else ()))))


def explore_tables(result: ExploreResult) -> RenderableType:
    """Everything that an exploration prints."""
    names = columns(result)
    rows = [(f"design {design.number}", *metric_cells(design, names)) for design in result.front[:SHOWN_DESIGNS]]
    rows += [(reference.name, *metric_cells(reference, names)) for reference in result.references]
    table = Sheet([*texts(""), *numbers(*names)], rows, title=f"front of {result.space.file.name}")
    parameters = [parameter.name for parameter in result.space.parameters]
    chosen = [
        (f"design {design.number}", *(setting_text(design.parameters[name], exact=True) for name in parameters))
        for design in result.front[:SHOWN_DESIGNS]
    ]
    settings: list[RenderableType] = (
        [Text(), Sheet(texts("", *parameters), chosen, title="its parameters")] if chosen else []
    )
    more = len(result.front) - SHOWN_DESIGNS
    lines = [f"... and {more} more designs on the front"] if more > 0 else []
    lines += ["", *recommendation_texts(result), outcome_text(result)]
    lines += [finding_text(reference, result) for reference in result.references]
    lines += [f"{name} could not be run: {error}" for name, error in result.reference_failures.items()]
    failed = next((outcome for outcome in result.outcomes if outcome.state == "failed"), None)
    if failed is not None:
        lines.append(f"First failure, design {failed.number}: {failed.detail}")
    return Group(table, *settings, *(Text(line) for line in lines))


def recommendation_texts(result: ExploreResult) -> list[str]:
    """The design of the front to begin with, its parameters, and the rule that chose it; nothing without a front."""
    design = recommended(result)
    if design is None:
        return []
    parameters = ", ".join(f"{name} {setting_text(value, exact=True)}" for name, value in design.parameters.items())
    return [
        f"Recommended: design {design.number} ({parameters}). Of the front it is the nearest to the best of every "
        "objective at once: the product of how many times worse than the best it is in each is the least."
    ]


def metric_cells(each: DesignResult | Reference, names: Sequence[str]) -> list[str]:
    """The values of some metrics, in words."""
    values = all_of(each)
    return [metric_text(name, values[name]) if name in values else "-" for name in names]


SCALES: Mapping[str, Callable[[float], tuple[int, str]]] = {
    "_ps": time_axis,
    "_pj": energy_axis,
    "_mm2": lambda _: (1, "mm²"),
}
"""By the end of a metric's name: what an axis up to a value divides by, and its unit."""


def metric_words(name: str) -> str:
    """A metric without its unit.

    >>> metric_words("tops_per_w"), metric_words("energy_pj (worst)"), metric_words("scenario.p99_ps")
    ('tops per w', 'energy, worst', 'scenario p99')
    """
    plain, _, how = name.partition(" ")
    words = plain.removesuffix(_end(plain)).replace("_", " ").replace(".", " ")
    return f"{words}, {how.strip('()').replace('_', ' ')}" if how else words


def axis(name: str, values: Iterable[float]) -> tuple[int, str]:
    """What the values of a metric are divided by on an axis, and the axis's title.

    >>> axis("latency_ps", [2_500_000_000]), axis("tops_per_w", [2.0]), axis("energy_pj (worst)", [2e6, 3e6])
    ((1000000000, 'latency (ms)'), (1, 'tops per w'), (1000000, 'energy, worst (µJ)'))
    """
    end = _end(name.partition(" ")[0])
    scale, unit = SCALES[end](max(values, default=0.0)) if end else (1, "")
    return scale, f"{metric_words(name)} ({unit})" if unit else metric_words(name)


def _end(plain: str) -> str:
    return next((end for end in SCALES if plain.endswith(end)), "")
