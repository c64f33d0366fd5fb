"""The `evalkit` command."""

from __future__ import annotations

import gc
import os
import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """The console script. Without the `cli` extra it says what to install."""
    # A command lives for seconds: collecting garbage while modules load costs it 5 % of its time and finds nothing.
    gc.set_threshold(50_000, 20, 20)
    # Nobody else's code takes part in validation; looking for such plugins reads every installed package's metadata.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    missing = next((name for name in ("click", "pydantic") if find_spec(name) is None), None)
    if missing:
        from evalkit.runtime.install import install_hint

        sys.stderr.write(f"EK904 the evalkit command needs {missing}\n  help: {install_hint('cli')}\n")
        raise SystemExit(2)
    from evalkit.cli.main import run

    raise SystemExit(run(sys.argv[1:]))
