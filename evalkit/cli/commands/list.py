"""`evalkit list`: what is there, and what serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.common import find_project, format_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.errors import Problem
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import Entry

EPILOG = """\b
Examples:
  evalkit list                        every version of every entry
  evalkit list --env production       what serves production, with its share
  evalkit list --format json          for a script

\b
SERVES: the environments that a version answers for (with its share where several do), `standby` for what a rollback
returns to, `canary` for a slice of production's traffic.
Exit codes: 0, or 2 when files are not valid: the others are listed all the same.
"""

ENVIRONMENTS = ("production", "staging")
COLUMNS = ("entry", "status", "model", "provider", "score", "serves")


@click.command(name="list", epilog=EPILOG)
@click.option("--env", type=click.Choice(ENVIRONMENTS), help="Only what serves this environment.")
@format_option("table", "json")
@click.pass_context
def command(ctx: click.Context, env: str | None, output_format: str) -> int:
    """Show the entries: version, status, model, provider, score, and which of them serve."""
    project = find_project(ctx)
    problems: list[Problem] = []
    rows = [row for name in project.names() for row in _rows_of(project, name, problems)]
    if env:
        rows = [row for row in rows if env in row["serving"]]
    if output_format == "json":
        print_json({"schema_version": 1, "entries": rows})
    else:
        _print_table(rows)
    for problem in problems:
        click.echo(str(problem), err=True)
    return 2 if problems else 0


def _rows_of(project: Project, name: str, problems: list[Problem]) -> Iterator[dict[str, Any]]:
    from evalkit.errors import Problem
    from evalkit.registry.project import Loaded, state_of
    from evalkit.registry.schema import Entry
    from evalkit.runtime.refs import Ref
    from evalkit.runtime.serving import serving

    versions: list[Loaded[Entry]] = []
    for version in project.versions(name):
        path = project.path_of("entries", Ref(name, version))
        model, source, found = project.read(path, Entry)
        problems.extend(found)
        if model is not None:
            versions.append(Loaded(model, source, path))
    states = [state_of(loaded.model) for loaded in versions]
    try:
        live = {env: serving(states, env) for env in ENVIRONMENTS}
    except ValueError as error:
        live = {}
        problems.append(Problem("EK210", f"{name}: {error}", hint="evalkit check shows where"))
    for loaded in versions:
        version = loaded.model.version
        shares: dict[str, float] = {}
        for env, answer in live.items():
            if answer and version in answer.weights:
                shares[env] = answer.weights[version] / sum(answer.weights.values())
        production = live.get("production")
        canary = production.canary if production else None
        yield _row(
            project,
            loaded,
            shares,
            is_standby=bool(production and version in production.standby),
            canary_percent=canary.percent if canary and canary.version == version else None,
        )


def _row(
    project: Project,
    loaded: Loaded[Entry],
    shares: dict[str, float],
    *,
    is_standby: bool,
    canary_percent: float | None,
) -> dict[str, Any]:
    from evalkit.errors import ConfigError
    from evalkit.registry.resolve import provider_of

    entry = loaded.model
    try:
        provider = provider_of(project.config, entry)
    except ConfigError:
        provider = entry.provider  # evalkit.yaml is not valid; `check` says why
    return {
        "name": entry.name,
        "version": entry.version,
        "status": entry.status,
        "model": entry.model or entry.class_ref or (entry.artifact.digest if entry.artifact else None),
        "provider": provider,
        "suite": entry.eval.suite if entry.eval else None,
        "score": entry.eval.score if entry.eval else None,
        "serving": shares,
        "standby": is_standby,
        "canary_percent": canary_percent,
    }


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    from evalkit.report.neutral import one_line

    if not rows:
        click.echo("no entries", err=True)
        return
    cells = [
        tuple(
            one_line(text, 60)
            for text in (
                f"{row['name']}@v{row['version']}",
                row["status"],
                row["model"] or "-",
                row["provider"] or "-",
                "-" if row["score"] is None else f"{row['score']:.4f}",
                _serves(row),
            )
        )
        for row in rows
    ]
    table = [tuple(column.upper() for column in COLUMNS), *cells]
    widths = [max(len(line[index]) for line in table) for index in range(len(COLUMNS))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _serves(row: dict[str, Any]) -> str:
    parts = [env if share == 1 else f"{env} {share:.0%}" for env, share in row["serving"].items()]
    if row["canary_percent"]:
        parts.append(f"canary {row['canary_percent']:g}%")
    if row["standby"]:
        parts.append("standby")
    return ", ".join(parts)
