"""What `mensa-sim families` prints: the paper's families, the clusters found, and who runs them best."""

import math

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.io.json_text import json_text, picked, plain, present
from mensa_sim.report.page.quantities import bytes_text, energy_text, engineering, percent_text, time_text
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.schedule.affinity import Affinity
from mensa_sim.study.families.families import FamilyStudy


def families_tables(study: FamilyStudy) -> RenderableType:
    """Three tables: families by range, clusters, mean cost on each accelerator."""
    return Group(_ranges(study), Text(), _clusters(study), Text(), _affinities(study))


def _ranges(study: FamilyStudy) -> Group:
    share = "-" if study.share_inside is None else percent_text(study.share_inside)
    title = f"{study.layers} layers of {len(study.workloads)} workloads, {share} inside the paper's ranges"
    rows = [
        (
            *(str(row.number), row.description, str(row.layers), str(row.inside)),
            *(engineering(row.macs, "").strip(), bytes_text(row.parameter_bytes)),
        )
        for row in study.rows
    ]
    columns = [*texts("family", "what"), *numbers("layers", "inside", "MACs", "parameters")]
    return Group(title, Sheet(columns, rows))


def _clusters(study: FamilyStudy) -> Group:
    found = study.clustering
    best = found.silhouettes[len(found.clusters)]
    title = (
        f"{len(found.clusters)} clusters (silhouette {best:.2f}), adjusted Rand index to the paper's families "
        f"{found.agreement:.2f}"
    )
    rows = []
    for cluster in found.clusters.values():
        size, reuse, macs, steps = (math.exp(value) for value in cluster.centre)
        cells = (bytes_text(size), f"{reuse:.3g}", engineering(macs, "").strip(), f"{steps:.3g}")
        rows.append((str(cluster.number), *cells))
    return Group(title, Sheet(numbers("cluster", "parameters", "MAC/B", "MACs", "steps"), rows))


def _affinities(study: FamilyStudy) -> Group:
    title = f"mean cost of a layer on {study.system}; * has the lowest {study.objective}"
    best = _best(study.affinities)
    rows = [
        (
            str(entry.family),
            entry.accelerator + (" *" if entry is best.get(entry.family) else ""),
            str(entry.units),
            "-" if entry.latency_ps is None else time_text(round(entry.latency_ps)),
            "-" if entry.energy_pj is None else energy_text(entry.energy_pj),
        )
        for entry in study.affinities
    ]
    return Group(title, Sheet([*texts("family", "accelerator"), *numbers("layers", "time", "energy")], rows))


def _best(entries: tuple[Affinity, ...]) -> dict[int, Affinity]:
    best: dict[int, Affinity] = {}
    for entry in entries:
        now = best.get(entry.family)
        if entry.value is not None and (now is None or now.value is None or entry.value < now.value):
            best[entry.family] = entry
    return best


def families_json(study: FamilyStudy) -> str:
    """The study as JSON text; an unknown value is absent."""
    record = {
        **picked(study, "workloads", "layers", "share_inside", "families=rows"),
        "clusters": plain(list(study.clustering.clusters.values())),
        "silhouettes": {str(count): value for count, value in study.clustering.silhouettes.items()},
        **picked(study, "adjusted_rand_index=clustering.agreement", "system", "objective"),
        "affinities": [present(plain(entry)) for entry in study.affinities],
    }
    return json_text(present(record))
