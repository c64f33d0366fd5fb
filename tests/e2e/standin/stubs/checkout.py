"""actions/checkout: repository, ref, path, token, fetch-depth, fetch-tags, persist-credentials."""

# ruff: noqa: T201 - a step of a job speaks by printing

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

from runtime import fail, given, output

workspace = Path(os.environ["GITHUB_WORKSPACE"])
place = (workspace / given("path")).resolve()
if not place.is_relative_to(workspace.resolve()):
    fail(f"Repository path '{place}' is not under '{workspace}'")
repository = given("repository") or os.environ["GITHUB_REPOSITORY"]
is_own = repository == os.environ["GITHUB_REPOSITORY"]
server = os.environ["GITHUB_SERVER_URL"]
ref, commit = given("ref"), ""
if not ref and is_own:
    ref, commit = os.environ["GITHUB_REF"], os.environ["GITHUB_SHA"]
    if ref.startswith("refs/heads/"):
        ref = ref.removeprefix("refs/heads/")
basic = base64.b64encode(f"x-access-token:{given('token')}".encode()).decode()
print(f"::add-mask::{basic}", flush=True)
header = f"AUTHORIZATION: basic {basic}"
secret = {
    "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"http.{server}/.extraheader", "GIT_CONFIG_VALUE_0": header,
    "GIT_TERMINAL_PROMPT": "0",
}  # fmt: skip


def git(*arguments: str, may_fail: bool = False) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=place, env=os.environ | secret, capture_output=True, text=True, check=False
    )
    if done.returncode and not may_fail:
        fail(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip() if not done.returncode else ""


place.mkdir(parents=True, exist_ok=True)
if not (place / ".git").exists():
    git("init", "-q", "-b", "main")
    git("remote", "add", "origin", f"{server}/{repository}")
depth = ["--depth=1"] if given("fetch-depth") == "1" else [f"--depth={given('fetch-depth')}"]
if given("fetch-depth") in {"0", ""}:
    git("fetch", "-q", "--prune", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    depth = []
tags = ["--tags"] if given("fetch-tags") == "true" else ["--no-tags"]
is_sha = len(ref) == 40 and all(c in "0123456789abcdef" for c in ref)
if not ref:
    ref = git("ls-remote", "--symref", "origin", "HEAD").split()[1].removeprefix("refs/heads/")
if is_sha:
    git("fetch", "-q", *tags, *depth, "origin", ref)
    git("checkout", "-q", "--force", "--detach", ref)
elif ref.startswith(("refs/pull/", "refs/tags/")):
    local = ref.replace("refs/pull/", "refs/remotes/pull/")
    git("fetch", "-q", *tags, *depth, "origin", f"+{commit or ref}:{local}")
    git("checkout", "-q", "--force", "--detach", local)
else:
    branch = ref.removeprefix("refs/heads/")
    if commit:
        git("fetch", "-q", *tags, *depth, "origin", f"+{commit}:refs/remotes/origin/{branch}")
    elif not git("ls-remote", "origin", f"refs/heads/{branch}"):
        if git("ls-remote", "origin", f"refs/tags/{branch}"):
            git("fetch", "-q", *depth, "origin", f"+refs/tags/{branch}:refs/tags/{branch}")
            git("checkout", "-q", "--force", "--detach", f"refs/tags/{branch}")
            branch = ""
        else:
            fail(f"A branch or tag with the name '{branch}' could not be found")
    else:
        git("fetch", "-q", *tags, *depth, "origin", f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
    if branch:
        git("checkout", "-q", "--force", "-B", branch, f"refs/remotes/origin/{branch}")
if given("persist-credentials") == "true":
    git("config", "--local", f"http.{server}/.extraheader", header)
output("ref", ref)
output("commit", git("rev-parse", "HEAD"))
