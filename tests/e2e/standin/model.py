"""What the stand-in keeps besides git: accounts, pull requests, runs, artifacts, settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

__all__ = [
    "Account", "App", "Artifact", "CheckRun", "Comment", "Environment", "JobRun", "Protection", "Pull", "Refused",
    "Release", "Review", "Run", "Settings", "Status", "Token",
]  # fmt: skip

BOT = "github-actions[bot]"
BOT_ID = 41898282
Kind = Literal["user", "workflow", "app"]


class Refused(Exception):
    """A request that GitHub would refuse: the status, the message, and its `errors`."""

    def __init__(self, status: int, message: str, errors: list[Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


@dataclass(slots=True)
class Account:
    """Someone with a login."""

    login: str
    id: int
    role: Literal["admin", "write", "read", "none"] = "write"
    emails: tuple[str, ...] = ()
    is_bot: bool = False

    @property
    def person(self) -> tuple[str, str]:
        """Name and address of the commits that this account makes through the API."""
        return self.login, f"{self.id}+{self.login}@users.noreply.github.com"

    @property
    def can_write(self) -> bool:
        return self.role in {"admin", "write"}


@dataclass(slots=True)
class Token:
    """A credential. `permissions` None: all that the account's role allows."""

    value: str
    account: Account
    kind: Kind = "user"
    permissions: dict[str, str] | None = None
    run_id: int | None = None
    job: str | None = None
    is_revoked: bool = False

    def allows(self, scope: str, level: str) -> bool:
        if self.permissions is None:
            if scope == "administration" or self.account.role in {"admin", "none"}:
                return self.account.role == "admin"
            return level == "read" or self.account.can_write
        rank = {"none": 0, "read": 1, "write": 2, "admin": 3}
        return rank[self.permissions.get(scope, "none")] >= rank[level]


@dataclass(slots=True)
class App:
    """A GitHub App, installed on the repository."""

    account: Account
    client_id: str
    private_key: str
    permissions: dict[str, str]


@dataclass(slots=True)
class Review:
    id: int
    user: Account
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"]
    body: str
    commit: str
    submitted: datetime


@dataclass(slots=True)
class Comment:
    id: int
    number: int
    user: Account
    body: str
    created: datetime
    updated: datetime


@dataclass(slots=True)
class Pull:
    """A pull request."""

    number: int
    title: str
    body: str
    user: Account
    head: str
    head_repository: str
    base: str
    created: datetime
    updated: datetime
    head_sha: str = ""
    base_sha: str = ""
    state: Literal["open", "closed"] = "open"
    draft: bool = False
    closed: datetime | None = None
    merged: datetime | None = None
    merged_by: Account | None = None
    merge_commit: str | None = None
    labels: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)


@dataclass(slots=True)
class Status:
    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    user: Account
    created: datetime


@dataclass(slots=True)
class CheckRun:
    id: int
    sha: str
    name: str
    run_id: int
    status: str
    conclusion: str | None
    started: datetime
    completed: datetime | None = None


@dataclass(slots=True)
class JobRun:
    """One job of a run (all cells of its matrix together)."""

    id: str
    result: str = "queued"
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    """What its steps wrote for people, in order, of all cells."""
    annotations: list[dict[str, str]] = field(default_factory=list)
    """`level` (error, warning, notice), `message`, and file, line, title where given."""
    log: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """The shown name of each cell, and its result."""
    permissions: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Run:
    """A run of a workflow."""

    id: int
    path: str
    name: str
    event: str
    payload: dict[str, Any]
    ref: str
    head_branch: str | None
    head_sha: str
    """What the API calls so: of a pull request, its head."""
    sha: str
    """GITHUB_SHA: of a pull request, the test merge."""
    head_repository: str
    actor: Account
    created: datetime
    is_fork: bool = False
    attempt: int = 1
    status: str = "queued"
    conclusion: str | None = None
    jobs: dict[str, JobRun] = field(default_factory=dict)
    problem: str = ""
    pull: int | None = None

    @property
    def log(self) -> str:
        return self.problem + "".join(f"--- {job.id} ---\n{job.log}" for job in self.jobs.values())

    @property
    def summary(self) -> str:
        return "".join(job.summary for job in self.jobs.values())

    @property
    def annotations(self) -> list[dict[str, str]]:
        return [item for job in self.jobs.values() for item in job.annotations]


@dataclass(slots=True)
class Artifact:
    id: int
    name: str
    content: bytes
    digest: str
    run_id: int
    created: datetime
    retention: timedelta
    is_deleted: bool = False

    @property
    def expires(self) -> datetime:
        return self.created + self.retention


@dataclass(slots=True)
class Release:
    id: int
    tag: str
    name: str
    body: str
    user: Account
    created: datetime
    draft: bool = False
    prerelease: bool = False
    target: str = ""
    assets: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Protection:
    """What a branch asks for; a change gets there by a pull request only."""

    checks: tuple[str, ...] = ("check",)
    approvals: int = 1
    code_owners: bool = False
    dismiss_stale: bool = False
    bypass: tuple[str, ...] = ()
    strict: bool = False


@dataclass(slots=True)
class Environment:
    """Secrets and variables for the jobs that name it, from the branches that it allows (None: all)."""

    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    branches: tuple[str, ...] | None = None


@dataclass(slots=True)
class Settings:
    """What people set under Settings."""

    allow_actions_prs: bool = True
    """"Allow GitHub Actions to create and approve pull requests"."""
    default_permissions: Literal["read", "write"] = "read"
    protected: dict[str, Protection] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    private: bool = True
    merge_methods: tuple[str, ...] = ("merge", "squash", "rebase")
    delete_branch_on_merge: bool = False
    rate_limit: int = 5000
    pages: bool = False
    artifact_days: int = 90
    immutable_releases: bool = False
    disabled_workflows: set[str] = field(default_factory=set)

    def protect(self, branch: str = "main", **asked: Any) -> None:
        """Protect a branch: `checks`, `approvals`, `code_owners`, `dismiss_stale`, `bypass`, `strict`."""
        self.protected[branch] = Protection(**asked)
