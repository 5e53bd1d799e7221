"""From a kernel's record to something that runs it on a device."""

import itertools
import warnings
from collections.abc import Callable, Mapping

import torch

from mensa_sim.cost.measured.table import Kernel
from mensa_sim.measurement.kernels.products import PRODUCTS
from mensa_sim.measurement.kernels.recurrent import RECURRENT
from mensa_sim.measurement.kernels.vector import VECTOR
from mensa_sim.measurement.random_tensors import RandomTensors
from mensa_sim.measurement.stopwatch import Run
from mensa_sim.records import dataclass

Builder = Callable[[Kernel, RandomTensors], Run]

BUILDERS: Mapping[str, Builder] = {**PRODUCTS, **VECTOR, **RECURRENT}
"""Operator to what makes its inputs once and answers with a call that runs it on them."""

MAX_SETS = 64


class NoKernelError(Exception):
    """A kernel that this device, or this version of torch, cannot run; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedKernel:
    """A kernel ready to run; each run takes the next of `sets` sets of inputs."""

    run: Run
    sets: int


def prepare(kernel: Kernel, device: torch.device, rotate_bytes: int) -> PreparedKernel:
    """A kernel with enough sets of random inputs that a set has left a cache of `rotate_bytes` when it comes again.

    Raises `NoKernelError` where it cannot run. A loss of the device passes through.
    """
    builder = BUILDERS.get(kernel.operator)
    if builder is None:
        raise NoKernelError(f"no kernel is known for the operator {kernel.operator}")
    tensors = RandomTensors(device, kernel.dtype)
    try:
        with torch.inference_mode():
            runs = [_checked(builder, kernel, tensors)]
            set_bytes = max(1, tensors.made_bytes)
            runs += [builder(kernel, tensors) for _ in range(min(MAX_SETS, -(-rotate_bytes // set_bytes)) - 1)]
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise_if_lost(error)
        raise NoKernelError(first_line(error)) from error
    if len(runs) == 1:
        return PreparedKernel(run=runs[0], sets=1)
    turn = itertools.cycle(runs).__next__
    return PreparedKernel(run=lambda: turn()(), sets=len(runs))


def _checked(builder: Builder, kernel: Kernel, tensors: RandomTensors) -> Run:
    """The first set's call, run once: what a device cannot do shows here."""
    run = builder(kernel, tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a slower implementation (a projected LSTM): that is what we measure
        run()
    if tensors.device.type == "cuda":
        torch.cuda.synchronize()
    return run


def raise_if_lost(error: BaseException) -> None:
    """Raises again what says that the device itself has failed: nothing after it can be trusted."""
    if isinstance(error, torch.AcceleratorError):
        raise error


def first_line(error: BaseException) -> str:
    """An error's own words, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
