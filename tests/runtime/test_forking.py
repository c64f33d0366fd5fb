"""A child that is forked while a thread imports can import the same module."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    from evalkit.runtime.forking import import_now

    importing = threading.Event()
    sys.modules["signals"] = type(sys)("signals")
    sys.modules["signals"].importing = importing
    if sys.argv[1] == "import_now":
        thread = threading.Thread(target=import_now, args=("slow_module",))
    else:
        thread = threading.Thread(target=__import__, args=("slow_module",))
    thread.start()
    importing.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(3)
        import slow_module
        os._exit(0 if slow_module.ready else 1)
    print(os.waitpid(child, 0)[1])
    """
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(("way", "survives"), [("import_now", True), ("import", False)])
def test_a_child_forked_during_an_import_can_import_the_same(tmp_path, way, survives):
    (tmp_path / "slow_module.py").write_text(
        "import signals, time\nsignals.importing.set()\ntime.sleep(0.3)\nready = True\n"
    )
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py", way],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert (done.stdout.strip() == "0") == survives, done.stderr


def test_what_is_not_installed_is_passed_over():
    from evalkit.runtime.forking import import_now

    import_now("no_such_module_at_all", "json")
