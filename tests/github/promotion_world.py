"""A repository on a forge that makes promotions: entries, a suite, evidence in artifacts, and a clone to plan from."""

from __future__ import annotations

import json
import shutil
import subprocess
from copy import copy, deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.evals.evidence import Evidence, EvidenceRun, hashed_id
from evalkit.evals.pool import Evidences, verdict_of
from evalkit.github.admission import evidence_artifact
from evalkit.github.checkout import at, fetch
from evalkit.github.promotions import sync_promotions
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref
from evalkit.testing.bare_repository import BareRepository
from evalkit.testing.fake_forge import FakeForge

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NAME = "triage"
SUITE = Ref("triage-eval", 1)
CASES = 20
CONFIG = """\
default_provider: openai
providers:
  openai: {{ kind: openai }}
policy:
  entries:
    triage: {{ suites: [triage-eval@v1], production_gate: {gate} }}
forge: {{}}
artifacts: {{ outputs: {outputs} }}
"""
ENTRY = """\
# {name}, version {version}
name: {name}
version: {version}
model: gpt-5.4-2026-03-05   # pinned
prompt_ref: {name}-prompt@v{prompt}
params: {{ max_tokens: {tokens} }}
{extra}status: {status}   # draft | staging | production | retired
"""
PROMPT = """\
name: {name}-prompt
version: {version}
variables: {{ ticket: {{ type: string }} }}
messages:
  - role: system
    content: |
      You sort tickets.
      Rule {version} holds.
  - role: user
    content: "{{{{ ticket }}}}"
"""


class Died(BaseException):
    """The process ends between two calls."""


class World:
    def __init__(
        self,
        folder: Path,
        *,
        is_app: bool = False,
        gate: str = "eval",
        outputs: str = "false",
        prefix: str = "",
    ) -> None:
        login = "evalkit[bot]" if is_app else "github-actions[bot]"
        self.forge = FakeForge(folder / "acme.git", is_app=is_app, login=login)
        self.folder = folder
        self.prefix = prefix
        self._runs = 0
        suite = "name: triage-eval\nversion: 1\ncases: cases.jsonl\nscorers: [exact_match]\ngate: { min_score: 0.8, slack: 0.3 }\n"
        rows = [{"id": f"c{i}", "vars": {"ticket": f"ticket {i}"}, "expected": "a"} for i in range(CASES)]
        self.push({
            "evalkit.yaml": CONFIG.format(gate=gate, outputs=outputs),
            "suites/triage-eval/v1/suite.yaml": suite,
            "suites/triage-eval/v1/cases.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        })  # fmt: skip
        clone = folder / "clone"
        subprocess.run(
            ["git", "clone", "-q", str(folder / "acme.git"), str(clone)], check=True, capture_output=True
        )
        self.clone = clone
        self.root = clone / prefix

    def copy(self, folder: Path) -> World:
        """The same world once more."""
        made = copy(self)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        config = folder / "clone/.git/config"
        config.write_text(config.read_text().replace(str(self.folder), str(folder)))
        made.folder, made.clone = folder, folder / "clone"
        made.root = made.clone / self.prefix
        made.forge = deepcopy(self.forge)
        made.forge.git = BareRepository(folder / "acme.git", "main")
        return made

    # What people do

    def push(self, files: dict[str, str | bytes | None], *, by: str = "casey", branch: str = "main") -> str:
        given = {
            self.prefix + path: text.encode() if isinstance(text, str) else text
            for path, text in files.items()
        }
        return self.forge.push(branch, given, by=by)

    def draft(self, version: int, status: str = "draft", **keys: Any) -> None:
        extra = "".join(f"{key}: {value}\n" for key, value in keys.items())
        self.push({
            f"registry/entries/{NAME}/v{version}.yaml": ENTRY.format(
                name=NAME, version=version, prompt=version, tokens=300 + version, extra=extra, status=status
            ),
            f"registry/prompts/{NAME}-prompt/v{version}.yaml": PROMPT.format(name=NAME, version=version),
        })  # fmt: skip

    def text(self, path: str, branch: str = "main") -> str | None:
        head = self.forge.git.head_of(branch)
        raw = self.forge.git.read(self.prefix + path, head)
        return None if raw is None else raw.decode()

    def entry(self, version: int, branch: str = "main") -> str:
        return self.text(f"registry/entries/{NAME}/v{version}.yaml", branch)

    def hold(self, record: str = "{ reason: wait, by: ana }") -> None:
        self.push({f"registry/holds/{NAME}.yaml": f"holds:\n  - {record}\n"})

    def unhold(self) -> None:
        self.push({f"registry/holds/{NAME}.yaml": None})

    # What CI does

    def evidence_run(
        self, version: int, kind: str = "pass", source: str = "ci", **changes: Any
    ) -> EvidenceRun:
        self.refresh()
        with at(self.root, self.forge.git.head_of("main")) as tree:
            evidences = Evidences(Project(tree))
            generation, facts = evidences.generation(Ref(NAME, version)), evidences.suite(SUITE)
        self._runs += 1
        good = {"pass": CASES, "fail": 0, "inconclusive": CASES // 2}[kind]
        asked = CASES // 2 if kind == "inconclusive" else CASES
        scores = {hashed_id(f"c{i}"): (1, 1.0 if i < good else 0.0) for i in range(asked)}
        values = {
            "run_id": f"202603{self._runs // 24 + 1:02d}T{self._runs % 24:02d}0000Z-{self._runs:06x}",
            "created": f"2026-03-{self._runs // 24 + 1:02d}T{self._runs % 24:02d}:00:00Z",
            "source": source,
            "generation_digest": generation,
            "suite_digest": facts.digest,
            "measurement_digest": facts.measurement,
            "verdict": kind,
            "score": sum(total for _, total in scores.values()) / len(scores),
            "primary": "mean",
            "cases": CASES,
            "scored": asked,
            "errors": CASES - asked,
            "cached": 0,
            "repeats": 1,
            "latency_ms": {"p50": 400.0, "p95": 900.0},
            "tokens": {"in": 4000, "out": 300},
            "cost_usd": 0.004,
            "evalkit_version": "0.1.0",
            "scores": dict(sorted(scores.items())),
        }
        return EvidenceRun.model_validate(values | changes, strict=False)

    def evaluated(
        self, version: int, kind: str = "pass", files: dict[str, bytes] | None = None, **run: Any
    ) -> EvidenceRun:
        """A run of the evaluate workflow, on the default branch unless it is said otherwise."""
        made = self.evidence_run(version, kind)
        workflow = self.forge.add_run(**run)
        name = evidence_artifact(made.generation_digest, made.measurement_digest)
        more = {path: self._filled(text, made) for path, text in (files or {}).items()}
        self.forge.add_artifact(name, {"evidence.json": made.to_bytes(), **more}, run_id=workflow.id)
        return made

    def _filled(self, text: bytes, run: EvidenceRun) -> bytes:
        """The record of a run names what it is the record of."""
        for name in ("run_id", "generation_digest", "measurement_digest"):
            text = text.replace(f"<{name}>".encode(), getattr(run, name).encode())
        return text

    def committed(self, version: int, run: EvidenceRun) -> None:
        """Somebody writes a run into the evidence file by hand."""
        path = f"registry/evidence/{NAME}/v{version}/{SUITE}.json"
        before = self.text(path)
        file = (
            Evidence.model_validate_json(before, strict=False)
            if before
            else Evidence(entry=NAME, version=version, suite=str(SUITE))
        )
        self.push({path: file.model_copy(update={"runs": [*file.runs, run]}).to_bytes()})

    # What is looked at

    def refresh(self) -> None:
        if hasattr(self, "root"):
            fetch(self.clone, ["main"], {})

    def sync(self, **keys: Any):
        return sync_promotions(self.forge, self.root, environ={}, now=NOW, **keys)

    def open(self):
        return list(self.forge.pulls())

    def tree_verdict(self, branch: str, version: int) -> str:
        """What the evidence on a branch says, counting every run that says it was made in CI."""
        fetch(self.clone, [branch], {})
        with at(self.root, self.forge.git.head_of(branch)) as tree:
            return verdict_of(Project(tree), Ref(NAME, version), SUITE).verdict
