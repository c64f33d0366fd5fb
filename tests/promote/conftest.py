from __future__ import annotations

import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def matches_golden():
    """Compares with a committed file. `EVALKIT_UPDATE_GOLDEN=1` writes it instead: read the diff before committing."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("EVALKIT_UPDATE_GOLDEN") == "1":
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"{path.name} differs; EVALKIT_UPDATE_GOLDEN=1 rewrites it"
        )

    return check
