"""A small project in a temporary directory, and the command run in it as its user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]

ENTRY = """\
name: triage
version: {version}
model: {model}   # pinned
provider: mock
prompt_ref: triage@v1
params: {{ temperature: 0, max_tokens: 16 }}
status: draft    # draft | staging | production | retired
"""
PROMPT = """\
name: triage
version: 1
variables: { ticket: { type: string } }
messages:
  - { role: system, content: Answer with one word. }
  - { role: user, content: "{{ ticket }}" }
"""


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@dataclass
class Project:
    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def suite(
        self, cases, *, name="triage-eval", gate="{ min_score: 0.8 }", extra="", scorers="[exact_match]"
    ):
        self.write(
            f"suites/{name}/v1/suite.yaml",
            f"name: {name}\nversion: 1\ncases: cases.jsonl\nscorers: {scorers}\ngate: {gate}\n{extra}",
        )
        self.write(f"suites/{name}/v1/cases.jsonl", "".join(json.dumps(case) + "\n" for case in cases))

    def popen(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.root,
            env=self._env(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def evalkit(self, *arguments: str, **env: str) -> Ran:
        process = self.popen(*arguments, **env)
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return Ran(process.returncode, out, err)

    def _env(self, env: dict[str, str]) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("OPENAI", "ANTHROPIC", "GITHUB"))
        }
        return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100", **self.env, **env}


def configure(project: Project, base_url: str, extra: str = "") -> None:
    project.write(
        "evalkit.yaml",
        f"providers:\n  mock: {{ kind: openai, base_url: '{base_url}' }}\n"
        f"policy:\n  entries:\n    triage: {{ suites: [triage-eval@v1] }}\n{extra}",
    )


def tickets(count: int) -> list[dict]:
    return [
        {
            "id": f"t{i}",
            "vars": {"ticket": f"ticket {i}"},
            "expected": "billing" if i % 2 else "account",
            "tags": ["hard" if i % 5 == 0 else "easy"],
        }
        for i in range(count)
    ]


def right(body: dict) -> str:
    """What a perfect model answers to the tickets."""
    number = int(body["messages"][-1]["content"].split()[-1])
    return "billing" if number % 2 else "account"
