"""Fixtures that every test may use."""

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
