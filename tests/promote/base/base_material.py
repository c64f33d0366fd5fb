"""A real repository with a small registry, and changes of it that a test writes down as files, runs and people."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from git_story import ANN, BOB, Story

from evalkit.evals.cases import iter_valid_cases
from evalkit.evals.evidence import Evidence, EvidenceRun, evidence_path, hashed_id, read_evidence
from evalkit.evals.plan import plan_run
from evalkit.evals.suite import load_suite
from evalkit.registry.project import Project
from evalkit.registry.writeback import edit
from evalkit.runtime.refs import Ref

__all__ = [
    "ANN",
    "BOB",
    "CAT",
    "COMMON",
    "Run",
    "Scene",
    "Step",
    "World",
    "config",
    "entry",
    "prompt",
    "suite",
    "tools",
]

CAT = "Cat <cat@example.com>"
COMMON = "common-eval@v1"
MODEL = "gpt-5-mini-2025-08-07"


def entry(name: str, version: int = 1, status: str = "draft", **keys: Any) -> str:
    """An entry file; `keys` come before its status, and None leaves one out."""
    known: dict[str, Any] = {
        "name": name,
        "version": version,
        "model": MODEL,
        "prompt_ref": f"{name}-prompt@v1",
        "params": "{ max_tokens: 300 }",
    } | keys
    lines = [f"{key}: {value}" for key, value in known.items() if value is not None]
    return "\n".join([*lines, f"status: {status}   # now", ""])


def prompt(name: str, version: int = 1, text: str = "Sort this ticket.") -> str:
    return (
        f"name: {name}-prompt\nversion: {version}\nvariables: {{ ticket: {{ type: string }} }}\n"
        f"messages:\n  - role: system\n    content: {text}\n  - role: system\n    content: For {name}\n  - role: user\n    content: '{{{{ ticket }}}}'\n"
    )


def tools(name: str, description: str = "Look it up.") -> str:
    return (
        f"name: {name}-tools\nversion: 1\ntools:\n  - name: look_up\n    description: {description}\n"
        "    parameters: {type: object, properties: {id: {type: string}}}\n"
    )


def suite(name: str, version: int = 1, gate: str = "{ min_score: 0.8 }", **keys: Any) -> str:
    known = {
        "name": name,
        "version": version,
        "cases": "cases.jsonl",
        "scorers": "[exact_match]",
        "gate": gate,
    } | keys
    return "".join(f"{key}: {value}\n" for key, value in known.items())


def cases(count: int = 60, **changes: Any) -> str:
    rows = [
        {"id": f"c{n}", "vars": {"ticket": "help"}, "expected": "billing"} | changes for n in range(count)
    ]
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def config(*rules: str, head: str = "", tail: str = "") -> str:
    text = f"default_provider: openai\n{head}providers:\n  openai: {{ kind: openai }}\n{tail}policy:\n"
    text += f"  defaults: {{ suites: [{COMMON}], production_gate: canary }}\n"
    return text + ("  entries:\n" + "".join(f"    {rule}\n" for rule in rules) if rules else "")


@dataclass(frozen=True)
class Run:
    """A run to add to the evidence of `name@v<version>`, of the config and suite as they are then."""

    name: str
    version: int = 1
    suite: str = COMMON
    source: str = "ci"
    passed: int = 60
    """Of 60 cases."""
    id: str | None = None
    block: bool = False
    """Whether to write `eval:` as well."""
    change: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Step:
    """A commit."""

    files: dict[str, str | None] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    by: str = ANN
    tampering: tuple[tuple[str, Any], ...] = ()
    """Evidence that another program edits: the name, and a function that is given the runs."""


@dataclass(frozen=True)
class Scene:
    """What is on the main line, what a change does then, and what `check --base` says: (code, path, text of the line)."""

    name: str
    main: tuple[Step, ...]
    change: Step
    expected: tuple[tuple[str, str, str | None], ...] = ()
    rules: tuple[str, ...] = ()
    rules_after: tuple[str, ...] | None = None


class World:
    """The repository of some scenes."""

    def __init__(self, root) -> None:
        self.story = Story(root)
        self.root = root
        self.write(
            {
                "evalkit.yaml": config(),
                "registry/entries/first/v1.yaml": entry("first"),
                "registry/prompts/first-prompt/v1.yaml": prompt("first"),
                "suites/common-eval/v1/suite.yaml": suite("common-eval"),
                "suites/common-eval/v1/cases.jsonl": cases(),
            }
        )
        self.story.commit("Begin")

    def write(self, files: dict[str, str | None]) -> None:
        for path, text in files.items():
            self.story.write(path, text)

    def do(self, step: Step) -> None:
        self.write(step.files)
        for name, change in step.tampering:
            path = self.root / f"registry/evidence/{name}/v1/{COMMON}.json"
            data = json.loads(path.read_text())
            change(data["runs"])
            path.write_text(json.dumps(data, indent=1))
        for run in step.runs:
            self.add(run)

    def commit(self, step: Step, message: str = "A step") -> str:
        self.do(step)
        return self.story.commit(message, by=step.by)

    def set_up(self, *scenes: Scene) -> None:
        """Write the main line, and leave the change uncommitted on a branch."""
        rules = [rule for scene in scenes for rule in scene.rules]
        self.write({"evalkit.yaml": config(*rules)})
        self.story.commit("Set the policy")
        for scene in scenes:
            for number, step in enumerate(scene.main):
                self.commit(step, f"{scene.name}, {number}")
        self.story.branch("change")
        for scene in scenes:
            self.do(scene.change)
        if any(scene.rules_after is not None for scene in scenes):
            after = [r for s in scenes for r in (s.rules if s.rules_after is None else s.rules_after)]
            self.write({"evalkit.yaml": config(*after)})

    def add(self, run: Run) -> None:
        project = Project(self.root)
        ref, cited = Ref(run.name, run.version), Ref.parse(run.suite)
        plan = plan_run(project, project.entry(ref), load_suite(project, run.suite))
        ids = [case.id for case in iter_valid_cases(plan.suite, plan.cases_display)]
        scores = {hashed_id(case): (1, 1.0 if n < run.passed else 0.0) for n, case in enumerate(ids)}
        score = min(run.passed, len(ids)) / len(ids)
        path = evidence_path(self.root, ref, cited)
        known = read_evidence(path, str(path)) or Evidence(
            entry=ref.name, version=ref.version, suite=run.suite
        )
        number = len(known.runs) + 1
        data = {
            "run_id": run.id or f"run-{run.name}-{run.version}-{number}",
            "created": f"2026-03-02T09:00:{number:02d}Z",
            "source": run.source,
            "generation_digest": plan.config.digest,
            "suite_digest": plan.suite_digest,
            "measurement_digest": plan.measurement_digest,
            "verdict": "pass" if score >= 0.8 else "fail",
            "score": score,
            "primary": "mean",
            "cases": len(ids),
            "scored": len(ids),
            "errors": 0,
            "cached": 0,
            "repeats": 1,
            "evalkit_version": "0",
            "scores": scores,
        } | dict(run.change)
        grown = known.model_copy(update={"runs": [*known.runs, EvidenceRun.model_validate(data)]})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(grown.to_bytes())
        if run.block:
            target = self.root / f"registry/entries/{run.name}/v{run.version}.yaml"
            block = {"suite": run.suite, "score": score, "run": data["run_id"], "evidence": grown.digest}
            target.write_bytes(edit(target.read_bytes(), {"eval": block}, path=str(target)))

    def edit(self, name: str, version: int, **changes: Any) -> None:
        path = self.root / f"registry/entries/{name}/v{version}.yaml"
        path.write_bytes(edit(path.read_bytes(), changes, path=str(path)))

    def line_of(self, path: str, marker: str | None) -> int:
        if marker is None:
            return 0
        lines = (self.root / path).read_text().splitlines()
        found = [number for number, line in enumerate(lines, 1) if re.search(marker, line)]
        assert found, f"{path} has no line with {marker!r}"
        return found[-1]

    def expected(self, *scenes: Scene) -> list[tuple[str, str, int]]:
        return sorted(
            (code, path, self.line_of(path, marker))
            for scene in scenes
            for code, path, marker in scene.expected
        )


def told(problems) -> list[tuple[str, str, int]]:
    return sorted(
        (p.code, p.location.path if p.location else "", p.location.line if p.location else 0)
        for p in problems
    )
