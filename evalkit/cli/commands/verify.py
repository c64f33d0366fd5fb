"""`evalkit verify`: does a file say the truth about itself?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, in_actions, print_json
from evalkit.errors import EvalkitError, Location, Problem, UsageError

if TYPE_CHECKING:
    from evalkit.runtime.bundle import Bundle

EPILOG = """\b
Examples:
  evalkit verify bundle bundle.json             digests, references, templates
  evalkit verify bundle bundle.json --rebuild   ... and: it is what its commit compiles to

\b
Exit codes: 0 it holds; 1 it does not; 2 there is no such file.
"""


@click.command(epilog=EPILOG)
@click.argument("kind", type=click.Choice(["bundle"]))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rebuild",
    is_flag=True,
    help="Compile the commit that the bundle names, in this repository, and compare.",
)
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, kind: str, file: Path, rebuild: bool, output_format: str) -> int:
    """Verify a bundle FILE: it is whole, and every digest in it is computed again.

    With --rebuild its content is compared with what this repository says at the commit that the bundle names.
    """
    del kind
    from evalkit.runtime.bundle import read_bundle
    from evalkit.runtime.verify import problems_of_bundle

    if not file.is_file():
        raise UsageError(Problem("EK901", f"there is no file {file}"))
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
