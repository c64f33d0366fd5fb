"""The `evalkit` command."""

from __future__ import annotations

import gc
import os
import sys

__all__ = ["main"]


def main() -> None:
    """The console script. Without the `cli` extra it says what to install."""
    # A command lives for seconds: collecting garbage while modules load costs it 5 % of its time and finds nothing.
    gc.set_threshold(50_000, 20, 20)
    # Nobody else's code takes part in validation; looking for such plugins reads every installed package's metadata.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        import click  # noqa: F401 - the one question is whether it is there
        import pydantic  # noqa: F401
    except ImportError as error:
        sys.stderr.write(
            f"EK904 the evalkit command needs {error.name}\n  help: pip install 'evalkit[cli]'\n"
        )
        raise SystemExit(2) from None
    from evalkit.cli.main import run

    raise SystemExit(run(sys.argv[1:]))
