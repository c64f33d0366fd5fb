from __future__ import annotations

import pytest
from git_story import Story


@pytest.fixture
def story(tmp_path):
    return Story(tmp_path / "repository")
