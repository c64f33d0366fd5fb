"""Small local actions in the place of the third-party ones that workflows use: same inputs, same outputs."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

__all__ = ["local_repositories"]

STUBS = Path(__file__).parent / "stubs"


STUBS = Path(__file__).parent / "stubs"


class UnknownAction(Exception):
    """A workflow uses an action that the stand-in has no stub for."""


def _script(name: str, inputs: dict[str, str], outputs: tuple[str, ...] = ()) -> dict[str, Any]:
    env = {"INPUT_" + key.upper().replace("-", "_"): f"${{{{ inputs.{key} }}}}" for key in inputs}
    env["STANDIN_TOKEN"] = "${{ github.token }}"
    run = f"{shlex.quote(sys.executable)} -B {shlex.quote(str(STUBS / name))}"
    return {
        "name": name,
        "description": "A stand-in",
        "inputs": {key: {"description": key, "default": value} for key, value in inputs.items()},
        "outputs": {
            key: {"description": key, "value": f"${{{{ steps.stub.outputs.{key} }}}}"} for key in outputs
        },
        "runs": {"using": "composite", "steps": [{"id": "stub", "shell": "bash", "run": run, "env": env}]},
    }


def _nothing(inputs: tuple[str, ...], outputs: dict[str, str] | None = None) -> dict[str, Any]:
    values = outputs or {}
    lines = "\n".join(f'echo "{key}={value}" >> "$GITHUB_OUTPUT"' for key, value in values.items()) or "true"
    return {
        "name": "nothing",
        "description": "A stand-in that does nothing",
        "inputs": {key: {"description": key, "default": ""} for key in inputs},
        "outputs": {
            key: {"description": key, "value": f"${{{{ steps.stub.outputs.{key} }}}}"} for key in values
        },
        "runs": {"using": "composite", "steps": [{"id": "stub", "shell": "bash", "run": lines}]},
    }


TOKEN = "${{ github.token }}"
DOWNLOAD = {
    "name": "", "artifact-ids": "", "path": "", "pattern": "", "merge-multiple": "false", "github-token": "",
    "repository": "", "run-id": "",
}  # fmt: skip
ACTIONS: dict[str, dict[str, Any]] = {
    "actions/checkout": _script(
        "checkout.py",
        {
            "repository": "", "ref": "", "token": TOKEN, "path": ".", "fetch-depth": "1", "persist-credentials": "true",
            "clean": "true", "submodules": "false", "lfs": "false", "fetch-tags": "false", "sparse-checkout": "",
            "filter": "", "show-progress": "true", "sparse-checkout-cone-mode": "true", "set-safe-directory": "true",
        },
        ("ref", "commit"),
    ),
    "actions/upload-artifact": _script(
        "upload.py",
        {
            "name": "artifact", "path": "", "if-no-files-found": "warn", "retention-days": "", "overwrite": "false",
            "include-hidden-files": "false", "compression-level": "6",
        },
        ("artifact-id", "artifact-digest", "artifact-url"),
    ),
    "actions/download-artifact": _script("download.py", DOWNLOAD, ("download-path",)),
    "actions/upload-pages-artifact": _script(
        "upload.py", {"name": "github-pages", "path": "_site", "retention-days": "1", "tree": "true"}, ("artifact_id",)
    ),
    "actions/deploy-pages": _script("pages.py", {"token": TOKEN, "artifact_name": "github-pages"}, ("page_url",)),
    "actions/create-github-app-token": _script(
        "app_token.py",
        {
            "client-id": "", "app-id": "", "private-key": "", "owner": "", "repositories": "", "github-api-url": "",
            "skip-token-revoke": "false", "permission-contents": "", "permission-pull-requests": "", "permission-issues": "",
            "permission-statuses": "", "permission-actions": "", "permission-checks": "", "permission-workflows": "",
        },
        ("token", "installation-id", "app-slug"),
    ),
    "actions/configure-pages": _nothing(("token", "enablement"), {"base_url": "http://127.0.0.1/", "base_path": ""}),
    "actions/setup-python": _nothing(
        ("python-version", "python-version-file", "cache", "cache-dependency-path", "check-latest", "allow-prereleases"),
        {"python-version": ".".join(map(str, sys.version_info[:3])), "cache-hit": "false"},
    ),
    "astral-sh/setup-uv": _nothing(
        ("version", "python-version", "enable-cache", "activate-environment", "cache-dependency-glob", "ignore-empty-workdir"),
        {"cache-hit": "false"},
    ),
    "actions/cache": _nothing(("path", "key", "restore-keys", "enableCrossOsArchive"), {"cache-hit": "false"}),
}  # fmt: skip
BELOW = {"actions/cache": ("restore", "save")}


def local_repositories(used: set[str], folder: Path) -> list[str]:
    """Flags that give each used action (`owner/name[/below]@ref`) a folder: its stub, or one that says there is none."""
    flags: dict[str, None] = {}
    for use in sorted(used):
        whole, _, ref = use.partition("@")
        name = "/".join(whole.split("/")[:2])
        place = folder / name.replace("/", "-")
        stub = ACTIONS.get(name) or _missing(use)
        for inner in {
            "",
            *BELOW.get(name, ()),
            *(() if name in ACTIONS else ("/".join(whole.split("/")[2:]),)),
        }:
            file = place / inner / "action.yml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(stub), encoding="utf-8")
        flags[f"{name}@{ref}={place}"] = None
    return list(flags)


def _missing(use: str) -> dict[str, Any]:
    words = f"{use}: the stand-in has no stub for this action, and nothing is fetched"
    run = f"echo {shlex.quote('::error::' + words)}; exit 1"
    steps = [{"shell": "bash", "run": run}]
    return {"name": "missing", "description": words, "runs": {"using": "composite", "steps": steps}}
