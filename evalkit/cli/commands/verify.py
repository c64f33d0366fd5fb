"""`evalkit verify`: does a bundle, or do evidence files, say the truth about themselves?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json
from evalkit.errors import EvalkitError, Location, Problem, UsageError

if TYPE_CHECKING:
    from evalkit.github.admission import Admission
    from evalkit.github.verify_evidence import EvidenceReport
    from evalkit.registry.project import Project
    from evalkit.runtime.bundle import Bundle

EPILOG = """\b
Examples:
  evalkit verify bundle bundle.json             digests, references, templates
  evalkit verify bundle bundle.json --rebuild   ... and: it is what its commit compiles to
  evalkit verify evidence                       every run of every evidence file
  evalkit verify evidence --base origin/main    only what was added since

\b
Exit codes: 0 it holds; 1 it does not; 2 there is no such file, or the forge cannot be asked.
"""


@click.command(epilog=EPILOG)
@click.argument("kind", type=click.Choice(["bundle", "evidence"]))
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--rebuild",
    is_flag=True,
    help="Of a bundle: compile the commit that it names, in this repository, and compare.",
)
@click.option("--base", metavar="REF", help="Of evidence: only what was added since it left REF.")
@format_option("text", "json")
@click.pass_context
def command(
    ctx: click.Context,
    kind: str,
    paths: tuple[Path, ...],
    rebuild: bool,
    base: str | None,
    output_format: str,
) -> int:
    """Verify a bundle FILE, or evidence.

    A bundle: it is whole, and every digest in it is computed again. With --rebuild its content is compared with what
    this repository says at the commit that the bundle names.

    Evidence (all of it, or the files and folders that are named): form, sums and scores are computed again. With
    GITHUB_TOKEN and GITHUB_REPOSITORY set, each run of CI is held against the artifact of its workflow run; without
    them, nobody is asked, and a warning says so.
    """
    if kind == "evidence":
        if rebuild:
            raise UsageError(Problem("EK901", "--rebuild is of a bundle", hint="leave it out"))
        return _evidence(ctx, paths, base, output_format)
    if len(paths) != 1 or base is not None:
        hint = "evalkit verify bundle bundle.json"
        raise UsageError(Problem("EK901", "one bundle is verified, by itself", hint=hint))
    return _bundle(ctx, paths[0], output_format, rebuild=rebuild)


def _evidence(ctx: click.Context, paths: tuple[Path, ...], base: str | None, output_format: str) -> int:
    import os
    from datetime import UTC, datetime

    from evalkit.github.environment import Actions
    from evalkit.github.verify_evidence import verify_evidence

    project = find_project(ctx)
    chosen = [Path(os.path.normpath(path.absolute())) for path in paths]
    missing = [Problem("EK901", f"there is no file or folder {path}") for path in chosen if not path.exists()]
    if missing:
        raise UsageError(missing)
    asks = project.config.forge is not None and Actions(os.environ).has_token
    admission = _admission(project) if asks else None
    report = verify_evidence(project, chosen, datetime.now(UTC).date(), admission=admission, base=base)
    if output_format == "json":
        _print_evidence_json(report)
    else:
        _print_evidence(report)
    return 1 if any(problem.severity == "error" for problem in report.problems) else 0


def _admission(project: Project) -> Admission:
    import os

    from evalkit.github.api import GitHubForge
    from evalkit.github.checkout import fetch
    from evalkit.github.record import Recorder
    from evalkit.promote.history import Repository

    forge = GitHubForge.from_environment(os.environ)
    root = project.root
    return Recorder(forge, Repository.of(root), fetch=lambda refs: fetch(root, refs, os.environ)).admission


def _print_evidence_json(report: EvidenceReport) -> None:
    print_json(
        {
            "schema_version": 1,
            "files": report.files,
            "runs": [
                {
                    "path": run.path,
                    "run_id": run.run_id,
                    "source": run.source,
                    "standing": run.standing,
                    "reason": run.reason,
                }
                for run in report.runs
            ],
            "problems": [
                {
                    "severity": p.severity,
                    "code": p.code,
                    "message": p.message,
                    "help": p.hint,
                    "path": p.location.path if p.location else None,
                    "line": (p.location.line or None) if p.location else None,
                }
                for p in report.problems
            ],
        }
    )


def _print_evidence(report: EvidenceReport) -> None:
    from evalkit.report.neutral import actions_log, one_line
    from evalkit.report.problems import problem_text

    path = None
    lines: list[str] = []
    for run in report.runs:
        if run.path != path:
            path = run.path
            lines.append(one_line(path.removeprefix("registry/evidence/"), 200))
        lines.append(f"  {one_line(run.run_id, 60):<28}  {one_line(run.source, 10):<6}  {run.standing}")
    text = "\n".join(lines)
    if lines:
        click.echo(actions_log(text) if in_actions() else text)
    for problem in report.problems:
        click.echo(problem_text(problem, in_actions=in_actions()), nl=False)
    errors = sum(problem.severity == "error" for problem in report.problems)
    counted = (
        (report.files, "file"),
        (len(report.runs), "run"),
        (errors, "error"),
        (len(report.problems) - errors, "warning"),
    )
    told = ", ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counted)
    click.echo(told, err=True)


def _bundle(ctx: click.Context, file: Path, output_format: str, *, rebuild: bool) -> int:
    from evalkit.runtime.bundle import read_bundle
    from evalkit.runtime.verify import problems_of_bundle

    if not file.is_file():
        from evalkit.runtime.sources.file import similar

        guess = similar(str(file))
        hint = f"did you mean {guess}?" if guess else "evalkit bundle writes one"
        raise UsageError(Problem("EK901", f"there is no file {file}", hint=hint))
    bundle: Bundle | None = None
    try:
        bundle = read_bundle(file.read_bytes(), str(file))
        problems = list(problems_of_bundle(bundle))
        if rebuild:
            problems += _compare(bundle, ctx)
    except EvalkitError as error:
        problems = list(error.problems)
    if output_format == "json":
        _print_json(file, bundle, problems)
    else:
        _print_text(file, bundle, problems)
    return 1 if problems else 0


def _compare(bundle: Bundle, ctx: click.Context) -> list[Problem]:
    from evalkit.registry.bundling import bundle_of_commit

    place = Location(bundle.where)
    if bundle.commit is None or bundle.commit.dirty:
        message = (
            "it names no commit" if bundle.commit is None else "it was made of files that were not committed"
        )
        return [Problem("EK702", message, place, "make it with evalkit bundle --ref REF")]
    rebuilt = bundle_of_commit(find_project(ctx).root, bundle.commit.id)
    if rebuilt.digest == bundle.digest:
        return []
    differing = sorted(
        key
        for part in ("serving", "entries", "prompts", "tools")
        for key in {*bundle.document[part], *rebuilt.document[part]}
        if bundle.document[part].get(key) != rebuilt.document[part].get(key)
    )
    what = f"{', '.join(differing[:5])} differ" if differing else "it was made by another version of evalkit"
    return [Problem("EK702", f"commit {bundle.commit.id[:12]} compiles to another bundle: {what}", place)]


def _print_json(file: Path, bundle: Bundle | None, problems: list[Problem]) -> None:
    print_json(
        {
            "schema_version": 1,
            "file": str(file),
            "valid": not problems,
            "digest": bundle.digest if bundle else None,
            "commit": bundle.document["commit"] if bundle else None,
            "problems": [{"code": p.code, "message": p.message, "help": p.hint} for p in problems],
        }
    )


def _print_text(file: Path, bundle: Bundle | None, problems: list[Problem]) -> None:
    from evalkit.report.neutral import visible
    from evalkit.report.problems import problem_text

    for problem in problems:
        click.echo(problem_text(problem, in_actions=in_actions()), nl=False)
    if bundle and not problems:
        commit = (
            f"commit {bundle.commit.id[:12]}, number {bundle.commit.count:,}"
            if bundle.commit
            else "no commit"
        )
        held = bundle.document["entries"]
        click.echo(
            visible(
                f"{file} holds: {len(held)} {'entry' if len(held) == 1 else 'entries'}, {commit}, {bundle.digest[:19]}…"
            )
        )
