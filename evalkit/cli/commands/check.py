"""`evalkit check`: is everything in this project valid?"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from evalkit.evals.checks.everything import CheckReport
    from evalkit.registry.project import Project

EPILOG = """\b
Examples:
  evalkit check                                everything, every problem of every file
  evalkit check registry/prompts               the files below a folder
  evalkit check suites/triage-eval/v4          one suite, its cases against the prompts they are asked with
  evalkit check --format github                annotations in GitHub Actions
  evalkit check --format json > problems.json  for a script
  evalkit check --base origin/main             and what this change may not do, compared with main
  evalkit check --base main --head feature     two commits, without the files on disk
  evalkit check --history                      every step of the main line, since it began

\b
Exit codes: 0 no errors (there may be warnings), 1 errors, 2 usage, or there is nothing to check.
"""


@click.command(epilog=EPILOG)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--base",
    metavar="REF",
    help="Also judge the change since it left REF: what is immutable, transitions, evidence, approvals.",
)
@click.option("--head", metavar="REF", help="With --base: judge this commit instead of the files on disk.")
@click.option(
    "--history", is_flag=True, help="Audit every step of the main line (or of --base) instead of the files."
)
@format_option("text", "json", "github")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    base: str | None,
    head: str | None,
    history: bool,
    output_format: str,
) -> int:
    """Validate every file of the project, or those at and below PATH.

    Each problem is shown as file:line:column, its code and how to fix it. Nothing is changed, and nobody is called.
    The codes are explained in docs/errors.md.

    With --base, the files are compared with the commit at which they left REF, and what the change does is judged as a
    whole: an entry that left draft keeps its config, statuses move as the lifecycle allows, what is promoted has
    evidence of CI, evidence only grows, nobody approves their own work. Where there is no change, because
    REF is what is checked out, the history of that line is audited.
    """
    project = find_project(ctx)
    if head is not None and base is None:
        raise UsageError(Problem("EK901", "--head is compared with --base", hint="add --base REF"))
    if history and (head is not None or paths):
        hint = "leave --head and PATH out"
        raise UsageError(Problem("EK901", "--history audits a whole line of commits", hint=hint))
    chosen = [Path(os.path.normpath(path.absolute())) for path in paths]
    _refuse_unknown(chosen, project.root)
    parts: list[CheckReport] = []
    if head is None and not history:
        parts.append(_files(project, chosen, paths))
    if base is not None and not history:
        parts.append(_change(project, base, head, chosen))
    if history:
        parts.append(_audit(project, base))
    report = _together(parts)
    if output_format == "json":
        _write_json(report)
    elif output_format == "github":
        _write_github(report, _above(project.root))
    else:
        _write_text(report)
    click.echo(_summary(report), err=True)
    return 1 if report.errors else 0


def _files(project: Project, chosen: list[Path], paths: tuple[Path, ...]) -> CheckReport:
    from evalkit.evals.checks.everything import check_project

    report = check_project(project, datetime.now(UTC).date(), chosen)
    if not report.files and not report.problems:
        where = ", ".join(map(str, paths)) or str(project.root)
        hint = "entries lie in registry/entries/<name>/v1.yaml, suites in suites/<name>/v1/suite.yaml"
        raise UsageError(Problem("EK901", f"there is nothing to check in {where}", hint=hint))
    return report


def _change(project: Project, base: str, head: str | None, chosen: list[Path]) -> CheckReport:
    from evalkit.evals.checks.everything import CheckReport
    from evalkit.promote.base import audit_history, check_change

    found = check_change(project.root, base, head)
    evidence = _evidence(project.root, base, head)
    below = {project.display(path) for path in chosen} - {"."}
    folders = tuple(f"{path}/" for path in below)
    problems = [
        problem
        for problem in (*found.problems, *evidence)
        if not below
        or problem.location is None
        or problem.location.path in below
        or problem.location.path.startswith(folders)
    ]
    if found.is_at_base and not chosen:
        problems += audit_history(project.root, base).problems
    click.echo(f"{found.files:,} changed since {found.base[:12]}", err=True)
    return CheckReport(tuple(problems), found.files if head is not None else 0)


def _evidence(root: Path, base: str, head: str | None) -> list[Problem]:
    """The runs of CI that a change adds, held against the artifacts of the workflow runs that made them."""
    from evalkit.promote.base.change import Change
    from evalkit.promote.base.evidence import added_runs

    change = Change(root, base, head)
    required = change.config_before.forge or (change.config_after and change.config_after.forge)
    added = added_runs(change) if required else []
    if not added:
        return []
    from evalkit.github.admission import Admission, unadmitted
    from evalkit.github.environment import Actions

    admission = None
    if Actions(os.environ).has_token and os.environ.get("GITHUB_REPOSITORY"):
        from evalkit.github.api import GitHubForge
        from evalkit.github.checkout import fetch

        forge = GitHubForge.from_environment(os.environ)
        # A run may be of a newer commit of the default branch than the one that this change is compared with.
        newest = forge.head_of(forge.default_branch()) or change.ref
        if newest != change.ref:
            fetch(root, [newest], os.environ)
        admission = Admission(forge, change.repository, change.config_before, newest)
    return unadmitted(added, admission, is_required=True)


def _audit(project: Project, ref: str | None) -> CheckReport:
    from evalkit.evals.checks.everything import CheckReport
    from evalkit.promote.base import audit_history

    found = audit_history(project.root, ref)
    click.echo(f"{found.commits:,} commits of {found.line}", err=True)
    return CheckReport(found.problems, 0)


def _together(parts: list[CheckReport]) -> CheckReport:
    from evalkit.evals.checks.everything import CheckReport

    problems = dict.fromkeys(problem for part in parts for problem in part.problems)
    in_order = problems if len(parts) == 1 else sorted(problems, key=_place)
    return CheckReport(tuple(in_order), sum(part.files for part in parts))


def _place(problem: Problem) -> tuple[str, int, int]:
    where = problem.location
    return (where.path, where.line, where.column) if where else ("", 0, 0)


def _refuse_unknown(paths: list[Path], root: Path) -> None:
    from evalkit.runtime.sources.file import similar

    problems = []
    for path in paths:
        if not path.exists():
            guess = similar(str(path))
            hint = f"did you mean {guess}?" if guess else None
            problems.append(Problem("EK901", f"there is no file or folder {path}", hint=hint))
        elif not path.is_relative_to(root):
            hint = "name another project with evalkit --project DIR check"
            problems.append(Problem("EK901", f"{path} is not in the project {root}", hint=hint))
    if problems:
        raise UsageError(problems)


def _summary(report: CheckReport) -> str:
    counted = ((report.files, "file"), (report.errors, "error"), (report.warnings, "warning"))
    return ", ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counted)


MAX_TEXT = 2_000
"""Characters of a message: keys and values of a file are in it, and may be of any length."""


def _write_text(report: CheckReport) -> None:
    from evalkit.report.problems import problem_text

    for problem in report.problems:
        click.echo(problem_text(problem, in_actions=in_actions()), nl=False)


def _write_json(report: CheckReport) -> None:
    print_json(
        {
            "schema_version": 1,
            "files": report.files,
            "errors": report.errors,
            "warnings": report.warnings,
            "problems": [_as_data(problem) for problem in report.problems],
        }
    )


def _as_data(problem: Problem) -> dict[str, str | int | None]:
    place = problem.location
    return {
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "help": problem.hint,
        "path": place.path if place else None,
        "line": (place.line or None) if place else None,
        "column": (place.column or None) if place else None,
    }


def _above(root: Path) -> str:
    """How the repository that GitHub checked out calls the project's directory, with a slash; empty if it is the same."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace or not root.is_relative_to(workspace) or root == Path(workspace):
        return ""
    return f"{root.relative_to(workspace).as_posix()}/"


def _write_github(report: CheckReport, above: str) -> None:
    """Workflow commands: the runner shows each beside its line, in the log and in the diff."""
    from evalkit.report.neutral import one_line

    for problem in report.problems:
        place = problem.location
        properties = {"title": problem.code}
        if place:
            line, column = str(place.line or 1), str(place.column or 1)
            properties = {"file": f"{above}{place.path}", "line": line, "col": column} | properties
        text = one_line(problem.message, MAX_TEXT)
        text += f"\nhelp: {one_line(problem.hint, MAX_TEXT)}" if problem.hint else ""
        listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        click.echo(f"::{problem.severity} {listed}::{_data(text)}")


def _data(text: str) -> str:
    """As the runner unescapes the text of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As the runner unescapes the value of a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
