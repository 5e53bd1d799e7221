"""A topology of SCALE-Sim, a table of convolutions or of matrix products, as a layer list."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from mensa_sim.study.convert.foreign import ForeignFile, distinct, workload_files

CONVOLUTION = ("ifmap height", "ifmap width", "filter height", "filter width", "channels", "num filter")
PRODUCT = ("m", "n", "k")
DEPTHWISE = "DP"
"""In a layer's name, by which the tool runs each of its channels by itself."""
MAX_DIGITS = 9


def convert_topology(file: ForeignFile) -> dict[str, str]:
    """The layer list of a table, one layer after another; inputs of convolutions hold their padding as data."""
    header, *rows = file.data
    columns = [" ".join(title.replace("_", " ").lower().split()) for title in header]
    product = columns[1:4] == list(PRODUCT)
    if not product and [_singular(title) for title in columns[1:7]] != [_singular(title) for title in CONVOLUTION]:
        if len(columns) < 8 or not any("filter" in title for title in columns):
            told = f"line 1: the columns are {', '.join(CONVOLUTION)}, strides, or M, N, K, after the name"
            raise file.fault((), told)
        file.notes.choose(f"columns by their place, as the tool reads no titles: {', '.join(CONVOLUTION)}, strides")
    entries: list[dict[str, Any]] = []
    for index, row in enumerate(rows, start=2):
        if not row[0]:
            raise file.fault((), f"row {index}: the layer has no name")
        entry = _product(file, index, row) if product else _convolution(file, index, row, columns)
        entries.append(entry)
    if not entries:
        raise file.fault((), "holds no layer")
    names = distinct(row[0] for row in rows)
    entries = [{"name": name, **entry} for name, entry in zip(names, entries, strict=True)]
    _leave(file, columns, rows, 4 if product else 9 if _strides_apart(columns) else 8)
    if not product:
        file.notes.choose("layers read inputs of their own: the table does not say which layer made them")
    return workload_files(file, file.path.stem, entries, f"Converted from {file.path.name}, a topology of SCALE-Sim.")


def _singular(title: str) -> str:
    return title.removesuffix("s")


def _strides_apart(columns: Sequence[str]) -> bool:
    """Whether rows and columns have strides of their own."""
    return len(columns) > 8 and columns[8].startswith("stride")


def _leave(file: ForeignFile, columns: Sequence[str], rows: Sequence[Sequence[str]], read: int) -> None:
    """Note the columns that no layer is made of: those with a title, and those in which a row holds something."""
    for column in range(read, max(len(cells) for cells in (columns, *rows))):
        title = columns[column] if column < len(columns) else ""
        if title or any(row[column:] and row[column] for row in rows):
            file.notes.leave((title or f"column {column + 1}",))


def _whole(file: ForeignFile, index: int, title: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > MAX_DIGITS or not int(text):
        raise file.fault((), f"row {index}: {title}: {text[:40]!r} is not a whole number from 1")
    return int(text)


def _numbers(file: ForeignFile, index: int, row: Sequence[str], titles: Sequence[str]) -> list[int]:
    if len(row) <= len(titles):
        raise file.fault((), f"row {index}: has {len(row)} cells, needs {len(titles) + 1}")
    return [_whole(file, index, title, text) for title, text in zip(titles, row[1:], strict=False)]


def _product(file: ForeignFile, index: int, row: Sequence[str]) -> dict[str, Any]:
    """M rows of K by K columns of N."""
    rows, columns, reduction = _numbers(file, index, row, PRODUCT)
    return {"operator": "linear", "dims": {"K": columns, "C": reduction, "OX": rows}}


def _convolution(file: ForeignFile, index: int, row: Sequence[str], columns: Sequence[str]) -> dict[str, Any]:
    titles = (*CONVOLUTION, "strides")
    height, width, taps_y, taps_x, channels, filters, stride = _numbers(file, index, row, titles)
    strides = [stride, stride]
    if _strides_apart(columns) and len(row) > 8:
        strides[1] = _whole(file, index, columns[8], row[8])
    beyond = [height - taps_y, width - taps_x]
    if min(beyond) < 0:
        raise file.fault(
            (), f"row {index}: a filter of {taps_y} x {taps_x} does not fit an input of {height} x {width}"
        )
    outputs = [ceil(rest / step) + 1 for rest, step in zip(beyond, strides, strict=True)]
    if any(rest % step for rest, step in zip(beyond, strides, strict=True)):
        file.notes.choose("a last window that reaches beyond its input counts, as the tool counts it")
    axes = list(zip((taps_y, taps_x), (height, width), strides, strict=True))
    spans = any(taps == size > 1 for taps, size, _ in axes)
    if spans and all(taps == size or taps == step == 1 for taps, size, step in axes) and DEPTHWISE not in row[0]:
        # no two windows share an input: a matrix product, whose rows the tool writes so
        reduction = channels * taps_y * taps_x
        return {"operator": "linear", "dims": {"K": filters, "C": reduction, "OX": outputs[0] * outputs[1]}}
    dims = {"K": filters, "C": channels, "OY": outputs[0], "OX": outputs[1], "FY": taps_y, "FX": taps_x}
    if DEPTHWISE in row[0]:
        dims |= {"G": channels, "C": 1}
        file.notes.choose(f"layers with {DEPTHWISE} in their names are depthwise, as the tool runs them")
    return {
        "operator": "conv2d",
        "dims": dims,
        **({} if strides == [1, 1] else {"stride": strides}),
        "input_size": [height, width],
    }
