"""What `mensa-sim compare` prints and writes of one workload."""

from dataclasses import asdict

from rich.console import RenderableType

from mensa_sim.io.json_text import picked, present
from mensa_sim.lookup import both
from mensa_sim.objective import objective_named, product_shown
from mensa_sim.report.compare.side_by_side import flat_csv, systems_blocks, systems_tables, systems_title
from mensa_sim.report.generation.tables import answer_rows, answer_title, generation_summary
from mensa_sim.report.page.changes import changes_summary, changes_text
from mensa_sim.report.page.colours import looks
from mensa_sim.report.page.figure import Drawn, Figure, Trace, figure, lines, padded, scatter, shown
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.page import heading, sheet_block, table_block
from mensa_sim.report.page.products import objective_text, product_rows
from mensa_sim.report.page.quantities import (
    bytes_text,
    energy_axis,
    energy_text,
    engineering,
    factor_text,
    percent_text,
    time_axis,
    time_text,
)
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.report.run.energy import energy_figure, largest_component
from mensa_sim.report.run.tables import best_text, gap_text
from mensa_sim.report.trace.layers import caveats_text
from mensa_sim.study.compare.compare import CompareResult
from mensa_sim.study.run.result import LayerResult, SystemResult, objective_of, ratios


def compared_values(result: CompareResult) -> dict[str, object]:
    """The systems' figures on one workload as plain JSON values in a fixed order; an unknown value is absent."""
    return {
        **picked(result, "workload", "scheduler", "objective", "baseline"),
        "systems": system_entries(result),
        **(picked(result, "differences") if result.differences else {}),
    }


def system_entries(result: CompareResult) -> list[dict[str, object]]:
    """One for each system."""
    return [
        {
            "system": name,
            **present(_values(system)),
            **({"generation": generation_summary(result.answers[name])} if name in result.answers else {}),
            "ratios": asdict(result.ratios(name)),
        }
        for name, system in result.systems.items()
    ]


def _values(system: SystemResult) -> dict[str, object]:
    return {
        **picked(system, "scheduler", "latency_ps", "energy_pj"),
        **system.products,
        **picked(system, "throughput_inferences_per_s", "macs_per_s", "utilization", "traffic_bytes"),
        **picked(system, "energy_by_component_pj", "steady_state=steady", "handoffs", "optimality.gap"),
        **picked(system, "best_schedule=best", "area_mm2"),
        "caveats": list(system.caveats) or None,
    }


def compare_rows(result: CompareResult) -> list[tuple[str, ...]]:
    """One row a quantity, one column a system; ratios are against the first, above 1 is better."""
    systems = list(result.systems.values())
    shares = [result.ratios(name) for name in result.systems]
    area = ["-" if not system.area_mm2 else f"{system.area_mm2:.3g} mm²" for system in systems]
    answers = [*answer_rows(list(result.answers.values()), ratio=False)] if result.answers else []
    return [
        *answers,
        *([("the first step:", *("" for _ in systems))] if answers else []),
        ("latency", *(time_text(system.latency_ps) for system in systems)),
        ("energy", *(energy_text(system.energy_pj) for system in systems)),
        *((title, *texts) for title, texts, _ in product_rows(systems)),
        ("throughput", *(engineering(system.throughput_inferences_per_s, "inf/s") for system in systems)),
        ("MAC rate", *(engineering(system.macs_per_s, "MAC/s") for system in systems)),
        ("utilization", *(percent_text(system.utilization) for system in systems)),
        ("memory traffic", *(bytes_text(sum(system.traffic_bytes.values())) for system in systems)),
        ("hand-offs", *(str(system.handoffs) for system in systems)),
        ("area", *area),
        ("above the bound", *(gap_text(system.optimality) for system in systems)),
        *([("the whole answer:", *("" for _ in systems))] if answers else []),
        ("energy efficiency", *(factor_text(each.energy_efficiency) for each in shares)),
        ("speed", *(factor_text(each.latency) for each in shares)),
    ]


def compare_tables(result: CompareResult) -> RenderableType:
    """The systems side by side."""
    title = f"{result.workload}, {_inference(result)}; efficiency and speed against {result.baseline}"
    return systems_tables(title, lead_text(result), list(result.systems), compare_rows(result), compare_notes(result))


def _inference(result: CompareResult) -> str:
    """What the figures are of."""
    return "one answer" if result.answers else "one inference"


def lead_text(result: CompareResult) -> str:
    """Which system is the best for the objective, and by how much over the next."""
    product = next(iter(result.systems.values())).objective
    values = {name: objective_of(result.whole(name), product) for name in result.systems}
    best, second, *_ = sorted(values, key=lambda name: values[name])
    ours = ratios(result.whole(best), result.whole(second))
    lead = factor_text(values[second] / values[best])
    answers = f"answers ({answer_title(next(iter(result.answers.values())))}) of " if result.answers else ""
    return (
        f"{best} is the best for {answers}{result.workload}: {lead} less "
        f"{objective_named(product).title} than {second}, with {factor_text(ours.energy_efficiency)} its energy "
        f"efficiency and {factor_text(ours.latency)} its speed."
    )


def difference_texts(result: CompareResult) -> list[str]:
    """What only some of the systems can, what it would be worth to the others, and whether it turns the comparison."""
    found = []
    for each in result.differences:
        having = both(f"{both(names)} of {system}" for system, names in each.having.items())
        for name, gain in each.given.items():
            product = result.systems[name].objective
            rival = min(each.having, key=lambda other: objective_of(result.whole(other), product))
            lead = objective_of(result.whole(name), product) / objective_of(result.whole(rival), product)
            if factor_text(lead) == factor_text(lead / gain):
                continue  # it is worth nothing here
            turned = ", which turns it" if (lead - 1) * (lead / gain - 1) < 0 else ""
            found.append(
                f"{each.name}: {having} can, {name} cannot; if it could, {rival}'s {factor_text(lead)} in "
                f"{objective_named(product).title} would be {factor_text(lead / gain)}{turned} "
                f"(`mensa-sim decide` tries every such field)"
            )
    return found


def compare_notes(result: CompareResult) -> list[str]:
    """What the best schedule would give where one is far from it, what was set where, and the caveats."""
    systems, baseline = result.systems, result.systems[result.baseline]
    best = [f"{name}, {text}" for name, system in systems.items() for text in best_text(system, baseline)]
    caveats = caveats_text(*systems.values())
    return [*difference_texts(result), *best, *changes_text(result.changes, list(systems)), *caveats]


def compare_blocks(result: CompareResult, figures: dict[str, Drawn]) -> list[str]:
    """The comparison on a page."""
    reading = (
        f"{_inference(result).capitalize()}, scheduler {result.scheduler} where there is a choice, objective "
        f"{result.objective}. Energy efficiency and speed are against {result.baseline}: above 1 is better."
    )
    notes = compare_notes(result)
    return [
        *systems_blocks(lead_text(result), reading, list(result.systems), compare_rows(result), notes, figures),
        heading("Where the layers run" if not result.answers else "Where the layers of the first step run"),
        _placements(result),
        heading("Layer by layer"),
        _layers(result),
    ]


def compare_figures(result: CompareResult) -> dict[str, Drawn]:
    """By name."""
    return {"energy": Drawn(figure=compare_energy_figure(result)), "trade": Drawn(figure=trade_figure(result))}


def compare_energy_figure(result: CompareResult) -> Figure:
    """Energy by component, one bar a system."""
    systems = {name: result.answers.get(name, system) for name, system in result.systems.items()}
    best = min(systems, key=lambda name: systems[name].energy_pj)
    share = systems[best].energy_pj / systems[result.baseline].energy_pj
    component, largest = largest_component(systems[best].energy_by_component_pj)
    beside = "" if best == result.baseline else f", {share:.2g} times that of {result.baseline}"
    title = f"{best} takes the least energy{beside}; {percent_text(largest)} of it goes to {component}"
    return energy_figure(title, {n: each.energy_by_component_pj for n, each in systems.items()}, _inference(result))


def trade_figure(result: CompareResult) -> Figure:
    """Energy over latency, a mark for each system, lower left is better."""
    systems = {name: result.whole(name) for name in result.systems}
    product = product_shown(*(system.objective for system in result.systems.values()))
    products = {name: objective_of(each, product) for name, each in systems.items()}
    ps, time_unit = time_axis(max(each.latency_ps for each in systems.values()))
    pj, energy_unit = energy_axis(max(each.energy_pj for each in systems.values()))
    traces: list[Trace] = [
        scatter(
            mode="markers",
            name=shown(name),
            x=[systems[name].latency_ps / ps],
            y=[systems[name].energy_pj / pj],
            marker={"color": look.colour, "symbol": look.symbol, "size": 13},
            hovertemplate=f"{lines(name, objective_text(product, products[name]))}<br>"
            f"%{{x:.4g}} {time_unit}, %{{y:.4g}} {energy_unit}<extra></extra>",
        )
        for name, look in looks(systems).items()
    ]
    fastest = min(systems, key=lambda name: systems[name].latency_ps)
    best = min(systems, key=lambda name: products[name])
    ratio = products[result.baseline] / products[best]
    least = f"has the least {objective_named(product).title}"
    least = least if best == fastest else f"{best} {least}"
    title = f"{fastest} is the fastest{' and' if best == fastest else ','} {least}"
    title += "" if best == result.baseline else f", {ratio:.3g} times better than {result.baseline}"
    x = padded(f"latency ({time_unit})", traces, "x")
    return figure(title, x, padded(f"energy of {_inference(result)} ({energy_unit})", traces, "y"), traces)


def _placements(result: CompareResult) -> str:
    rows = [
        (name, accelerator, str(each.layers), time_text(each.busy_ps), percent_text(each.utilization))
        for name, system in result.systems.items()
        for accelerator, each in system.accelerators.items()
    ]
    return sheet_block(Sheet([*texts("system", "accelerator"), *numbers("layers", "busy", "utilization")], rows))


def _layers(result: CompareResult) -> str:
    """Where each layer runs on each system, how long, and with how much dynamic energy."""
    layers = {name: {layer.name: layer for layer in system.layers} for name, system in result.systems.items()}
    header = ("layer", *(f"{name}: {what}" for name in layers for what in ("on", "time", "energy")))
    rows = [
        (layer, *(text for own in layers.values() for text in _layer_cells(own[layer])))
        for layer in next(iter(layers.values()))
    ]
    numeric = [column for column in header if column.endswith((": time", ": energy"))]
    return table_block(header, rows, numeric=numeric, name="layers")


def _layer_cells(layer: LayerResult) -> tuple[str, str, str]:
    return layer.accelerator, time_text(layer.end_ps - layer.start_ps), energy_text(layer.energy_pj)


COMPARISON = Report(
    table=compare_tables,
    figures=compare_figures,
    title=systems_title,
    blocks=compare_blocks,
    data=lambda result: {**compared_values(result), **changes_summary(result.changes), **provenance_summary(result)},
    rows=lambda result: flat_csv(system_entries(result)),
)
