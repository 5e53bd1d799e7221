"""A topology of SCALE-Sim, a table of convolutions or of matrix products, as a layer list."""

from collections.abc import Sequence
from typing import Any

from mensa_sim.study.convert.foreign import ForeignFile, distinct, workload_files

CONVOLUTION = ("ifmap height", "ifmap width", "filter height", "filter width", "channels", "num filter")
PRODUCT = ("m", "n", "k")
MAX_DIGITS = 9


def convert_topology(file: ForeignFile) -> dict[str, str]:
    """The layer list of a table, one layer after another; inputs of convolutions hold their padding as data."""
    header, *rows = file.data
    columns = [" ".join(title.replace("_", " ").lower().split()) for title in header]
    product = columns[1:4] == list(PRODUCT)
    if not product and tuple(columns[1:7]) != CONVOLUTION:
        raise file.fault((), f"line 1: the columns are {', '.join(CONVOLUTION)}, strides, or M, N, K, after the name")
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
    for title in columns[4:] if product else columns[7:]:
        if title and title not in ("strides", "stride height", "stride width"):
            file.notes.leave((title,))
    if not product:
        file.notes.choose("layers read inputs of their own: the table does not say which layer made them")
    return workload_files(file, file.path.stem, entries, f"Converted from {file.path.name}, a topology of SCALE-Sim.")


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
    if len(columns) > 8 and columns[8] == "stride width" and len(row) > 8:
        strides[1] = _whole(file, index, columns[8], row[8])
    outputs = [
        (size - taps) // step + 1 for size, taps, step in zip((height, width), (taps_y, taps_x), strides, strict=True)
    ]
    if min(outputs) < 1:
        raise file.fault(
            (), f"row {index}: a filter of {taps_y} x {taps_x} does not fit an input of {height} x {width}"
        )
    dims = {"K": filters, "C": channels, "OY": outputs[0], "OX": outputs[1], "FY": taps_y, "FX": taps_x}
    return {
        "operator": "conv2d",
        "dims": dims,
        **({} if strides == [1, 1] else {"stride": strides}),
        "input_size": [height, width],
    }
