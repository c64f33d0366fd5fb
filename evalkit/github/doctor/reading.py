"""Read the settings of a repository. What the token may not see stays None: the doctor says so instead of guessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from evalkit.errors import Problem
from evalkit.github.doctor.settings import Environment, Settings
from evalkit.github.forge import ForgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Get = Callable[[str], Any]
    """`GET` below `repos/owner/name`; None where there is nothing, or nothing that this token may see."""

__all__ = ["read_settings"]


def read_settings(repository: str, get: Get, *, is_app: bool) -> Settings:
    """The settings as far as the token may read them.

    Raises:
        ForgeError: EK871, the repository itself cannot be read.
    """
    found = get("")
    if not isinstance(found, dict):
        hint = "check its name, and that the token may read it"
        raise ForgeError(
            Problem("EK871", f"the repository {repository} is not there for this token", hint=hint)
        )
    branch = str(found["default_branch"])
    retention = get("/actions/permissions/artifact-and-log-retention")
    immutable = get("/immutable-releases")
    return Settings(
        repository=repository,
        url=str(found["html_url"]),
        default_branch=branch,
        is_public=not found.get("private", True),
        is_app=is_app,
        actions=get("/actions/permissions"),
        workflow_permissions=get("/actions/permissions/workflow"),
        rules=_rules(get, branch),
        environments=_environments(get),
        secrets=_names(get("/actions/secrets?per_page=100"), "secrets"),
        variables=_names(get("/actions/variables?per_page=30"), "variables"),
        artifact_days=retention.get("days") if isinstance(retention, dict) else None,
        has_pages=bool(found.get("has_pages")),
        has_immutable_releases=bool(immutable.get("enabled")) if isinstance(immutable, dict) else None,
        workflow_states=_states(get("/actions/workflows?per_page=100")),
    )


def _rules(get: Get, branch: str) -> list[Mapping[str, Any]] | None:
    """The rules of every ruleset that is active on a branch, and those of the older branch protection."""
    name = quote(branch, safe="")
    rules = get(f"/rules/branches/{name}?per_page=100")
    protection = get(f"/branches/{name}/protection")
    if rules is None and protection is None:
        return None
    return [*(rules or ()), *_protection(protection or {})]


def _protection(found: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Branch protection, in the words of rulesets."""
    reviews = found.get("required_pull_request_reviews")
    if reviews:
        yield {
            "type": "pull_request",
            "parameters": {
                "required_approving_review_count": reviews.get("required_approving_review_count", 0),
                "require_code_owner_review": reviews.get("require_code_owner_reviews"),
                "dismiss_stale_reviews_on_push": reviews.get("dismiss_stale_reviews"),
                "require_last_push_approval": reviews.get("require_last_push_approval"),
            },
        }
    checks = found.get("required_status_checks")
    if checks:
        contexts = [*checks.get("contexts", ()), *(one.get("context") for one in checks.get("checks", ()))]
        yield {
            "type": "required_status_checks",
            "parameters": {
                "required_status_checks": [{"context": name} for name in dict.fromkeys(contexts)],
                "strict_required_status_checks_policy": checks.get("strict"),
            },
        }
    if found and not (found.get("allow_force_pushes") or {}).get("enabled"):
        yield {"type": "non_fast_forward"}


def _environments(get: Get) -> dict[str, Environment] | None:
    listed = get("/environments?per_page=100")
    if not isinstance(listed, dict):
        return None
    found = {}
    for one in listed.get("environments", ()):
        name = str(one["name"])
        path = f"/environments/{quote(name, safe='')}"
        found[name] = Environment(
            secrets=_names(get(f"{path}/secrets?per_page=100"), "secrets"),
            branches=_branches(get, path, one.get("deployment_branch_policy")),
        )
    return found


def _branches(get: Get, path: str, policy: Any) -> tuple[str, ...] | None:
    if not isinstance(policy, dict):
        return None
    if policy.get("protected_branches"):
        return ("every protected branch",)
    listed = get(f"{path}/deployment-branch-policies?per_page=100") or {}
    return tuple(str(one["name"]) for one in listed.get("branch_policies", ()))


def _names(found: Any, key: str) -> frozenset[str] | None:
    if not isinstance(found, dict):
        return None
    return frozenset(str(one["name"]) for one in found.get(key, ()))


def _states(found: Any) -> dict[str, str] | None:
    if not isinstance(found, dict):
        return None
    return {str(one["path"]): str(one["state"]) for one in found.get("workflows", ())}
