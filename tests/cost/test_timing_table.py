"""The timing table's file: what is written reads back, what is wrong is named, what was cut off is taken up."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.cost.measured.file import COLUMNS, TimingTableWriter, read_timing_table, table_text
from mensa_sim.cost.measured.table import Conditions, Kernel, Timing, TimingTable
from mensa_sim.errors import FileError
from mensa_sim.workload.layer import LoopNest

CONDITIONS = Conditions(
    device="a device",
    driver="1.2",
    torch="2.9",
    date="2026-01-01",
    method="median: of many",
    clocks_before="1 GHz",
    clocks_after="not read",
    command="mensa-sim measure lstm",
    processors=4,
    cache_bytes=1_000_000,
    copy_bytes_per_s=1.5e10,
    peak_macs_per_s={"float32": 2.5e11},
)
SIZES = st.integers(1, 1000)
FINITE = st.floats(1e-3, 1e9, allow_nan=False)
NESTS = st.builds(LoopNest, B=SIZES, G=SIZES, K=SIZES, C=SIZES, OX=SIZES, FX=SIZES, input_width=SIZES)
KERNELS = st.one_of(
    st.builds(Kernel, operator=st.sampled_from(["conv2d", "linear"]), dtype=st.just("float32"), nest=NESTS),
    st.builds(
        Kernel, operator=st.just("lstm"), dtype=st.just("int8"), form=st.just("sequence"), steps=SIZES, nest=NESTS
    ),
    st.builds(Kernel, operator=st.just("add"), dtype=st.just("float16"), input_elements=SIZES, vector_ops=SIZES),
)
TIMINGS = st.builds(
    Timing,
    kernel=KERNELS,
    median_us=FINITE,
    iqr_us=FINITE,
    repetitions=SIZES,
    relative_error=FINITE,
    energy_uj=st.one_of(st.none(), FINITE),
)


def kernel(rows: int = 1) -> Kernel:
    return Kernel(operator="linear", dtype="float32", nest=LoopNest(K=8, C=4, OX=rows, input_width=rows))


def timing(rows: int = 1) -> Timing:
    return Timing(kernel=kernel(rows), median_us=2.5, iqr_us=0.5, repetitions=9, relative_error=0.01)


def table(*timings: Timing) -> TimingTable:
    return TimingTable(label="t.csv", conditions=CONDITIONS, timings=timings)


def write(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text)
    return path


def faults(path: Path) -> tuple[str, ...]:
    with pytest.raises(FileError) as caught:
        read_timing_table(path)
    return caught.value.faults


@given(timings=st.lists(TIMINGS, min_size=1, max_size=5, unique_by=lambda t: t.kernel))
def test_a_table_reads_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, timings: list[Timing]) -> None:
    path = write(tmp_path_factory.mktemp("table"), table_text(table(*timings)))
    assert read_timing_table(path) == table(*timings)


def test_a_file_of_another_column_order_reads_the_same(tmp_path: Path) -> None:
    lines = table_text(table(timing())).splitlines()
    header, columns, row = lines[:-2], lines[-2].split(","), lines[-1].split(",")
    turned = [*header, ",".join(columns[::-1]), ",".join(row[::-1])]
    assert read_timing_table(write(tmp_path, "\n".join(turned) + "\n")).timings == (timing(),)


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    good = table_text(table(timing(1), timing(2), timing(3), timing(4), timing(5)))
    lines = good.splitlines()
    first = len(lines) - 5
    lines[first] = lines[first].replace("2.5", "nan")
    lines[first + 1] = lines[first + 1].replace("float32", "float8")
    lines[first + 2] = lines[first + 2].replace("2.5", "fast")
    lines[first + 3] = lines[first + 4]
    lines.append("linear,float32")
    lines = [line for line in lines if not line.startswith("# driver")]
    found = faults(write(tmp_path, "\n".join(lines) + "\n"))
    expected = ["driver is missing", "median_us is nan", "dtype is 'float8'", "must be a number, not 'fast'", "again"]
    expected.append("2 values for")
    assert len(found) == len(expected)
    for part, fault in zip(expected, found, strict=True):
        assert part in fault
    assert all(fault.startswith("line ") for fault in found[1:])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    lines = table_text(table(timing())).splitlines()
    index = lines[-2].split(",").index(column)
    for place in (-2, -1):
        cells = lines[place].split(",")
        lines[place] = ",".join(cells[:index] + cells[index + 1 :])
    (fault,) = faults(write(tmp_path, "\n".join(lines) + "\n"))
    assert f"column {column} is missing" in fault


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("median_us", "median_ms", "unknown column 'median_ms'"),
        ("table 1", "table 9", "format"),
        ("# processors: 4", "# processors: four", "must be a number"),
        ("# processors: 4", "# processors: 4\n# processors: 4", "stands twice"),
        ("# processors: 4", "# processors: 4\n# colour: red", "unknown key colour"),
        ("copy_bytes_per_s: 15000000000.0", "copy_bytes_per_s: inf", "copy_bytes_per_s is inf"),
        ("peak_macs_per_s.float32", "peak_macs_per_s.float31", "unknown dtype"),
        (",2.5,", ",0,", "median_us is 0"),
        (",2.5,", ",-1,", "median_us is -1"),
        (",9,", ",9.5,", "repetitions: must be a whole number"),
        (",single,1,", ",single,2,", "steps is 2"),
    ],
)
def test_a_fault_says_what_and_where(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = table_text(table(timing()))
    assert old in text
    assert any(message in fault for fault in faults(write(tmp_path, text.replace(old, new))))


def test_an_empty_table_and_an_absent_one_are_errors(tmp_path: Path) -> None:
    assert faults(write(tmp_path, table_text(table()))) == ("holds no timings",)
    assert faults(write(tmp_path, "")) != ()
    assert "no such file" in faults(tmp_path / "absent.csv")[0]


def test_each_appended_timing_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    writer = TimingTableWriter(path, CONDITIONS)
    for count in range(1, 4):
        writer.append(timing(count))
        assert len(read_timing_table(path).timings) == count


@given(cut=st.integers(1, 200))
def test_a_table_cut_off_anywhere_in_its_last_lines_resumes_and_loses_at_most_what_was_cut(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    writer = TimingTableWriter(path, CONDITIONS)
    for count in range(1, 5):
        writer.append(timing(count))
    text = path.read_text()
    kept = text[: len(text) - cut]
    path.write_text(kept)
    if not kept.endswith("\n"):
        assert any("cut off" in fault for fault in faults(path))
    again = TimingTableWriter(path, CONDITIONS)
    whole_rows = [line for line in text.splitlines(keepends=True)[-4:] if line in kept]
    assert list(again.done) == [kernel(count) for count in range(1, 5)][: len(whole_rows)]
    for count in range(1, 5):
        if kernel(count) not in again.done:
            again.append(timing(count))
    assert path.read_text() == text


def test_a_table_continued_at_another_type_and_killed_has_that_types_peak_for_its_fits(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    TimingTableWriter(path, CONDITIONS).append(timing())
    TimingTableWriter(path, replace(CONDITIONS, peak_macs_per_s={"int8": 5e12}))
    cut = read_timing_table(path)
    assert cut.timings == (timing(),)
    assert cut.conditions.peak_macs_per_s == {**CONDITIONS.peak_macs_per_s, "int8": 5e12}


def test_a_table_of_another_device_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    TimingTableWriter(path, CONDITIONS).append(timing())
    with pytest.raises(FileError, match="begun with 'a device', now it is 'another'"):
        TimingTableWriter(path, replace(CONDITIONS, device="another"))


def test_finishing_writes_the_clocks_after_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    writer = TimingTableWriter(path, CONDITIONS)
    writer.append(timing())
    finished = writer.finish("2 GHz")
    assert read_timing_table(path) == finished
    assert finished.conditions == replace(CONDITIONS, clocks_after="2 GHz")


def test_a_kernel_is_found_by_its_shape_and_type_alone() -> None:
    both = table(timing(1), timing(2))
    assert both.find(kernel(2)) == timing(2)
    assert both.find(kernel(3)) is None
    assert both.find(replace(kernel(2), dtype="float16")) is None


@pytest.mark.parametrize(
    "change", [{"median_us": math.nan}, {"iqr_us": math.inf}, {"repetitions": 0}, {"energy_uj": 0.0}]
)
def test_a_timing_refuses_nonsense(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(timing(), **change)
