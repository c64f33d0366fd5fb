"""`evalkit publish`: put the bundle where running applications fetch it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from evalkit.github.forge import Forge
    from evalkit.github.publishing import Destination, Published
    from evalkit.registry.schema.project import PublishConfig
    from evalkit.runtime.bundle import Bundle

EPILOG = """\b
Examples:
  evalkit bundle --ref HEAD -o bundle.json
  evalkit publish bundle.json            say where it would go
  evalkit publish bundle.json --push     put it there, unless a newer one is there, and read it back

\b
evalkit.yaml says where (publish.to): release, pages, or s3://bucket/key.json. Pages are deployed by the workflow
from the directory that --site writes.

\b
Exit codes: 0 published, or there already; 2 it could not be published, or no place is named.
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--push", is_flag=True, help="Do it. Without this, nothing leaves this machine.")
@click.option("--site", type=click.Path(path_type=Path), metavar="DIR", help="Write the site for Pages here.")
@format_option("text", "json", "github")
@click.pass_context
def command(ctx: click.Context, file: Path, push: bool, site: Path | None, output_format: str) -> None:
    """Publish a bundle FILE where running applications fetch it. A newer one is never replaced by an older."""
    from evalkit.github.publishing import kind_of, publish, write_site
    from evalkit.runtime.bundle import read_bundle

    config = find_project(ctx).config.publish
    if not file.is_file():
        raise UsageError(
            Problem("EK901", f"there is no file {file}", hint="evalkit bundle --ref HEAD -o FILE")
        )
    bundle = read_bundle(file.read_bytes(), str(file))
    if config is None:
        if push:
            hint = "add to evalkit.yaml, for example: publish: { to: release }"
            raise UsageError(
                Problem("EK895", "evalkit.yaml does not say where bundles are published", hint=hint)
            )
        _show(output_format, "none", "nowhere: evalkit.yaml has no 'publish'", bundle, None)
        return
    if site is not None and config.to == "pages":
        write_site(bundle, config.asset, site)
    done: Published | None = None
    if push:
        done = publish(bundle, _destination(config))
    _show(output_format, kind_of(config), _place(config), bundle, done)


def _destination(config: PublishConfig) -> Destination:
    from evalkit.github.publishing import destination

    found = destination(config, _forge)
    if found is None:
        hint = "publish.yml deploys it, from the directory that --site writes"
        raise UsageError(Problem("EK895", "Pages are deployed as a site, not pushed", hint=hint))
    return found


def _forge() -> Forge:
    from evalkit.github.api import GitHubForge

    return GitHubForge.from_environment(os.environ)


def _place(config: PublishConfig) -> str:
    if config.to == "release":
        return f"the release {config.tag}, as {config.asset}"
    return f"Pages, as {config.asset}" if config.to == "pages" else config.to


def _show(output_format: str, kind: str, place: str, bundle: Bundle, done: Published | None) -> None:
    if output_format == "json":
        print_json(
            {
                "schema_version": 1,
                "to": kind,
                "place": place,
                "digest": bundle.digest,
                "outcome": done.outcome if done else "planned",
                "address": done.where if done else None,
            }
        )
        return
    if output_format == "github":
        from evalkit.github.summary import set_output

        set_output("to", kind)
    said = {
        None: f"would go to {place}",
        "published": f"published: {done.where if done else ''}",
        "unchanged": f"is published already: {place}",
        "newer": f"left alone: a newer bundle is published in {place}",
    }[done.outcome if done else None]
    click.echo(f"{bundle.digest[:19]}… {said}")
