"""Why torch could not export a module, in one line: the cause, where in the model, and what to do."""

import re
import traceback

from torch.nn.utils.rnn import PackedSequence

_LONGEST_CAUSE = 65
_LONGEST_COMPLAINT = 120
_LONGEST_PLACE = 70
"""Characters of what torch says, beside a long advice and beside a short one, and of the model's own line: with the
advice they stay below 300 (a choice)."""


def reason_of(error: Exception) -> str:
    """The cause of an export's error, its place and the remedy; no addresses of functions, no line of torch's own."""
    text = re.sub(r" at 0x[0-9a-f]+", "", str(error).strip())
    first = text.splitlines()[0].partition(" (unhinted")[0].rstrip(".") if text else type(error).__name__
    complaint, place = _shortened(first, _LONGEST_COMPLAINT), _place(error, text)
    first = _shortened(first, _LONGEST_CAUSE)
    if _meets_packed_sequence(error, text):
        return f"packed sequences cannot be traced{place}; leave pack_padded_sequence out and pass padded tensors"
    if "nms" in text or _runs_through(error, "nms"):
        return f"which boxes are kept depends on the data{place}; trace the network up to the selection of boxes"
    if "DataDependent" in type(error).__name__ or "data-dependent" in first:
        return (
            f"control flow or a shape depends on the data{place} ({first}); "
            "fix the branch or the size for this trace, only static graphs can be mapped"
        )
    if "__obj_flatten__" in text or "torch.classes.quantized" in text:
        return (
            "the weights are packed by torch's eager quantisation, which torch.export cannot read; "
            "trace the float model, or one that was quantised by export (PT2E, torchao)"
        )
    if "is not a known type" in text or "not registered as a pytree" in text or "Unsupported input type" in text:
        return f"{first}{place}; have the model take and return tensors alone (of transformers: use_cache=False)"
    return f"{complaint}{place}; check the shapes under `inputs` and that the model runs on them"


def _shortened(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _tail(text: str, limit: int) -> str:
    """The end of a path, which says more than its beginning."""
    return text if len(text) <= limit else f"...{text[3 - limit :]}"


def _place(error: Exception, text: str) -> str:
    """The model's own line that raised the error, where torch tells it."""
    said = [line.strip() for line in text.splitlines()]
    files = [line for line in said if line.startswith("File ") and "site-packages/torch/" not in line]
    if files:
        at = said.index(files[-1])
        code = f": {said[at + 1]}" if at + 1 < len(said) and said[at + 1] else ""
        where = _tail(files[-1].removeprefix("File ").rstrip(":"), _LONGEST_PLACE)
        return f" at {_shortened(where + code, _LONGEST_PLACE)}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_foreign(frame.filename)]
    if not frames:
        return ""
    where = _tail(f"{frames[-1].filename}:{frames[-1].lineno}", _LONGEST_PLACE)
    return f" at {_shortened(f'{where}: {frames[-1].line}', _LONGEST_PLACE)}"


def _is_foreign(file: str) -> bool:
    return not any(part in file for part in ("site-packages/torch/", "mensa_sim/", "<", "contextlib.py"))


def _meets_packed_sequence(error: Exception, text: str) -> bool:
    if any(word in text for word in ("PackedSequence", "batch_sizes", "pack_padded")):
        return True
    held = (value for frame, _ in traceback.walk_tb(error.__traceback__) for value in frame.f_locals.values())
    return any(isinstance(value, PackedSequence) for value in held) or _runs_through(error, "pack_padded_sequence")


def _runs_through(error: Exception, function: str) -> bool:
    """Whether a function of that name was running when the error was raised."""
    return any(frame.f_code.co_name == function for frame, _ in traceback.walk_tb(error.__traceback__))
