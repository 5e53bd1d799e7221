"""What `mensa-sim families` prints: the paper's families, the clusters found, and who runs them best."""

import math
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.io.json_text import json_text, present
from mensa_sim.report.page.console import console_table, figure_columns
from mensa_sim.report.page.quantities import bytes_text, energy_text, engineering, percent_text, time_text
from mensa_sim.schedule.affinity import Affinity
from mensa_sim.study.families.families import FamilyStudy


def families_tables(study: FamilyStudy) -> RenderableType:
    """Three tables: families by range, clusters, mean cost on each accelerator."""
    return Group(_ranges(study), Text(), _clusters(study), Text(), _affinities(study))


def _ranges(study: FamilyStudy) -> Group:
    share = "-" if study.share_inside is None else percent_text(study.share_inside)
    title = f"{study.layers} layers of {len(study.workloads)} workloads, {share} inside the paper's ranges"
    table = console_table()
    table.add_column("family", no_wrap=True)
    table.add_column("what", overflow="fold")
    figure_columns(table, "layers", "inside", "MACs", "parameters")
    for row in study.rows:
        cells = (str(row.layers), str(row.inside), engineering(row.macs, "").strip(), bytes_text(row.parameter_bytes))
        table.add_row(str(row.number), row.description, *cells)
    return Group(title, table)


def _clusters(study: FamilyStudy) -> Group:
    found = study.clustering
    best = found.silhouettes[len(found.clusters)]
    title = (
        f"{len(found.clusters)} clusters (silhouette {best:.2f}), adjusted Rand index to the paper's families "
        f"{found.agreement:.2f}"
    )
    table = console_table()
    figure_columns(table, "cluster", "parameters", "MAC/B", "MACs", "steps")
    for cluster in found.clusters.values():
        size, reuse, macs, steps = (math.exp(value) for value in cluster.centre)
        cells = (bytes_text(size), f"{reuse:.3g}", engineering(macs, "").strip(), f"{steps:.3g}")
        table.add_row(str(cluster.number), *cells)
    return Group(title, table)


def _affinities(study: FamilyStudy) -> Group:
    title = f"mean cost of a layer on {study.system}; * has the lowest {study.objective}"
    table = console_table()
    for column in ("family", "accelerator"):
        table.add_column(column, no_wrap=True)
    figure_columns(table, "layers", "time", "energy")
    best = _best(study.affinities)
    for entry in study.affinities:
        star = " *" if entry is best.get(entry.family) else ""
        table.add_row(
            str(entry.family),
            entry.accelerator + star,
            str(entry.units),
            "-" if entry.latency_ps is None else time_text(round(entry.latency_ps)),
            "-" if entry.energy_pj is None else energy_text(entry.energy_pj),
        )
    return Group(title, table)


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
        "workloads": list(study.workloads),
        "layers": study.layers,
        "share_inside": study.share_inside,
        "families": [asdict(row) for row in study.rows],
        "clusters": [asdict(cluster) for cluster in study.clustering.clusters.values()],
        "silhouettes": {str(count): value for count, value in study.clustering.silhouettes.items()},
        "adjusted_rand_index": study.clustering.agreement,
        "system": study.system,
        "objective": study.objective,
        "affinities": [present(asdict(entry)) for entry in study.affinities],
    }
    return json_text(present(record))
