"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("exploring", deadline=None)
settings.load_profile("repeatable")
"""The suite draws the same examples every time; `pytest --hypothesis-profile exploring` looks for new ones.

How fast a machine draws them decides nothing."""

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
