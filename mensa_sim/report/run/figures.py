"""The figures of a run, in the order of its report."""

import math
from collections.abc import Mapping

from mensa_sim.report.families.layers import DrawnLayer, layers_figure, layers_note
from mensa_sim.report.generation.figures import answer_figures
from mensa_sim.report.page.colours import looks
from mensa_sim.report.page.figure import Drawn, Figure, drawn
from mensa_sim.report.page.quantities import percent_text, ratio_text
from mensa_sim.report.run.energy import energy_figure, largest_component
from mensa_sim.report.run.gantt import GANTT_NOTE, gantt_figure, gantt_finding, merged
from mensa_sim.report.run.on_chip import homes_figures, saved_figure
from mensa_sim.report.run.over_time import bandwidth_drawn, buffers_figure
from mensa_sim.report.run.roofline import roofline_figure, roofline_note
from mensa_sim.report.run.time_use import time_use_figure
from mensa_sim.study.run.result import RunResult, SystemResult
from mensa_sim.workload.families.paper import memberships


def family_figure(main: SystemResult) -> Drawn | None:
    """Layers over the paper's ranges, in the colour of their accelerator; none where no layer has a family."""
    where = {layer.name: layer.accelerator for layer in main.layers}
    layers = [DrawnLayer(where=f"on {where[each.layers[0]]}", member=each) for each in memberships(main.graph)]
    if not layers:
        return None
    colours = {f"on {name}": look.colour for name, look in looks(main.accelerators).items()}
    return Drawn(figure=layers_figure(_finding(main), layers, colours), note=layers_note(len(layers)))


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


def run_figures(result: RunResult) -> dict[str, Drawn]:
    """Figures by name; one that would have nothing to show is absent."""
    main = result.main
    owners = owners_of(main)
    excerpt = merged(main.timeline.spans)
    gantt = gantt_figure(
        gantt_finding(main.timeline.spans, tuple(main.accelerators)), excerpt.spans, tuple(main.accelerators), owners
    )
    found: dict[str, Drawn | None] = {
        **answer_figures(result),
        "energy": Drawn(figure=run_energy_figure(result)),
        "roofline": drawn(roofline_figure(main), roofline_note(main)),
        "utilization": Drawn(figure=time_use_figure(result)),
        "families": family_figure(main),
        "timeline": Drawn(figure=gantt, note=f"{GANTT_NOTE} {excerpt.note}".strip(), wide=True),
        "bandwidth": bandwidth_drawn(main.hardware, main.timeline, owners, wide=True),
        "saved": saved_figure(main),
        **homes_figures(main),
        "buffers": drawn(buffers_figure(main.hardware, main.timeline), wide=True),
    }
    return {name: each for name, each in found.items() if each is not None}


def owners_of(main: SystemResult) -> Mapping[tuple[str, str], str]:
    """The accelerator of each layer, by request and layer."""
    requests = {span.request for span in main.timeline.spans}
    return {(request, layer.name): layer.accelerator for request in sorted(requests) for layer in main.layers}


def run_energy_figure(result: RunResult) -> Figure:
    """Energy of one inference by component, the system over its baseline."""
    main, baseline, ratios = result.main, result.baseline, result.ratios
    component, share = largest_component(main.energy_by_component_pj)
    beside = ""
    if baseline is not None and ratios is not None:
        efficiency = ratios.energy_efficiency
        beside = (
            f"{ratio_text(efficiency)} times as efficient as {baseline.system}; "
            if efficiency >= 1
            else f"{ratio_text(1 / efficiency)} times the energy of {baseline.system}; "
        )
    title = f"{main.system}: {beside}most of the energy, {percent_text(share)}, goes to {component}"
    roles = zip(result.systems, ("this run", "baseline"), strict=False)
    energies = {f"{system.system} ({role})": system.energy_by_component_pj for system, role in roles}
    return energy_figure(title, energies, "one inference")
