"""Fixtures that every test may use."""

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck, settings

from mensa_sim.objective import OBJECTIVES, Objective

settings.register_profile(
    "repeatable", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("exploring", deadline=None)
settings.load_profile("repeatable")
"""The suite draws the same examples every time; `pytest --hypothesis-profile exploring` looks for new ones.

How fast a machine draws them decides nothing."""

TERMINAL = (
    *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CLICOLOR", "CLICOLOR_FORCE"),
    *("TTY_COMPATIBLE", "TTY_INTERACTIVE", "TERMINAL_WIDTH", "JUPYTER_COLUMNS", "JUPYTER_LINES", "GITHUB_ACTIONS"),
)
"""What rich and typer ask about a terminal."""


def pytest_sessionstart() -> None:
    """Whoever starts the suite decides nothing: a test says itself on what terminal it runs.

    A shell starts what it puts into the background with Ctrl-C ignored, and a child inherits that; not from us. The
    suite's processes share the cores as the command's do, one thread of BLAS and of torch each, and what one has
    compiled of our modules the others read. No test asks what a power cut leaves, so none waits for the disk.
    """
    os.fsync = lambda _: None
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    for name in TERMINAL:
        os.environ.pop(name, None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if settings().derandomize:
        draw_whatever_is_imported()
        seed_no_shared_generator()


def draw_whatever_is_imported() -> None:
    """Which of our modules are imported by now decides no draw.

    Newer versions of hypothesis draw constants of theirs, so that it would matter which tests ran before in the same
    process; older ones do not, and know nothing of this.
    """
    with contextlib.suppress(ImportError):
        providers = importlib.import_module("hypothesis.internal.conjecture.providers")
        if hasattr(providers, "is_local_module_file"):
            providers.is_local_module_file = lambda path: False  # type: ignore[attr-defined]


def seed_no_shared_generator() -> None:
    """Nothing here draws from the generators that all of a process share, so no example seeds and restores them.

    That was a twentieth of the time of cheap ones.
    """
    core = importlib.import_module("hypothesis.core")
    if hasattr(core, "deterministic_PRNG"):
        core.deterministic_PRNG = contextlib.nullcontext  # type: ignore[attr-defined]


class ExamplesWhereThereAre:
    """Of files without an example, as most are, none is looked for: a seventh of the time that collecting takes."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        found = yield
        return [each for each in found if not isinstance(each, DoctestModule) or ">>>" in file_path.read_text("utf-8")]


def pytest_configure(config: pytest.Config) -> None:
    """The package lies beside this folder: what this file itself defines is not asked about it, but a plugin is."""
    config.pluginmanager.register(ExamplesWhereThereAre())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nothing of what collecting imports is garbage, so nobody looks for it: an eighth of the time that it takes.

    What is imported for the first time is compiled, for all processes: of two the second begins with torch, while the
    first compiles other libraries.
    """
    gc.disable()
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
        importlib.import_module("torch._dynamo")
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: Python need not walk through all of it again and again for garbage."""
    gc.freeze()
    gc.set_threshold(2_000_000)


REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data beside the checkout; skips where it is absent."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference data beside the checkout ({REFERENCE.name} is absent)")
    return REFERENCE


@pytest.fixture(scope="session", autouse=True)
def graphs_are_traced_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All tests and their processes share one graph cache: a fresh one, unless `MENSA_SIM_CACHE` names another."""
    with pytest.MonkeyPatch.context() as patch:
        if "MENSA_SIM_CACHE" not in os.environ:
            own = tmp_path_factory.getbasetemp()
            session = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
            patch.setenv("MENSA_SIM_CACHE", str(session / "graphs"))
        yield


@pytest.fixture(scope="module")
def added_objective() -> Iterator[str]:
    """An objective that one more entry of the dictionary adds, and nothing else."""
    added = Objective(title="energy² x delay", energy_power=2, latency_power=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast(dict[str, Objective], OBJECTIVES), "e2dp", added)
        yield "e2dp"
