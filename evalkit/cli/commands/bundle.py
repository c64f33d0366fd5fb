"""`evalkit bundle`: the registry as one file that applications ship or fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.common import find_project, format_option, print_json
from evalkit.errors import Location, Problem, UsageError

if TYPE_CHECKING:
    from evalkit.runtime.bundle import Bundle

EPILOG = """\b
Examples:
  evalkit bundle -o bundle.json             compile what lies here
  evalkit bundle --ref main -o bundle.json  ... what a commit says, whatever lies here
  evalkit bundle -o - | jq .serving         to stdout
  evalkit bundle                            only say what would be in it
  evalkit verify bundle bundle.json         is it whole, and does it say what git says?

The same files and the same commit give the same bytes. Applications read the result with
Registry.open("bundle.json"), or from wherever it is published: docs/runtime.md.

\b
Exit codes: 0 compiled; 2 the registry is broken, or who serves is not clear: nothing was written.
"""


@click.command(epilog=EPILOG)
@click.option("-o", "--output", metavar="FILE", help="Where to write it; '-' is stdout.")
@click.option("--ref", metavar="REF", help="Compile a commit, branch or tag instead of what lies here.")
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, output: str | None, ref: str | None, output_format: str) -> None:
    """Compile the registry into one deterministic JSON file: who serves, and everything that they resolve to.

    It holds what serves or stands by, with digests, the commit and its place in the history; drafts and retired entries
    stay out. A registry in which who serves is not clear is refused.
    """
    from evalkit.registry.bundling import bundle_of_commit, bundle_of_files

    project = find_project(ctx)
    bundle = bundle_of_commit(project.root, ref) if ref else bundle_of_files(project.root)
    if output == "-":
        click.echo(bundle.encode().decode("utf-8"), nl=False)
    elif output is not None:
        _write(Path(output), bundle)
    if output_format == "json" and output != "-":
        print_json(summary(bundle, output))
    else:
        _print_text(bundle, output)


def summary(bundle: Bundle, output: str | None) -> dict[str, Any]:
    """What is in a bundle, as plain data."""
    document = bundle.document
    return {
        "schema_version": 1,
        "output": output,
        "digest": bundle.digest,
        "bytes": len(bundle.encode()),
        "commit": document["commit"],
        "serving": document["serving"],
        "entries": sorted(document["entries"]),
    }


def _write(path: Path, bundle: Bundle) -> None:
    from evalkit.runtime.atomic import write_bytes

    if not path.absolute().parent.is_dir():
        hint = f"create it: mkdir -p {path.parent}"
        raise UsageError(Problem("EK901", f"there is no folder {path.parent}", Location(str(path)), hint))
    write_bytes(path, bundle.encode())


def _print_text(bundle: Bundle, output: str | None) -> None:
    """What is in it, on stderr where the bundle itself is on stdout."""
    from evalkit.report.neutral import visible

    document = bundle.document
    lines = []
    width = max((len(name) for name in bundle.names), default=0)
    for name in bundle.names:
        shown = [f"{env} {_who(document['serving'][name][env])}" for env in ("production", "staging")]
        lines.append(f"  {name.ljust(width)}  {', '.join(shown)}")
    commit = bundle.commit
    origin = f"commit {commit.id[:12]}, number {commit.count:,}" if commit else "no commit: not in git"
    lines.append(f"{bundle.digest[:19]}… of {origin}, {len(bundle.encode()):,} bytes")
    if commit and commit.dirty:
        lines.append(
            "warning: files differ from that commit; publish what is committed: evalkit bundle --ref HEAD"
        )
    idle = [name for name in bundle.names if document["serving"][name]["production"] is None]
    if idle:
        lines.append(
            f"note: nobody serves production of {', '.join(idle[:5])}{', …' if len(idle) > 5 else ''}"
        )
    lines.append(f"written to {output}" if output not in (None, "-") else "not written: name a file with -o")
    for line in lines[: -1 if output == "-" else None]:
        click.echo(visible(line), err=output == "-")


def _who(serving: dict[str, Any] | None) -> str:
    if serving is None:
        return "nobody"
    total = sum(serving["weights"].values())
    arms = [
        f"v{v}" + (f" {w / total:.0%}" if len(serving["weights"]) > 1 else "")
        for v, w in serving["weights"].items()
    ]
    canary = serving["canary"]
    return " ".join(arms) + (f" + canary v{canary['version']} {canary['percent']:g} %" if canary else "")
