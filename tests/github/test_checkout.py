"""Commits beside the user's work tree."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from forge_worlds import GitHubWorld

from evalkit.errors import UsageError
from evalkit.github.checkout import at, changes, fetch
from evalkit.github.forge import ForgeError

PERSON = ["-c", "user.name=Casey", "-c", "user.email=casey@example.com"]


def git(folder: Path, *args: str) -> str:
    command = ["git", "-C", str(folder), *PERSON, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project in the directory `llm`, with two commits, and work that is not committed."""
    root = tmp_path / "repository"
    (root / "llm" / "registry").mkdir(parents=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    (root / ".gitignore").write_text("*.log\n")
    (root / "llm" / "a.yaml").write_text("one\n")
    (root / "llm" / "b.yaml").write_text("two\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "First")
    (root / "llm" / "a.yaml").write_text("changed\n")
    git(root, "commit", "--quiet", "-am", "Second")
    (root / "llm" / "b.yaml").write_text("staged\n")
    git(root, "add", ".")
    (root / "llm" / "b.yaml").write_text("in work\n")
    return root


def state(root: Path) -> tuple[str, ...]:
    asked = (
        ["status", "--porcelain=v2", "--branch"],
        ["ls-files", "--stage"],
        ["worktree", "list"],
        ["branch", "-a"],
    )
    return tuple(git(root, *args) for args in asked)


def test_a_commit_lies_beside_the_users_files_and_is_gone_afterwards(repository: Path) -> None:
    before = state(repository)
    with at(repository / "llm", "HEAD~1") as project:
        assert project.name == "llm"
        assert (project / "a.yaml").read_text() == "one\n"
        assert git(project, "log", "--format=%s") == "First"
        (project / "a.yaml").write_text("written\n")
        (project / "new.yaml").write_text("new\n")
    assert not project.parent.exists()
    assert state(repository) == before
    assert (repository / "llm" / "b.yaml").read_text() == "in work\n"


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_is_gone_after_a_failure_and_after_ctrl_c(repository: Path, raised: type[BaseException]) -> None:
    before = state(repository)
    with pytest.raises(raised), at(repository / "llm", "main") as project:
        raise raised
    assert not project.parent.exists()
    assert state(repository) == before


def test_it_is_gone_even_if_its_own_files_were(repository: Path) -> None:
    with at(repository / "llm", "main") as project:
        shutil.rmtree(project.parent)
    git(repository, "worktree", "prune")
    assert "evalkit-" not in git(repository, "worktree", "list")


def test_another_work_tree_of_the_user_is_left_alone(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    away = tmp_path / "other-on-a-disk-that-is-not-there"
    (tmp_path / "other").rename(away)
    with at(repository, "main"):
        pass
    away.rename(tmp_path / "other")
    assert git(tmp_path / "other", "branch", "--show-current") == "other"


def test_git_prune_while_it_is_used_does_no_harm(repository: Path) -> None:
    with at(repository, "main") as project:
        git(repository, "worktree", "prune")
        assert git(project, "status", "--porcelain") == ""


def test_two_may_be_used_at_once(repository: Path) -> None:
    with at(repository, "main") as one, at(repository, "main~1") as other:
        assert (one / "llm/a.yaml").read_text() != (other / "llm/a.yaml").read_text()


def test_no_hook_of_the_user_runs(repository: Path, tmp_path: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with at(repository, "main"):
        pass
    assert not (tmp_path / "ran").exists()


def test_a_commit_that_is_not_there_is_a_problem_and_leaves_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.raises(UsageError, match="EK804"), at(repository, "f" * 40):
        pass
    assert list((tmp_path / "tmp").iterdir()) == []


def test_changes_are_those_of_the_whole_work_tree_by_path_in_the_repository(repository: Path) -> None:
    with at(repository / "llm", "main") as project:
        assert changes(project, "main") == {}
        (project / "a.yaml").write_bytes(b"\xff\x00")
        (project / "b.yaml").unlink()
        (project / "registry").mkdir()
        (project / "registry" / "é x.yaml").write_text("new\n")
        (project.parent / "top.md").write_text("top\n")
        (project / "noise.log").write_text("ignored\n")
        assert changes(project, "main") == {
            "llm/a.yaml": b"\xff\x00",
            "llm/b.yaml": None,
            "llm/registry/é x.yaml": b"new\n",
            "top.md": b"top\n",
        }
        assert changes(project, "main~1")["llm/a.yaml"] == b"\xff\x00"


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Path:
    """A shallow clone that knows main only, without the commit that came later."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(folder))
    git(repository, "switch", "--quiet", "--create", "feature/x", "--discard-changes")
    (repository / "llm" / "c.yaml").write_text("three\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Third")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    return folder


def test_a_branch_and_a_commit_are_fetched(repository: Path, clone: Path) -> None:
    wanted = git(repository, "rev-parse", "feature/x")
    fetch(clone, ["feature/x"], {})
    assert git(clone, "rev-parse", "origin/feature/x") == wanted
    assert git(clone, "branch", "--show-current") == "main"
    first = git(repository, "rev-parse", "main~1")
    fetch(clone, [first], {})
    assert git(clone, "cat-file", "-t", first) == "commit"


@pytest.mark.parametrize("ref", ["none", "a:refs/heads/main", "--upload-pack=touch x", "", "a b", "f" * 40])
def test_what_cannot_be_fetched_is_a_problem(clone: Path, ref: str) -> None:
    with pytest.raises(ForgeError, match="EK871") as caught:
        fetch(clone, [ref], {"GITHUB_TOKEN": "ghs_secret"})
    assert "ghs_secret" not in str(caught.value)


def test_the_token_is_in_the_environment_of_git_alone(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    real = shutil.which("git")
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *fetch*) echo "$@" > {tmp_path}/argv; env > {tmp_path}/env;; esac\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    environ = {
        "GITHUB_TOKEN": "ghs_secret",
        "GITHUB_SERVER_URL": "https://git.test",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.sslVerify",
        "GIT_CONFIG_VALUE_0": "true",
    }
    fetch(clone, ["feature/x"], environ)
    secret = base64.b64encode(b"x-access-token:ghs_secret").decode()
    argv, seen = (tmp_path / "argv").read_text(), (tmp_path / "env").read_text()
    assert "ghs_secret" not in argv
    assert secret not in argv
    assert f"GIT_CONFIG_VALUE_2=AUTHORIZATION: basic {secret}\n" in seen
    assert "GIT_CONFIG_KEY_2=http.https://git.test/.extraHeader\n" in seen
    assert "GIT_CONFIG_VALUE_1=\n" in seen
    assert "GIT_CONFIG_COUNT=3\n" in seen
    kept = (clone / ".git" / "config").read_text()
    assert secret not in kept
    assert "ghs_secret" not in kept


def test_the_token_opens_a_private_repository_even_beside_a_header_that_checkout_left(tmp_path: Path) -> None:
    world = GitHubWorld(tmp_path)
    try:
        world.push("main", {"README.md": b"one\n"}, "casey")
        clone = tmp_path / "clone"
        url, token = world.address()
        header = f"http.{url}/.extraheader"
        git(tmp_path, "clone", "--quiet", f"file://{world.folder}", str(clone))
        git(clone, "remote", "set-url", "origin", f"{url}/acme/llm.git")
        git(clone, "config", header, "AUTHORIZATION: basic c3RhbGU6dG9rZW4=")
        wanted = world.push("feature", {"new.md": b"two\n"}, "casey")
        fetch(clone, ["feature"], {"GITHUB_TOKEN": token, "GITHUB_SERVER_URL": url})
        assert git(clone, "rev-parse", "origin/feature") == wanted
        with pytest.raises(ForgeError, match="EK871"):
            fetch(clone, ["feature"], {"GITHUB_TOKEN": "ghs_wrong", "GITHUB_SERVER_URL": url})
    finally:
        world.close()
