"""Tables that others measured: columns by name, sizes that follow from each other, every fault at once."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from mensa_sim.cost.measured.table import DTYPE_BYTES, Conditions, Kernel
from mensa_sim.errors import FileError, UsageError
from mensa_sim.measurement.import_table import ImportRequest, import_table, joined
from mensa_sim.workload.layer import LoopNest

TEXTS = dict.fromkeys(
    ("device", "driver", "torch", "date", "method", "clocks_before", "clocks_after", "command"), "not stated"
)
CONDITIONS = Conditions(**TEXTS, processors=1, cache_bytes=1, copy_bytes_per_s=1.0)  # type: ignore[arg-type]
PRODUCT = ImportRequest(operator="linear", dtype="float32", columns={"OX": "m", "K": "n", "C": "k", "median_ms": "t"})


def write(folder: Path, text: str) -> Path:
    path = folder / "theirs.csv"
    path.write_text(text)
    return path


def test_columns_become_a_nest_and_milliseconds_microseconds(tmp_path: Path) -> None:
    (timing,) = import_table(write(tmp_path, "t,m,n,k\n0.5,3,4,5\n"), PRODUCT, CONDITIONS).timings
    nest = LoopNest(OX=3, K=4, C=5, input_width=3)
    assert timing.kernel == Kernel(operator="linear", dtype="float32", nest=nest)
    assert (timing.median_us, timing.repetitions) == (500.0, 1)


@pytest.mark.parametrize(("size", "taps", "stride", "padding", "out"), [(13, 3, 1, 1, 13), (224, 7, 2, 3, 112)])
def test_an_outputs_size_follows_from_the_inputs(
    tmp_path: Path, size: int, taps: int, stride: int, padding: int, out: int
) -> None:
    columns = {"FX": "f", "FY": "f", "input_width": "i", "input_height": "i", "stride_x": "s", "stride_y": "s"}
    request = ImportRequest(operator="conv2d", dtype="float32", columns={**columns, "padding": "p", "median_us": "t"})
    path = write(tmp_path, f"t,f,i,s,p\n9,{taps},{size},{stride},{padding}\n")
    (timing,) = import_table(path, request, CONDITIONS).timings
    assert timing.kernel.nest is not None
    assert (out, out) == (timing.kernel.nest.OX, timing.kernel.nest.OY)


def test_counts_are_products_of_columns_and_numbers(tmp_path: Path) -> None:
    columns = {"vector_ops": "b*h", "input_elements": "2*b*h", "output_elements": "b*h", "median_s": "t"}
    request = ImportRequest(operator="add", dtype="float32", columns=columns)
    (timing,) = import_table(write(tmp_path, "t,b,h\n1e-6,3,5\n"), request, CONDITIONS).timings
    assert (timing.kernel.input_elements, timing.kernel.vector_ops) == (30, 15)
    assert timing.median_us == pytest.approx(1.0)


def test_only_chosen_rows_are_taken_and_repeated_kernels_joined(tmp_path: Path) -> None:
    text = "t,m,n,k,device\n1,3,4,5,ours\n9,3,4,5,theirs\n3,3,4,5,ours\n2,3,4,5,ours\n"
    path = tmp_path / "theirs.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    request = ImportRequest(operator="linear", dtype="float32", columns=PRODUCT.columns, where={"device": "ours"})
    (timing,) = import_table(path, request, CONDITIONS).timings
    assert (timing.median_us, timing.repetitions) == (2000.0, 3)


def test_tables_whose_peaks_differ_are_not_joined_and_the_first_such_type_is_named(tmp_path: Path) -> None:
    table = import_table(write(tmp_path, "t,m,n,k\n0.5,3,4,5\n"), PRODUCT, CONDITIONS)
    first, more = (
        replace(table, conditions=replace(CONDITIONS, peak_macs_per_s=dict.fromkeys(DTYPE_BYTES, peak)))
        for peak in (1.0, 2.0)
    )
    with pytest.raises(UsageError, match=f"differ in peak_macs_per_s.{next(iter(DTYPE_BYTES))}"):
        joined(first, more)


def test_every_fault_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path, "t,m,n,k\n0.5,3,4,5\nfast,3,4,5\n0.5,3.5,4,5\nnan,1,1,1\n0.5,0,4,5\ninf,1,1,1\n0,1,1,1\n-1,1,1,1\n"
    )
    with pytest.raises(FileError) as caught:
        import_table(path, PRODUCT, CONDITIONS)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [f"line {number}" for number in range(3, 10)]


def test_missing_columns_and_no_rows_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="column k is missing; there are t, m, n"):
        import_table(write(tmp_path, "t,m,n\n1,2,3\n"), PRODUCT, CONDITIONS)
    with pytest.raises(FileError, match="holds no rows"):
        import_table(write(tmp_path, "t,m,n,k\n"), PRODUCT, CONDITIONS)


@pytest.mark.parametrize("columns", [{"OX": "m"}, {"width": "m", "median_us": "t"}])
def test_a_request_without_a_time_or_with_an_unknown_name_is_refused(columns: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--columns"):
        ImportRequest(operator="linear", dtype="float32", columns=columns)
