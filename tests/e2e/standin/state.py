"""The stand-in's memory: accounts and tokens, refs and who may move them, and the events that a change makes."""

from __future__ import annotations

import fnmatch
import re
import secrets
import threading
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import pulls, shapes
from .event import Event
from .git import ZERO, BareRepository, GitFailed
from .model import (
    BOT,
    BOT_ID,
    Account,
    App,
    Artifact,
    CheckRun,
    Comment,
    Kind,
    Protection,
    Pull,
    Refused,
    Release,
    Run,
    Settings,
    Status,
    Token,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["State"]

NOREPLY = re.compile(r"^(?:(?P<id>\d+)\+)?(?P<login>[^@+]+)@users\.noreply\.github\.com$")
RULES = "Repository rule violations found\n\nChanges must be made through a pull request.\n\n"


class State:
    """Everything behind the REST and git faces. One lock, taken by whoever calls."""

    def __init__(self, root: Path, repository: str, default_branch: str) -> None:
        self.lock = threading.RLock()
        self.root = root
        self.repository = repository
        self.default_branch = default_branch
        self.git = BareRepository(root / "git" / f"{repository}.git", default_branch)
        self.url = ""
        self.settings = Settings()
        self.keep_folders = False
        self.fixed_now: datetime | None = None
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self.apps: dict[str, App] = {}
        self.forks: dict[str, BareRepository] = {}
        self.pulls: dict[int, Pull] = {}
        self.issues_from = 1
        self.comments: dict[int, Comment] = {}
        self.labels: dict[str, dict[str, Any]] = {}
        self.statuses: list[Status] = []
        self.check_runs: list[CheckRun] = []
        self.runs: dict[int, Run] = {}
        self.artifacts: dict[int, Artifact] = {}
        self.releases: dict[int, Release] = {}
        self.pages: dict[str, bytes] | None = None
        self.events: deque[Event] = deque()
        self._ids: dict[str, int] = {}
        self.account(BOT, role="write", is_bot=True, number=BOT_ID)
        self.owner = self.account(repository.partition("/")[0], role="admin")

    # Accounts and tokens

    def next_id(self, kind: str, first: int = 1) -> int:
        self._ids[kind] = self._ids.get(kind, first - 1) + 1
        return self._ids[kind]

    def now(self) -> datetime:
        return (self.fixed_now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)

    def account(
        self,
        login: str,
        role: Any = None,
        emails: tuple[str, ...] = (),
        *,
        is_bot: bool = False,
        number: int = 0,
    ) -> Account:
        """The account of a login, made if it is new."""
        found = self.accounts.get(login.lower())
        if found is None:
            made = Account(login, number or self.next_id("account", 2001), role or "write", emails, is_bot)
            found = self.accounts.setdefault(login.lower(), made)
        found.role = role or found.role
        found.emails = emails or found.emails
        return found

    def account_of(self, email: str) -> Account | None:
        """Whose commits these are."""
        if match := NOREPLY.match(email):
            return self.accounts.get(match["login"].lower())
        return next(
            (item for item in self.accounts.values() if email.lower() in map(str.lower, item.emails)), None
        )

    def mint(self, account: Account, kind: Kind = "user", **rest: Any) -> Token:
        prefix = {"user": "ghp", "workflow": "ghs", "app": "ghs"}[kind]
        made = Token(f"{prefix}_{secrets.token_hex(18)}", account, kind, **rest)
        self.tokens[made.value] = made
        return made

    def token(self, value: str | None) -> Token:
        """Raises Refused (401) for one that is unknown, or whose job has ended."""
        found = self.tokens.get(value or "")
        if found is None or found.is_revoked:
            raise Refused(401, "Bad credentials")
        return found

    # Refs

    def protection_of(self, ref: str) -> Protection | None:
        branch = ref.removeprefix("refs/heads/")
        if not ref.startswith("refs/heads/"):
            return None
        return next(
            (rule for name, rule in self.settings.protected.items() if fnmatch.fnmatchcase(branch, name)),
            None,
        )

    def is_kept_from(self, token: Token, ref: str) -> bool:
        """Whether a direct change of the ref is refused."""
        rule = self.protection_of(ref)
        return rule is not None and token.account.login not in rule.bypass

    def foreign_workflows(self, commit: str, git: BareRepository | None = None) -> list[str]:
        """Workflow files of a commit that no branch has with the same content."""
        listing = ("ls-tree", "-r")
        here = set((git or self.git)(*listing, commit, ".github/workflows/").splitlines())
        for sha in self.git.refs().values():
            if not here:
                break
            here -= set(self.git(*listing, sha, ".github/workflows/").splitlines())
        return sorted(line.partition("\t")[2] for line in here)

    def change_ref(
        self, token: Token, ref: str, new: str | None, *, force: bool = False, create: bool = False
    ) -> None:
        """What the REST API does to a ref.

        Raises:
            Refused: As GitHub does.
        """
        old = self.git.resolve(ref, "object") if ref.startswith("refs/") else None
        if create and old:
            raise Refused(422, "Reference already exists")
        if not create and not old:
            raise Refused(422, "Reference does not exist")
        if new is not None and not self.git.resolve(new, "object"):
            raise Refused(422, "Object does not exist")
        if self.is_kept_from(token, ref):
            raise Refused(422, RULES)
        if old and new and not force and not self.git.is_ancestor(old, new):
            raise Refused(422, "Update is not a fast forward")
        may_change_workflows = token.kind == "user" or token.allows("workflows", "write")
        if new and ref.startswith("refs/heads/") and not may_change_workflows and self.foreign_workflows(new):
            raise Refused(403, "Resource not accessible by integration")
        try:
            self.git.set_ref(ref, new, old)
        except GitFailed as failed:
            raise Refused(422, f"Reference cannot be updated: {failed}") from failed
        self.moved(ref, old, new, token)

    def moved(
        self, ref: str, old: str | None, new: str | None, token: Token, *, quiet: Pull | None = None
    ) -> None:
        """A ref has changed: the push event, and what it means for pull requests (but not for `quiet`)."""
        if ref.startswith("refs/heads/"):
            branch = ref.removeprefix("refs/heads/")
            pulls.branch_moved(self, self.repository, branch, token, quiet)
        elif not ref.startswith("refs/tags/"):
            return
        if new is None:
            return  # "delete" events start none of our workflows, and a deletion's push has no file to ask
        paths = self.git.changed_paths(old or ZERO, new) if ref.startswith("refs/heads/") else []
        self.emit(
            Event(
                "push", shapes.push_payload(self, ref, old, new, token.account), token.account, token.kind, ref, new,
                ref.split("/", 2)[2], new, paths=paths,
            )
        )  # fmt: skip

    def emit(self, event: Event) -> None:
        """Put an event where the engine finds it."""
        event.head_repository = event.head_repository or self.repository
        event.payload.setdefault("repository", shapes.repository(self))
        event.payload.setdefault("sender", shapes.user(self, event.actor))
        self.events.append(event)

    # Small things

    def status_of(self, sha: str, name: str) -> str | None:
        """The newest result of this name: `success`, `failure`, `pending`; None if there is none."""
        results: list[str] = []
        for check in reversed(self.check_runs):
            if (check.sha, check.name) == (sha, name):
                passed = check.conclusion in {"success", "neutral", "skipped"}
                results.append(
                    "pending" if check.status != "completed" else "success" if passed else "failure"
                )
                break
        for status in reversed(self.statuses):
            if (status.sha, status.context) == (sha, name):
                results.append("failure" if status.state == "error" else status.state)
                break
        return next((state for state in ("failure", "pending", "success") if state in results), None)

    def pull(self, number: int) -> Pull:
        if number not in self.pulls:
            raise Refused(404, "Not Found")
        return self.pulls[number]

    def label(self, name: str, color: str = "ededed", description: str | None = None) -> dict[str, Any]:
        """The label of a name, made if it is new (names differ by more than case)."""
        known = next((item for key, item in self.labels.items() if key.lower() == name.lower()), None)
        if known is None:
            known = shapes.label(self, name, color, description)
            self.labels[name] = known
        return known
