from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

# The same examples on every machine: a red test can be repeated. CI asks for more of them.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=300, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def shared_data() -> Path:
    """The public data sets kept beside the project. CI always has them."""
    if not SHARED_DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SHARED_DATA} is missing: CI must have the public data")
        pytest.skip(f"the public data is not here ({SHARED_DATA})")
    return SHARED_DATA


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT
