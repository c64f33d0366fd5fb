from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def matches_golden() -> Callable[[str, str], None]:
    """Compares with a committed file. `EVALKIT_UPDATE_GOLDEN=1` writes it instead: read the diff before committing."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("EVALKIT_UPDATE_GOLDEN") == "1":
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"{path.name} differs; EVALKIT_UPDATE_GOLDEN=1 rewrites it"
        )

    return check


@pytest.fixture
def rendered_dom(tmp_path: Path) -> Callable[..., str]:
    """The document as Chromium leaves it after loading a page and running what it lets run."""
    chromium = shutil.which("chromium")
    if chromium is None:
        message = "chromium is not on PATH (Debian: apt-get install chromium)"
        if os.environ.get("EVALKIT_REQUIRE_BROWSER") == "1" or os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)

    def render(page: str, fragment: str = "") -> str:
        path = tmp_path / "report.html"
        path.write_text(page, encoding="utf-8")
        flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
        ]  # fmt: skip
        done = subprocess.run(
            [chromium, *flags, f"{path.as_uri()}{fragment}"], capture_output=True, timeout=120, check=True
        )
        return done.stdout.decode("utf-8")

    return render
