"""What `mensa-sim families` shows: the paper's families, the clusters found, and who runs them best."""

import math
from dataclasses import fields

from mensa_sim.io.json_text import picked, plain
from mensa_sim.objective import objective_named
from mensa_sim.report.families.layers import DrawnLayer, layers_figure, layers_note
from mensa_sim.report.page.colours import BLUE, ORANGE, looks
from mensa_sim.report.page.figure import Drawn, Figure, categories, figure, padded, scatter, shown
from mensa_sim.report.page.plain import StudyText, plain_report
from mensa_sim.report.page.quantities import bytes_text, energy_text, engineering, percent_text, time_text
from mensa_sim.report.page.sheet import Sheet, known_text, numbers, texts
from mensa_sim.schedule.affinity import Affinity
from mensa_sim.study.families.families import FamilyStudy


def _inside(study: FamilyStudy) -> str:
    share = "none" if study.share_inside is None else percent_text(study.share_inside)
    return f"{study.layers} layers of {len(study.workloads)} workloads, {share} inside the paper's ranges"


def _parted(study: FamilyStudy) -> str:
    found = study.clustering
    best = found.silhouettes[len(found.clusters)]
    return (
        f"{len(found.clusters)} clusters (silhouette {best:.2f}), adjusted Rand index to the paper's families "
        f"{found.agreement:.2f}"
    )


def _text(study: FamilyStudy) -> StudyText:
    means = f"Mean cost of a layer on {study.system}; * has the lowest {_objective(study)}"
    return StudyText(
        finding=f"{_inside(study)}; {_parted(study)}.",
        sheets={"The paper's families": _ranges(study), "Clusters": _clusters(study), means: _affinities(study)},
    )


def _ranges(study: FamilyStudy) -> Sheet:
    rows = [
        (
            *(str(row.number), row.description, str(row.layers), str(row.inside)),
            *(engineering(row.macs, "").strip(), bytes_text(row.parameter_bytes)),
        )
        for row in study.rows
    ]
    return Sheet([*texts("family", "what"), *numbers("layers", "inside", "MACs", "parameters")], rows)


def _clusters(study: FamilyStudy) -> Sheet:
    rows = []
    for cluster in study.clustering.clusters.values():
        size, reuse, macs, steps = (math.exp(value) for value in cluster.centre)
        cells = (bytes_text(size), f"{reuse:.3g}", engineering(macs, "").strip(), f"{steps:.3g}")
        rows.append((str(cluster.number), *cells))
    return Sheet(numbers("cluster", "parameters", "MAC/B", "MACs", "steps"), rows)


def _affinities(study: FamilyStudy) -> Sheet:
    best = _best(study.affinities)
    rows = [
        (
            str(entry.family),
            entry.accelerator + (" *" if entry is best.get(entry.family) else ""),
            str(entry.units),
            known_text(entry.latency_ps, lambda ps: time_text(round(ps))),
            known_text(entry.energy_pj, energy_text),
        )
        for entry in study.affinities
    ]
    return Sheet([*texts("family", "accelerator"), *numbers("layers", "time", "energy")], rows)


def _best(entries: tuple[Affinity, ...]) -> dict[int, Affinity]:
    best: dict[int, Affinity] = {}
    for entry in entries:
        now = best.get(entry.family)
        if entry.value is not None and (now is None or now.value is None or entry.value < now.value):
            best[entry.family] = entry
    return best


def families_figures(study: FamilyStudy) -> dict[str, Drawn]:
    """Where the layers lie, what a family takes on each accelerator, and how well clusters part."""
    layers = [DrawnLayer(where=workload, member=member) for workload, member in study.members]
    tried = {"silhouettes": Drawn(figure=_silhouettes_figure(study))} if len(study.clustering.silhouettes) > 1 else {}
    return {
        "layers": Drawn(figure=layers_figure(_inside(study), layers), note=layers_note(len(layers))),
        "costs": Drawn(figure=_costs_figure(study), note="The pointer shows mean time and dynamic energy."),
        **tried,
    }


def _costs_figure(study: FamilyStudy) -> Figure:
    """The objective of a family's layers on each accelerator, beside that where it is lowest."""
    best = _best(study.affinities)
    traces = []
    for name, look in looks(dict.fromkeys(each.accelerator for each in study.affinities)).items():
        own = [each for each in study.affinities if each.accelerator == name and each.value]
        traces.append(
            scatter(
                name=shown(name),
                mode="markers",
                x=[str(each.family) for each in own],
                y=[(each.value or 0.0) / (best[each.family].value or 1.0) for each in own],
                marker={"color": look.colour, "symbol": look.symbol, "size": 11},
                customdata=[
                    f"{time_text(round(each.latency_ps or 0))}, {energy_text(each.energy_pj or 0)}" for each in own
                ],
                hovertemplate=f"family %{{x}}: %{{y:.3g}} times, %{{customdata}}<extra>{shown(name)}</extra>",
            )
        )
    suits = ", ".join(f"family {number} {each.accelerator}" for number, each in best.items())
    y = padded(f"{_objective(study)}, times the lowest (ratio)", traces, "y")
    return figure(f"Lowest {_objective(study)}: {suits}", categories("family of the paper"), y, traces)


def _objective(study: FamilyStudy) -> str:
    return objective_named(study.objective).title


def _silhouettes_figure(study: FamilyStudy) -> Figure:
    """How well each number of clusters parts the layers."""
    found = study.clustering
    counts = sorted(found.silhouettes)
    line = scatter(
        name="mean silhouette",
        mode="lines+markers",
        x=counts,
        y=[found.silhouettes[count] for count in counts],
        line={"color": BLUE},
        hovertemplate="%{x} clusters: %{y:.3f}<extra></extra>",
    )
    chosen = len(found.clusters)
    mark = {"color": ORANGE, "size": 14, "symbol": "diamond"}
    point = scatter(name="taken", mode="markers", x=[chosen], y=[found.silhouettes[chosen]], marker=mark)
    x = {"title": "clusters (number)", "dtick": 1}
    return figure(_parted(study), x, "mean silhouette (ratio, 1 is best)", [line, point])


def _data(study: FamilyStudy) -> dict[str, object]:
    """An unknown value is absent."""
    return {
        **picked(study, "workloads", "layers", "share_inside", "families=rows"),
        "clusters": plain(list(study.clustering.clusters.values())),
        "silhouettes": {str(count): value for count, value in study.clustering.silhouettes.items()},
        **picked(study, "adjusted_rand_index=clustering.agreement", "system", "objective"),
    }


FAMILIES_FOUND = plain_report(
    title="Families of layers",
    told=_text,
    figures=families_figures,
    row_fields=[each.name for each in fields(Affinity)],
    records=lambda study: study.affinities,
    rows_name="affinities",
    data=_data,
)
