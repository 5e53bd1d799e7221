"""`--timings` reaches the measured accelerators of every command that prices layers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from space_files import write_space
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.api import explanation as explaining
from mensa_sim.api import explore as api_explore
from mensa_sim.api import files as api_files
from mensa_sim.api import session as api
from mensa_sim.cli.main import app
from mensa_sim.cost.measured.file import table_text
from mensa_sim.cost.measured.table import Conditions, Kernel, Timing, TimingTable
from mensa_sim.errors import InfeasibleError, MensaError, UsageError
from mensa_sim.io.files import write_yaml
from mensa_sim.io.shipped import shipped_root
from mensa_sim.workload.layer import LoopNest

TEXTS = dict.fromkeys(
    ("device", "driver", "torch", "date", "method", "clocks_before", "clocks_after", "command"), "not stated"
)
REFUSAL = "measure it, or allow a fit"


def timed(kernel: Kernel, median_us: float) -> Timing:
    return Timing(kernel=kernel, median_us=median_us, iqr_us=0.0, repetitions=1, relative_error=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A measured accelerator with linear kernels of 14 sizes, and a workload whose size is not among them."""
    conditions = Conditions(
        **TEXTS,  # type: ignore[arg-type]
        processors=1,
        cache_bytes=1000,
        copy_bytes_per_s=1e10,
        peak_macs_per_s={"float32": 1e11},
    )
    kernels = [Kernel(operator="linear", dtype="float32", nest=LoopNest(K=8 * (i + 1), C=64)) for i in range(14)]
    timings = tuple(timed(kernel, 2.0 + 0.1 * index) for index, kernel in enumerate(kernels))
    table = TimingTable(label="t.csv", conditions=conditions, timings=timings)
    (tmp_path / "t.csv").write_text(table_text(table))
    shipped = api_files.show("accelerators", "cpu_xeon_1_thread")
    text = shipped.replace("../measured/cpu_xeon_1_thread.csv", "t.csv").replace("macs_per_s: 90", "macs_per_s: 99")
    technology = shipped_root() / "accelerator_specs" / "technology" / "cmos_22nm.yaml"
    (tmp_path / "device.yaml").write_text(text.replace("../technology/cmos_22nm.yaml", str(technology)))
    layer = {"name": "fc", "operator": "linear", "dims": {"K": 20, "C": 64}}
    (tmp_path / "w.yaml").write_text(write_yaml({"name": "w", "layers": [layer]}))
    stream = {"name": "s", "workload": "w.yaml", "arrivals": {"kind": "periodic", "fps": 10}}
    (tmp_path / "scenario.yaml").write_text(write_yaml({"name": "sc", "duration_s": 1, "streams": [stream]}))
    return tmp_path


CALLS: dict[str, Callable[[Path, str], object]] = {
    "run": lambda folder, mode: api.run(folder / "w.yaml", system=folder / "device.yaml", timings=mode),
    "baseline": lambda folder, mode: api.run(folder / "w.yaml", baseline=folder / "device.yaml", timings=mode),
    "scenario": lambda folder, mode: api.run_scenario(
        folder / "scenario.yaml", system=folder / "device.yaml", timings=mode
    ),
    "compare": lambda folder, mode: ms.compare(
        folder / "w.yaml", ["edge_tpu", str(folder / "device.yaml")], timings=mode
    ),
    "explain": lambda folder, mode: explaining.place(folder / "w.yaml", system=folder / "device.yaml", timings=mode),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_exact_timings_refuse_what_a_fit_would_price(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert CALLS[name](folder, "fit") is not None
    with pytest.raises(InfeasibleError, match=REFUSAL):
        CALLS[name](folder, "exact")
    with pytest.raises(UsageError, match="choose from exact, fit"):
        CALLS[name](folder, "nearly")


def test_a_space_says_which_timings_its_designs_use(folder: Path) -> None:
    changes = {
        "system": "./device.yaml",
        "workloads": ["./w.yaml"],
        "references": [],
        "parameters": {"accelerators.cpu_xeon_1_thread.power_mw.value": {"values": [5000, 6000]}},
    }
    fitted = api_explore.explore(write_space(folder, **changes), folder=folder / "fit")
    assert {outcome.state for outcome in fitted.outcomes} == {"done"}
    exact = write_space(folder, timings="exact", **changes)
    with pytest.raises(MensaError, match=REFUSAL):
        api_explore.explore(exact, folder=folder / "exact")
    with pytest.raises(UsageError, match="what differs: timings"):
        api_explore.explore(exact, folder=folder / "fit", resume=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "w.yaml", "--system", "device.yaml"),
        ("run", "scenario.yaml", "--system", "device.yaml"),
        ("compare", "w.yaml", "--systems", "edge_tpu,device.yaml"),
        ("explain", "w.yaml", "--system", "device.yaml"),
    ],
)
def test_the_commands_pass_their_option_on(
    arguments: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, [*arguments, "--timings", "exact"])
    assert REFUSAL in str(done.exception)
    assert CliRunner().invoke(app, [*arguments, "--timings", "fit"]).exception is None
