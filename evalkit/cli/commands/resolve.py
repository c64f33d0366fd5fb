"""`evalkit resolve`: what an application would get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.auditing import clock_for, line_options, now, project_root, unknown_name
from evalkit.cli.common import find_project, format_option, line_width, print_json
from evalkit.errors import Problem, UnknownEntry

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.report.audit import Clock
    from evalkit.runtime.bundle import Bundle
    from evalkit.runtime.resolved import ResolvedConfig, Variant

EPILOG = """\b
Examples:
  evalkit resolve faq --env production
  evalkit resolve faq --env production --key chat-17         the variant of it
  evalkit resolve faq --env staging --from bundle.json       from a bundle
  evalkit resolve faq --env production --from git:main       from a branch
  evalkit resolve faq --env production --at "tuesday 14:00"  what served then
  evalkit resolve faq --env production --format json | jq -r .model

--at takes a date (the end of that day), a time, a phrase, or a commit; evalkit at --help says more. The config is that of
the bundle of the commit that was in effect.

Exit codes: 0; 2 when there is nothing to show: no such name, or nobody serves it.
"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--env", required=True, metavar="ENV", help="production or staging.")
@click.option(
    "--from",
    "source",
    metavar="SOURCE",
    help="A bundle, directory, git:REF or URL; by default what lies here.",
)
@click.option("--key", metavar="KEY", help="Show the variant that this key is assigned to.")
@click.option("--at", "when", metavar="WHEN", help="What served then: a date, a time, a phrase or a commit.")
@line_options
@format_option("text", "json")
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    env: str,
    source: str | None,
    key: str | None,
    when: str | None,
    ref: str | None,
    tz: str | None,
    output_format: str,
) -> None:
    """Show what Registry.resolve(NAME, env=ENV) gives an application, and why: now, or --at a moment."""
    from evalkit.runtime.freshness import Freshness
    from evalkit.runtime.snapshot import Snapshot

    as_of: tuple[str, dict[str, Any]] | None = None
    if when is None:
        if ref is not None or tz is not None:
            raise click.BadParameter("it says nothing without --at", param_hint="--ref" if ref else "--tz")
        bundle, display = _current(source if source is not None else find_project(ctx).root)
    else:
        if source is not None:
            raise click.BadParameter(
                "a moment is one of this project's history", param_hint="--from with --at"
            )
        bundle, display, as_of = _historical(project_root(ctx), name, when, ref, clock_for(tz))
    snapshot = Snapshot(bundle, display, Freshness(0.0))
    config = snapshot.resolve(name, env)
    if key is not None:
        try:
            config = config.for_key(key)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--key") from None
    data = describe(config, snapshot.variants(name, env))
    if output_format == "json":
        print_json({**data, "as_of": as_of[1]} if as_of else data)
    else:
        _print_text(data, as_of[0] if as_of else "")


def _current(source: str | Path) -> tuple[Bundle, str]:
    """The bundle that a source has now, and the source's name."""
    from evalkit.runtime.sources.locate import open_source

    place = open_source(source)
    fetched = place.fetch(None, 30.0)
    assert fetched is not None  # noqa: S101 - nothing is known yet, so it cannot be unchanged
    return fetched.bundle, place.display


def _historical(
    root: Path, name: str, when: str, ref: str | None, clock: Clock
) -> tuple[Bundle, str, tuple[str, dict[str, Any]]]:
    """The bundle of the commit that was in effect, of this name alone; what it is called; the moment in words and as data.

    Raises:
        UnknownEntry: EK202, the name has no entries at that commit.
        UsageError: EK861 and others, as `as_of`.
        ConfigError: what served then does not compile; places are written `commit:path`.
    """
    from evalkit.promote.asof import as_of
    from evalkit.promote.history import Repository
    from evalkit.promote.rebuild import bundle_then
    from evalkit.promote.zones import zone_text
    from evalkit.report.audit import short_ref
    from evalkit.report.serving import as_of_data, as_of_text

    repository = Repository.of(root)
    asked = as_of(repository, when, now(), clock.zone, ref)
    bundle = bundle_then(repository, asked.commit.id, name) if asked.commit else None
    if bundle is None:
        if not repository.history(name, asked.ref).moments:
            raise unknown_name(repository, name, asked.ref)
        hint = f"evalkit log {name} --all shows when it had some"
        message = f"{name} had no entries at {clock.text(asked.moment)}"
        raise UnknownEntry(Problem("EK202", message, hint=hint))
    words = as_of_text(asked, clock)
    return bundle, short_ref(asked.ref), (words, as_of_data(asked, zone_text(clock.zone)))


def describe(config: ResolvedConfig, variants: tuple[Variant, ...]) -> dict[str, Any]:
    """A resolved config as plain data."""
    return {
        "schema_version": 1,
        "name": config.name,
        "env": config.env,
        "version": config.version,
        "digest": config.digest,
        "variant": config.variant,
        "unit": config.unit,
        "reason": config.reason,
        "source": config.source,
        "commit": config.commit,
        "provider": config.provider,
        "provider_kind": config.provider_kind,
        "model": config.model,
        "prompt": str(config.prompt),
        "params": config.params,
        "messages": [{"role": m.role, "content": m.content} for m in config.prompt.messages],
        "tools": config.tools,
        "response_format": config.response_format,
        "variants": [
            {"variant": v.variant, "version": v.version, "digest": v.digest, "weight": v.weight}
            for v in variants
        ],
    }


def _print_text(data: dict[str, Any], as_of: str) -> None:
    import json

    from evalkit.report.neutral import visible
    from evalkit.report.wrapping import wrapped

    width = line_width()
    shown = {
        "as of": as_of,
        "model": f"{data['model']} ({data['provider']})",
        "prompt": data["prompt"],
        "params": json.dumps(data["params"], ensure_ascii=False),
        "tools": ", ".join(tool["function"]["name"] for tool in data["tools"] or ()),
        "digest": data["digest"],
        # "as of" names the commit already
        "source": data["source"]
        + (f" at commit {data['commit'][:12]}" if data["commit"] and not as_of else ""),
        "variants": ", ".join(map(_share, data["variants"])) if len(data["variants"]) > 1 else "",
        "unit": data["unit"],
    }
    lines = wrapped(f"{data['name']}@v{data['version']}  {data['reason']}", width)
    for label, value in shown.items():
        if value:
            hang = "  " if label == "digest" else " " * 10  # a digest is long: in its column it would be cut
            lines += wrapped(f"{label:<9} {value}", width, "  ", hang)
    for number, message in enumerate(data["messages"], 1):
        lines += ["", f"message {number}, {message['role']}:"]
        lines += [f"  | {line}" for line in message["content"].rstrip("\n").split("\n")]
    if data["response_format"]:
        answer = json.dumps(data["response_format"], ensure_ascii=False, indent=2)
        lines += ["", "response format:", *(f"  | {line}" for line in answer.split("\n"))]
    for line in lines:
        click.echo(visible(line))


def _share(variant: dict[str, Any]) -> str:
    """A variant's name, its version where the name does not say it, and its share."""
    name, version = variant["variant"], f"v{variant['version']}"
    return f"{name if name == version else f'{name} {version}'} {variant['weight']:.1%}"
