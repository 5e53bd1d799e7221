"""The figures of a scenario, in the order of its report."""

from collections.abc import Sequence

from mensa_sim.hardware.static_energy import STATIC
from mensa_sim.report.page.colours import GREY, Look, looks
from mensa_sim.report.page.figure import Drawn, Figure, Trace, categories, drawn, figure, shown
from mensa_sim.report.page.quantities import percent_text, ratio_text, time_text
from mensa_sim.report.run.energy import energy_figure, largest_component
from mensa_sim.report.run.gantt import GANTT_NOTE, around, gantt_figure
from mensa_sim.report.run.over_time import Owners, bandwidth_drawn, buffers_figure, power_figure, steps_note
from mensa_sim.report.scenario.latency import latency_drawn, streams_note, waiting_figure
from mensa_sim.simulate.record.timeline import Span
from mensa_sim.study.scenario.scenario import ScenarioResult, ScenarioSystemResult


def scenario_figures(result: ScenarioResult) -> dict[str, Drawn]:
    """Figures by name; one that would have nothing to show is absent."""
    main = result.main
    timeline, system = main.timeline, main.hardware
    note = steps_note(timeline.end_ps, timeline.every)
    owners = _owners(timeline.spans, tuple(main.metrics.accelerators))
    found: dict[str, Drawn | None] = {
        "latency": latency_drawn(main),
        "waiting": drawn(waiting_figure(main), streams_note(main)),
        "energy": Drawn(figure=_energy_figure(result)) if main.energy_per_inference_pj else None,
        "load": Drawn(figure=load_figure(result)),
        "timeline": _timeline(main),
    }
    if timeline.spans:
        found |= {
            "power": Drawn(figure=power_figure(system, timeline, owners, *_powers_mw(main)), note=note),
            "bandwidth": bandwidth_drawn(system, timeline, owners),
            "buffers": drawn(buffers_figure(system, timeline)),
        }
    return {name: each for name, each in found.items() if each is not None}


def _powers_mw(main: ScenarioSystemResult) -> tuple[float, float]:
    """The static power, and all in the mean."""
    energies = main.metrics.energy_by_component_pj
    static_pj = sum(energies.get(component, 0.0) for component in STATIC)
    return 1000 * static_pj / main.metrics.end_ps, main.metrics.mean_power_mw


def _owners(spans: Sequence[Span], accelerators: Sequence[str]) -> Owners:
    """The accelerator of each layer, by request and layer."""
    names = set(accelerators)
    return {(span.request, span.layer): span.resource for span in spans if span.resource in names}


def _energy_figure(result: ScenarioResult) -> Figure:
    """Energy of an inference by component, over all streams, beside the baseline's."""
    energies = {
        f"{system.system} ({role})": system.components_per_inference_pj
        for system, role in zip(result.systems, ("this run", "baseline"), strict=False)
        if system.finished
    }
    component, share = largest_component(result.main.metrics.energy_by_component_pj)
    beside = ""
    if result.baseline and result.energy_efficiency:
        beside = f"{ratio_text(result.energy_efficiency)} times the energy efficiency of {result.baseline.system}; "
    title = f"{result.main.system}: {beside}most of the energy, {percent_text(share)}, goes to {component}"
    return energy_figure(title, energies, "an inference, mean over all streams")


def load_figure(result: ScenarioResult) -> Figure:
    """The share of time in which each accelerator was busy and of bandwidth that each channel used."""
    metrics = result.main.metrics
    loads = {name: load.busy_share for name, load in metrics.accelerators.items()}
    loads |= {name: channel.utilization for name, channel in metrics.channels.items()}
    busiest = max(loads, key=loads.__getitem__)
    colours = looks(metrics.accelerators)
    traces: list[Trace] = [
        {
            "type": "bar",
            "name": shown(name),
            "showlegend": False,
            "x": [shown(name)],
            "y": [100 * share],
            "text": [percent_text(share)],
            "textposition": "outside",
            "cliponaxis": False,
            "marker": colours.get(name, Look(colour=GREY, pattern="/")).bar,
            "hovertemplate": "%{x}: %{y:.3g} %<extra></extra>",
        }
        for name, share in loads.items()
    ]
    title = f"{busiest} is the busiest resource, at {percent_text(loads[busiest])}"
    y = {"title": "busy time, or used bandwidth (%)", "rangemode": "tozero"}
    return figure(title, categories("accelerator, then memory or link (striped)"), y, traces, bargap=0.4)


def _timeline(main: ScenarioSystemResult) -> Drawn | None:
    """What happened around the request that took longest, compared with its deadline where it has one."""
    timeline = main.timeline
    if timeline.slowest is None or not timeline.spans:
        return None
    slowest = timeline.slowest.request
    kept = any(request.name == slowest.name for request in timeline.requests)
    spans = timeline.spans if kept else (*timeline.spans, *timeline.slowest.spans)
    excerpt = around(spans, slowest.arrival_ps, slowest.end_ps or 0)
    latency_ps = (slowest.end_ps or 0) - slowest.arrival_ps
    allowed = ""
    if slowest.deadline_ps is not None:
        allowed = f" of {time_text(slowest.deadline_ps - slowest.arrival_ps)} allowed"
    waited = percent_text(max(0, latency_ps - slowest.served_ps) / (latency_ps or 1))
    title = f"The slowest request, {slowest.name}, takes {time_text(latency_ps)}{allowed} and waits {waited} of that"
    accelerators = tuple(main.metrics.accelerators)
    bars = gantt_figure(title, excerpt.spans, accelerators, _owners(spans, accelerators), marked=slowest)
    return Drawn(figure=bars, note=f"{GANTT_NOTE} {excerpt.note}", wide=True)
