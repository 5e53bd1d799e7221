"""From a workload file that generates to its model; nothing is traced, and torch stays out of it."""

from pathlib import Path

from mensa_sim.errors import FileError, UsageError
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.generation.model import GeneratingModel, Generation
from mensa_sim.workload.importers.callables import built, callable_of
from mensa_sim.workload.importers.reference import Source, require_permission


def generation_of(workload: WorkloadFile, path: Path, *, allow_code: bool = False) -> Generation:
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
