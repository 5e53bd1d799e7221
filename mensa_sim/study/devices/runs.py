"""Published runs of language models: a CSV with a row for each, and a JSON of the models' shapes.

Columns: `device`, `memory_bandwidth_gb_s`, `shape` (a name in the JSON), `bits_per_weight`; what was measured, any of
`decode_tok_s`, `prefill_tok_s` (or `ttft_ms`) and `energy_j_per_token`, the last with the `power_scope` that it is of;
how much was generated, `prompt_tokens`, `new_tokens`, `context`; what tells one device from another, `unit`,
`framework`, `power_mode_w`; and `quantisation`. Others are passed over, as are rows of several conversations at once.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mensa_sim.cost.datasheet import DeviceWork, device_work, packed_weights
from mensa_sim.errors import FileError
from mensa_sim.io.files import read_text
from mensa_sim.io.json_text import parsed_json
from mensa_sim.records import dataclass
from mensa_sim.study.devices.constants import RunPhase
from mensa_sim.workload.generation.model import phase_of
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.models.decoder import Decoder

NEEDED_COLUMNS = ("device", "memory_bandwidth_gb_s", "shape", "bits_per_weight")
DEVICE_COLUMNS = ("device", "unit", "framework", "power_mode_w")
COUNTED_WIDTHS = ModelWidths(weight_bits=16, activation_bits=16, kv_bits=16)
"""Widths at which work is counted; weights are then scaled to the bits that the run had."""

UNIT_KINDS = ("CPU", "GPU", "NPU")
"""Kinds of units; what is none of them is a kind of its own name."""

KERNELS_OF = {"Ollama": "llama.cpp", "LM": "llama.cpp"}
"""Whose kernels a runtime runs, by its first word, where they are not its own."""

LARGEST_FIGURE = 1e9
"""No figure of a run is larger, nor smaller than its inverse: a choice."""

SUPERBLOCK = 256
"""Weights that llama.cpp's formats Qn_K store together; a matrix whose rows are no multiple of it gets another format
(`tensor_type_fallback` in its `src/llama-quant.cpp`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """What a device has in common with others."""

    device: str
    """Board, unit, the runtime's first word, its threads, power mode: what is judged as one."""
    setup: str
    """Board, unit and runtime, in whatever mode."""
    board: str
    """With the unit: whatever runs on it."""
    kernels: str
    """With the kind of unit."""
    weights: str
    """The kernels' weights of one format on this kind of unit."""
    unit: str
    """Its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRun:
    """One run."""

    kin: Kin
    model: str
    """Its shape's name: models are fitted or judged as a whole."""
    parameters: int
    step: RunPhase
    """The decoding step in the middle of the answer."""
    prompt: RunPhase | None
    decode_s: float | None = None
    prompt_s: float | None = None
    energy_j: float | None = None
    scope: str = ""

    @property
    def roofline_s(self) -> float:
        """The step's bytes over the quoted bandwidth."""
        return self.step.read_bytes / self.step.bytes_per_s


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

    threads = re.search(r"(\d+) threads", str(row.get("framework")))

    def phase(tokens: int, before: int) -> RunPhase:
        return RunPhase(
            work=_work(model, tokens, before, bits),
            bytes_per_s=bandwidth * 1e9,
            threads=int(threads.group(1)) if threads else None,
        )

    return DeviceRun(
        kin=_kin(row, threads.group() if threads else "", model.hidden),
        model=row["shape"],
        parameters=model.parameters,
        step=phase(1, middle),
        prompt=phase(int(prompt), 0) if prompt and prompt_s else None,
        decode_s=1 / decode if decode else None,
        prompt_s=prompt_s,
        energy_j=energy,
        scope=f"{row.get('power_scope') or ''}, {row.get('energy_basis') or ''}".strip(", "),
    )


def _kin(row: Mapping[str, Any], threads: str, columns: int) -> Kin:
    """What is not said is left out of a name."""
    board, unit, framework, mode = (str(row.get(name) or "").strip() for name in DEVICE_COLUMNS)
    runtime = framework.partition(" ")[0].rstrip(",")
    kind = next((each for each in UNIT_KINDS if each in unit.partition(" ")[0]), unit)
    kernels = f"{KERNELS_OF.get(runtime, runtime)}, {kind}"
    weights = str(row.get("quantisation") or "").strip().partition(" ")[0].upper()
    if re.match(r"Q\d_K", weights) and columns % SUPERBLOCK:
        weights += " replaced"
    return Kin(
        device=", ".join(filter(None, (board, unit, runtime, threads, mode))),
        setup=f"{board}, {unit}, {runtime}",
        board=f"{board}, {unit}",
        kernels=kernels,
        weights=f"{kernels}, {weights}",
        unit=kind,
    )


def _number(row: Mapping[str, Any], name: str) -> float | None:
    text = str(row.get(name) or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, must be a number") from None
    if value != 0 and not 1 / LARGEST_FIGURE <= value <= LARGEST_FIGURE:
        raise ValueError(f"{name} is {text!r}, must be 0, or from {1 / LARGEST_FIGURE:g} to {LARGEST_FIGURE:g}")
    return value


def _work(model: Decoder, tokens: int, context: int, bits: float) -> DeviceWork:
    """What a phase asks of a device whose weights have so many bits in the mean, scales included."""
    counted = _counted(model, tokens, context)
    return replace(
        counted.work,
        streamed_bytes=counted.work.streamed_bytes + round(counted.weight_bytes * bits / COUNTED_WIDTHS.weight_bits),
        packed_weights=packed_weights(counted.weights, bits),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What a phase asks of a device, its weights apart."""

    work: DeviceWork
    """Without what depends on the bits of a weight."""
    weight_bytes: int
    """That are read, at the counted width."""
    weights: int
    """Of products."""

    def plus(self, other: "_Counted", count: int) -> "_Counted":
        """With so many of another."""
        return _Counted(
            work=self.work + other.work.times(count),
            weight_bytes=self.weight_bytes + count * other.weight_bytes,
            weights=self.weights + count * other.weights,
        )


@lru_cache(maxsize=4096)
def _counted(model: Decoder, tokens: int, context: int) -> _Counted:
    """Layers with the same window ask for the same: one of each is looked at, as what a second adds to a first."""
    alone = replace(model, layers=1, attention_window=None, window_every=None)
    one = _of_graph(alone, tokens, context)
    total = one.plus(_second_layer(alone, tokens, context), -1)
    for window, count in Counter(model.window(layer) for layer in range(model.layers)).items():
        total = total.plus(_second_layer(replace(alone, attention_window=window), tokens, context), count)
    return total


@lru_cache(maxsize=4096)
def _second_layer(alone: Decoder, tokens: int, context: int) -> _Counted:
    return _of_graph(replace(alone, layers=2), tokens, context).plus(_of_graph(alone, tokens, context), -1)


@lru_cache(maxsize=4096)
def _of_graph(model: Decoder, tokens: int, context: int) -> _Counted:
    total, weight_bytes, weights = DeviceWork(), 0, 0
    for layer in phase_of(model, "run", COUNTED_WIDTHS, tokens=tokens, context=context).layers:
        total += device_work(layer)
        if layer.parameters:
            weight_bytes += layer.read_parameter_bytes
        if layer.nest is not None and layer.parameters:
            weights += layer.nest.weight_elements
    apart = replace(total, streamed_bytes=total.streamed_bytes - weight_bytes, packed_weights=0)
    return _Counted(work=apart, weight_bytes=weight_bytes, weights=weights)
