"""`evalkit diff`: what differs between two entries in what decides the answer."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.common import find_project, format_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.runtime.config import GenerationConfig

EPILOG = """\b
Examples:
  evalkit diff support-triage@v13 support-triage@v14     prompt text, params, tools, model
  evalkit diff support-triage@v13 support-triage         ... with its newest draft
  evalkit diff a@v1 b@v1 --format json

Exit code 0, whether they differ or not: the text (or `same_generation` in the JSON) says so.
"""

_PLAIN_KEYS = ("provider", "model", "members", "artifact")


@click.command(epilog=EPILOG)
@click.argument("a")
@click.argument("b")
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, a: str, b: str, output_format: str) -> None:
    """Show what differs between entries A and B, with the text of their prompts.

    Names, versions and comments decide no answer and are left out: two entries with the same generation digest ask
    the same model the same way.
    """
    from evalkit.registry.resolve import resolve_config

    project = find_project(ctx)
    sides = [project.target(a), project.target(b)]
    left, right = (resolve_config(project, side) for side in sides)
    names = [f"{side.model.name}@v{side.model.version}" for side in sides]
    changes = list(_changes(left, right))
    if output_format == "json":
        print_json(
            {
                "schema_version": 1,
                "a": {"entry": names[0], "digest": left.digest},
                "b": {"entry": names[1], "digest": right.digest},
                "same_generation": left.digest == right.digest,
                "changes": changes,
            }
        )
        return
    _print_text(names, changes, left.digest, right.digest)


def _changes(left: GenerationConfig, right: GenerationConfig) -> Iterator[dict[str, Any]]:
    """Each difference as `{key, a, b}`, and `diff` (unified, a list of lines) where both are text or structures."""
    a, b = left.digest_input(), right.digest_input()
    for key in _PLAIN_KEYS:
        yield from _one(key, a.get(key), b.get(key))
    for key in ("params", "variables"):
        yield from _each(key, a.get(key) or {}, b.get(key) or {})
    messages = [dict(enumerate(side["messages"], 1)) for side in (a, b)]
    for number in sorted({*messages[0], *messages[1]}):
        one, other = (side.get(number, {}) for side in messages)
        for part in ("role", "content"):
            yield from _one(f"messages[{number}].{part}", one.get(part), other.get(part))
    tools = [
        {tool["function"]["name"]: tool["function"] for tool in side.get("tools") or ()} for side in (a, b)
    ]
    yield from _each("tools", *tools)
    if tools[0].keys() == tools[1].keys():
        yield from _one("the order of tools", list(tools[0]), list(tools[1]))
    yield from _one("response_format", a.get("response_format"), b.get("response_format"))


def _each(key: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in sorted({*a, *b}):
        yield from _one(f"{key}.{name}", a.get(name), b.get(name))


def _one(key: str, a: Any, b: Any) -> Iterator[dict[str, Any]]:
    if _same(a, b):
        return
    change = {"key": key, "a": a, "b": b}
    before, after = _text(a), _text(b)
    if "\n" in before + after:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
        change["diff"] = [line for line in lines if not line.startswith(("---", "+++"))]
    yield change


def _same(a: Any, b: Any) -> bool:
    """As the digest has it: 1 and 1.0 differ, true is no 1."""
    from evalkit.runtime.digest import canonical_bytes

    return canonical_bytes(a) == canonical_bytes(b)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _print_text(names: list[str], changes: list[dict[str, Any]], a: str, b: str) -> None:
    from evalkit.report.neutral import visible

    if a == b:
        click.echo(f"{names[0]} and {names[1]} have the same generation digest: {a}")
        click.echo("They ask the same model the same way; evidence of one is evidence of the other.")
        return
    click.echo(f"a: {names[0]}  {a}")
    click.echo(f"b: {names[1]}  {b}")
    for change in changes:
        click.echo("")
        if "diff" in change:
            click.echo(visible(change["key"]))
            for line in change["diff"]:
                click.echo(visible(f"  {line}"))
        else:
            click.echo(visible(f"{change['key']}: {_shown(change['a'])} -> {_shown(change['b'])}"))


def _shown(value: Any) -> str:
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)
