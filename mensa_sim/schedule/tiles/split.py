"""Split layers in graphs, assignments and schedule files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.tiles.pieces import axis_size, piece_name
from mensa_sim.cost.tiles.rewrite import Cut, cut_graph
from mensa_sim.errors import FileError
from mensa_sim.flow import IN_TILES
from mensa_sim.io.files import read_record
from mensa_sim.lookup import unknown_name
from mensa_sim.schedule.data_plan import Split
from mensa_sim.schedule.files import ScheduleFile
from mensa_sim.workload.graph import LayerGraph


def with_splits(graph: LayerGraph, splits: Sequence[Split]) -> LayerGraph:
    """The graph with those layers in pieces."""
    if not splits:
        return graph
    cuts = {
        split.layer: Cut(axis=split.axis, sizes=tuple(part.size for part in split.parts), together=split.together)
        for split in splits
    }
    return cut_graph(graph, cuts)


def assignment_of(whole: Mapping[str, str], splits: Sequence[Split]) -> dict[str, str]:
    """Where every layer and every piece runs; split layers themselves are left out."""
    split = {each.layer for each in splits}
    found = {name: accelerator for name, accelerator in whole.items() if name not in split}
    for each in splits:
        found |= {piece_name(each.layer, number): part.accelerator for number, part in enumerate(each.parts, start=1)}
    return found


def splits_in(path: Path, graph: LayerGraph) -> tuple[Split, ...]:
    """The splits that a schedule's file says; `FileError` for those that the graph's layers cannot have."""
    content = read_record(path, ScheduleFile)
    planes, known = planes_of(graph), [layer.name for layer in graph.layers]
    times = Counter(split.layer for split in content.splits)
    faults = [f"splits: {layer} stands {count} times" for layer, count in times.items() if count > 1]
    rows = {row.layer: row.accelerator for row in content.layers}
    for split in content.splits:
        if split.layer not in graph:
            faults.append(f"splits: {unknown_name(split.layer, known, 'layer')}")
            continue
        size, total = axis_size(graph[split.layer], planes[split.layer], split.axis), sum(p.size for p in split.parts)
        if size < 2:
            faults.append(f"splits: {split.layer} cannot be cut along its {split.axis}")
        elif size != total:
            faults.append(f"splits: {split.layer} has {size} {split.axis}, its parts {total}")
        for name, accelerator in assignment_of({}, [split]).items():
            if rows.get(name, accelerator) != accelerator:
                faults.append(f"splits: {name} runs on {rows[name]}, its part on {accelerator}")
    if content.splits and content.flow != IN_TILES:
        faults.append(f"splits: the flow is {content.flow or 'not given'}; layers are split under {IN_TILES}")
    if faults:
        raise FileError(str(path), faults)
    return content.splits
