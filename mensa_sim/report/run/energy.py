"""Energy by component, systems side by side."""

from collections.abc import Mapping

from mensa_sim.report.page.colours import COMPONENT_LOOKS, COMPONENT_NAMES
from mensa_sim.report.page.figure import Figure, Trace, categories, figure, shown
from mensa_sim.report.page.quantities import energy_axis, energy_text, percent_text


def energy_figure(title: str, energies: Mapping[str, Mapping[str, float]], of: str) -> Figure:
    """Stacked bars, one for each label; `energies` by label and component in pJ, `of` what they are the energy of."""
    totals = {label: sum(parts.values()) for label, parts in energies.items()}
    scale, unit = energy_axis(max(totals.values()))
    traces: list[Trace] = []
    for component, look in COMPONENT_LOOKS.items():
        if not any(parts.get(component) for parts in energies.values()):
            continue
        values = [parts.get(component, 0.0) for parts in energies.values()]
        traces.append(
            {
                "type": "bar",
                "name": COMPONENT_NAMES[component],
                "orientation": "h",
                "y": [shown(label) for label in energies],
                "x": [value / scale for value in values],
                "customdata": [
                    f"{energy_text(value)}, {percent_text(value / total) if total else '-'}"
                    for value, total in zip(values, totals.values(), strict=True)
                ],
                "hovertemplate": "%{y}<br>%{fullData.name}: %{customdata}<extra></extra>",
                "marker": look.bar,
            }
        )
    x = {"title": f"energy of {of} ({unit})", "rangemode": "tozero"}
    return figure(title, x, {**categories("system"), "autorange": "reversed"}, traces, barmode="stack", bargap=0.35)


def largest_component(parts: Mapping[str, float]) -> tuple[str, float]:
    """The component that takes most, as people call it, and its share."""
    name = max(parts, key=parts.__getitem__)
    total = sum(parts.values())
    return COMPONENT_NAMES[name], parts[name] / total if total else 0.0
