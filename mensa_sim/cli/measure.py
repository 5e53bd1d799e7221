"""Commands about measured devices: measure kernels, import others' timings, calibrate to a table."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mensa_sim.cli.options import Quiet, add, pairs, write
from mensa_sim.errors import UsageError

OutputFile = Annotated[Path | None, typer.Option("--output", help="File to write.")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Let the workload name code outside the shipped models.")]


def measure(
    workloads: Annotated[list[str], typer.Argument(help="Workload files or bare names of shipped ones.")],
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    output: Annotated[Path, typer.Option(help="Timing table to write or continue.")] = Path("results/timings.csv"),
    dtypes: Annotated[str, typer.Option("--dtype", help="float32, float16, bfloat16, int8; several with commas.")] = (
        "float32"
    ),
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; one is timed by its own clock.")] = None,
    budget_s: Annotated[float, typer.Option(help="Seconds for one kernel at most.")] = 0.5,
    relative_error: Annotated[float, typer.Option(help="Standard error of the median that is enough.")] = 0.02,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Time the kernels of workloads' layers on a device; a table that is there is continued."""
    from mensa_sim.measure.measure import Progress
    from mensa_sim.measure.measure import measure as measure_graphs
    from mensa_sim.measure.stopwatch import Limits
    from mensa_sim.workload.load import load_workload

    graphs = [load_workload(name, allow_code=allow_code) for name in workloads]
    try:
        limits = Limits(budget_s=budget_s, relative_error=relative_error)
    except ValueError as error:
        raise UsageError(str(error)) from error

    def show(step: Progress) -> None:
        if sys.stderr.isatty() and not quiet:
            line = f"{step.done}/{step.total} {step.kernel}"[:100] if step.done < step.total else ""
            sys.stderr.write(f"\r\033[K{line}")

    result = measure_graphs(
        graphs,
        device=device,
        output=output,
        dtypes=tuple(dtypes.split(",")),
        limits=limits,
        threads=threads,
        command=_command(workloads, device, dtypes, threads),
        date=datetime.now(tz=UTC).date().isoformat(),
        progress=show,
    )
    if quiet:
        return
    _say(f"{result.measured} kernels measured, {len(result.table.timings)} in {output}")
    for kernel, reason in result.skipped.items():
        _say(f"skipped {kernel}: {reason}")


def import_timings(
    table: Annotated[Path, typer.Argument(help="CSV or .csv.gz that others measured.")],
    columns: Annotated[list[str], typer.Option(help="OURS=THEIRS, as in K=n, median_ms=latency; repeatable.")],
    operator: Annotated[str, typer.Option(help="Operator of all rows: linear, matmul, conv2d, add, ...")],
    output: Annotated[Path, typer.Option(help="Timing table to write.")],
    device_name: Annotated[str, typer.Option(help="The device, by its maker's name.")],
    source: Annotated[str, typer.Option(help="Who measured it, how and when.")],
    processors: Annotated[int, typer.Option(help="SMs, or threads.")],
    cache_bytes: Annotated[int, typer.Option(help="Last shared cache.")],
    bytes_per_s: Annotated[float, typer.Option(help="Memory bandwidth.")],
    peak_macs_per_s: Annotated[float, typer.Option(help="Peak rate at the element type.")],
    dtype: Annotated[str, typer.Option(help="float32, float16, bfloat16 or int8.")] = "float32",
    where: Annotated[list[str], typer.Option(help="THEIRS=VALUE: only such rows; repeatable.")] = [],  # noqa: B006
    append: Annotated[bool, typer.Option("--append", help="Add to the table there, of the same device.")] = False,
) -> None:
    """Turn a table that others measured into a timing table."""
    from mensa_sim.cost.measured.file import read_timing_table, table_text
    from mensa_sim.cost.measured.table import Conditions
    from mensa_sim.io.atomic import write_atomically
    from mensa_sim.measure.import_table import ImportRequest, import_table, joined

    try:
        conditions = Conditions(
            device=device_name,
            driver="not stated",
            torch="not stated",
            date="not stated",
            method=f"imported from {table.name}: {source}",
            clocks_before="not stated",
            clocks_after="not stated",
            command="mensa-sim import-timings",
            processors=processors,
            cache_bytes=cache_bytes,
            copy_bytes_per_s=bytes_per_s,
            peak_macs_per_s={dtype: peak_macs_per_s},
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    request = ImportRequest(
        operator=operator, dtype=dtype, columns=_pairs(columns, "--columns"), where=_pairs(where, "--where")
    )
    imported = import_table(table, request, conditions)
    if append:
        imported = joined(read_timing_table(output), imported)
    elif output.exists():
        raise UsageError(f"{output} is there already; add to it with --append, or name another --output")
    write_atomically(output, table_text(imported))
    _say(f"{len(imported.timings)} kernels in {output}")


def calibrate(
    spec: Annotated[str, typer.Argument(help="System or accelerator: file or bare name.")],
    table: Annotated[Path, typer.Argument(help="Timing table to calibrate to.")],
    fields: Annotated[list[str], typer.Option("--field", help="Field to fit, named as for --set; three at most.")] = [],  # noqa: B006
    dtype: Annotated[str | None, typer.Option(help="Element type, where the table has several.")] = None,
    rows: Annotated[int, typer.Option(min=4, help="Kernels used at most, half to fit and half to judge.")] = 60,
    output: OutputFile = None,
) -> None:
    """Fit a few constants of a spec to half of a table, and judge them on the other half.

    Without --field, SPEC is a device's name, and what is fitted is the efficiency of its kernels: a file that a
    measured accelerator can name under `timings`.
    """
    from mensa_sim.io.atomic import write_atomically
    from mensa_sim.study.calibrate.calibrate import calibrate_device, calibrate_spec

    if fields:
        beside = output.parent if output else Path()
        result = calibrate_spec(spec, table, fields=fields, rows=rows, dtype=dtype, beside=beside)
    else:
        result = calibrate_device(spec, table, dtype)
    _say(result.report)
    if output is not None:
        write_atomically(output, result.text)
        _say(f"written to {output}")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    add(app, measure, counts=True)
    add(app, import_timings, "import-timings")
    add(app, calibrate)


def _command(workloads: list[str], device: str, dtypes: str, threads: int | None) -> str:
    names = " ".join(Path(name).name for name in workloads)
    given = f" --dtype {dtypes}" + (f" --threads {threads}" if threads else "")
    return f"mensa-sim measure {names} --device {device}{given}"


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` texts, several in one where commas part them."""
    return pairs(option, [text for joined in texts for text in joined.split(",")])


def _say(text: str) -> None:
    write(f"{text}\n")
