"""Models that a study has finished, kept beside its results until it has all: a killed run goes on where it was."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from mensa_sim.errors import FileError
from mensa_sim.io.files import validate
from mensa_sim.io.store import Store, digest_of
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask
from mensa_sim.study.run.provenance import input_hashes, versions

FOLDER = "unfinished"


class FinishedModels:
    """The models finished so far, below an output folder."""

    def __init__(self, folder: Path, inputs: Iterable[Path]) -> None:
        """`inputs` are the files that the outcomes depend on."""
        self._store = Store(folder / FOLDER)
        self._about = digest_of(input_hashes(inputs), versions(), stage="study")

    def get(self, task: ModelTask) -> ModelOutcomes | None:
        """The outcomes of a task, if a run before this one had them."""
        entry = self._entry(task)
        try:
            return validate(self._store.get_data(entry), ModelOutcomes, entry)
        except FileError:
            return None

    def put(self, task: ModelTask, outcomes: ModelOutcomes) -> None:
        """Keep the outcomes of a task, whole or not at all."""
        self._store.put_data(self._entry(task), dataclasses.asdict(outcomes))

    def clear(self) -> None:
        """Forget all of them: the study is complete and written."""
        self._store.clear()

    def _entry(self, task: ModelTask) -> str:
        return f"{task.name}-{digest_of(self._about, task)}"
