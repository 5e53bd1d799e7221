"""Predictions against the Eyeriss chip: the convolutions of AlexNet, four images at 200 MHz (JSSC 2017, table V)."""

import csv
from pathlib import Path

import pytest

from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.study.validate.predict import Predictor
from mensa_sim.workload.load import load_workload


def test_cycles_and_latency_of_the_first_two_convolutions(reference: Path) -> None:
    """Cycles within 10 %; latency within 15 %, for what the chip waits for before it starts is not modelled."""
    system = load_system("eyeriss_v1")
    costs = price(load_workload("alexnet_convolutions"), system, "latency")
    bandwidth = system.memory_of("eyeriss_v1").effective_bytes_per_s
    with (reference / "eyeriss" / "alexnet_silicon.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["layer"] for row in rows] == ["CONV1", "CONV2"]
    for row in rows:
        cost = costs.cost(row["layer"].lower(), "eyeriss_v1")
        measured_ms, total_ms = float(row["processing_latency_ms"]), float(row["total_latency_ms"])
        assert cost.compute_cycles / cost.clock_hz * 1e3 == pytest.approx(measured_ms, rel=0.10)
        assert cost.latency_ps(bandwidth) / 1e9 == pytest.approx(total_ms, rel=0.15)


def test_all_five_convolutions_take_what_34_7_images_a_second_leave() -> None:
    predicted = Predictor().predict("alexnet_convolutions", "eyeriss_v1", "latency_ms")
    assert predicted == pytest.approx(4 / 34.7 * 1e3, rel=0.13)
