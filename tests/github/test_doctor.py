"""The doctor finds what is wrong, names the place, and has nothing to say of what is right."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import Location
from evalkit.github.doctor.diagnosis import diagnose
from evalkit.github.doctor.finding import Finding
from evalkit.github.doctor.reading import read_settings
from evalkit.github.forge import ForgeError
from evalkit.registry.project import Project

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")

CONFIG = """\
default_provider: openai
providers:
  openai: { kind: openai, api_key_env: OPENAI_API_KEY }
policy:
  defaults: { approvals: 1 }
artifacts: { outputs: false }
forge: { kind: github, check: check }
publish: { to: release }
"""
OWNERS = "/registry/ @acme/llm\n/suites/ @acme/llm\n/.github/ @acme/llm\n/evalkit.yaml @acme/llm\n"

HEALTHY: dict[str, Any] = {
    "": {
        "default_branch": "main",
        "html_url": "https://github.com/acme/llm",
        "private": False,
        "has_pages": False,
    },
    "/actions/permissions": {"enabled": True, "allowed_actions": "all"},
    "/actions/permissions/workflow": {
        "default_workflow_permissions": "read",
        "can_approve_pull_request_reviews": True,
    },
    "/actions/permissions/artifact-and-log-retention": {"days": 90},
    "/immutable-releases": {"enabled": False},
    "/rules/branches/main": [
        {
            "type": "pull_request",
            "parameters": {
                "required_approving_review_count": 1,
                "require_code_owner_review": True,
                "dismiss_stale_reviews_on_push": True,
            },
        },
        {
            "type": "required_status_checks",
            "parameters": {
                "required_status_checks": [{"context": "check"}],
                "strict_required_status_checks_policy": True,
            },
        },
        {"type": "non_fast_forward"},
    ],
    "/environments": {
        "environments": [
            {"name": "evalkit", "deployment_branch_policy": {"protected_branches": False}},
            {"name": "evalkit-write", "deployment_branch_policy": {"protected_branches": False}},
        ]
    },
    "/environments/evalkit/secrets": {"secrets": [{"name": "OPENAI_API_KEY"}]},
    "/environments/evalkit/deployment-branch-policies": {"branch_policies": [{"name": "main"}]},
    "/environments/evalkit-write/secrets": {"secrets": [{"name": "EVALKIT_APP_PRIVATE_KEY"}]},
    "/environments/evalkit-write/deployment-branch-policies": {"branch_policies": [{"name": "main"}]},
    "/actions/secrets": {"secrets": []},
    "/actions/variables": {"variables": [{"name": "EVALKIT_APP_CLIENT_ID"}]},
    "/actions/workflows": {"workflows": [{"path": ".github/workflows/evaluate.yml", "state": "active"}]},
}


class Planted:
    """A healthy project and repository, to plant mistakes in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.answers = copy.deepcopy(HEALTHY)
        shutil.copytree(ROOT / ".github", root / ".github")
        (root / "evalkit.yaml").write_text(CONFIG)
        (root / ".github/CODEOWNERS").write_text(OWNERS)
        (root / "registry").mkdir()

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def rule(self, kind: str) -> dict[str, Any]:
        return next(
            rule["parameters"] for rule in self.answers["/rules/branches/main"] if rule["type"] == kind
        )

    def findings(self) -> list[Finding]:
        def get(path: str) -> Any:
            return self.answers.get(path.partition("?")[0])

        settings = read_settings("acme/llm", get, is_app=False)
        return diagnose(self.root, Project(self.root).config, settings)


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


def test_nothing_is_said_of_a_healthy_project(planted: Planted) -> None:
    assert planted.findings() == []


CHECK, EVALUATE = ".github/workflows/check.yml", ".github/workflows/evaluate.yml"


def _pop(answers: dict[str, Any], *paths: str) -> None:
    for path in paths:
        answers.pop(path, None)


def _environment(planted: Planted, name: str, policy: Any) -> None:
    for one in planted.answers["/environments"]["environments"]:
        if one["name"] == name:
            one["deployment_branch_policy"] = policy


MISTAKES: dict[str, tuple[Any, str]] = {
    "no-forge": (lambda p: p.edit("evalkit.yaml", "forge: { kind: github, check: check }\n", ""), "evalkit.yaml"),
    "no-approval": (lambda p: p.edit("evalkit.yaml", "approvals: 1", "approvals: 0"), "evalkit.yaml"),
    "self-approval": (
        lambda p: p.edit("evalkit.yaml", "policy:\n", "policy:\n  allow_self_approval: true\n"),
        "evalkit.yaml",
    ),
    "broken-workflow": (lambda p: p.edit(CHECK, "jobs:", "jobs: [\njobs:"), CHECK),
    "missing-workflow": (lambda p: (p.root / ".github/workflows/approve.yml").unlink(), ".github/workflows"),
    "evaluate-workflow": (
        lambda p: (p.root / EVALUATE).rename(p.root / ".github/workflows/scores.yml"),
        "evalkit.yaml",
    ),
    "unpinned-action": (
        lambda p: p.edit(CHECK, "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "checkout@v7"),
        CHECK,
    ),
    "no-permissions": (
        lambda p: (p.edit(CHECK, "permissions: {}\n\n", ""), p.edit(CHECK, "    permissions:\n", "    x-permissions:\n")),
        CHECK,
    ),
    "write-all": (lambda p: p.edit(CHECK, "permissions: {}", "permissions: write-all"), CHECK),
    "keys-without-environment": (
        lambda p: p.edit(EVALUATE, "    environment: evalkit # the keys; it admits the default branch only\n", ""),
        EVALUATE,
    ),
    "pull-request-target": (lambda p: p.edit(CHECK, "  merge_group:", "  merge_group:\n  pull_request_target:"), CHECK),
    "no-merge-group": (lambda p: p.edit(CHECK, "  merge_group:\n", ""), CHECK),
    "shallow-checkout": (lambda p: p.edit(CHECK, "fetch-depth: 0", "fetch-depth: 1"), CHECK),
    "key-not-passed": (
        lambda p: (
            p.edit("evalkit.yaml", "policy:", "  azure: { kind: openai, base_url: 'https://x.example/v1', api_key_env: AZURE_KEY }\npolicy:"),
            p.answers["/environments/evalkit/secrets"]["secrets"].append({"name": "AZURE_KEY"}),
        ),
        EVALUATE,
    ),
    "shared-schedule": (
        lambda p: p.edit(".github/workflows/promote.yml", "  workflow_dispatch:", "  schedule:\n    - cron: '17 * * * *'\n  workflow_dispatch:"),
        ".github/workflows/promote.yml",
    ),
    "busy-minute": (
        lambda p: (p.root / ".github/workflows/canary.yml").write_text(
            "on:\n  schedule:\n    - cron: '0 * * * *'\npermissions: {}\njobs:\n  canary:\n    steps:\n      - run: evalkit check\n"
        ),
        ".github/workflows/canary.yml",
    ),
    "no-codeowners": (lambda p: (p.root / ".github/CODEOWNERS").unlink(), ".github/CODEOWNERS"),
    "not-owned": (lambda p: p.edit(".github/CODEOWNERS", "/suites/ @acme/llm\n", ""), ".github/CODEOWNERS"),
    "actions-off": (lambda p: p.answers["/actions/permissions"].update(enabled=False), "Settings > Actions"),
    "no-pull-requests": (
        lambda p: p.answers["/actions/permissions/workflow"].update(can_approve_pull_request_reviews=False),
        "Settings > Actions > General > Workflow permissions",
    ),
    "default-write": (
        lambda p: p.answers["/actions/permissions/workflow"].update(default_workflow_permissions="write"),
        "Settings > Actions > General > Workflow permissions",
    ),
    "unprotected": (
        lambda p: p.answers.update({"/rules/branches/main": [r for r in p.answers["/rules/branches/main"] if r["type"] != "pull_request"]}),
        "Settings > Rules",
    ),
    "no-review": (lambda p: p.rule("pull_request").update(required_approving_review_count=0), "Settings > Rules"),
    "no-owner-review": (lambda p: p.rule("pull_request").update(require_code_owner_review=False), "Settings > Rules"),
    "stale-reviews": (lambda p: p.rule("pull_request").update(dismiss_stale_reviews_on_push=False), "Settings > Rules"),
    "check-not-required": (
        lambda p: p.rule("required_status_checks").update(required_status_checks=[{"context": "test"}]),
        "Settings > Rules",
    ),
    "not-up-to-date": (
        lambda p: p.rule("required_status_checks").update(strict_required_status_checks_policy=False),
        "Settings > Rules",
    ),
    "force-push": (lambda p: p.answers["/rules/branches/main"].pop(), "Settings > Rules"),
    "repository-secret": (
        lambda p: p.answers["/actions/secrets"]["secrets"].append({"name": "OPENAI_API_KEY"}),
        "Settings > Secrets and variables > Actions",
    ),
    "no-environment": (
        lambda p: p.answers["/environments"]["environments"].pop(0),
        "Settings > Environments > evalkit",
    ),
    "missing-secret": (
        lambda p: p.answers["/environments/evalkit/secrets"]["secrets"].clear(),
        "Settings > Environments > evalkit",
    ),
    "open-environment": (lambda p: _environment(p, "evalkit", None), "Settings > Environments > evalkit"),
    "app-without-key": (
        lambda p: p.answers["/environments/evalkit-write/secrets"]["secrets"].clear(),
        "Settings > Environments > evalkit-write",
    ),
    "no-app": (
        lambda p: p.answers["/actions/variables"]["variables"].clear(),
        "Settings > Environments > evalkit-write",
    ),
    "public-outputs": (lambda p: p.edit("evalkit.yaml", "outputs: false", "outputs: true"), "evalkit.yaml"),
    "short-retention": (
        lambda p: p.answers["/actions/permissions/artifact-and-log-retention"].update(days=7),
        "Settings > Actions > General > Artifact and log retention",
    ),
    "not-published": (lambda p: p.edit("evalkit.yaml", "publish: { to: release }\n", ""), "evalkit.yaml"),
    "pages-off": (lambda p: p.edit("evalkit.yaml", "to: release", "to: pages"), "Settings > Pages"),
    "immutable-releases": (
        lambda p: p.answers["/immutable-releases"].update(enabled=True),
        "Settings > General > Releases",
    ),
    "disabled-workflow": (
        lambda p: p.answers["/actions/workflows"]["workflows"][0].update(state="disabled_inactivity"),
        "Actions > evaluate.yml",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_planted_mistake_is_found_by_itself_at_its_place(planted: Planted, mistake: str) -> None:
    plant, place = MISTAKES[mistake]
    plant(planted)
    findings = planted.findings()
    own = [one for one in findings if one.id == mistake]
    assert own, f"found only {[one.id for one in findings]}"
    assert str(own[0].where).startswith(place)
    assert own[0].fix
    # a file that cannot be read is missing, too: it does not do its part
    followers = {"broken-workflow": {"missing-workflow"}, "evaluate-workflow": set()}.get(mistake, set())
    assert {one.id for one in findings} - followers == {mistake}


def test_a_finding_in_a_workflow_points_at_the_line(planted: Planted) -> None:
    plant, _ = MISTAKES["unpinned-action"]
    plant(planted)
    where = next(one.where for one in planted.findings() if one.id == "unpinned-action")
    assert isinstance(where, Location)
    assert "actions/checkout@v7" in (planted.root / where.path).read_text().splitlines()[where.line - 1]


def test_the_older_branch_protection_counts_as_a_ruleset(planted: Planted) -> None:
    planted.answers["/rules/branches/main"] = []
    planted.answers["/branches/main/protection"] = {
        "required_pull_request_reviews": {
            "required_approving_review_count": 1,
            "require_code_owner_reviews": True,
            "dismiss_stale_reviews": True,
        },
        "required_status_checks": {"strict": True, "contexts": ["check"]},
        "allow_force_pushes": {"enabled": False},
    }
    assert planted.findings() == []


def test_what_the_token_may_not_see_is_said_and_not_guessed(planted: Planted) -> None:
    _pop(planted.answers, "/actions/permissions", "/actions/permissions/workflow", "/rules/branches/main")
    _pop(planted.answers, "/environments", "/actions/secrets", "/actions/variables")
    findings = planted.findings()
    assert {one.id for one in findings} == {
        "cannot-read-actions",
        "cannot-read-workflow-permissions",
        "cannot-read-rules",
        "cannot-read-environments",
    }
    assert {one.level for one in findings} == {"unknown"}


def test_a_repository_that_is_not_there_is_an_error_not_a_finding() -> None:
    with pytest.raises(ForgeError, match="EK871"):
        read_settings("acme/gone", lambda _: None, is_app=False)


def test_the_worst_comes_first(planted: Planted) -> None:
    for mistake in ("no-app", "unprotected", "no-merge-group", "unpinned-action"):
        MISTAKES[mistake][0](planted)
    levels = [one.level for one in planted.findings()]
    assert levels == sorted(levels, key=["error", "warning", "unknown"].index)


def test_every_finding_is_described() -> None:
    source = "".join(path.read_text() for path in (ROOT / "evalkit/github/doctor").glob("*.py"))
    known = set(re.findall(r'Finding\(\s*"([a-z-]+)"', source))
    assert known == set(MISTAKES), "each finding has a planted mistake"
    described = set(re.findall(r"^\| `([a-z-]+)` \|", DOCS, re.MULTILINE))
    assert known == described


def test_workflows_full_of_nonsense_are_no_traceback(planted: Planted) -> None:
    folder = planted.root / ".github/workflows"
    for index, text in enumerate(
        [
            "",
            "[]",
            "on: 3",
            "jobs: []",
            "on: push\njobs: {a: 3, b: {steps: {}}, c: {steps: [1, {uses: 4}]}}",
            "\x00",
            "a: &x [*x]",
        ]
    ):
        (folder / f"odd{index}.yml").write_text(text)
    json.dumps([one.message for one in planted.findings()])
