from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from evalkit.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / "tests" / folder) for folder in ("registry", "runtime")
]  # planting.py, small_registry.py


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def evalkit(capsys):
    """Run the command line in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> Result:
        code = run(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A small valid project, and the current directory in it."""
    from planting import plant

    plant(tmp_path, [])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def seed(tmp_path, monkeypatch) -> Path:
    """A copy of this repository's own registry and suites."""
    for name in ("registry", "suites"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
