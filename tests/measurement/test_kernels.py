"""Kernels do what their records say, and every shipped builder runs."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.measured.table import Kernel
from mensa_sim.measurement.energy import CounterError, NvmlMeter, energy_of, rapl_meter
from mensa_sim.measurement.kernels.kernels import BUILDERS, NoKernelError, prepare
from mensa_sim.measurement.kernels.recurrent import RECURRENT
from mensa_sim.measurement.kernels.vector import VECTOR
from mensa_sim.measurement.random_tensors import RandomTensors
from mensa_sim.measurement.stopwatch import Sampling
from mensa_sim.workload.layer import LoopNest

CPU = torch.device("cpu")
SMALL = st.integers(1, 5)


def output(kernel: Kernel) -> torch.Tensor:
    result = BUILDERS[kernel.operator](kernel, RandomTensors(CPU, kernel.dtype))()
    return result if isinstance(result, torch.Tensor) else result[0]  # type: ignore[index]


@settings(max_examples=16, deadline=None)
@given(
    batch=SMALL,
    groups=SMALL,
    filters=SMALL,
    channels=SMALL,
    taps=SMALL,
    outputs=st.integers(1, 9),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padded=st.booleans(),
)
def test_a_convolution_makes_exactly_its_nests_output(
    batch: int,
    groups: int,
    filters: int,
    channels: int,
    taps: int,
    outputs: int,
    stride: int,
    dilation: int,
    padded: bool,
) -> None:
    needed = (outputs - 1) * stride + dilation * (taps - 1) + 1
    size = max(1, needed - 2 * (taps // 2)) if padded else needed
    nest = LoopNest(
        B=batch,
        G=groups,
        K=filters,
        C=channels,
        OY=outputs,
        OX=outputs,
        FY=taps,
        FX=taps,
        stride_y=stride,
        stride_x=stride,
        dilation_y=dilation,
        dilation_x=dilation,
        input_height=size,
        input_width=size,
    )
    made = output(Kernel(operator="conv2d", dtype="float32", nest=nest))
    assert made.shape == (batch, groups * filters, outputs, outputs)


@given(rows=SMALL, columns=SMALL, depth=SMALL, groups=SMALL)
@settings(deadline=None, max_examples=20)
def test_products_have_their_nests_shape(rows: int, columns: int, depth: int, groups: int) -> None:
    nest = LoopNest(G=groups, K=columns, C=depth, OX=rows, input_width=rows)
    assert output(Kernel(operator="matmul", dtype="float32", nest=nest)).shape == (groups, rows, columns)
    single = LoopNest(K=columns, C=depth, OX=rows, input_width=rows)
    assert output(Kernel(operator="linear", dtype="float32", nest=single)).shape == (rows, columns)


@pytest.mark.parametrize("operator", sorted(VECTOR))
def test_every_vector_kernel_runs_and_makes_its_elements(operator: str) -> None:
    kernel = Kernel(
        operator=operator,
        dtype="float32",
        vector_ops=64 if operator.endswith("pool") else 5 * 16 - 2 * 2,
        input_elements=4 if operator == "embedding" else 64 if operator.endswith("pool") else 32,
        output_elements=16,
        parameter_elements=32 if operator == "embedding" else 8,
    )
    assert output(kernel).numel() == 16


@pytest.mark.parametrize(("operations", "halves"), [(13, 8), (11, 6), (2, 2)])
def test_a_cell_update_is_told_by_its_counts(operations: int, halves: int) -> None:
    kernel = Kernel(
        operator="cell_update", dtype="float32", vector_ops=5 * operations, input_elements=5 * halves, output_elements=5
    )
    assert output(kernel).numel() == 5


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("operator", sorted(set(RECURRENT) - {"cell_update"}))
def test_a_sequence_makes_every_step(operator: str) -> None:
    state = 3 if "projected" in operator else 6
    nest = LoopNest(K=6, C=state, OX=2, input_width=2)
    kernel = Kernel(operator=operator, dtype="float32", form="sequence", steps=4, nest=nest)
    with torch.no_grad():
        assert output(kernel).shape == (4, 2, state)


def test_small_inputs_rotate_and_large_ones_need_not() -> None:
    nest = LoopNest(K=8, C=8, OX=4, input_width=4)
    kernel = Kernel(operator="linear", dtype="float32", nest=nest)
    assert prepare(kernel, CPU, rotate_bytes=4 * (32 + 64) * 5).sets == 5
    assert prepare(kernel, CPU, rotate_bytes=1).sets == 1
    assert prepare(kernel, CPU, rotate_bytes=10**9).sets == 64


def test_an_unknown_operator_and_an_impossible_one_say_why() -> None:
    with pytest.raises(NoKernelError, match="no kernel is known"):
        prepare(Kernel(operator="odd", dtype="float32", input_elements=1), CPU, 1)
    with pytest.raises(NoKernelError, match="is no cell"):
        prepare(Kernel(operator="cell_update", dtype="float32", vector_ops=7, input_elements=1), CPU, 1)


def test_energy_of_a_run_is_the_counters_rise_from_tick_to_tick_over_the_runs() -> None:
    now_s = [0.0]

    def sample() -> float:
        now_s[0] += 0.01
        return 0.01

    sampling = Sampling(sample=sample, loops=5)
    meter = NvmlMeter(lambda: int(now_s[0] / 0.07) * 70 * 15)  # ticks every 70 ms at 15 W
    assert energy_of(sampling, meter, lambda: now_s[0]) == pytest.approx(15 * 0.01 / 5)
    assert energy_of(sampling, NvmlMeter(lambda: 5), lambda: now_s[0]) is None


def test_a_rapl_counter_that_wraps_still_counts(tmp_path: Path) -> None:
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    (folder / "max_energy_range_uj").write_text("1000000")
    (folder / "energy_uj").write_text("900000")
    meter = rapl_meter(tmp_path)
    assert meter is not None
    (folder / "energy_uj").write_text("100000")
    assert meter.joules() == pytest.approx(0.2)
    assert rapl_meter(tmp_path / "nowhere") is None
    (folder / "energy_uj").unlink()
    with pytest.raises(CounterError):
        meter.joules()


@pytest.mark.parametrize("fused", [0, 2])
def test_a_softmax_keeps_its_rows_when_its_layer_fused_a_scale_or_a_mask(fused: int) -> None:
    rows, row = 6, 8
    kernel = Kernel(
        operator="softmax",
        dtype="float32",
        vector_ops=(5 + fused) * rows * row - 2 * rows,
        input_elements=rows * row,
        output_elements=rows * row,
    )
    assert output(kernel).shape == (rows, row)


def test_a_recurrent_layer_at_an_integer_type_is_a_kernel_that_cannot_run() -> None:
    kernel = Kernel(operator="lstm", dtype="int8", form="sequence", steps=2, nest=LoopNest(K=8, C=8))
    with pytest.raises(NoKernelError, match="floating point"):
        prepare(kernel, CPU, 1)


def test_rotary_positions_turn_pairs_of_halves() -> None:
    kernel = Kernel(operator="rotary", dtype="float32", vector_ops=24, input_elements=8, output_elements=8)
    drawn = RandomTensors(CPU, "float32")
    data, cosines, sines = (drawn.normal(8).view(2, 4) for _ in range(3))
    upper = data[0] * cosines[0] - data[1] * sines[0]
    lower = data[1] * cosines[1] + data[0] * sines[1]
    assert torch.equal(output(kernel), torch.cat((upper, lower)))
