"""What may run in the repository, and how its default branch is protected. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.github.doctor.finding import Finding
from evalkit.github.doctor.settings import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.github.doctor.settings import Settings
    from evalkit.github.doctor.workflows import Workflow
    from evalkit.registry.schema.project import ProjectConfig

__all__ = ["in_protection"]


def in_protection(
    settings: Settings, config: ProjectConfig, workflows: Sequence[Workflow]
) -> Iterator[Finding]:
    """Every finding of what may run, and of how the default branch is protected."""
    yield from _actions(settings)
    yield from _branch(settings, config)
    yield from _disabled(settings, workflows)


def _disabled(settings: Settings, workflows: Sequence[Workflow]) -> Iterator[Finding]:
    for path, state in (settings.workflow_states or {}).items():
        if state.startswith("disabled") and any(one.path == path and one.is_ours() for one in workflows):
            yield Finding(
                "disabled-workflow",
                "error",
                f"{path} is disabled ({state.replace('_', ' ')})",
                "enable it",
                f"Actions > {path.rpartition('/')[2]} > Enable workflow",
                f"{settings.url}/actions/workflows/{path.rpartition('/')[2]}",
            )


def _actions(settings: Settings) -> Iterator[Finding]:
    where, url = "Settings > Actions > General", f"{settings.url}/settings/actions"
    if settings.actions is None:
        yield unreadable("actions", "which actions may run", where, url, "administration: read")
    elif not settings.actions.get("enabled", True):
        yield Finding("actions-off", "error", "Actions are off in this repository", "allow them", where, url)
    found = settings.workflow_permissions
    if found is None:
        yield unreadable(
            "workflow-permissions", "what the workflow token may do", where, url, "administration: read"
        )
        return
    if not settings.is_app and not found.get("can_approve_pull_request_reviews"):
        yield Finding(
            "no-pull-requests",
            "error",
            "workflows may not open pull requests: no promotion is ever proposed",
            "tick 'Allow GitHub Actions to create and approve pull requests', or use a GitHub App",
            f"{where} > Workflow permissions",
            url,
        )
    if found.get("default_workflow_permissions") == "write":
        yield Finding(
            "default-write",
            "warning",
            "the token of every workflow may write by default",
            "choose 'Read repository contents and packages permissions'",
            f"{where} > Workflow permissions",
            url,
        )


def _branch(settings: Settings, config: ProjectConfig) -> Iterator[Finding]:
    where, url = "Settings > Rules > Rulesets", f"{settings.url}/settings/rules"
    if settings.rules is None:
        yield unreadable("rules", "how the default branch is protected", where, url, "metadata: read")
        return
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for rule in settings.rules:
        by_type.setdefault(str(rule.get("type")), []).append(rule.get("parameters") or {})
    branch = settings.default_branch
    reviews = by_type.get("pull_request")
    if not reviews:
        yield Finding(
            "unprotected",
            "error",
            f"{branch} takes pushes without a pull request: nobody has to approve what serves",
            f"add a ruleset for {branch} with 'Require a pull request before merging'",
            where,
            url,
        )
    else:
        yield from _reviews(reviews, where, url)
    check = config.forge.check if config.forge else "check"
    required = {
        str(one.get("context"))
        for parameters in by_type.get("required_status_checks", ())
        for one in parameters.get("required_status_checks") or ()
    }
    if check not in required:
        others = f" (required now: {', '.join(sorted(required))})" if required else ""
        yield Finding(
            "check-not-required",
            "error",
            f"the check '{check}' is not required on {branch}{others}: what it refuses can be merged",
            f"'Require status checks to pass', and name {check}; or set forge.check in evalkit.yaml",
            where,
            url,
        )
    strict = [
        p.get("strict_required_status_checks_policy") for p in by_type.get("required_status_checks", ())
    ]
    if strict and not any(strict) and "merge_queue" not in by_type:
        yield Finding(
            "not-up-to-date",
            "warning",
            "two promotions that are right one by one may be merged together, and be wrong",
            "tick 'Require branches to be up to date before merging', or use a merge queue",
            where,
            url,
        )
    if "non_fast_forward" not in by_type:
        yield Finding(
            "force-push",
            "warning",
            f"{branch} can be force-pushed: the audit log could be rewritten",
            "tick 'Block force pushes'",
            where,
            url,
        )


def _reviews(reviews: Sequence[Mapping[str, Any]], where: str, url: str) -> Iterator[Finding]:
    if max(int(one.get("required_approving_review_count") or 0) for one in reviews) < 1:
        yield Finding(
            "no-review",
            "error",
            "pull requests need no approving review: a promotion is merged without an approver",
            "set 'Required approvals' to 1",
            where,
            url,
        )
    if not any(one.get("require_code_owner_review") for one in reviews):
        yield Finding(
            "no-owner-review",
            "warning",
            "the review need not come from an owner of registry/ or suites/",
            "tick 'Require review from Code Owners'",
            where,
            url,
        )
    if not any(
        one.get("dismiss_stale_reviews_on_push") or one.get("require_last_push_approval") for one in reviews
    ):
        yield Finding(
            "stale-reviews",
            "warning",
            "what is pushed after an approval is merged unseen",
            "tick 'Dismiss stale pull request approvals when new commits are pushed'",
            where,
            url,
        )
