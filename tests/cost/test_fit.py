"""Fits: monotone for any constants, exact on what they made themselves, and good out of sample on real kernels."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.fits.fit import (
    MIN_ROWS,
    DeviceFit,
    fit_device,
    fit_family,
    fit_yaml,
    halves,
    predicted,
)
from mensa_sim.cost.measured.fits.model import (
    CONSTANTS,
    PRODUCT_FORMS,
    TILES,
    Model,
    ModelForm,
    predict_s,
    roofline_s,
    shapes_of,
)
from mensa_sim.cost.measured.table import Kernel, Timing
from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.io.files import read_record
from mensa_sim.workload.layer import LoopNest

FIGURES = DeviceFigures(processors=40, cache_bytes=4_000_000, bytes_per_s=320e9, peak_macs_per_s=4e12)
SIZES = st.integers(1, 3000)


def constants(form: ModelForm) -> st.SearchStrategy[Mapping[str, float]]:
    ranges = CONSTANTS[form].items()
    return st.fixed_dictionaries(
        {name: st.floats(math.log(r.low), math.log(r.high)).map(math.exp) for name, r in ranges}
    )


def product(rows: int, columns: int, depth: int, groups: int = 1) -> Kernel:
    nest = LoopNest(G=groups, K=columns, C=depth, OX=rows, input_width=rows)
    return Kernel(operator="matmul", dtype="float32", nest=nest)


def convolution(batch: int, channels: int, filters: int, size: int, stride: int = 1) -> Kernel:
    nest = LoopNest(
        B=batch,
        C=channels,
        K=filters,
        OY=size,
        OX=size,
        FY=3,
        FX=3,
        stride_y=stride,
        stride_x=stride,
        input_height=size * stride,
        input_width=size * stride,
    )
    return Kernel(operator="conv2d", dtype="float32", nest=nest)


def vector(elements: int) -> Kernel:
    return Kernel(
        operator="add", dtype="float32", vector_ops=elements, input_elements=2 * elements, output_elements=elements
    )


def timed(kernel: Kernel, seconds: float) -> Timing:
    return Timing(kernel=kernel, median_us=seconds * 1e6, iqr_us=0.0, repetitions=1, relative_error=0.0)


@settings(max_examples=150, deadline=None)
@given(
    values=constants("product"),
    tiles=st.sampled_from(sorted(TILES)),
    shared=st.booleans(),
    sizes=st.tuples(SIZES, SIZES, SIZES, st.integers(1, 64)),
    grow=st.integers(0, 3),
    by=st.integers(1, 125).map(lambda pieces: 4 * pieces),
)
def test_a_product_never_takes_less_time_for_more_work(
    values: Mapping[str, float],
    tiles: str,
    shared: bool,
    sizes: tuple[int, int, int, int],
    grow: int,
    by: int,
) -> None:
    """Grown by whole loads of 16 bytes: rows of another alignment may be faster although they are longer."""
    larger = tuple(size + by * (index == grow) for index, size in enumerate(sizes))
    shapes = shapes_of([product(*sizes), product(*larger)])
    small, large = predict_s("product", values, tiles, shared=shared, figures=FIGURES, shapes=shapes)
    assert 0 < small <= large * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(
    values=constants("product"),
    tiles=st.sampled_from(sorted(TILES)),
    sizes=st.tuples(st.integers(1, 32), SIZES, SIZES, st.integers(1, 200)),
    grow=st.integers(0, 3),
    by=st.integers(1, 50),
)
def test_a_convolution_never_takes_less_time_for_more_batch_channels_or_outputs(
    values: Mapping[str, float], tiles: str, sizes: tuple[int, int, int, int], grow: int, by: int
) -> None:
    larger = tuple(size + by * (index == grow) for index, size in enumerate(sizes))
    shapes = shapes_of([convolution(*sizes), convolution(*larger)])
    small, large = predict_s("product", values, tiles, shared=False, figures=FIGURES, shapes=shapes)
    assert 0 < small <= large * (1 + 1e-9)


@settings(max_examples=30)
@given(form=st.sampled_from(sorted(CONSTANTS)), shared=st.booleans(), data=st.data())
def test_the_slopes_that_a_fit_follows_are_those_of_its_times(
    form: ModelForm, shared: bool, data: st.DataObject
) -> None:
    """Held against differences, but where one lies across a bend: there a fastest tile or a limit changes."""
    values = data.draw(constants(form))
    products = [
        product(70, 300, 513, 3),
        product(4000, 900, 1000),
        convolution(2, 64, 96, 56),
        convolution(9, 3, 8, 7, 2),
    ]
    kernels = products if form in PRODUCT_FORMS else [vector(10**power) for power in range(2, 10)]
    figures = replace(FIGURES, power_w=70, node_nm=12, base_share=0.4)
    model = Model(form, "32_to_128", shared=shared, figures=figures, shapes=shapes_of(kernels))
    here = model.sloped(values)
    assert set(here.slopes) <= set(values)
    for name, value in values.items():
        below, above = (
            np.log(model.sloped({**values, name: value * factor}).seconds / here.seconds) / math.log(factor)
            for factor in (1 - 1e-5, 1 + 1e-5)
        )
        straight = np.abs(above - below) < 1e-3
        slopes = np.broadcast_to(here.slopes.get(name, 0.0), straight.shape)
        assert straight.mean() >= 0.5
        assert slopes[straight] == pytest.approx(((above + below) / 2)[straight], abs=1e-3)


@given(values=constants("vector"), elements=st.integers(1, 10**8), by=st.integers(1, 10**8))
def test_vector_work_never_takes_less_time_for_more_elements(
    values: Mapping[str, float], elements: int, by: int
) -> None:
    shapes = shapes_of([vector(elements), vector(elements + by)])
    small, large = predict_s("vector", values, "128", shared=False, figures=FIGURES, shapes=shapes)
    assert 0 < small <= large


@given(values=constants("sequence"), steps=st.integers(1, 1000), units=st.integers(1, 2000))
def test_a_sequence_takes_its_steps_and_one_launch(values: Mapping[str, float], steps: int, units: int) -> None:
    def sequence(count: int) -> Kernel:
        nest = LoopNest(K=units, C=units)
        return Kernel(operator="lstm", dtype="float32", form="sequence", steps=count, nest=nest)

    shapes = shapes_of([sequence(1), sequence(steps)])
    one, all_ = predict_s("sequence", values, "128", shared=False, figures=FIGURES, shapes=shapes)
    launch = values["launch_us"] * 1e-6
    assert all_ - launch == pytest.approx(steps * (one - launch), rel=1e-6)


def test_waves_cost_a_whole_one_for_each_tile_too_many() -> None:
    values = {name: r.start for name, r in CONSTANTS["product"].items()} | {
        "throttle": 1e-3,
        "split": 1e4,
        "sharpness": 15.0,
        "cache": 1e-3,
    }
    full, over = (product(128, 128 * tiles, 4096) for tiles in (40, 41))
    times = predict_s("product", values, "128", shared=False, figures=FIGURES, shapes=shapes_of([full, over]))
    launch = values["launch_us"] * 1e-6
    assert (times[1] - launch) / (times[0] - launch) == pytest.approx(2, rel=0.02)


def test_a_kernel_of_one_row_need_not_fill_a_tile_where_tiles_have_one() -> None:
    values = {name: r.start for name, r in CONSTANTS["product"].items()} | {"small_tile": 1e-3}
    shapes = shapes_of([product(1, 64, 10**6)])
    times = [
        predict_s("product", values, tiles, shared=False, figures=FIGURES, shapes=shapes) for tiles in ("1_to_64", "64")
    ]
    assert times[0] < times[1] / 2


def test_the_roofline_is_the_larger_of_its_two_bounds() -> None:
    kernels = [product(4096, 4096, 4096), vector(10**8)]
    assert roofline_s(FIGURES, shapes_of(kernels)) == pytest.approx([4096**3 / 4e12, 1.2e9 / 320e9])


def test_a_fit_finds_times_that_the_model_itself_made() -> None:
    truth = {name: r.start for name, r in CONSTANTS["vector"].items()} | {"launch_us": 20.0, "memory": 0.5}
    kernels = [vector(int(10 ** (3 + index / 10))) for index in range(50)]
    made = predict_s("vector", truth, "128", shared=False, figures=FIGURES, shapes=shapes_of(kernels))
    fit = fit_family([timed(k, float(t)) for k, t in zip(kernels, made, strict=True)], FIGURES)
    assert fit.error_percent < 1
    assert fit.constants["launch_us"] == pytest.approx(20, rel=0.05)


def test_the_error_is_that_of_rows_left_out_not_of_rows_learnt() -> None:
    noise = np.random.default_rng(0).lognormal(0, 0.5, size=40)
    kernels = [vector(1000 * (index + 1)) for index in range(40)]
    timings = [timed(kernel, 1e-4 * factor) for kernel, factor in zip(kernels, noise, strict=True)]
    fit = fit_family(timings, FIGURES)
    learnt = np.abs(predicted(fit, FIGURES, shapes_of(kernels)) / (1e-4 * noise) - 1)
    assert fit.error_percent > 30
    assert fit.error_percent == pytest.approx(100 * learnt.mean(), rel=0.5)


@given(times=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=300))
def test_halves_share_no_row_leave_none_out_and_both_hold_short_kernels_and_long_ones(times: list[float]) -> None:
    (train, test), (again, other) = halves(np.array(times))
    assert sorted([*train, *test]) == list(range(len(times)))
    assert (list(train), list(test)) == (list(other), list(again))
    assert abs(len(train) - len(test)) <= 1
    for shorter in sorted(times):
        one, two = (sum(times[row] < shorter for row in half) for half in (train, test))
        assert abs(one - two) <= 1


def test_families_with_too_few_rows_have_no_fit_and_say_so() -> None:
    few = [timed(product(8 * (index + 1), 8, 8), 1e-5) for index in range(MIN_ROWS - 1)]
    many = [timed(vector(1000 * (index + 1)), 1e-5) for index in range(MIN_ROWS)]
    fit = fit_device([*few, *many], device="d", dtype="float32", figures=FIGURES, source="s")
    assert fit is not None
    assert sorted(fit.operators) == ["add", "vector"]
    relu = Kernel(operator="relu", dtype="float32", input_elements=5, output_elements=5)
    assert fit.seconds(relu) > 0
    with pytest.raises(UsageError, match="no fit for matmul"):
        fit.seconds(product(8, 8, 8))
    assert fit_device(few, device="d", dtype="float32", figures=FIGURES, source="s") is None
    assert fit_device(many, device="d", dtype="float16", figures=FIGURES, source="s") is None


def test_a_family_of_few_rows_learns_from_the_devices_other_products() -> None:
    """Its own 14 rows say nothing of large products; those of the other family do."""
    truth = {name: each.start for name, each in CONSTANTS["product"].items()}
    truth |= {"rate": 0.4, "small_tile": 0.3, "step_ns": 6.0, "unaligned": 0.5}

    def made(kernels: list[Kernel], launch_us: float) -> Floats:
        values = truth | {"launch_us": launch_us}
        return predict_s("product", values, "32_to_128", shared=False, figures=FIGURES, shapes=shapes_of(kernels))

    sizes = np.random.default_rng(7).integers((1, 8, 8), (3000, 3000, 3000), size=(120, 3))
    many = [replace(product(*size), operator="linear") for size in sizes.tolist()]
    few = [product(16 * (index + 1), 64, 64, groups=2) for index in range(MIN_ROWS + 2)]
    alone = [timed(kernel, seconds) for kernel, seconds in zip(few, made(few, 25.0).tolist(), strict=True)]
    others = [timed(kernel, seconds) for kernel, seconds in zip(many, made(many, 10.0).tolist(), strict=True)]
    together = fit_device([*others, *alone], device="d", dtype="float32", figures=FIGURES, source="s")
    assert together is not None
    unseen = [product(2000, 900, 1700), product(1, 2000, 2900)]
    learnt, guessed = (
        np.abs(predicted(fit, FIGURES, shapes_of(unseen)) / made(unseen, 25.0) - 1).max()
        for fit in (together.operators["matmul"], fit_family(alone, FIGURES))
    )
    assert learnt < 0.1 < guessed


def test_a_deep_product_of_one_small_tile_waits_for_each_step() -> None:
    values = {name: each.start for name, each in CONSTANTS["product"].items()}
    values |= {"split": 1e4, "sharpness": 15.0, "throttle": 1e-3}
    shapes = shapes_of([product(64, 64, depth) for depth in (1000, 2000)])
    slow, fast = (
        np.diff(predict_s("product", values | {"step_ns": ns}, "64", shared=False, figures=FIGURES, shapes=shapes))
        for ns in (1000.0, 1e-3)
    )
    assert slow[0] == pytest.approx(1000 * 1e-6, rel=0.02)
    assert fast[0] < slow[0] / 2


def test_a_fit_reads_back_from_its_file(tmp_path: Path) -> None:
    many = [timed(vector(1000 * (index + 1)), 1e-5 * (index + 1)) for index in range(MIN_ROWS)]
    fit = fit_device(many, device="d", dtype="float32", figures=FIGURES, source="s")
    assert fit is not None
    path = tmp_path / "fit.yaml"
    path.write_text(fit_yaml(fit))
    assert read_record(path, DeviceFit) == fit
    path.write_text(fit_yaml(fit).replace("sharpness", "sharpnes"))
    with pytest.raises(FileError, match="constants of a vector fit are"):
        read_record(path, DeviceFit)


def test_the_same_rows_give_the_same_fit() -> None:
    timings = [timed(vector(16 * (index + 1)), 1e-5 * (index + 1)) for index in range(MIN_ROWS)]
    assert fit_family(timings, FIGURES) == fit_family(timings, FIGURES)


def test_a_batch_of_products_is_not_split_along_its_depth() -> None:
    """Deep products of one tile each: two of them leave as many processors idle as one that is split over sixteen."""
    values = {name: each.start for name, each in CONSTANTS["product"].items()} | {"split": 1e-3}
    shapes = shapes_of([timed(product(64, 64, 65536, groups=count), 1e-5).kernel for count in (1, 2)])
    one, batch = predict_s("product", values, "64", shared=False, figures=FIGURES, shapes=shapes)
    assert batch > 4 * one


def test_crooked_rows_slow_one_product_with_a_vector_but_none_of_a_batch() -> None:
    """Of a batch each thread loads an element, so that 513 channels are as good as 512."""

    def misalignment(**dims: int) -> float:
        nest = LoopNest(K=256, **dims)
        return float(shapes_of([Kernel(operator="matmul", dtype="float16", nest=nest)]).misalignment[0])

    assert misalignment(C=512) == misalignment(G=8, C=513) == 0
    assert misalignment(C=513) == 3
    assert misalignment(C=516) == 1
    assert misalignment(G=8, C=513, OX=2) == 3


def test_only_bytes_beyond_the_cache_come_at_the_memorys_rate() -> None:
    """3 GB through a cache of 1 or of 3 GB: 2 GB more at 320 GB/s."""
    values = {name: each.start for name, each in CONSTANTS["vector"].items()} | {"memory": 1.0, "rate": 1e9}
    kernel = vector(250_000_000)
    small, large = (
        predict_s(
            "vector",
            values,
            "128",
            shared=False,
            figures=replace(FIGURES, cache_bytes=size),
            shapes=shapes_of([kernel]),
        )[0]
        for size in (10**9, kernel.moved_bytes)
    )
    assert kernel.moved_bytes == 3 * 10**9
    assert small - large == pytest.approx(2e9 / 320e9, rel=1e-3)
