"""Published runs of language models: a CSV with a row for each, and a JSON of the models' shapes.

Columns: `device`, `memory_bandwidth_gb_s`, `shape` (a name in the JSON), `bits_per_weight`; what was measured, any of
`decode_tok_s`, `prefill_tok_s` (or `ttft_ms`) and `energy_j_per_token`, the last with the `power_scope` that it is of;
how much was generated, `prompt_tokens`, `new_tokens`, `context`; and what tells one device from another, `unit`,
`framework`, `power_mode_w`. Others are passed over, as are rows of several conversations at once.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mensa_sim.cost.datasheet import UNPACKED_BITS, DeviceWork, device_work
from mensa_sim.errors import FileError
from mensa_sim.io.files import read_text
from mensa_sim.io.json_text import parsed_json
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.models.decoder import Decoder

NEEDED_COLUMNS = ("device", "memory_bandwidth_gb_s", "shape", "bits_per_weight")
DEVICE_COLUMNS = ("device", "unit", "framework", "power_mode_w")
COUNTED_WIDTHS = ModelWidths(weight_bits=16, activation_bits=16, kv_bits=16)
"""Widths at which work is counted; weights are then scaled to the bits that the run had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRun:
    """One run."""

    device: str
    """What is fitted together: device, unit, the runtime's first word, power mode."""
    model: str
    """Its shape's name: models are fitted or judged as a whole."""
    parameters: int
    bytes_per_s: float
    step: DeviceWork
    """Of the decoding step in the middle of the answer."""
    prompt: DeviceWork | None
    decode_s: float | None = None
    prompt_s: float | None = None
    energy_j: float | None = None
    scope: str = ""

    @property
    def roofline_s(self) -> float:
        """The step's bytes over the quoted bandwidth."""
        return (self.step.streamed_bytes + self.step.cache_bytes) / self.bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRuns:
    """The runs of a file, and why rows were passed over, with how many."""

    runs: tuple[DeviceRun, ...]
    passed_over: Mapping[str, int]


def read_runs(path: Path, shapes: Path) -> DeviceRuns:
    """Every run that says enough; `FileError` for a file that is no such table."""
    models = _decoders(shapes)
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    missing = [name for name in NEEDED_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise FileError(str(path), [f"no column {', '.join(missing)}"])
    found: list[DeviceRun] = []
    passed: Counter[str] = Counter()
    for row in reader:
        try:
            found.append(_run(row, models))
        except _PassedOverError as why:
            passed[str(why)] += 1
        except ValueError as error:
            raise FileError(str(path), [f"line {reader.line_num}: {error}"]) from error
    return DeviceRuns(runs=tuple(found), passed_over=dict(passed.most_common()))


class _PassedOverError(Exception):
    """Why a row is not used."""


def _decoders(path: Path) -> dict[str, Decoder | None]:
    """The decoder of each shape; none for one that is more than attention and feed-forward layers."""
    try:
        data = parsed_json(read_text(path))
    except ValueError as error:
        raise FileError(str(path), [f"is no JSON: {error}"]) from error
    if not isinstance(data, dict) or not all(isinstance(entry, dict) for entry in data.values()):
        raise FileError(str(path), ["must be a mapping of names to shapes"])
    known = {field.name for field in fields(Decoder)}
    found: dict[str, Decoder | None] = {}
    for name, entry in data.items():
        try:
            arguments = {key: value for key, value in entry.items() if key in known}
            found[name] = None if entry.get("hybrid") else Decoder(**arguments)
        except (TypeError, ValueError) as error:
            raise FileError(str(path), [f"{name}: {error}"]) from error
    return found


def _run(row: Mapping[str, Any], models: Mapping[str, Decoder | None]) -> DeviceRun:
    if (_number(row, "batch") or 1) != 1:
        raise _PassedOverError("several conversations at once")
    bandwidth, bits = _number(row, "memory_bandwidth_gb_s"), _number(row, "bits_per_weight")
    if not bandwidth or not bits:
        raise _PassedOverError("without bandwidth or bits of a weight")
    model = models.get(row["shape"] or "")
    if model is None:
        raise _PassedOverError("without a shape of attention and feed-forward layers")
    prompt, new, context = (_number(row, name) for name in ("prompt_tokens", "new_tokens", "context"))
    rate, waited = _number(row, "prefill_tok_s"), _number(row, "ttft_ms")
    prompt_s = None
    if prompt and (rate or waited):
        prompt_s = prompt / rate if rate else (waited or 0) / 1000
    decode = _number(row, "decode_tok_s")
    energy = _number(row, "energy_j_per_token")
    if not (prompt_s or decode or energy):
        raise _PassedOverError("without a speed or an energy")
    middle = int(context or (prompt or 0) + (new or 0) / 2) or 1
    return DeviceRun(
        device=", ".join(_key(row)),
        model=row["shape"],
        parameters=model.parameters,
        bytes_per_s=bandwidth * 1e9,
        step=_work(model, 1, middle, bits),
        prompt=_work(model, int(prompt), 0, bits) if prompt and prompt_s else None,
        decode_s=1 / decode if decode else None,
        prompt_s=prompt_s,
        energy_j=energy,
        scope=f"{row.get('power_scope') or ''}, {row.get('energy_basis') or ''}".strip(", "),
    )


def _key(row: Mapping[str, Any]) -> list[str]:
    """Device, unit, the first word of the runtime, power mode; what is not said is left out."""
    said = [str(row.get(name) or "").strip() for name in DEVICE_COLUMNS]
    said[2] = said[2].partition(" ")[0].rstrip(",")
    return [text for text in said if text]


def _number(row: Mapping[str, Any], name: str) -> float | None:
    text = str(row.get(name) or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, must be a number") from None
    if not value >= 0:
        raise ValueError(f"{name} is {text!r}, must not be negative")
    return value


@lru_cache(maxsize=4096)
def _work(model: Decoder, tokens: int, context: int, bits: float) -> DeviceWork:
    """What a phase asks of a device whose weights have so many bits in the mean, scales included.

    Layers with the same window ask for the same: one of each is looked at, as what a second adds to a first.
    """
    windows = Counter(model.window(layer) for layer in range(model.layers))
    alone, more = _one_layer(model, None, tokens, context, bits)
    total = alone + more.times(-1)
    for window, count in windows.items():
        total += _one_layer(model, window, tokens, context, bits)[1].times(count)
    return total


def _one_layer(
    model: Decoder, window: int | None, tokens: int, context: int, bits: float
) -> tuple[DeviceWork, DeviceWork]:
    """The work of a model of one layer with a window, and what a second layer adds."""
    one, two = (
        _counted(replace(model, layers=layers, attention_window=window, window_every=None), tokens, context, bits)
        for layers in (1, 2)
    )
    return one, two + one.times(-1)


def _counted(model: Decoder, tokens: int, context: int, bits: float) -> DeviceWork:
    total, weights, packed = DeviceWork(), 0, 0
    for layer in model.phase("run", COUNTED_WIDTHS, tokens=tokens, context=context).layers:
        total += device_work(layer)
        if layer.parameters:
            weights += layer.parameter_bytes if layer.gathered_bytes is None else layer.gathered_bytes
        if layer.nest is not None and layer.parameters and bits < UNPACKED_BITS:
            packed += layer.nest.weight_elements
    streamed = total.streamed_bytes - weights + round(weights * bits / COUNTED_WIDTHS.weight_bits)
    return replace(total, streamed_bytes=streamed, packed_weights=packed)
