from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripted_github import Script

from evalkit.testing.fake_forge import FakeForge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def forge(tmp_path: Path) -> FakeForge:
    """A repository with one commit on main."""
    made = FakeForge(tmp_path / "acme.git")
    made.push("main", {"README.md": b"# Prompts\n"}, message="Start")
    return made


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.close()
