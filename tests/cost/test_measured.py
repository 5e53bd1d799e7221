"""Measured accelerators: exact kernels, then fits, else a refusal; never zero, never silent."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mensa_sim.cost.layer_cost import RESIDENCIES, STREAMED
from mensa_sim.cost.measured.cost import STEP_BY_STEP
from mensa_sim.cost.measured.file import table_text
from mensa_sim.cost.measured.fits.fit import DeviceFit, family_of
from mensa_sim.cost.measured.fits.model import shapes_of
from mensa_sim.cost.measured.kernels import fused_kernels, kernel_runs, kernels_of, sequence_kernel
from mensa_sim.cost.measured.table import Conditions, Kernel, Timing, TimingTable
from mensa_sim.cost.measured.timings import MeasuredTimings, load_timings
from mensa_sim.cost.prices.price import price
from mensa_sim.errors import FileError, InfeasibleError, UsageError
from mensa_sim.hardware.accelerator import MeasuredDevice
from mensa_sim.hardware.files import load_accelerator, load_system, load_technology
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.hardware.technology.technology import Constant
from mensa_sim.io.files import read_record
from mensa_sim.io.shipped import shipped_root
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest

CONDITIONS = Conditions(
    device="a device",
    driver="1",
    torch="1",
    date="2026-01-01",
    method="by hand",
    clocks_before="1",
    clocks_after="1",
    command="none",
    processors=1,
    cache_bytes=1000,
    copy_bytes_per_s=1e10,
    peak_macs_per_s={"float32": 1e11},
)
GATE = LoopNest(K=16, C=16)
WIDTHS = "kernels at float32 stand for 8-bit parameters and 8-bit activations"


def linear(name: str, rows: int) -> Layer:
    nest = LoopNest(K=64, C=64, OX=rows, input_width=rows)
    return Layer(name=name, operator="linear", nest=nest, input_bytes=64 * rows, output_bytes=64 * rows)


def gate(name: str) -> Layer:
    return Layer(name=name, operator="hidden_gate", nest=GATE, steps=7, recurrent=True, group="g")


CELL = Layer(
    name="cell",
    operator="cell_update",
    vector_ops=7 * 16 * 13,
    input_bytes=7 * 144,
    output_bytes=7 * 16,
    steps=7,
    recurrent=True,
    group="g",
)
LSTM = LayerGraph(name="lstm", layers=(*(gate(f"h{index}") for index in range(4)), CELL), edges=())
LINEARS = LayerGraph(name="linears", layers=(linear("a", 3), linear("b", 5)), edges=())


def timing(kernel: Kernel, median_us: float, energy_uj: float | None = None) -> Timing:
    return Timing(
        kernel=kernel, median_us=median_us, iqr_us=0.1, repetitions=9, relative_error=0.01, energy_uj=energy_uj
    )


def of(layer: Layer, median_us: float, energy_uj: float | None = None, dtype: str = "float32") -> Timing:
    return timing(kernel_runs(layer, dtype).kernel, median_us, energy_uj)


def system(folder: Path, *timings: Timing, **changes: object) -> System:
    path = folder / "t.csv"
    path.write_text(table_text(TimingTable(label="t.csv", conditions=CONDITIONS, timings=timings)))
    spec = MeasuredDevice(
        name="device",
        placement="host",
        technology="cmos_22nm",
        clock_hz=10**9,
        timings=str(path),
        macs_per_s=10**11,
        power_mw=Constant(value=2000.0, source="a label"),
    )
    memory = Memory(
        kind="host_ddr",
        bandwidth_bytes_per_s=10**10,
        efficiency=1.0,
        read_pj_per_bit=1.0,
        write_pj_per_bit=1.0,
        background_mw=0.0,
    )
    placed = PlacedAccelerator(
        spec=replace(spec, **changes),  # type: ignore[arg-type]
        technology=load_technology("cmos_22nm"),
        memory="ddr",
    )
    return System(name="s", memories={"ddr": memory}, accelerators=(placed,))


def test_a_measured_kernels_time_is_the_layers_in_every_residency(tmp_path: Path) -> None:
    costs = price(LINEARS, system(tmp_path, of(linear("a", 3), 12.5), of(linear("b", 5), 40.0)))
    for residency in RESIDENCIES:
        assert costs.latency_ps("a", "device", residency) == 12_500_000
        assert costs.latency_ps("b", "device", residency) == 40_000_000
    cost = costs.cost("a", "device")
    assert (cost.source, cost.error_percent, cost.macs) == ("measured", None, 3 * 64 * 64)
    assert "12.5 us" in cost.mapping


def test_traffic_never_makes_a_measured_time_longer(tmp_path: Path) -> None:
    costs = price(LINEARS, system(tmp_path, of(linear("a", 3), 1.0), of(linear("b", 5), 1000.0)))
    assert costs.latency_ps("a", "device") == 1_000_000
    assert 0 < costs.cost("a", "device").memory_bytes <= 10_000
    assert costs.cost("b", "device").memory_bytes == 4 * (64 * 64 + 5 * 128)


def test_energy_is_measured_else_estimated_from_a_stated_power(tmp_path: Path) -> None:
    costs = price(LINEARS, system(tmp_path, of(linear("a", 3), 10.0, energy_uj=7.0), of(linear("b", 5), 10.0)))
    assert costs.cost("a", "device").dynamic_pj == {"device": 7e6}
    assert costs.cost("a", "device").caveats == (WIDTHS,)
    assert costs.cost("b", "device").energy_pj == pytest.approx(2.0 * 10e-6 * 1e12)
    said = "energy estimated as 2000 mW times the time (a label)"
    assert costs.cost("b", "device").caveats == (WIDTHS, said)
    expected = (f"device: {WIDTHS} (2 layers)", f"device: {said} (1 layer)")
    assert costs.caveats({"a": "device", "b": "device"}) == expected


def test_kernels_at_the_workloads_own_width_need_no_word_about_it(tmp_path: Path) -> None:
    wide = replace(linear("a", 3), parameter_bits=32, activation_bits=32)
    device = system(tmp_path, of(wide, 10.0, energy_uj=7.0))
    assert price(LayerGraph(name="g", layers=(wide,), edges=()), device).cost("a", "device").caveats == ()


def test_idle_power_is_not_counted_twice(tmp_path: Path) -> None:
    idle = Constant(value=500.0, source="a label")
    timings = (of(linear("a", 3), 10.0, energy_uj=7.0), of(linear("b", 5), 10.0))
    costs = price(LINEARS, system(tmp_path, *timings, idle_mw=idle))
    assert costs.cost("a", "device").energy_pj == pytest.approx(2e6)
    assert costs.cost("b", "device").energy_pj == pytest.approx(1.5 * 10e-6 * 1e12)


@pytest.mark.parametrize("objective", ["latency", "edp", "energy"])
def test_without_any_energy_every_layer_is_refused_and_nothing_becomes_zero(tmp_path: Path, objective: str) -> None:
    device = system(tmp_path, of(linear("a", 3), 10.0), of(linear("b", 5), 10.0), power_mw=None)
    costs = price(LINEARS, device, objective)  # type: ignore[arg-type]
    assert not costs.runs("a", "device")
    with pytest.raises(InfeasibleError, match="cannot run a: its energy is neither measured nor stated"):
        costs.cost("a", "device")


def test_a_fit_serves_where_no_kernel_is_exact_and_shows_its_error(tmp_path: Path) -> None:
    rows = [of(linear(f"r{index}", 16 * index), 2.0 * index + 3) for index in range(1, 16)]
    device = system(tmp_path, *rows)
    between = LayerGraph(name="g", layers=(linear("a", 40),), edges=())
    cost = price(between, device).cost("a", "device", STREAMED)
    assert cost.error_percent is not None
    assert f"fit, {cost.error_percent:g} % mean error out of sample" in cost.mapping
    assert cost.compute_cycles / 1000 == pytest.approx(8.0, rel=0.3)
    assert cost.caveats[0] == f"time from the fit to linear kernels, {cost.error_percent:g} % mean error out of sample"
    assert not any("extrapolated" in text for text in cost.caveats)
    beyond = LayerGraph(name="g", layers=(linear("a", 1000),), edges=())
    assert (
        "extrapolated: rows outside the rows of the fit to linear kernels"
        in price(beyond, device).cost("a", "device").caveats
    )
    exact = price(between, device, timings="exact")
    with pytest.raises(InfeasibleError, match=r"cannot run a: t.csv has no timing of linear .*--timings fit"):
        exact.cost("a", "device")


def test_a_layer_without_timing_or_fit_is_refused_by_name(tmp_path: Path) -> None:
    costs = price(LINEARS, system(tmp_path, of(linear("a", 3), 10.0)))
    assert costs.runs("a", "device")
    with pytest.raises(
        InfeasibleError,
        match=r"device cannot run b: .*too few linear kernels for a fit; time them with `mensa-sim measure",
    ):
        costs.cost("b", "device")


def test_unknown_and_refused_operators_are_refused(tmp_path: Path) -> None:
    odd = replace(linear("odd", 3), supported=False)
    graph = LayerGraph(name="g", layers=(odd, linear("a", 3)), edges=())
    costs = price(graph, system(tmp_path, of(linear("a", 3), 10.0), refuses=("linear",)))
    assert "without kernels" in price(graph, system(tmp_path, of(odd, 1.0))).refusals["odd", "device"]
    assert "does not run linear" in costs.refusals["a", "device"]


def test_a_fused_run_is_shared_out_over_its_group_and_is_preferred(tmp_path: Path) -> None:
    fused = sequence_kernel(LSTM.layers, "float32")
    assert fused is not None
    steps = (of(gate("h"), 5.0), of(CELL, 3.0))
    costs = price(LSTM, system(tmp_path, timing(fused, 100.0), *steps))
    total_ps = sum(costs.latency_ps(layer.name, "device") for layer in LSTM.layers)
    assert total_ps == pytest.approx(100_000_000, rel=1e-4)
    alone = price(LSTM, system(tmp_path, *steps))
    assert alone.latency_ps("h0", "device") == 7 * 5_000_000
    assert alone.latency_ps("cell", "device") == 7 * 3_000_000
    assert all(STEP_BY_STEP in alone.cost(layer.name, "device").caveats for layer in LSTM.layers)
    assert not any(STEP_BY_STEP in costs.cost(layer.name, "device").caveats for layer in LSTM.layers)


def test_a_table_of_several_types_asks_which_and_one_of_another_is_refused(tmp_path: Path) -> None:
    two = (of(linear("a", 3), 10.0), of(linear("a", 3), 5.0, dtype="float16"))
    one = LayerGraph(name="g", layers=(linear("a", 3),), edges=())
    with pytest.raises(FileError, match="say which with timings_dtype"):
        price(one, system(tmp_path, *two))
    half = price(one, system(tmp_path, *two, timings_dtype="float16"), timings="exact")
    assert half.latency_ps("a", "device") == 5_000_000
    with pytest.raises(FileError, match="no timings at int8, only at float32, float16"):
        price(one, system(tmp_path, *two, timings_dtype="int8"))


def test_a_table_that_was_changed_is_read_anew_whatever_its_time_says(tmp_path: Path) -> None:
    one = LayerGraph(name="g", layers=(linear("a", 3),), edges=())
    for median_us in (10.0, 20.0):
        own = system(tmp_path, of(linear("a", 3), median_us))
        os.utime(tmp_path / "t.csv", (1, 1))
        assert price(one, own, timings="exact").latency_ps("a", "device") == median_us * 1e6


def test_a_table_without_the_peak_of_its_type_cannot_be_fitted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"peak_macs_per_s\.float16"):
        price(LINEARS, system(tmp_path, of(linear("a", 3), 5.0, dtype="float16")))


def test_fits_alone_are_no_exact_timings() -> None:
    system = load_system("gpu_t4")
    path = Path(system.accelerators[0].spec.timings)
    with pytest.raises(FileError, match="holds fits alone"):
        load_timings(path, None, allow_fit=False)
    assert load_timings(path, None, allow_fit=True).dtype == "float32"


@pytest.mark.parametrize("name", ["cpu_xeon_1_thread", "gpu_t4", "gpu_a100"])
def test_shipped_devices_run_products_at_a_sane_rate(name: str) -> None:
    layer = Layer(name="a", operator="linear", nest=LoopNest(K=1024, C=1024, OX=512, input_width=512))
    device = load_system(name)
    costs = price(LayerGraph(name="g", layers=(layer,), edges=()), device)
    used = costs.cost("a", name).utilization(costs.latency_ps("a", name))
    assert 0.1 < used <= 1
    assert costs.cost("a", name).energy_pj > 0


FUSING = replace(linear("a", 3), operator="conv2d", fused=("batch_norm", "relu"))


def test_what_a_layer_fused_is_timed_as_kernels_of_their_own(tmp_path: Path) -> None:
    bias, relu = fused_kernels(FUSING, "float32")
    assert (bias.operator, bias.input_elements - bias.output_elements) == ("add", 64)
    assert (relu.operator, relu.output_elements) == ("relu", 3 * 64)
    timings = (of(FUSING, 10, 100), timing(bias, 3, 20), timing(relu, 2, 10))
    graph = LayerGraph(name="one", layers=(FUSING,), edges=())
    cost = price(graph, system(tmp_path, *timings), "latency", timings="exact").cost("a", "device")
    assert cost.compute_cycles == 15_000
    assert cost.dynamic_pj == {"device": pytest.approx(130e6)}
    assert "what layers fused runs as kernels of its own" in cost.caveats


def test_a_fused_operator_that_was_not_timed_is_said_to_be_left_out(tmp_path: Path) -> None:
    graph = LayerGraph(name="one", layers=(FUSING,), edges=())
    cost = price(graph, system(tmp_path, of(FUSING, 10, 100)), "latency", timings="exact").cost("a", "device")
    assert cost.compute_cycles == 10_000
    assert [text for text in cost.caveats if "left out" in text] == [
        "add that layers fused was not timed: left out",
        "relu that layers fused was not timed: left out",
    ]


def test_measuring_a_model_times_what_its_layers_fused_too() -> None:
    graph = LayerGraph(name="one", layers=(FUSING,), edges=())
    assert [kernel.operator for kernel in kernels_of([graph], ["float32"])] == ["conv2d", "add", "relu"]


@pytest.mark.parametrize(
    ("operator", "nest", "halvings"),
    [
        ("conv2d", LoopNest(K=64, C=64, OY=28, OX=28, input_height=28, input_width=28), 0),
        ("conv2d", LoopNest(K=64, C=64, OY=14, OX=14, input_height=14, input_width=14), 1),
        ("conv2d", LoopNest(K=64, C=64, OY=7, OX=7, input_height=7, input_width=7), 3),
        ("conv2d", LoopNest(K=64, C=3, OY=7, OX=7, FY=3, FX=3, input_height=7, input_width=7), 3),
        ("conv2d", LoopNest(K=61, C=24, OY=7, OX=7, FY=3, FX=3, input_height=7, input_width=7), 0),
        ("linear", LoopNest(K=1001, C=1024), 0),
        ("linear", LoopNest(K=1001, C=1024, OX=16, input_width=16), 3),
        ("linear", LoopNest(K=1024, C=100), 1),
        ("matmul", LoopNest(G=6, K=64, C=513, OX=4, input_width=4), 3),
        ("matmul", LoopNest(G=6, K=64, C=513), 0),
    ],
)
def test_rows_that_16_bytes_do_not_divide_are_counted_in_halvings(operator: str, nest: LoopNest, halvings: int) -> None:
    kernel = Kernel(operator=operator, dtype="float16", nest=nest)
    assert list(shapes_of([kernel]).misalignment) == [halvings]


def test_convolutions_with_a_window_are_reordered_for_matrix_units_where_channels_fill_their_loads() -> None:
    """Without matrix units nothing is, and planes have no rows of channels that could lie crooked."""

    def seen(dtype: str, channels: int, taps: int) -> tuple[float, float]:
        nest = LoopNest(K=64, C=channels, OY=7, OX=8, FY=taps, FX=taps, input_height=7, input_width=8)
        shapes = shapes_of([Kernel(operator="conv2d", dtype=dtype, nest=nest)])
        return float(shapes.reordered[0]), float(shapes.misalignment[0])

    assert [seen("float16", channels, 3) for channels in (8, 12, 3)] == [(1, 0), (0, 1), (0, 3)]
    assert [seen("int8", channels, 3) for channels in (16, 8)] == [(1, 0), (0, 1)]
    assert [seen("float32", channels, 3) for channels in (8, 3)] == [(0, 0), (0, 0)]
    assert seen("float16", 8, 1) == (0, 0)


def test_a_device_without_a_fit_of_pointwise_convolutions_takes_that_of_all() -> None:
    nest = LoopNest(K=64, C=64, OY=14, OX=14, input_height=14, input_width=14)
    kernel = Kernel(operator="conv2d", dtype="float32", nest=nest)
    fit = read_record(shipped_root() / "accelerator_specs" / "measured" / "gpu_t4.yaml", DeviceFit)
    assert family_of(kernel) == "pointwise"
    assert fit.fit_of(kernel) == fit.operators["convolution"]
    h100 = read_record(shipped_root() / "accelerator_specs" / "measured" / "gpu_h100_fit.yaml", DeviceFit)
    assert h100.fit_of(kernel) == h100.operators["pointwise"]
    found = MeasuredTimings(label="t4", dtype="float32", table=None, fit=lambda: fit, allow_fit=True).fitted(kernel)
    assert found is not None
    assert found.caveats[0].startswith("time from the fit to convolution kernels")


def test_a_device_by_its_datasheet_says_what_of_each_time_is_launching() -> None:
    spec = load_accelerator("gpu_h100_float32")
    assert isinstance(spec, MeasuredDevice)
    found = load_timings(Path(spec.timings), None, allow_fit=True, figures=spec.figures).fitted(
        Kernel(operator="linear", dtype="float32", nest=LoopNest(K=8, C=8))
    )
    assert found is not None
    assert (
        found.caveats[1]
        == "by its datasheet: the fit is of NVIDIA GPUs, from Ampere; 48.9 us of each kernel are its launch"
    )
    assert 48e-6 < found.seconds < 60e-6


def test_elementwise_work_with_a_shorter_operand_is_a_family_of_its_own_where_a_device_has_it() -> None:
    bias = Kernel(operator="add", dtype="float32", vector_ops=64, input_elements=72, output_elements=64)
    residual = replace(bias, input_elements=128)
    assert [family_of(each) for each in (bias, residual)] == ["broadcast", "add"]
    folder = shipped_root() / "accelerator_specs" / "measured"
    t4, h100 = (read_record(folder / f"{name}.yaml", DeviceFit) for name in ("gpu_t4", "gpu_h100_fit"))
    assert [each.family_for(bias) for each in (t4, h100)] == ["add", "broadcast"]


def test_the_shipped_fit_of_the_h100_is_what_its_table_gives_now_and_within_its_goals_on_rows_left_out() -> None:
    folder = shipped_root() / "accelerator_specs" / "measured"
    shipped = read_record(folder / "gpu_h100_fit.yaml", DeviceFit)
    goals = {"linear": 10.0, "matmul": 10.0, "pointwise": 15.0, "convolution": 15.0}
    assert all(shipped.operators[family].error_percent <= goal for family, goal in goals.items())
    table = load_timings(folder / "gpu_h100.csv", "float16", allow_fit=True)
    window = LoopNest(K=80, C=48, OY=23, OX=23, FY=3, FX=3, input_height=23, input_width=23)
    for operator, nest in (
        ("linear", LoopNest(K=777, C=1111, OX=7, input_width=7)),
        ("matmul", LoopNest(G=3, K=70, C=700, OX=9, input_width=9)),
        ("conv2d", LoopNest(K=72, C=40, OY=23, OX=23, input_height=23, input_width=23)),
        ("conv2d", window),
    ):
        kernel = Kernel(operator=operator, dtype="float16", nest=nest)
        found = table.fitted(kernel)
        assert found is not None
        assert found.seconds == pytest.approx(shipped.seconds(kernel), rel=0.005)
