"""How the price of one layer grows with its size: seconds of CPU and peak memory, and the exponent between sizes.

    python tests/benchmarks/bench_sizes.py [--smallest]

An exponent of 1 is a time that grows with the layer, one of 0 a time that does not. The goal is under 1 s and 500 MB
for a layer of any size.
"""

import math
import resource
import time
from collections.abc import Callable

from smallest import parser

from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SYSTEMS = ("mensa_g", "edge_tpu", "eyeriss_v2")
KIB = 1024


def image(side: int) -> LoopNest:
    """A 7x7 convolution of three channels, its input padded."""
    return LoopNest(K=64, C=3, OY=side, OX=side, FY=7, FX=7, input_height=side, input_width=side)


def cropped_image(side: int) -> LoopNest:
    """The same without padding, whose rows no power of two divides."""
    return LoopNest(K=64, C=3, OY=side - 6, OX=side - 6, FY=7, FX=7, input_height=side, input_width=side)


def sinc(samples: int) -> LoopNest:
    """Filters of 251 taps over raw audio."""
    return LoopNest(K=80, OX=samples - 250, FX=251, input_width=samples)


def waveform(samples: int) -> LoopNest:
    """The first layer of an encoder of speech: ten taps, five samples on."""
    return LoopNest(K=512, OX=samples // 5, FX=10, stride_x=5, input_width=samples)


def batch(images: int) -> LoopNest:
    """As many small images of three channels."""
    return LoopNest(B=images, K=8, C=3, OY=8, OX=8, FY=3, FX=3, input_height=8, input_width=8)


def rows(count: int) -> LoopNest:
    """A matrix product of so many rows."""
    return LoopNest(K=512, C=512, OX=count, input_width=count)


FAMILIES: dict[str, tuple[Callable[[int], LoopNest], tuple[int, ...]]] = {
    "7x7 convolution, image side": (image, (256, 1024, 4096)),
    "7x7 without padding, side": (cropped_image, (256, 1024, 4096)),
    "251 taps, samples": (sinc, (16_000, 160_000, 16_000_000)),
    "10 taps at stride 5, samples": (waveform, (16_000, 160_000, 16_000_000)),
    "3x3 on 8x8, batch": (batch, (1 << 12, 1 << 18, 1 << 24)),
    "matrix product, rows": (rows, (1 << 12, 1 << 18, 1 << 24)),
}


def priced_s(nest: LoopNest, system: str) -> float:
    """Seconds of CPU to price a layer."""
    layer = Layer(
        name="layer",
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name="w", size_bytes=nest.weight_elements),),
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )
    graph, placed = LayerGraph(name="one layer", layers=(layer,), edges=()), load_system(system)
    start_s = time.process_time()
    price(graph, placed)
    return time.process_time() - start_s


def main(*, smallest: bool) -> None:
    for system in SYSTEMS[:1] if smallest else SYSTEMS:
        for name, (make, sizes) in FAMILIES.items():
            spent_s = [priced_s(make(size), system) for size in (sizes[:1] if smallest else sizes)]
            growth = [
                math.log(spent_s[i + 1] / spent_s[i]) / math.log(sizes[i + 1] / sizes[i])
                for i in range(len(spent_s) - 1)
            ]
            times = " ".join(f"{size:>10,}: {each:6.3f} s" for size, each in zip(sizes, spent_s, strict=False))
            peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB
            print(f"{system:10} {name:29} {times}", "exponents", *(f"{each:5.2f}" for each in growth), end=" ")
            print(f"peak {peak_mib:.0f} MiB")


if __name__ == "__main__":
    arguments = parser(__doc__).parse_args()
    main(smallest=arguments.smallest)
