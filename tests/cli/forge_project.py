"""A project on the stand-in for GitHub, a clone of its default branch, and the environment of a job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "github"))

from forge_worlds import GitHubWorld
from record_material import RULES, SUITE, artifact_of, encoded, entry, git, new_entry, project_files, run_of

from evalkit.github.admission import evidence_artifact

if TYPE_CHECKING:
    import pytest

    from evalkit.evals.evidence import EvidenceRun

__all__ = ["RULES", "SUITE", "ForgeProject", "entry", "new_entry"]


class ForgeProject:
    """Its default branch has the draft triage@v1, which casey wrote."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch, rules: str = RULES) -> None:
        self.top = top
        self.world = GitHubWorld(top / "forge")
        self.push("main", {**project_files(rules), **new_entry("triage")})
        self.root = top / "clone"
        git(top, "clone", "-q", str(self.world.folder), str(self.root))
        url, token = self.world.address()
        for name, value in {
            "GITHUB_REPOSITORY": "acme/llm",
            "GITHUB_API_URL": url,
            "GITHUB_SERVER_URL": url,
            "GITHUB_TOKEN": token,
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
        monkeypatch.delenv("GITHUB_EVENT_NAME", raising=False)
        monkeypatch.chdir(self.root)

    def push(self, branch: str, files: dict[str, str | None], by: str = "casey") -> str:
        return self.world.push(branch, encoded(files), by)

    def text(self, path: str, branch: str = "main") -> str:
        return git(self.world.folder, "show", f"{branch}:{path}")

    def head(self, branch: str = "main") -> str:
        return git(self.world.folder, "rev-parse", branch)

    def propose(self, branch: str, files: dict[str, str | None], by: str = "casey") -> int:
        self.push(branch, files, by)
        return self.world.open(branch, by)

    def measured(self, name: str, branch: str, passed: int = 60) -> EvidenceRun:
        """CI has measured an entry as a branch has it."""
        tree = self.top / f"tree-{self.head(branch)}"
        if not tree.exists():
            git(self.top, "clone", "-q", "-b", branch, str(self.world.folder), str(tree))
        run = run_of(tree, name, 1, passed, number=passed)
        self.world.upload(evidence_artifact(run.generation_digest, run.measurement_digest), artifact_of(run))
        return run
