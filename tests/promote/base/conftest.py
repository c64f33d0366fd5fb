from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "history"))  # git_story.py


@pytest.fixture
def world(tmp_path):
    from base_material import World

    return World(tmp_path / "repository")
