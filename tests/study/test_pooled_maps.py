"""A map that is pooled to a pixel takes room of parameters behind a host, and what leaves is streamed."""

from pathlib import Path

import pytest

from mensa_sim.hardware.files import load_system
from mensa_sim.io.files import write_yaml
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.validate.reference_rows import convolution_stack
from mensa_sim.workload.load import load_workload


def test_what_a_pooled_map_displaces_is_streamed_in_each_inference(tmp_path: Path) -> None:
    path = tmp_path / "stack.yaml"
    path.write_text(write_yaml(convolution_stack("stack", 32, 7, 75, pixels=128)))
    changes = (["accelerators.coral.parameter_store.pools_in_tiles=false"], [])
    goal = Goal(scheduler="first", objective="latency")
    fits, streams = (
        evaluate(load_workload(path), load_system("coral_usb2", each), goal, explained=False).steady.latency_ps
        for each in changes
    )
    assert streams / fits == pytest.approx(76.83 / 64.35, rel=0.03)  # measured, over what was said of all on chip
