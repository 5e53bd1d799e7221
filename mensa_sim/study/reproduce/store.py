"""Models that a study has finished, kept beside its results until it has all: a killed run goes on where it was.

A file's name is a digest of all that its content depends on: what was asked, the input files, this program's own
source and the versions of its libraries. A file that is damaged or of something else is as good as none.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import mensa_sim
from mensa_sim.errors import FileError
from mensa_sim.io.atomic import write_atomically
from mensa_sim.io.files import validate
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask
from mensa_sim.study.run.provenance import input_hashes, versions

FOLDER = "unfinished"


class FinishedModels:
    """The models finished so far, below an output folder."""

    def __init__(self, folder: Path, inputs: Iterable[Path]) -> None:
        """`inputs` are the files that the outcomes depend on."""
        self._folder = folder / FOLDER
        self._about = json.dumps([input_hashes(inputs), versions(), _own_source()])

    def get(self, task: ModelTask) -> ModelOutcomes | None:
        """The outcomes of a task, if a run before this one had them."""
        path = self._path(task)
        try:
            return validate(json.loads(path.read_text(encoding="utf-8")), ModelOutcomes, path)
        except (OSError, ValueError, FileError):
            return None

    def put(self, task: ModelTask, outcomes: ModelOutcomes) -> None:
        """Keep the outcomes of a task, whole or not at all."""
        write_atomically(self._path(task), json.dumps(dataclasses.asdict(outcomes)))

    def clear(self) -> None:
        """Forget all of them: the study is complete and written."""
        if self._folder.is_dir():
            for path in self._folder.glob("*.json"):
                path.unlink(missing_ok=True)
            if not any(self._folder.iterdir()):
                self._folder.rmdir()

    def _path(self, task: ModelTask) -> Path:
        digest = hashlib.sha256(f"{self._about}\n{task!r}".encode()).hexdigest()
        return self._folder / f"{task.model}-{digest[:16]}.json"


@cache
def _own_source() -> str:
    """A digest of this package's source."""
    root = Path(mensa_sim.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode())
        found.update(path.read_bytes())
    return found.hexdigest()
