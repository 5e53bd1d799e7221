"""Predicted latency and energy, worked by hand."""

from dataclasses import replace

import pytest
from chains import chain, unit

from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import UnitTensor


def diamond(**fields: object) -> Problem:
    """a feeds b and c, which feed d; 100 bytes each: 110 ps and 200 pJ to copy."""
    units = (unit("a", 10, 10), unit("b", 500, 300), unit("c", 400, 700), unit("d", 20, 20))
    tensors = tuple(UnitTensor(producer=p, readers=r, size_bytes=100) for p, r in ((0, (1, 2)), (1, (3,)), (2, (3,))))
    return chain(*units, tensors=tensors, **fields)


def test_layer_after_layer_is_the_sum_of_latencies_and_transfers() -> None:
    prediction = evaluate(diamond(), [0, 1, 0, 0])
    assert prediction.serial_ps == 10 + 300 + 400 + 20 + 110 + 110
    assert prediction.dynamic_pj == 10 + 300 + 400 + 20 + 200 + 200


def test_a_tensor_is_copied_once_to_a_memory_however_many_read_it_there() -> None:
    prediction = evaluate(diamond(), [0, 1, 1, 1])
    assert prediction.serial_ps == 10 + 300 + 700 + 20 + 110
    assert prediction.dynamic_pj == 10 + 300 + 700 + 20 + 200


def test_branches_on_different_accelerators_overlap_after_their_transfers() -> None:
    prediction = evaluate(diamond(), [0, 1, 0, 0])
    assert prediction.starts_ps == (0, 10 + 110, 10, 10 + 110 + 300 + 110)
    assert prediction.parallel_ps == 10 + 110 + 300 + 110 + 20


def test_branches_on_one_accelerator_take_turns_in_the_order_given() -> None:
    assert evaluate(diamond(), [0, 0, 0, 0]).starts_ps == (0, 10, 510, 910)
    assert evaluate(diamond(), [0, 0, 0, 0], order=[0, 2, 1, 3]).starts_ps == (0, 410, 10, 910)


@pytest.mark.parametrize(("execution", "latency_ps"), [("serial", 950), ("parallel", 550)])
def test_static_power_is_on_for_the_predicted_latency(execution: str, latency_ps: int) -> None:
    problem = diamond(execution=execution, static_mw=4.0)
    prediction = evaluate(problem, [0, 1, 0, 0])
    assert prediction.latency_ps == latency_ps
    assert prediction.energy_pj == pytest.approx(1130 + 4.0 * latency_ps / 1000)


def test_objectives_are_latency_energy_and_their_product() -> None:
    values = {
        name: evaluate(replace(diamond(static_mw=2.0), objective=name), [0, 1, 0, 0]).value
        for name in ("latency", "energy", "edp", "ed2p")
    }
    assert values == pytest.approx({"latency": 950, "energy": 1131.9, "edp": 950 * 1131.9, "ed2p": 950**2 * 1131.9})


def test_an_order_that_takes_a_consumer_first_or_leaves_one_out_is_refused() -> None:
    with pytest.raises(ValueError, match="d is ordered before"):
        evaluate(diamond(), [0, 0, 0, 0], order=[0, 1, 3, 2])
    with pytest.raises(ValueError, match="leaves out d"):
        evaluate(diamond(), [0, 0, 0, 0], order=[0, 1, 2])
