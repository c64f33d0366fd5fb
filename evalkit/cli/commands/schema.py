"""`evalkit schema`: JSON Schemas, so that an editor knows the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evalkit.errors import Problem, UsageError

KINDS = ("entry", "prompt", "tools", "class", "hold", "override", "suite", "evalkit")

EPILOG = """\b
Examples:
  evalkit schema                                 the kinds of files
  evalkit schema entry                           one schema on stdout
  evalkit schema --write registry/schemas        all of them as files
  evalkit schema --check --write registry/schemas   are the files there current? (exit 1 if not)

\b
An editor with the YAML language server reads the first line of a file:
  # yaml-language-server: $schema=../../schemas/entry.schema.json
"""


@click.command(epilog=EPILOG)
@click.argument("kind", metavar="[KIND]", required=False, type=click.Choice(KINDS))
@click.option(
    "--write",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write into this folder.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 if a file in DIR is missing or not current."
)
def command(kind: str | None, folder: Path | None, check: bool) -> int:
    """Print or write the JSON Schemas (draft 2020-12) of entries, prompts, suites and the other files.

    KIND is entry, prompt, tools, class, hold, override, suite or evalkit (for evalkit.yaml).
    """
    from evalkit.registry.json_schema import file_name, to_text

    if check and folder is None:
        hint = "evalkit schema --check --write registry/schemas"
        raise UsageError(Problem("EK901", "--check needs --write DIR: the folder to compare with", hint=hint))
    kinds = [kind] if kind else list(KINDS)
    if folder is None:
        click.echo(to_text(schema_of(kind)) if kind else "\n".join(KINDS), nl=not kind)
        return 0
    stale = 0
    for one in kinds:
        path, text = folder / file_name(one), to_text(schema_of(one))
        if path.is_file() and path.read_bytes() == text.encode():
            continue
        stale += 1
        if check:
            click.echo(f"{path} is {'not current' if path.exists() else 'missing'}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        click.echo(f"wrote {path}")
    if check and stale:
        click.echo(f"run: evalkit schema --write {folder}", err=True)
        return 1
    return 0


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema of one kind of file."""
    from evalkit.registry.json_schema import MODELS, json_schema

    if kind != "suite":
        return json_schema(kind, MODELS[kind])
    from evalkit.evals.scorers.spec import scorer_json_schema
    from evalkit.evals.suite import Suite

    schema = json_schema(kind, Suite)
    schema["properties"]["scorers"]["items"] = {"$ref": "#/$defs/Scorer"}
    schema["$defs"]["Scorer"] = scorer_json_schema()
    return schema
