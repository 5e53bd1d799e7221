"""The two timers behind one interface: the host's clock, and CUDA events around a replayed graph."""

import time
from collections.abc import Callable
from typing import Any

import torch

from mensa_sim.measurement.stopwatch import Clock, Run, Timer
from mensa_sim.units import MS_PER_S

_WARM_UP_RUNS = 3
"""On a side stream before a capture, as torch's notes on CUDA graphs ask: libraries set themselves up there."""


class HostTimer:
    """Reads the host's clock before and after: right where a call returns when the work is done (a CPU)."""

    replays = False
    min_sample_s = 2e-5
    """Some hundred times what reading the clock takes."""
    method = "host clock around each run; runs under 20 us in groups"

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock

    def sampler(self, run: Run, loops: int) -> Callable[[], float]:
        """Seconds of `loops` runs by the host's clock."""

        def sample() -> float:
            start = self._clock()
            for _ in range(loops):
                run()
            return self._clock() - start

        return sample


class CudaTimer:
    """CUDA events around a graph of runs, so that the host's launches are not in the time.

    A kernel that cannot be captured (a library call that synchronises) is launched between the events instead.
    """

    replays = True
    min_sample_s = 2e-4
    """Some hundred times the resolution of an event (0.5 us, CUDA runtime documentation)."""
    method = "CUDA events around replayed graphs; runs under 200 us in groups"

    def sampler(self, run: Run, loops: int) -> Callable[[], float]:
        """Seconds of `loops` runs by the device's own events."""
        return between_events(captured(run, loops) or self._launched(run, loops))

    @staticmethod
    def _launched(run: Run, loops: int) -> Run:
        def launch() -> None:
            for _ in range(loops):
                run()

        return launch


def between_events(launch: Run) -> Callable[[], float]:
    """Seconds of what `launch` puts on the current GPU, by the device's own events."""
    event: Any = torch.cuda.Event  # its methods carry no types
    start, end = event(enable_timing=True), event(enable_timing=True)

    def sample() -> float:
        start.record()
        launch()
        end.record()
        torch.cuda.synchronize()
        milliseconds: float = start.elapsed_time(end)
        return milliseconds / MS_PER_S

    return sample


def captured(run: Run, loops: int) -> Run | None:
    """Replays a graph of so many runs on the current GPU; none where a run cannot be captured."""
    stream: Any = torch.cuda.Stream  # its constructor carries no types
    side = stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UP_RUNS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        # The outer context puts the stream back where a failing capture leaves its own current.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
            for _ in range(loops):
                run()
    except RuntimeError:
        torch.cuda.synchronize()  # raises where the device is gone
        return None
    return graph.replay


class ThreadTimer(HostTimer):
    """Reads the calling thread's CPU time, so that what other programs take of the processor is not in it.

    Right where one thread does all the work.
    """

    method = "CPU time of the one thread around each run; runs under 20 us in groups"

    def __init__(self) -> None:
        super().__init__(time.thread_time)


def timer_of(device: torch.device) -> Timer:
    """The timer for a device as torch is set now."""
    if device.type == "cuda":
        return CudaTimer()
    return ThreadTimer() if torch.get_num_threads() == 1 else HostTimer()
