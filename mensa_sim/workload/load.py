"""From a workload's name or path to its layer graph; torch is imported only where a model must be traced."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mensa_sim.errors import FileError, TraceError, UsageError
from mensa_sim.io.at_hand import Given
from mensa_sim.io.files import keys_of, validate
from mensa_sim.io.shipped import beside, find, is_file
from mensa_sim.lookup import unknown_name
from mensa_sim.workload.files import WorkloadFile, read_workload
from mensa_sim.workload.generation.model import GeneratingModel, Generation
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.graph_json import cached_graph
from mensa_sim.workload.importers.callables import built, callable_of
from mensa_sim.workload.importers.layer_list.importer import listed_graph
from mensa_sim.workload.importers.modules import places
from mensa_sim.workload.importers.reference import IMPORTERS, Source, require_permission
from mensa_sim.workload.own_mapping import OwnMapping, placed
from mensa_sim.workload.widths import entries_with_widths, graph_with_widths, widths_of

LOGGER = logging.getLogger(__name__)


def load_workload(
    name_or_path: Given, *, allow_code: bool = False, strict: bool = False, cache: bool = True
) -> LayerGraph:
    """The layer graph of a workload: a bare name of a shipped one, a workload file, a dict, or a model's own file.

    Of a workload that generates it is the first decoding step, after the prompt.

    `allow_code` permits models that run code of their own; `strict` refuses a graph with unsupported operators;
    `cache` reads and keeps traced graphs. Raises `UsageError` for anything the user can mend.
    """
    path = find("workloads", name_or_path)
    workload = _workload_at(path)
    LOGGER.info("%s: reading the layers of %s", workload.name, path)
    graph = with_mappings(_graph(workload, path, allow_code=allow_code, cache=cache), workload.mappings, path)
    if strict:
        refuse_unsupported(graph, str(path))
    return graph


def load_generation(name_or_path: Given, *, allow_code: bool = False) -> Generation | None:
    """The model of a workload that generates; none for any other."""
    path = find("workloads", name_or_path)
    workload = _workload_at(path)
    if workload.generate is None:
        return None
    generation = _generation_of(workload, path, allow_code=allow_code)
    draft = _draft_of(workload, path)
    if draft is None:
        return generation
    return replace(generation, draft=load_generation(draft, allow_code=allow_code))


def _generation_of(workload: WorkloadFile, path: Path, *, allow_code: bool = False) -> Generation:
    """The model of a workload file with `generate`; `FileError` for one whose callable gives no such model."""
    assert workload.generate is not None
    reference = workload.reference
    require_permission(reference, path, allow_code=allow_code)
    if reference.source is Source.CONFIG:
        from mensa_sim.workload.models.configured import read_decoder

        model: object = read_decoder(reference.path_beside(path))
    else:
        model = built(callable_of(reference, path), workload, path)
    if not isinstance(model, GeneratingModel):
        what = f"{workload.model} gives a {type(model).__name__}"
        raise FileError(
            str(path), [f"model: {what}, which has no phases: a workload with `generate` needs a model that has"]
        )
    generation = Generation(name=workload.name, model=model, widths=workload.widths, generate=workload.generate)
    try:
        generation.step(workload.generate.prompt_tokens + workload.generate.new_tokens - 1)
    except UsageError as error:
        raise FileError(str(path), [f"generate: {error}"]) from error
    return generation


def _draft_of(workload: WorkloadFile, path: Path) -> str | None:
    """The workload of the model that proposes tokens; a `FileError` for one that cannot, or has a draft of its own."""
    speculation = None if workload.generate is None else workload.generate.speculation
    if speculation is None:
        return None
    draft = str(beside(path, speculation.draft, "workloads"))
    lengths = _workload_at(find("workloads", draft)).generate
    if lengths is None or lengths.speculation is not None:
        why = "generates nothing" if lengths is None else "has a draft of its own"
        raise FileError(str(path), [f"generate.speculation.draft: {speculation.draft} {why}"])
    return draft


def refuse_unsupported(graph: LayerGraph, label: str) -> None:
    """Raises `TraceError` for a graph with unsupported operators; `label` names its file, or the graph."""
    if graph.coverage.unsupported:
        nodes = ", ".join(f"{layer.name} ({layer.operator})" for layer in graph.layers if not layer.supported)
        raise TraceError(
            f"{label}: unsupported operators: {nodes}; "
            "write them in others, or leave --strict out and have them charged their traffic alone"
        )


def workload_files(name_or_path: Given) -> tuple[Path, ...]:
    """The files that a workload consists of: its own, and its model's where that is a file too."""
    path = find("workloads", name_or_path)
    workload = _workload_at(path)
    draft = _draft_of(workload, path)
    if draft is not None:
        return tuple(dict.fromkeys((path, *workload_files(draft))))
    if workload.model is None or not workload.reference.is_file:
        return (path,)
    return tuple(dict.fromkeys((path, workload.reference.path_beside(path))))


def _workload_at(path: Path) -> WorkloadFile:
    """The workload file, or the one that a bare model file stands for."""
    if path.suffix.lower() in IMPORTERS:
        return validate({"name": path.stem, "model": path.name}, WorkloadFile, path)
    try:
        return read_workload(path)
    except FileError:
        if "streams" in keys_of(path):
            raise UsageError(f"{path}: is a scenario of several workloads: name one of them") from None
        raise


def _graph(workload: WorkloadFile, path: Path, *, allow_code: bool, cache: bool) -> LayerGraph:
    if workload.model is None:
        return graph_of_layers(workload, path)
    if workload.generate is not None:
        return _generation_of(workload, path, allow_code=allow_code).step(workload.generate.prompt_tokens)
    reference = workload.reference
    require_permission(reference, path, allow_code=allow_code)
    inputs = [path]
    if reference.is_file:
        inputs.append(reference.path_beside(path))
        if not is_file(inputs[-1]):
            raise FileError(str(path), [f"model: {inputs[-1]}: no such file"])

    def build() -> tuple[LayerGraph, Iterable[Path]]:
        LOGGER.info("%s: tracing %s", workload.name, workload.model)
        return reference.importer.load()(workload, path)

    where = [workload.name, *places(reference, path)]
    graph = cached_graph(inputs, where, build) if cache else build()[0]
    return graph_with_widths(graph, widths_of(workload))


def graph_of_layers(workload: WorkloadFile, path: Path) -> LayerGraph:
    """The layer graph of a workload that lists its layers; `path` names its file."""
    entries = entries_with_widths(workload.layers, widths_of(workload))
    return listed_graph(workload.name, entries, path=str(path), **workload.bits)


def with_mappings(graph: LayerGraph, mappings: Sequence[OwnMapping], path: Path) -> LayerGraph:
    """The graph whose layers know what their workload's file fixes of their mappings."""
    if not mappings:
        return graph
    own = placed(mappings, path)
    names = [layer.name for layer in graph.layers if layer.nest is not None]
    for each in own:
        if not any(each.is_for(name) for name in names):
            raise each.fault("layers", str(unknown_name(each.layers, names, "layer with products")))
    layers = (replace(layer, mappings=tuple(each for each in own if each.is_for(layer.name))) for layer in graph.layers)
    return replace(graph, layers=tuple(layers))
