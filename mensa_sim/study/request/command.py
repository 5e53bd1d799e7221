"""What a request says, put down for others: the command to repeat, the choices in a summary, a folder's name."""

import dataclasses
import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.hardware.fields import parse_override
from mensa_sim.io.at_hand import file_of, text_at_hand
from mensa_sim.io.json_text import json_line
from mensa_sim.io.shipped import FOLDERS, shipped_files
from mensa_sim.io.store import file_digest
from mensa_sim.study.request.fields import Overrides, StudyOption, options_of
from mensa_sim.study.run.provenance import input_hashes, portable_name, versions

LONGEST = 80
"""Characters of a folder's name that say the choices; what is longer is cut and told apart by a digest."""


def command_of(command: str, request: Any) -> str:
    """What to type for the same result: what is not a default, without absolute paths; to be pasted into a shell.

    Empty where an object was given in place of a name: no command line can say that.
    """
    given = [
        (option, value)
        for option in sorted(options_of(type(request)), key=lambda option: bool(option.flag))
        if option.spelling.role != "means" and not _is(option.default, value := getattr(request, option.field))
    ]
    if any(_is_object(option, value) for option, value in given):
        return ""
    return shlex.join(["mensa-sim", command, *(word for each in given for word in _words(*each))])


def made_of(command: str, request: Any, files: Iterable[Path]) -> dict[str, Any]:
    """The fields of `Provenance` of what a command makes of a request and of these files."""
    said = {"choices": choices_of(request), "command": command_of(command, request)}
    return {"versions": versions(), "inputs": input_hashes(files), **said}


def _is(default: object, value: object) -> bool:
    """Whether a value is the default; objects at hand, such as tensors, are compared with nothing."""
    return value is default or (type(value) is type(default) and bool(value == default))


def _is_object(option: StudyOption, value: object) -> bool:
    if option.form == "flag":
        return value != option.spelling.stands_for
    if option.form in ("value", "names"):
        parts = value if isinstance(value, tuple | list) else (value,)
        return not all(isinstance(each, str | Path | int | float) and not _is_dict(each) for each in parts)
    return False


def _is_dict(given: object) -> bool:
    """Whether a name stands for a dict."""
    return isinstance(given, str | Path) and text_at_hand(Path(given)) is not None


def _words(option: StudyOption, value: object) -> list[str]:
    flag = [option.flag] if option.flag else []
    if option.form == "flag":
        return flag
    if option.form == "texts":
        texts = override_texts(value)  # type: ignore[arg-type]
        return [word for text in texts for word in (*flag, text)]
    if isinstance(value, Mapping):
        return [word for name, setting in value.items() for word in (*flag, f"{name}={setting}")]
    if isinstance(value, Sequence) and not isinstance(value, str):
        names = [named(str(each)) for each in value]
        return [*flag, ",".join(names)] if flag else names
    return [*flag, named(str(value))]


def override_texts(overrides: Overrides) -> tuple[str, ...]:
    """`FIELD=VALUE` texts; the value of a mapping is written as JSON, as `--set` reads it."""
    if isinstance(overrides, Mapping):
        return tuple(f"{field}={_json(field, value)}" for field, value in overrides.items())
    return tuple(overrides)


def _json(field: str, value: object) -> str:
    try:
        return json_line(value, spaced=True)
    except (TypeError, ValueError) as error:
        raise UsageError(f"overrides: {field}: {error}; give plain data, as a file has it") from error


def choices_of(request: Any) -> dict[str, object]:
    """Every option that is not a default and decides what comes out, as plain JSON values; a file by its hash."""
    return {
        option.name: _choice(option, getattr(request, option.field))
        for option in options_of(type(request))
        if option.flag and option.spelling.role == "choice" and not option.spelling.at_hand
        if not _is(option.default, getattr(request, option.field))
    }


def _choice(option: StudyOption, value: object) -> object:
    if option.form == "flag" and value == option.spelling.stands_for:
        return True
    if option.flag == "--set":
        texts = override_texts(value)  # type: ignore[arg-type]
        return {".".join(parts): setting for parts, setting in map(parse_override, texts)}
    if option.spelling.file:
        return file_digest(Path(str(value)))
    if isinstance(value, Mapping) and not option.spelling.kinds:
        return dict(value)
    if isinstance(value, tuple | list):
        return [_plain(file_of(each)) for each in value]
    return _plain(file_of(value))


def _plain(value: object) -> object:
    """A value as JSON has it; an object by its name."""
    if isinstance(value, str | Path):
        return named(str(value))
    if value is None or isinstance(value, int | float):
        return value
    if dataclasses.is_dataclass(value) and not hasattr(value, "name"):
        return dataclasses.asdict(value)  # type: ignore[arg-type]
    return str(getattr(value, "name", None) or getattr(value, "__name__", type(value).__name__))


def named(name_or_path: str) -> str:
    """A path without the folders that only one machine has; a bare name is left alone."""
    path = Path(name_or_path)
    return portable_name(path) if path.is_absolute() else name_or_path


def results_folder(what: str, choices: Mapping[str, object], said: Sequence[str] = ()) -> Path:
    """Where results go unless told otherwise: what was run, and the choices that are no defaults.

    Those that `what` has `said` are left out. Results of other choices so never take each other's place.

    >>> results_folder("lstm-mensa_g", {"system": "mensa_g", "scheduler": "optimal"}, said=("system",)).as_posix()
    'results/lstm-mensa_g-scheduler_optimal'
    >>> results_folder("lstm-compare", {"systems": ["mine.yaml", "edge_tpu"]}).name
    'lstm-compare-systems_mine+edge_tpu'
    >>> results_folder("lstm-mensa_g", {"pin": {"lstm.cell": "pascal"}, "plain": True}).name
    'lstm-mensa_g-pin_lstm.cell_pascal-plain'
    """
    words = [word for name, value in choices.items() if name not in said for word in _says(name, value)]
    if not words:
        return Path("results") / what
    said = "-".join(words)
    name = re.sub(r"[^\w.+-]+", "_", said, flags=re.ASCII)
    if len(name) > LONGEST or name != said:
        digest = hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()
        name = f"{name[:LONGEST]}-{digest[:8]}"
    return Path("results") / f"{what}-{name}"


def _says(name: str, value: object) -> list[str]:
    if value is True:
        return [name]
    if isinstance(value, Mapping):
        return [f"{name}_{key}_{_short(each)}" for key, each in value.items()]
    if isinstance(value, list):
        return [f"{name}_{'+'.join(map(_short, value))}"]
    return [f"{name}_{_short(value)}"]


def _short(value: object) -> str:
    """A value in a name: a whole number without a point, of a hash the beginning, of an own file the stem."""
    if isinstance(value, float):
        return f"{value:.10g}"
    text = str(value)
    stem = text.removesuffix(".yaml")
    if stem != text and not any(stem in shipped_files(kind) for kind in FOLDERS):
        return stem
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text
