"""A forge with a small registry on its default branch, clones of it, and artifacts of evaluations."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "promote" / part) for part in ("base", "history")]

from base_material import cases, config, entry, prompt, suite

from evalkit.evals.cases import iter_valid_cases
from evalkit.evals.evidence import Evidence, EvidenceRun, hashed_id
from evalkit.evals.plan import plan_run
from evalkit.evals.record import RunRecord, Sample
from evalkit.evals.suite import load_suite
from evalkit.github.admission import Admission, evidence_artifact
from evalkit.github.candidates import config_at
from evalkit.promote.history import Repository
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref
from evalkit.testing.fake_forge import FakeForge

SUITE = "common-eval@v1"
RULES = config(tail="forge: {}\n")


def encoded(files: dict[str, str | None]) -> dict[str, bytes | None]:
    return {path: text if text is None else text.encode() for path, text in files.items()}


def new_entry(name: str, version: int = 1, status: str = "draft", **keys: Any) -> dict[str, str | None]:
    return {
        f"registry/entries/{name}/v{version}.yaml": entry(name, version, status, **keys),
        f"registry/prompts/{name}-prompt/v1.yaml": prompt(name),
    }


def git(where: Path, *args: str) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(["git", "-C", str(where), *args], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def project_files(rules: str) -> dict[str, str | None]:
    return {
        "evalkit.yaml": rules,
        "README.md": "Hello.\n",
        "suites/common-eval/v1/suite.yaml": suite("common-eval"),
        "suites/common-eval/v1/cases.jsonl": cases(),
        **new_entry("first"),
    }


class SerialForge(FakeForge):
    """Its git writes one commit at a time, as a server's does; who is first is as open as there."""

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._lock = threading.RLock()
        write = self.git.write

        def one_at_a_time(*args: Any, **keys: Any) -> str:
            with self._lock:
                return write(*args, **keys)

        self.git.write = one_at_a_time  # type: ignore[method-assign]


class World:
    def __init__(self, top: Path, rules: str = RULES, **forge: Any) -> None:
        self.top = top
        self.forge = SerialForge(top / "acme.git", **forge)
        self._numbers = itertools.count(1)
        self.forge.push(
            "main",
            encoded(project_files(rules)),
            by="casey",
        )

    def push(
        self, branch: str, files: dict[str, str | None], *, by: str = "casey", message: str = "Change"
    ) -> str:
        return self.forge.push(branch, encoded(files), by=by, message=message)

    def head(self, branch: str = "main") -> str:
        found = self.forge.git.head_of(branch)
        assert found is not None
        return found

    def text(self, path: str, branch: str = "main") -> str:
        return (self.forge.git.read(path, self.head(branch)) or b"").decode()

    def clone(self) -> Repository:
        root = self.top / f"clone-{next(self._numbers)}"
        self.git(self.top, "clone", "-q", str(self.top / "acme.git"), str(root))
        return Repository.of(root)

    def fetcher(self, repository: Repository):
        return lambda ids: self.git(repository.root, "fetch", "-q", "origin", *ids)

    def git(self, where: Path, *args: str) -> str:
        return git(where, *args)

    def admission(self, repository: Repository | None = None) -> Admission:
        repository = repository or self.clone()
        head = self.head()
        self.fetcher(repository)([head])
        return Admission(self.forge, repository, config_at(repository, head), head)

    # Evaluations

    def run(
        self, name: str, version: int = 1, branch: str = "main", passed: int = 60, **change: Any
    ) -> EvidenceRun:
        """What CI measures of an entry as a branch has it."""
        root = self.top / f"tree-{self.head(branch)}"
        if not root.exists():
            self.git(self.top, "clone", "-q", "-b", branch, str(self.top / "acme.git"), str(root))
        return run_of(root, name, version, passed, next(self._numbers), **change)

    def upload(
        self, run: EvidenceRun, *, name: str | None = None, digest: str | None = None, **workflow: Any
    ):
        """The artifact of an evaluate run; of the default branch's head unless `workflow` says otherwise."""
        made = self.forge.add_run(**({"event": "workflow_dispatch"} | workflow))
        return self.forge.add_artifact(
            name or evidence_artifact(run.generation_digest, run.measurement_digest),
            artifact_of(run),
            run_id=made.id,
            digest=digest,
        )

    def measured(self, name: str, version: int = 1, branch: str = "main", passed: int = 60, **change: Any):
        run = self.run(name, version, branch, passed, **change)
        self.upload(run)
        return run

    def evidence(self, name: str, version: int = 1, branch: str = "main") -> Evidence | None:
        raw = self.text(f"registry/evidence/{name}/v{version}/{SUITE}.json", branch)
        return Evidence.model_validate_json(raw, strict=False) if raw else None

    def propose(self, branch: str, *, by: str = "casey", title: str = "A candidate"):
        with self.forge.acting(by):
            return self.forge.open_pull(head=branch, base="main", title=title, body="")


def run_of(root: Path, name: str, version: int, passed: int, number: int, **change: Any) -> EvidenceRun:
    """What CI measures of an entry in a project on disk."""
    project = Project(root)
    plan = plan_run(project, project.entry(Ref(name, version)), load_suite(project, SUITE))
    ids = [case.id for case in iter_valid_cases(plan.suite, plan.cases_display)]
    data: dict[str, Any] = {
        "run_id": f"run-{name}-{version}-{number}",
        "created": f"2026-03-02T09:{number // 60:02d}:{number % 60:02d}Z",
        "source": "ci",
        "generation_digest": plan.config.digest,
        "suite_digest": plan.suite_digest,
        "measurement_digest": plan.measurement_digest,
        "verdict": "pass" if passed >= 48 else "fail",
        "score": passed / len(ids),
        "primary": "mean",
        "cases": len(ids),
        "scored": len(ids),
        "errors": 0,
        "cached": 0,
        "repeats": 1,
        "evalkit_version": "0",
        "scores": {hashed_id(case): (1, 1.0 if n < passed else 0.0) for n, case in enumerate(ids)},
    }
    return EvidenceRun.model_validate(data | change)


def artifact_of(run: EvidenceRun) -> dict[str, bytes]:
    """The files that are uploaded."""
    return {
        "evidence.json": run.to_bytes(),
        "run.json": json.dumps(record_of(run).to_dict()).encode(),
        "samples.jsonl": sample("c0").encode() + b"\n",
    }


def record_of(run: EvidenceRun) -> RunRecord:
    return RunRecord(
        run_id=run.run_id,
        entry=run.run_id.split("-")[1],
        version=int(run.run_id.split("-")[2]),
        suite=SUITE,
        generation_digest=run.generation_digest,
        suite_digest=run.suite_digest,
        measurement_digest=run.measurement_digest,
        score=run.score,
        ci95=None,
        cases=run.cases,
        scored=run.scored,
        errors=run.errors,
        verdict=run.verdict,
        reasons=["The score is what it is."],
        metrics={},
        slices={},
        baseline=None,
        latency_ms={},
        tokens={},
        cost_usd=None,
        cached=0,
        served_models=[],
        source=run.source,
        output_dir=None,
    )


def sample(case: str) -> str:
    return Sample(
        id=case, index=0, repeat=0, input={}, expected="billing", output="sales", tool_calls=None, score=0.0,
        scores={"exact_match": 0.0}, reasons={},
    ).to_json()  # fmt: skip


def file_of(name: str, *runs: EvidenceRun, version: int = 1) -> dict[str, str | None]:
    made = Evidence(entry=name, version=version, suite=SUITE, runs=list(runs))
    return {f"registry/evidence/{name}/v{version}/{SUITE}.json": made.to_bytes().decode()}
