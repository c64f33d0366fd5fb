"""Write the pages that are generated from the code, or check that they are current.

python docs/generate.py            write
python docs/generate.py --check    exit 1 and name the pages that are not current
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from evalkit.cli.main import COMMANDS, EXIT_CODES, cli
from evalkit.evals.metrics import METRICS

DOCS = Path(__file__).resolve().parent
NOTE = "<!-- Written by docs/generate.py from the code. Do not edit. -->\n"


def command_line() -> str:
    """Every command's own help."""
    parts = [NOTE, "\n# Command line\n\n", f"```text\n{EXIT_CODES}\n```\n", _help("evalkit", cli)]
    for name in COMMANDS:
        command = importlib.import_module(f"evalkit.cli.commands.{name}").command
        parts.append(f"\n## evalkit {name}\n\n{_help(f'evalkit {name}', command)}")
    return "".join(parts)


def _help(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    return f"\n```text\n{command.get_help(context).strip()}\n```\n"


def metrics() -> str:
    """The names that `metrics:` and `primary:` take."""
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in METRICS.items())
    return f"{NOTE}\n# Metrics by name\n\n| name | is |\n|---|---|\n{rows}\nHow they are computed: [metrics](../metrics.md).\n"


PAGES = {"reference/cli.md": command_line, "reference/metrics.md": metrics}


def main(arguments: list[str]) -> int:
    """Write or check every page."""
    stale = []
    for name, build in PAGES.items():
        path, text = DOCS / name, build()
        if "--check" in arguments:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(f"docs/{name}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"not current: {', '.join(stale)}; run python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
