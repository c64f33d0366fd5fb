"""The repository itself, people, rules, settings."""

from __future__ import annotations

from typing import Any

from . import shapes
from .model import BOT, Protection, Refused
from .routes import Answer, Call, Page, route


@route("GET", "")
def repository(call: Call) -> Any:
    return shapes.repository(call.state) | {
        "permissions": {
            "admin": call.token.account.role == "admin", "maintain": call.token.account.role == "admin", "triage": True,
            "push": call.token.allows("contents", "write"), "pull": True,
        }
    }  # fmt: skip


@route("GET", "/user")
def me(call: Call) -> Any:
    if call.token.kind != "user":
        raise Refused(403, "Resource not accessible by integration")
    return shapes.full_user(call.state, call.token.account)


@route("GET", "/users/{login}")
def person(call: Call) -> Any:
    found = call.state.accounts.get(call.params["login"].lower())
    if found is None:
        raise Refused(404, "Not Found")
    return shapes.full_user(call.state, found)


@route("GET", "/collaborators/{login}", "metadata:read")
def collaborator(call: Call) -> Answer:
    found = call.state.accounts.get(call.params["login"].lower())
    if found is None or found.is_bot or found.role not in {"admin", "write"}:
        raise Refused(404, "Not Found")
    return Answer(None, 204)


@route("GET", "/collaborators/{login}/permission", "metadata:read")
def permission(call: Call) -> Any:
    found = call.state.accounts.get(call.params["login"].lower())
    if found is None:
        raise Refused(404, f"{call.params['login']} is not a user")
    role = found.role if found.login != BOT else "none"
    shape = shapes.user(call.state, found) | {"permissions": None, "role_name": role}
    return {"permission": role, "role_name": role, "user": {**shape, "permissions": _flags(role)}}


def _flags(role: str) -> dict[str, bool]:
    return {
        "pull": role != "none", "triage": role in {"write", "admin"}, "push": role in {"write", "admin"},
        "maintain": role == "admin", "admin": role == "admin",
    }  # fmt: skip


def rules_of(protection: Protection) -> list[dict[str, Any]]:
    checks = [{"context": name} for name in protection.checks]
    rules: list[dict[str, Any]] = [
        {"type": "deletion"},
        {"type": "non_fast_forward"},
        {
            "type": "pull_request",
            "parameters": {
                "dismiss_stale_reviews_on_push": protection.dismiss_stale, "require_code_owner_review": protection.code_owners,
                "require_last_push_approval": False, "required_approving_review_count": protection.approvals,
                "required_review_thread_resolution": False, "allowed_merge_methods": ["merge", "squash", "rebase"],
            },
        },
    ]  # fmt: skip
    if checks:
        parameters = {
            "required_status_checks": checks,
            "strict_required_status_checks_policy": protection.strict,
        }
        rules.append({"type": "required_status_checks", "parameters": parameters})
    return rules


@route("GET", "/rules/branches/{branch:path}", "metadata:read")
def branch_rules(call: Call) -> Page:
    rule = call.state.protection_of(f"refs/heads/{call.params['branch']}")
    origin = {"ruleset_source_type": "Repository", "ruleset_source": call.state.repository, "ruleset_id": 1}
    return Page([{**one, **origin} for one in rules_of(rule)] if rule else [])


def ruleset_shape(call: Call, number: int, branch: str, *, full: bool) -> dict[str, Any]:
    rule = call.state.settings.protected[branch]
    shape: dict[str, Any] = {
        "id": number, "name": f"protect {branch}", "target": "branch", "source_type": "Repository",
        "source": call.state.repository, "enforcement": "active", "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    if full:
        shape["conditions"] = {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}}
        shape["rules"] = rules_of(rule)
        shape["bypass_actors"] = [
            {"actor_id": call.state.account(login).id, "actor_type": "Integration", "bypass_mode": "always"}
            for login in rule.bypass
        ]
    return shape


@route("GET", "/rulesets", "metadata:read")
def ruleset_list(call: Call) -> Page:
    branches = enumerate(call.state.settings.protected, 1)
    return Page([ruleset_shape(call, number, branch, full=False) for number, branch in branches])


@route("GET", "/rulesets/{id}", "metadata:read")
def ruleset(call: Call) -> Any:
    branches = dict(enumerate(call.state.settings.protected, 1))
    if call.number("id") not in branches:
        raise Refused(404, "Not Found")
    return ruleset_shape(call, call.number("id"), branches[call.number("id")], full=True)


@route("GET", "/environments", "actions:read")
def environments(call: Call) -> Page:
    return Page([environment_shape(call, name) for name in call.state.settings.environments], "environments")


@route("GET", "/environments/{name}", "actions:read")
def environment(call: Call) -> Any:
    if call.params["name"] not in call.state.settings.environments:
        raise Refused(404, "Not Found")
    return environment_shape(call, call.params["name"])


def environment_shape(call: Call, name: str) -> dict[str, Any]:
    held = call.state.settings.environments[name]
    policy = None if held.branches is None else {"protected_branches": False, "custom_branch_policies": True}
    return {
        "id": 1, "node_id": f"EN_{name}", "name": name, "url": shapes.api(call.state, f"/environments/{name}"),
        "html_url": shapes.web(call.state, "/settings/environments"), "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z", "deployment_branch_policy": policy,
        "protection_rules": [{"id": 1, "node_id": "GA_1", "type": "branch_policy"}] if policy else [],
    }  # fmt: skip


@route("GET", "/environments/{name}/deployment-branch-policies", "actions:read")
def branch_policies(call: Call) -> Page:
    held = call.state.settings.environments.get(call.params["name"])
    if held is None or held.branches is None:
        raise Refused(404, "Not Found")
    items = [
        {"id": i, "node_id": f"BP_{i}", "name": name, "type": "branch"}
        for i, name in enumerate(held.branches, 1)
    ]
    return Page(items, "branch_policies")


def secret_names(names: Any) -> list[dict[str, Any]]:
    dates = {"created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z"}
    return [{"name": name, **dates} for name in names]


@route("GET", "/environments/{name}/secrets", "environments:read", "administration:read")
def environment_secrets(call: Call) -> Page:
    held = call.state.settings.environments.get(call.params["name"])
    if held is None:
        raise Refused(404, "Not Found")
    return Page(secret_names(held.secrets), "secrets")


@route("GET", "/actions/secrets", "secrets:read", "administration:read")
def secrets(call: Call) -> Page:
    return Page(secret_names(call.state.settings.secrets), "secrets")


@route("GET", "/actions/variables", "actions-variables:read", "administration:read")
def variables(call: Call) -> Page:
    held = call.state.settings.variables
    return Page([one | {"value": held[one["name"]]} for one in secret_names(held)], "variables")


@route("GET", "/actions/permissions", "administration:read")
def actions_permissions(_: Call) -> Any:
    return {"enabled": True, "allowed_actions": "all", "sha_pinning_required": False}


@route("GET", "/actions/permissions/workflow", "administration:read")
def workflow_permissions(call: Call) -> Any:
    settings = call.state.settings
    return {
        "default_workflow_permissions": settings.default_permissions,
        "can_approve_pull_request_reviews": settings.allow_actions_prs,
    }


@route("GET", "/actions/permissions/artifact-and-log-retention", "administration:read")
def retention(call: Call) -> Any:
    return {"days": call.state.settings.artifact_days, "maximum_allowed_days": 400}


@route("GET", "/immutable-releases", "administration:read")
def immutable_releases(call: Call) -> Any:
    if not call.state.settings.immutable_releases:
        raise Refused(404, "Not Found")
    return {"enabled": True, "enforced_by_owner": False}


@route("GET", "/branches/{branch}/protection", "administration:read")
def branch_protection(_: Call) -> Any:
    """The older way of protecting; here everything is in rulesets."""
    raise Refused(404, "Branch not protected")
