"""A small project on the stand-in for GitHub, with the workflow files that ship and a model that answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standin import Environment, StandIn

from evalkit.testing.model_server import ModelServer

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-canary-0123456789abcdef"
"""The provider's key: it may reach the provider, and nothing else."""
MERGES = ("merge", "squash", "rebase")

CONFIG = """\
default_provider: mock
providers:
  mock: {{ kind: openai, base_url: '{base_url}', api_key_env: OPENAI_API_KEY, max_attempts: 2 }}
policy:
  entries:
    triage: {{ suites: [triage-eval@v1] }}
forge: {{ kind: github, check: check }}
publish: {{ to: release }}
"""
SUITE = """\
name: triage-eval
version: 1
cases: cases.jsonl
scorers: [exact_match]
gate: { min_score: 0.8, min_cases: 20 }
"""
ENTRY = """\
name: triage
version: {version}
model: gpt-5-mini-2025-08-07   # pinned
prompt_ref: triage@v{prompt}
params: {{ max_tokens: 16 }}
status: draft    # draft | staging | production | retired
"""
PROMPT = """\
name: triage
version: {version}
variables: {{ ticket: {{ type: string }} }}
messages:
  - {{ role: system, content: "{system}" }}
  - {{ role: user, content: "{{{{ ticket }}}}" }}
"""
CASES = 40


def answer(body: Mapping[str, Any]) -> str:
    """A model that does well only if the prompt asks it to be careful, and never if it asks for a guess."""
    system, ticket = (message["content"] for message in body["messages"][:2])
    number = int(re.findall(r"\d+", ticket)[-1])
    wrong = number % 10 == 0 if "Careful" in system else number % 2 == 0
    return "other" if wrong else expected(number)


def expected(number: int) -> str:
    return "billing" if number % 3 else "account"


def candidate(
    version: int, *, prompt: int | None = None, system: str = "Careful: one word."
) -> dict[str, str]:
    """The files of a new version with a prompt of its own."""
    number = prompt or version
    return {
        f"registry/entries/triage/v{version}.yaml": ENTRY.format(version=version, prompt=number),
        f"registry/prompts/triage/v{number}.yaml": PROMPT.format(version=number, system=system),
    }


def project_files(base_url: str) -> dict[str, str]:
    cases = (
        {"id": f"t{n}", "vars": {"ticket": f"ticket {n}"}, "expected": expected(n), "tags": ["hard" if n % 4 == 0 else "easy"]}
        for n in range(CASES)
    )  # fmt: skip
    shipped = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / "action.yml"]
    }
    return {
        **shipped,
        "pyproject.toml": (ROOT / "pyproject.toml").read_text(
            encoding="utf-8"
        ),  # what the install action reads
        ".gitignore": ".evalkit/\n",
        "evalkit.yaml": CONFIG.format(base_url=base_url),
        "suites/triage-eval/v1/suite.yaml": SUITE,
        "suites/triage-eval/v1/cases.jsonl": "".join(json.dumps(case) + "\n" for case in cases),
        "registry/README.md": "Entries, prompts and tools: see evalkit.\n",
    }


@dataclass
class World:
    hub: StandIn
    model: ModelServer
    kind: str

    def __post_init__(self) -> None:
        self.alice = self.hub.user("alice")
        self.bob = self.hub.user("bob")

    def settle(self, **options: Any) -> list[Any]:
        """Run what was started until it is quiet; each run with its log if it failed."""
        return self.hub.settle(**options)

    def approve_waiting(self) -> list[Any]:
        """What a person clicks: workflows of pull requests that GITHUB_TOKEN opened wait for it."""
        waiting = [run for run in self.hub.runs if "action_required" in {run.status, run.conclusion}]
        for run in waiting:
            self.hub.approve_run(run, self.bob)
        return self.settle() if waiting else []

    def open_pulls(self, prefix: str = "") -> list[Any]:
        return [p for p in self.hub.pulls.values() if p.state == "open" and p.head.startswith(prefix)]

    def entry(self, version: int, ref: str | None = None) -> str:
        found = self.hub.file(f"registry/entries/triage/v{version}.yaml", ref)
        assert found is not None
        return found

    def status(self, version: int) -> str:
        found = re.search(r"^status: (\w+)", self.entry(version), re.MULTILINE)
        assert found
        return found[1]


@contextmanager
def world(tmp_path: Path, kind: str = "actions", **settings: Any) -> Iterator[World]:
    """`kind`: `actions` (GITHUB_TOKEN) or `app`."""
    with ModelServer(answer, api_key=KEY) as model:
        files = project_files(model.base_url)
        with StandIn(tmp_path / "hub", files=files) as hub:
            hub.settings.environments["evalkit"] = Environment(
                secrets={"OPENAI_API_KEY": KEY}, branches=("main",)
            )
            hub.settings.protect("main", checks=("check",), approvals=1, bypass=())
            if kind == "app":
                app, _ = hub.app("evalkit-bot")
                hub.settings.variables["EVALKIT_APP_CLIENT_ID"] = app.client_id
                hub.settings.environments["evalkit-write"] = Environment(
                    secrets={"EVALKIT_APP_PRIVATE_KEY": app.private_key}, branches=("main",)
                )
            yield World(hub, model, kind)
    shutil.rmtree(tmp_path / "hub", ignore_errors=True)
