"""A GPU that is not there: streams, events and graphs whose only clock is the work that is put on them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import pytest
import torch

LAUNCH_S = 1e-5
"""What the host takes to launch a kernel; the device idles meanwhile."""


class FakeCuda:
    """Stands in for the parts of `torch.cuda` that timing uses; its device is lost when `lost` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.busy_s = 0.0
        self.lost = False
        self.captures = True
        """Whether kernels may be captured in a graph."""
        self.stream = "default"
        self._recorded: list[float] | None = None
        fake = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at_s, self.on = fake.now_s, fake.stream

            def elapsed_time(self, end: "Event") -> float:
                assert self.on == end.on == "default"
                return (end.at_s - self.at_s) * 1000

        class Graph:
            kernels: list[float]

            def replay(self) -> None:
                assert fake.stream == "default"
                fake._work(sum(self.kernels))

        @contextmanager
        def on(stream: Any) -> Iterator[None]:
            before, fake.stream = fake.stream, getattr(stream, "name", stream)
            try:
                yield
            finally:
                fake.stream = before

        class Capture:
            """As torch's: a capture that fails raises at its end and leaves its stream current."""

            def __init__(self, graph: Graph) -> None:
                self.graph = graph

            def __enter__(self) -> None:
                self.before, fake.stream, fake._recorded = fake.stream, "capture", []

            def __exit__(self, *args: object) -> None:
                kernels, fake._recorded = fake._recorded, None
                if args[0] is not None:
                    raise RuntimeError("capture was invalidated")
                self.graph.kernels, fake.stream = kernels or [], self.before

        class Stream:
            name = "side"

            def wait_stream(self, other: object) -> None:
                pass

        class Current(Stream):
            name = "default"

        for name, value in {
            "Event": Event,
            "CUDAGraph": Graph,
            "graph": Capture,
            "stream": on,
            "Stream": Stream,
            "current_stream": Current,
            "synchronize": self._synchronize,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)

    def kernel(self, *durations_s: float) -> Callable[[], None]:
        """A kernel whose sets of inputs take these times in turn."""
        turn = cycle(durations_s)

        def run() -> None:
            if self._recorded is None:
                self.now_s += LAUNCH_S
                self._work(next(turn))
            elif self.captures:
                self._recorded.append(next(turn))
            else:
                raise RuntimeError("operation not permitted when stream is capturing")

        return run

    def _work(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.busy_s += duration_s

    def _synchronize(self) -> None:
        if self.lost:
            raise torch.AcceleratorError("CUDA error: GPU is lost\nCompile with `TORCH_USE_CUDA_DSA`")
