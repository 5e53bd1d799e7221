"""Which families a run's layers are of, and where they went."""

import math

from mensa_sim.report.families.layers import DrawnLayer, layers_figure, layers_note
from mensa_sim.report.page.colours import looks
from mensa_sim.report.page.drawn import Drawn
from mensa_sim.report.page.quantities import percent_text
from mensa_sim.study.run.result import SystemResult
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
