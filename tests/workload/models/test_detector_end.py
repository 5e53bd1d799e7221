"""How a deployed detector ends: the boxes that it gives, and what finding them takes of a host."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.models.ssd import MOST_SHARED, best_boxes, ssd_mobilenet_v1

Corners = tuple[float, float, float, float]


def corners_of(y: float, x: float, height: float, width: float) -> Corners:
    high, wide = math.exp(height) / 2, math.exp(width) / 2
    return y - high, x - wide, y + high, x + wide


def area(box: Corners) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared(one: Corners, other: Corners) -> float:
    common = area(
        (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])),
    )
    return common / (area(one) + area(other) - common)


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_kept_from_the_best_on_unless_a_kept_one_shares_too_much(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    boxes, scores = torch.randn(1, 60, 4, generator=random) / 5, torch.rand(1, 60, 7, generator=random)
    plain = [corners_of(*box) for box in boxes[0].tolist()]
    kept: list[int] = []
    for place in sorted(range(60), key=lambda each: -float(scores[0, each].max())):
        if len(kept) < 8 and all(shared(plain[place], plain[other]) <= MOST_SHARED for other in kept):
            kept.append(place)
    assert kept != sorted(range(60), key=lambda each: -float(scores[0, each].max()))[:8]  # something was suppressed
    found, best, classes = best_boxes(boxes, scores, 8)
    assert torch.allclose(found[0], torch.tensor([plain[place] for place in kept]), atol=1e-5)
    assert torch.equal(best[0], scores[0, kept].max(dim=-1).values)
    assert torch.equal(classes[0], scores[0, kept].argmax(dim=-1))
    assert all(first >= second for first, second in pairwise(best[0].tolist()))


def test_each_image_has_boxes_of_its_own_and_what_finding_them_takes() -> None:
    random = torch.Generator().manual_seed(0)
    boxes, scores = torch.randn(3, 60, 4, generator=random) / 5, torch.rand(3, 60, 7, generator=random)
    for together, apart in zip(
        best_boxes(boxes, scores, 8),
        zip(*(best_boxes(boxes[at : at + 1], scores[at : at + 1], 8) for at in range(3)), strict=True),
        strict=True,
    ):
        assert torch.equal(together, torch.cat(apart))
    ends = []
    for batch in (1, 3):
        with torch.device("meta"):
            model, images = ssd_mobilenet_v1(detections=20).eval(), torch.zeros(batch, 3, 300, 300)
        ends.append(trace(model, {"x": images}, name="ssd").layers[-1])
    for figure in ("vector_ops", "input_bytes", "output_bytes"):
        assert getattr(ends[1], figure) == 3 * getattr(ends[0], figure)


def test_a_detector_compares_each_box_that_it_keeps_with_every_anchor() -> None:
    with torch.device("meta"):
        model, image = ssd_mobilenet_v1(detections=20).eval(), torch.zeros(1, 3, 300, 300)
    shapes: list[Tensor] = list(model(image))
    assert [tuple(each.shape) for each in shapes] == [(1, 20, 4), (1, 20), (1, 20)]
    graph = trace(model, {"x": image}, name="ssd")
    assert graph.coverage.unsupported == 0
    decoded, classes, best = graph.layers[-3:]
    assert decoded.vector_ops == 1917 * 4 * 3
    assert classes.vector_ops == 1917 * 91
    assert best.vector_ops == 1917 * 11 + 12 * 1917 * 20


def test_a_narrower_detector_has_narrower_extra_stages_and_what_its_deployed_file_holds() -> None:
    """4.23 MiB on chip with channels padded to 64, say reports of the first detector of TensorFlow Lite's examples."""
    with torch.device("meta"):
        narrow = ssd_mobilenet_v1(alpha=0.75)
    assert [stage[-1].conv.out_channels for stage in narrow.extras] == [384, 192, 192, 96]
    weights = sum(each.numel() for name, each in narrow.named_parameters() if "norm" not in name)
    assert 0.9 < weights / (4.23 * 2**20) < 1
