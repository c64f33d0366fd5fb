"""Hand the bundle to running applications: a release asset, an object in S3, or a directory for Pages.

What is published is never replaced by something older: two workflow runs may overlap, and the one that began first may
end last.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from evalkit.errors import EvalkitError, Location, Problem, UsageError
from evalkit.runtime.atomic import write_bytes
from evalkit.runtime.bundle import read_bundle
from evalkit.runtime.install import install_hint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalkit.github.forge import Forge
    from evalkit.registry.schema.project import PublishConfig
    from evalkit.runtime.bundle import Bundle

__all__ = ["Destination", "Published", "Release", "S3Object", "destination", "publish", "write_site"]

Kind = Literal["release", "pages", "s3"]


class Destination(Protocol):
    """Where a bundle is published."""

    display: str
    """The place, for people."""

    def current(self) -> bytes | None:
        """What is published there now."""

    def put(self, content: bytes) -> str:
        """Publish, and return the address that applications open."""


class Release:
    """An asset of a release."""

    def __init__(self, forge: Forge, tag: str, asset: str) -> None:
        """The release is made when something is first published."""
        self._forge, self._tag, self._asset = forge, tag, asset
        self.display = f"the release {tag} of {forge.repository}, as {asset}"

    def current(self) -> bytes | None:
        """As `Destination.current`."""
        return self._forge.release_asset(self._tag, self._asset)

    def put(self, content: bytes) -> str:
        """As `Destination.put`."""
        return self._forge.put_release_asset(self._tag, self._asset, content)


class S3Object:
    """An object in S3, or in what speaks its API: boto3 finds credentials, region and endpoint as it always does."""

    def __init__(self, url: str) -> None:
        """`s3://bucket/key`."""
        self.display = url
        self._bucket, _, self._key = url.removeprefix("s3://").partition("/")

    def current(self) -> bytes | None:
        """As `Destination.current`."""
        from evalkit.errors import SourceError
        from evalkit.runtime.sources.s3 import S3Source

        try:
            found = S3Source(self.display).fetch(None, timeout_s=60.0)
        except SourceError as error:
            if any("NoSuchKey" in problem.message for problem in error.problems):
                return None
            raise
        return found.bundle.encode() if found else None

    def put(self, content: bytes) -> str:
        """As `Destination.put`."""
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise UsageError(Problem("EK896", "boto3 is not installed", hint=install_hint("s3"))) from None
        try:
            client = boto3.session.Session().client("s3")
            client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=content,
                ContentType="application/json",
                CacheControl="no-cache",
            )
        except (BotoCoreError, ClientError, ValueError) as error:
            hint = "check credentials (s3:PutObject), AWS_REGION and AWS_ENDPOINT_URL"
            message = f"the bundle was not published: {error}"
            raise UsageError(Problem("EK896", message, Location(self.display), hint)) from None
        return self.display


@dataclass(frozen=True, slots=True)
class Published:
    """What came of publishing."""

    outcome: Literal["published", "unchanged", "newer"]
    """`newer`: what is there already is of a later commit, and was left."""
    where: str
    digest: str


def destination(config: PublishConfig, forge: Callable[[], Forge]) -> Destination | None:
    """Where policy says that bundles go; None for Pages, which the workflow deploys as a whole site.

    Args:
        config: of `evalkit.yaml`.
        forge: asked only if the bundle goes there.
    """
    if config.to == "release":
        return Release(forge(), config.tag, config.asset)
    if config.to == "pages":
        return None
    return S3Object(config.to)


def kind_of(config: PublishConfig) -> Kind:
    """What a workflow decides by."""
    if config.to == "release":
        return "release"
    return "pages" if config.to == "pages" else "s3"


def publish(bundle: Bundle, to: Destination) -> Published:
    """Publish a bundle, unless it, or a newer one, is there; then read it back.

    Raises:
        UsageError: EK896, it could not be published; EK897, what was read back is not what was sent.
        ForgeError: the forge refused.
    """
    content = bundle.encode()
    before = _readable(to.current(), to.display)
    if before is not None and before.digest == bundle.digest:
        return Published("unchanged", to.display, bundle.digest)
    if before is not None and before.order and bundle.order and before.order > bundle.order:
        return Published("newer", to.display, before.digest)
    address = to.put(content)
    if to.current() != content:
        hint = "publish again; if it stays so, something else writes there"
        message = "what is read back is not the bundle that was sent"
        raise UsageError(Problem("EK897", message, Location(to.display), hint))
    return Published("published", address, bundle.digest)


def _readable(content: bytes | None, where: str) -> Bundle | None:
    """What is published; None where nothing is, or something broken that is to be replaced."""
    if content is None:
        return None
    try:
        return read_bundle(content, where)
    except EvalkitError:
        return None


def write_site(bundle: Bundle, asset: str, directory: Path) -> None:
    """A directory for Pages: the bundle, and a page that says what serves."""
    directory.mkdir(parents=True, exist_ok=True)
    write_bytes(directory / asset, bundle.encode())
    rows = []
    for name in bundle.names:
        served = [bundle.serving(name, env) for env in ("production", "staging")]
        cells = "".join(f"<td>{f'v{one.primary}' if one else 'nobody'}</td>" for one in served)
        rows.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    commit = bundle.commit.id if bundle.commit else "no commit"
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>evalkit: what serves</title>'
        "<style>body{font:16px/1.5 system-ui;margin:2rem}td,th{padding:.2rem 1rem .2rem 0;text-align:left}</style>"
        f'<h1>What serves</h1><p>Commit <code>{html.escape(commit)}</code>, <a href="{html.escape(asset)}">{html.escape(asset)}</a></p>'
        f"<table><tr><th>entry</th><th>production</th><th>staging</th></tr>{''.join(rows)}</table></html>\n"
    )
    write_bytes(directory / "index.html", page.encode())
