"""Runs on systems with measured accelerators: which costs are measured, and with what error, is in the result."""

import json

import pytest

from mensa_sim import api
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.report.summary import summary_json


def test_mensa_beside_a_measured_cpu_schedules_a_cnn() -> None:
    result = api.run("mobilenet_v2", system="cpu_plus_mensa")
    assert result.main.latency_ps > 0
    assert {layer.source for layer in result.main.layers} <= {"analytical", "measured"}


def test_a_cpu_alone_runs_a_model_by_its_measured_kernels() -> None:
    result = api.run("mobilenet_v2", system="cpu_xeon_1_thread", scheduler="greedy", timings="exact")
    assert all(layer.source == "measured" and layer.error_percent is None for layer in result.main.layers)
    assert result.main.energy_by_component_pj["device"] > 0


def test_a_fits_error_stands_beside_each_of_its_numbers() -> None:
    result = api.run("lstm", system="gpu_t4", scheduler="greedy")
    layers = json.loads(summary_json(result))["layers"]
    assert all(layer["source"] == "measured" and 0 < layer["error_percent"] < 20 for layer in layers)


def test_exact_timings_refuse_fits_and_an_unknown_mode_lists_the_choices() -> None:
    with pytest.raises(UsageError, match="holds fits alone"):
        api.run("lstm", system="gpu_t4", scheduler="greedy", timings="exact")
    with pytest.raises(UsageError, match="choose from exact, fit"):
        api.run("lstm", system="gpu_t4", timings="nearly")


def test_a_gpu_without_kernels_for_a_layer_says_which() -> None:
    with pytest.raises(InfeasibleError, match=r"depthwise.*has no fit for conv2d"):
        api.run("mobilenet_v2", system="gpu_t4", scheduler="greedy")
