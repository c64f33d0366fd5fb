"""`evalkit doctor`: what keeps promotion from working, and where to change it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, print_json

if TYPE_CHECKING:
    from evalkit.github.doctor.finding import Finding
    from evalkit.github.doctor.settings import Settings

EPILOG = """\b
Examples:
  evalkit doctor                                         the files of this project
  GITHUB_TOKEN=… evalkit doctor --repository acme/llm    ... and the settings on GitHub
  evalkit doctor --format json | jq '.findings[].id'

\b
With GITHUB_TOKEN and a repository (--repository, or GITHUB_REPOSITORY) the settings are read, and nothing is changed.
A token that may read administration, secrets' names and environments sees them all; what it may not see is said.
Each finding is described in docs/doctor.md.

\b
Exit codes: 0 no errors; 1 errors; 2 the forge cannot be reached.
"""


@click.command(epilog=EPILOG)
@click.option("--repository", metavar="OWNER/NAME", help="Instead of GITHUB_REPOSITORY.")
@click.option("--offline", is_flag=True, help="Only the files, whatever the environment says.")
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, repository: str | None, offline: bool, output_format: str) -> int:
    """Look at workflows, CODEOWNERS, evalkit.yaml and the repository's settings; say what to change, and where."""
    from evalkit.github.doctor.diagnosis import diagnose

    project = find_project(ctx)
    settings = None if offline else _settings(repository)
    findings = diagnose(project.root, project.config, settings)
    if output_format == "json":
        _print_json(findings, settings)
    else:
        _print_text(findings, settings)
    return 1 if any(one.level == "error" for one in findings) else 0


def _settings(repository: str | None) -> Settings | None:
    from evalkit.github.doctor.reading import read_settings

    environ = dict(os.environ)
    if repository:
        environ["GITHUB_REPOSITORY"] = repository
    if not environ.get("GITHUB_TOKEN") or not environ.get("GITHUB_REPOSITORY"):
        return None
    from evalkit.github.api import GitHubForge

    forge = GitHubForge.from_environment(environ)
    return read_settings(forge.repository, forge.look, is_app=forge.is_app)


def _print_json(findings: list[Finding], settings: Settings | None) -> None:
    print_json(
        {
            "schema_version": 1,
            "repository": settings.repository if settings else None,
            "findings": [
                {
                    "id": one.id,
                    "level": one.level,
                    "message": one.message,
                    "fix": one.fix,
                    "where": str(one.where),
                    "url": one.url,
                }
                for one in findings
            ],
        }
    )


def _print_text(findings: list[Finding], settings: Settings | None) -> None:
    from evalkit.report.neutral import actions_log, visible

    lines = []
    for one in findings:
        lines += [f"{one.level.upper():8}{one.id}: {one.message}", f"        where  {one.where}"]
        if one.url:
            lines.append(f"               {one.url}")
        lines += [f"        fix    {one.fix}", ""]
    counts = {level: sum(one.level == level for one in findings) for level in ("error", "warning", "unknown")}
    looked = f"the files and the settings of {settings.repository}" if settings else "the files"
    total = f"{counts['error']} errors, {counts['warning']} warnings, {counts['unknown']} not readable"
    lines.append(f"Looked at {looked}: {total}." if findings else f"Looked at {looked}: all is well.")
    click.echo(actions_log("\n".join(map(visible, lines)) + "\n"), nl=False)
    if settings is None:
        sys.stderr.write(
            "The settings on GitHub were not looked at: set GITHUB_TOKEN, and name --repository OWNER/NAME.\n"
        )
