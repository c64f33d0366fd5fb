from __future__ import annotations

from pathlib import Path

import pytest
from small_project import ENTRY, PROMPT, Project, configure


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one entry, one prompt and the policy that asks for `triage-eval@v1`; the provider is `mock`."""
    made = Project(tmp_path / "project")
    made.write("registry/prompts/triage/v1.yaml", PROMPT)
    made.write("registry/entries/triage/v1.yaml", ENTRY.format(version=1, model="mock-2026-01-01"))
    configure(made, "http://127.0.0.1:9/v1")
    return made


def pytest_collection_modifyitems(items):
    """What runs workflow files has a target of its own: it needs act, and takes its time."""
    for item in items:
        if item.path.name.startswith(("test_workflows_", "test_standin")):
            item.add_marker("actions")
