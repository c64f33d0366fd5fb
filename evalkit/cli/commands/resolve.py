"""`evalkit resolve`: what an application would get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.common import find_project, format_option, print_json

if TYPE_CHECKING:
    from evalkit.runtime.resolved import ResolvedConfig, Variant

EPILOG = """\b
Examples:
  evalkit resolve support-triage --env production
  evalkit resolve support-triage --env production --key conversation-17   the variant of one key
  evalkit resolve support-triage --env staging --from bundle.json         from a bundle
  evalkit resolve support-triage --env production --from git:main         from a branch
  evalkit resolve support-triage --env production --format json | jq -r .model
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
@format_option("text", "json")
@click.pass_context
def command(
    ctx: click.Context, name: str, env: str, source: str | None, key: str | None, output_format: str
) -> None:
    """Show what Registry.resolve(NAME, env=ENV) gives an application: the config that serves now, and why."""
    from evalkit.runtime.freshness import Freshness
    from evalkit.runtime.snapshot import Snapshot
    from evalkit.runtime.sources.locate import open_source

    place = open_source(source if source is not None else find_project(ctx).root)
    fetched = place.fetch(None, 30.0)
    assert fetched is not None  # noqa: S101 - nothing is known yet, so it cannot be unchanged
    snapshot = Snapshot(fetched.bundle, place.display, Freshness(0.0))
    config = snapshot.resolve(name, env)
    if key is not None:
        try:
            config = config.for_key(key)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--key") from None
    data = describe(config, snapshot.variants(name, env))
    if output_format == "json":
        print_json(data)
    else:
        _print_text(data)


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


def _print_text(data: dict[str, Any]) -> None:
    import json

    from evalkit.report.neutral import visible

    shown = {
        "model": f"{data['model']} ({data['provider']})",
        "prompt": data["prompt"],
        "params": json.dumps(data["params"], ensure_ascii=False),
        "tools": ", ".join(tool["function"]["name"] for tool in data["tools"] or ()),
        "digest": data["digest"],
        "source": data["source"] + (f" at commit {data['commit'][:12]}" if data["commit"] else ""),
        "variants": ", ".join(f"{v['variant']} v{v['version']} {v['weight']:.1%}" for v in data["variants"])
        if len(data["variants"]) > 1
        else "",
        "unit": data["unit"],
    }
    lines = [f"{data['name']}@v{data['version']}  {data['reason']}"]
    lines += [f"  {label:<9} {value}" for label, value in shown.items() if value]
    for number, message in enumerate(data["messages"], 1):
        lines += ["", f"message {number}, {message['role']}:"]
        lines += [f"  | {line}" for line in message["content"].rstrip("\n").split("\n")]
    for line in lines:
        click.echo(visible(line))
