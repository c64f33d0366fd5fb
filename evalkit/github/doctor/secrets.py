"""Who can use the keys, and what gets out: artifacts and bundles. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Location
from evalkit.github.doctor.finding import Finding
from evalkit.github.doctor.settings import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.github.doctor.settings import Settings
    from evalkit.registry.schema.project import ProjectConfig

__all__ = ["in_secrets"]

ARTIFACT_DAYS = 90
"""What evidence is compared with must be there for as long as a promotion may take."""


def in_secrets(settings: Settings, config: ProjectConfig) -> Iterator[Finding]:
    """Every finding of who can use the keys, and of what gets out of the repository."""
    yield from _keys(settings, config)
    yield from _app(settings)
    yield from _artifacts(settings, config)
    yield from _publishing(settings, config)


def _keys(settings: Settings, config: ProjectConfig) -> Iterator[Finding]:
    names = {p.api_key_env for p in config.providers.values() if p.api_key_env}
    names |= {name for p in config.providers.values() for name in p.headers_env.values()}
    where, url = "Settings > Environments > evalkit", f"{settings.url}/settings/environments"
    exposed = sorted(names & (settings.secrets or frozenset()))
    if exposed:
        yield Finding(
            "repository-secret",
            "error",
            f"{', '.join(exposed)}: a secret of the whole repository, which the workflow of any branch can read",
            "move it to the environment 'evalkit', and delete it here",
            "Settings > Secrets and variables > Actions",
            f"{settings.url}/settings/secrets/actions",
        )
    if settings.environments is None:
        yield unreadable("environments", "who can use the provider keys", where, url, "actions: read")
        return
    keyed = settings.environments.get("evalkit")
    if names and keyed is None:
        yield Finding(
            "no-environment",
            "error",
            "there is no environment 'evalkit', where the provider keys belong",
            f"create it, admit {settings.default_branch} only, and add {', '.join(sorted(names))}",
            where,
            url,
        )
    elif keyed and keyed.secrets is not None and (lacking := sorted(names - keyed.secrets - {*exposed})):
        yield Finding(
            "missing-secret",
            "error",
            f"the environment 'evalkit' lacks {', '.join(lacking)}: evaluations stop before they begin",
            "add it, or take the provider out of evalkit.yaml",
            where,
            url,
        )
    for name in ("evalkit", "evalkit-write"):
        one = settings.environments.get(name)
        is_used = bool(one and (one.secrets is None or one.secrets))
        if one is not None and is_used and one.branches != (settings.default_branch,):
            admits = "every branch" if one.branches is None else ", ".join(one.branches) or "nothing"
            yield Finding(
                "open-environment",
                "error",
                f"the environment '{name}' admits {admits}: a pull request's own workflow could take its secrets",
                f"'Deployment branches and tags': selected branches, {settings.default_branch} only",
                f"Settings > Environments > {name}",
                url,
            )


def _app(settings: Settings) -> Iterator[Finding]:
    if settings.variables is None or settings.environments is None:
        return
    place, url = "Settings > Environments > evalkit-write", f"{settings.url}/settings/environments"
    wants = "EVALKIT_APP_CLIENT_ID" in settings.variables
    write = settings.environments.get("evalkit-write")
    has_key = write is not None and (write.secrets is None or "EVALKIT_APP_PRIVATE_KEY" in write.secrets)
    if wants and not has_key:
        yield Finding(
            "app-without-key",
            "error",
            "EVALKIT_APP_CLIENT_ID names an App, and its private key is not there: the writing jobs fail",
            "add the secret EVALKIT_APP_PRIVATE_KEY to the environment 'evalkit-write'",
            place,
            url,
        )
    if not wants:
        yield Finding(
            "no-app",
            "warning",
            "without an App, checks on pull requests that evalkit opens wait until a person starts them",
            "make a GitHub App, set the variable EVALKIT_APP_CLIENT_ID and the secret EVALKIT_APP_PRIVATE_KEY",
            place,
            url,
        )


def _artifacts(settings: Settings, config: ProjectConfig) -> Iterator[Finding]:
    if settings.is_public and config.artifacts.outputs:
        yield Finding(
            "public-outputs",
            "error",
            "the repository is public, and model inputs and outputs go into its artifacts and comments",
            "set artifacts: { outputs: false } in evalkit.yaml",
            Location("evalkit.yaml"),
        )
    if settings.artifact_days is not None and settings.artifact_days < ARTIFACT_DAYS:
        yield Finding(
            "short-retention",
            "warning",
            f"artifacts are kept for {settings.artifact_days} days: evidence that is older cannot be admitted",
            f"set it to {ARTIFACT_DAYS} days or more",
            "Settings > Actions > General > Artifact and log retention",
            f"{settings.url}/settings/actions",
        )


def _publishing(settings: Settings, config: ProjectConfig) -> Iterator[Finding]:
    if config.publish is None:
        yield Finding(
            "not-published",
            "warning",
            "evalkit.yaml names no place for bundles: running applications hear of no promotion",
            "add, for example: publish: { to: release }",
            Location("evalkit.yaml"),
        )
    elif config.publish.to == "pages" and not settings.has_pages:
        yield Finding(
            "pages-off",
            "error",
            "bundles go to Pages, and this repository has none",
            "choose 'GitHub Actions' as the source",
            "Settings > Pages",
            f"{settings.url}/settings/pages",
        )
    elif config.publish.to == "release" and settings.has_immutable_releases:
        yield Finding(
            "immutable-releases",
            "error",
            "releases are immutable here: the bundle of a release could never be replaced",
            "publish to Pages or S3, or turn release immutability off",
            "Settings > General > Releases",
            f"{settings.url}/settings",
        )
