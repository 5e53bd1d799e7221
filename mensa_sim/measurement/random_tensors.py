"""Random data on a device: never zeros, which some devices multiply at less power or time."""

from collections.abc import Mapping

import torch

from mensa_sim.cost.measured.table import DTYPE_BYTES
from mensa_sim.errors import UsageError
from mensa_sim.lookup import lookup

TORCH_DTYPES: Mapping[str, torch.dtype] = {name: getattr(torch, name) for name in DTYPE_BYTES}


class RandomTensors:
    """Makes the tensors of one kernel at its element type; counts their bytes."""

    def __init__(self, device: torch.device, dtype: str, seed: int = 0) -> None:
        self.device = device
        self.dtype = lookup(TORCH_DTYPES, dtype, "dtype")
        self.made_bytes = 0
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal values; small integers at an integer type."""
        if self.dtype.is_floating_point:
            made = torch.randn(shape, device=self.device, dtype=torch.float32, generator=self._generator).to(self.dtype)
        else:
            made = torch.randint(-127, 128, shape, device=self.device, dtype=self.dtype, generator=self._generator)
        self.made_bytes += made.numel() * made.element_size()
        return made

    def indices(self, count: int, below: int) -> torch.Tensor:
        """Uniform indices."""
        made = torch.randint(below, (count,), device=self.device, generator=self._generator)
        self.made_bytes += made.numel() * made.element_size()
        return made


def device_of(name: str) -> torch.device:
    """The device of a name such as `cpu`, `cuda` or `cuda:1`; `UsageError` where it is not there."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r}: use cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"cannot time kernels on {name!r}: use cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UsageError(f"no CUDA device {name!r} here (torch sees {count}); use --device cpu")
        return torch.device("cuda", device.index or 0)
    return device
