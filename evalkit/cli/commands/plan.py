"""`evalkit plan`: which evaluations are needed, for people and as the matrix of a workflow."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.github.forge import Forge
    from evalkit.promote.needs import Known, Needs
    from evalkit.registry.project import Project
    from evalkit.runtime.refs import Ref

EPILOG = """\b
Examples:
  evalkit plan                                     what in the files here still lacks a run of CI
  evalkit plan --base origin/main                  what this change adds or alters
  evalkit plan --base origin/main --head feature   ... of a commit instead of the files here
  evalkit plan --again support-triage@v15          one more run of it, whatever there is
  evalkit plan --base origin/main --format github  the matrices of a workflow, as outputs of its step
  evalkit plan --base B --head H --start 12        ... and start them, for the pull request #12

\b
With GITHUB_TOKEN and GITHUB_REPOSITORY, what CI has measured is what the artifacts of its runs say; without them,
what the evidence files here say.
Exit codes: 0 also if nothing is needed, 2 usage or configuration.
The cost is that of the candidates' own answers, each as long as it may be; a baseline is asked as well.
"""


@click.command(epilog=EPILOG)
@click.option("--base", metavar="REF", help="Only what changed since it left REF, by the rules of REF.")
@click.option("--head", metavar="REF", help="With --base: look at this commit instead of the files here.")
@click.option(
    "--again", multiple=True, metavar="TARGET", help="Once more in any case: a name, or name@v14. Repeatable."
)
@click.option(
    "--shard-size",
    type=click.IntRange(1, 1_000_000),
    default=500,
    show_default=True,
    metavar="N",
    help="Answers that one job asks for; more where that makes over 256 jobs.",
)
@click.option(
    "--start",
    "pull_request",
    type=click.IntRange(min=1),
    metavar="PR",
    help="Start them on the default branch, for a pull request whose head is HEAD.",
)
@format_option("table", "json", "github")
@click.pass_context
def command(
    ctx: click.Context,
    base: str | None,
    head: str | None,
    again: tuple[str, ...],
    shard_size: int,
    pull_request: int | None,
    output_format: str,
) -> None:
    """Show which evaluations are needed, and which are not and why. No model is asked; without --start nothing happens.

    Without --base, these are the drafts and staging entries that may still move and that CI has not measured with a
    suite that policy requires. With --base, they are the entries whose config the change adds or alters; what it would
    be measured by is taken from REF. Evidence adds up, so what CI has measured is not measured again, whatever came
    out.
    """
    project = find_project(ctx)
    if head is not None and base is None:
        raise UsageError(Problem("EK901", "--head is compared with --base", hint="add --base REF"))
    if pull_request is not None and head is None:
        raise UsageError(Problem("EK901", "--start needs the commit: --base REF --head COMMIT"))
    forge = _forge(project)
    known = _measured(project, forge) if forge else None
    found = (
        _of_tree(project, again, shard_size, known)
        if base is None
        else _of_change(project, base, head, again, shard_size, known)
    )
    _show(found, output_format)
    if pull_request is not None and head is not None:
        _start(project, found, pull_request, head, output_format)


def _forge(project: Project) -> Forge | None:
    """Where artifacts are asked for; None where there is no token, or policy names no forge."""
    from evalkit.github.environment import Actions

    actions = Actions(os.environ)
    if project.config.forge is None or not actions.has_token or not os.environ.get("GITHUB_REPOSITORY"):
        return None
    from evalkit.github.api import GitHubForge

    return GitHubForge.from_environment(os.environ)


def _measured(project: Project, forge: Forge) -> Known:
    from evalkit.github.admission import Admission
    from evalkit.github.starting import measured
    from evalkit.promote.history import Repository

    repository = Repository.of(project.root)
    main = forge.head_of(forge.default_branch())
    return measured(Admission(forge, repository, project.config, main or repository.main_ref()))


def _start(project: Project, found: Needs, number: int, head: str, output_format: str) -> None:
    from evalkit.github.starting import start

    if not found.evaluations:
        said = "Nothing has to be started."
    else:
        from evalkit.github.api import GitHubForge

        said = start(GitHubForge.from_environment(os.environ), project.config, number, head)
    click.echo(said, err=output_format == "json")
    if output_format == "github":
        from evalkit.github.summary import write_summary

        write_summary(f"{said}\n")


def _of_tree(project: Project, again: Sequence[str], shard_size: int, known: Known | None) -> Needs:
    from evalkit.promote.needs import needs
    from evalkit.promote.wanted import of_tree, recorded_in_tree
    from evalkit.runtime.refs import Ref, is_name

    exact: set[Ref] = set()
    every: set[Ref] = set()
    for target in again:
        if is_name(target) and project.versions(target):
            every.update(Ref(target, version) for version in project.versions(target))
        else:
            entry = project.target(target).model
            exact.add(Ref(entry.name, entry.version))
    wanted = of_tree(project, exact)
    known = known or recorded_in_tree(project)
    return needs(wanted, known, again=exact | every, shard_size=shard_size)


def _of_change(
    project: Project, base: str, head: str | None, again: Sequence[str], shard_size: int, known: Known | None
) -> Needs:
    from evalkit.promote.base.change import Change
    from evalkit.promote.needs import needs
    from evalkit.promote.wanted import of_change, recorded_in_change
    from evalkit.runtime.refs import Ref

    change = Change(project.root, base, head)
    wanted = of_change(change)
    refs = {question.entry for question in wanted.questions}
    chosen: set[Ref] = set()
    problems = []
    for target in again:
        exact = Ref.parse(target)
        named = {ref for ref in refs if ref == exact or ref.name == target}
        if not named:
            hint = "leave out --base to evaluate what is not part of a change"
            message = f"--again {target}: the change has nothing of it to evaluate"
            problems.append(Problem("EK901", message, hint=hint))
        chosen |= named
    if problems:
        raise UsageError(problems)
    return needs(wanted, known or recorded_in_change(change), again=chosen, shard_size=shard_size)


def _show(found: Needs, output_format: str) -> None:
    from evalkit.report.needs import matrices, needs_data, needs_markdown, needs_text
    from evalkit.report.neutral import actions_log

    if output_format == "json":
        print_json(needs_data(found))
        return
    text = needs_text(found)
    click.echo(actions_log(text) if in_actions() else text, nl=False)
    if output_format == "github":
        from evalkit.github.summary import set_output, write_summary

        both = matrices(found)
        set_output("matrix", json.dumps({"include": both["include"]}))
        set_output("merges", json.dumps({"include": both["merges"]}))
        set_output("count", str(len(found.evaluations)))
        write_summary(needs_markdown(found))
