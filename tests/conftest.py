"""Fixtures that every test may use."""

from pathlib import Path

import pytest

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data beside the checkout; skips where it is absent."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference data beside the checkout ({REFERENCE.name} is absent)")
    return REFERENCE
