"""A workflow file as GitHub reads it: triggers and their filters, permissions, jobs, and copies of it with one job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .homes import Home

__all__ = ["WorkflowFile", "granted"]

SCOPES = (
    "actions", "attestations", "checks", "contents", "deployments", "discussions", "id-token", "issues", "models",
    "packages", "pages", "pull-requests", "security-events", "statuses",
)  # fmt: skip
RANK = {"none": 0, "read": 1, "write": 2}
DEFAULT_TYPES = {
    "pull_request": {"opened", "synchronize", "reopened"},
    "pull_request_target": {"opened", "synchronize", "reopened"},
    "merge_group": {"checks_requested"},
}


class _Yaml12(yaml.SafeLoader):  # type: ignore[misc]  # the package ships no types
    """YAML 1.2 booleans, as GitHub has them: `on`, `yes` and `off` are words."""


_Yaml12.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def glob_matches(pattern: str, text: str) -> bool:
    """GitHub's filter pattern: `*` stays within a part, `**` does not."""
    regex, position = "", 0
    while position < len(pattern):
        if pattern.startswith("**", position):
            slash = pattern.startswith("**/", position)
            regex += "(?:.*/)?" if slash else ".*"
            position += 3 if slash else 2
            continue
        char = pattern[position]
        regex += {"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char)
        position += 1
    return re.fullmatch(regex, text) is not None


def chosen(patterns: Iterable[str], text: str) -> bool:
    """Whether a list with `!` exclusions, later ones first, takes a text."""
    verdict = False
    for pattern in patterns:
        if glob_matches(pattern.removeprefix("!"), text):
            verdict = not pattern.startswith("!")
    return verdict


def granted(asked: Any, ceiling: Mapping[str, str]) -> dict[str, str]:
    """The permissions that a `permissions:` block gets, at most those of the ceiling."""
    if isinstance(asked, str):
        asked = dict.fromkeys(SCOPES, asked.removesuffix("-all"))
    wanted = {scope: (asked or {}).get(scope, "none") for scope in SCOPES}
    lowest = {
        scope: min(level, ceiling.get(scope, "none"), key=RANK.__getitem__) for scope, level in wanted.items()
    }
    return lowest | {"metadata": "read"}


class WorkflowFile:
    """One file. Raises ValueError when it is no workflow."""

    def __init__(self, path: str, content: bytes, home: Home | None = None) -> None:
        self.path = path
        self.home = home
        try:
            self.document = yaml.load(content, _Yaml12)
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: {error}") from error
        if not isinstance(self.document, dict) or not isinstance(self.document.get("jobs"), dict):
            raise ValueError(f"{path} has no jobs")  # noqa: TRY004 - of a file, not of an argument
        self.jobs: dict[str, dict[str, Any]] = self.document["jobs"]

    @property
    def name(self) -> str:
        return str(self.document.get("name", self.path))

    @property
    def triggers(self) -> dict[str, Any]:
        """`on:` as a mapping, whatever way it is written."""
        on = self.document.get("on", {})
        if isinstance(on, str):
            return {on: {}}
        return (
            {name: {} for name in on}
            if isinstance(on, list)
            else {name: filters or {} for name, filters in on.items()}
        )

    def starts_on(self, event: str, action: str | None, ref: str, base: str | None, paths: list[str]) -> bool:
        """Whether an event starts this workflow."""
        if event not in self.triggers:
            return False
        filters = self.triggers[event]
        if event in {"schedule", "workflow_dispatch", "repository_dispatch"}:
            return event != "repository_dispatch" or action in (filters.get("types") or [action])
        types = filters.get("types")
        types = {types} if isinstance(types, str) else set(types or DEFAULT_TYPES.get(event, {action}))
        if action is not None and action not in types:
            return False
        is_tag = ref.startswith("refs/tags/")
        target = ref.removeprefix("refs/heads/").removeprefix("refs/tags/") if event == "push" else base or ""
        given = {key: _list(filters.get(key)) for key in filters}
        if event == "push":
            own, other = ("tags", "branches") if is_tag else ("branches", "tags")
            has_own = own in given or f"{own}-ignore" in given
            if not has_own and (other in given or f"{other}-ignore" in given):
                return False
        else:
            own = "branches"
        if own in given and not chosen(given[own], target):
            return False
        if f"{own}-ignore" in given and any(glob_matches(p, target) for p in given[f"{own}-ignore"]):
            return False
        if is_tag or event not in {"push", "pull_request", "pull_request_target"}:
            return True
        if "paths" in given and not any(chosen(given["paths"], path) for path in paths):
            return False
        ignored = given.get("paths-ignore")
        return ignored is None or not all(any(glob_matches(p, path) for p in ignored) for path in paths)

    def needs(self, job: str) -> list[str]:
        return _list(self.jobs[job].get("needs"))

    def ancestors(self, job: str) -> list[str]:
        """All that a job needs, directly or not."""
        found: list[str] = []
        waiting = self.needs(job)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found.append(name)
                waiting += self.needs(name)
        return found

    def permissions(self, job: str, default: Any, ceiling: Mapping[str, str]) -> dict[str, str]:
        asked = self.jobs[job].get("permissions", self.document.get("permissions", default))
        return granted(asked, ceiling)

    def environment(self, job: str, inputs: Mapping[str, str]) -> str | None:
        """The environment that a job names. Of expressions it knows `${{ inputs.NAME }}` and `|| 'literal'`."""
        named = self.jobs[job].get("environment")
        text = str(named.get("name") if isinstance(named, dict) else named or "")
        match = re.fullmatch(r"\$\{\{\s*inputs\.([\w-]+)(?:\s*\|\|\s*'([^']*)')?\s*\}\}", text)
        if match:
            text = inputs.get(match[1]) or match[2] or ""
        return text or None


def branch_allowed(branch_patterns: tuple[str, ...] | None, ref: str) -> bool:
    """Whether a deployment branch policy lets a ref in."""
    if branch_patterns is None:
        return True
    return any(glob_matches(pattern, ref.removeprefix("refs/heads/")) for pattern in branch_patterns)


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value or []]
