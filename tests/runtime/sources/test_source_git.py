from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback import Loopback
from small_registry import entry, files, write

from evalkit.errors import ConfigError, SourceError
from evalkit.runtime.sources.git import GitSource
from evalkit.runtime.sources.locate import open_source

NOBODY = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}


def git(folder, *arguments):
    environment = {**os.environ, **NOBODY}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder, *entries, message="more"):
    write(folder, files(*entries))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, entry(13, "production"))
    return folder


def primary(fetched):
    return fetched.bundle.serving("support-triage", "production").primary


def problem_of(source, timeout_s=20.0):
    with pytest.raises(SourceError) as caught:
        source.fetch(None, timeout_s)
    return caught.value.problems[0]


def test_a_ref_is_read_in_place_and_the_work_tree_left_alone(repository):
    write(repository, files(entry(14, "production")))  # not committed
    before = git(repository, "status", "--porcelain")
    fetched = open_source(f"git+{repository}@main").fetch(None, 20)
    assert primary(fetched) == 13
    assert fetched.bundle.commit.id == git(repository, "rev-parse", "main")
    assert fetched.bundle.commit.count == 1
    assert git(repository, "status", "--porcelain") == before


def test_the_same_commit_is_no_change_and_the_next_one_is(repository):
    source = open_source(f"git+{repository}@main")
    first = source.fetch(None, 20)
    assert source.fetch(first.tag, 20) is None
    commit(repository, entry(14, "production"))
    second = source.fetch(first.tag, 20)
    assert (primary(second), second.bundle.commit.count) == (14, 2)
    assert second.bundle.order > first.bundle.order


def test_git_ref_is_the_repository_around_the_current_directory(repository, monkeypatch):
    monkeypatch.chdir(repository)
    assert primary(open_source("git:HEAD").fetch(None, 20)) == 13


@pytest.mark.parametrize("kind", ["annotated", "light"])
def test_a_tag_names_the_commit_it_is_of(repository, kind):
    git(repository, "tag", *(["-a", "-m", "x"] if kind == "annotated" else []), "r13")
    commit(repository, entry(14, "production"))
    assert primary(open_source(f"git+{repository}@r13").fetch(None, 20)) == 13


def test_a_branch_may_have_a_slash(repository):
    git(repository, "checkout", "-q", "-b", "release/next")
    commit(repository, entry(14, "production"))
    assert primary(open_source(f"git+{repository}@release/next").fetch(None, 20)) == 14


@pytest.mark.parametrize("ref", ["--output=/tmp/x", "-h", "", "ma in", "main\nx"])
def test_a_ref_that_looks_like_an_option_is_refused(repository, ref):
    with pytest.raises(SourceError):
        GitSource(str(repository), ref).fetch(None, 20)


def test_the_environment_of_a_hook_does_not_lead_elsewhere(repository, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert primary(open_source(f"git+{repository}@main").fetch(None, 20)) == 13


def test_a_folder_of_a_repository_is_named_behind_a_hash(tmp_path):
    folder = tmp_path / "mono"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder / "services", entry(13, "production")) if False else None
    write(folder / "services" / "a", files(entry(13, "production")))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    assert primary(open_source(f"git+{folder}@main#services/a").fetch(None, 20)) == 13
    assert "no registry/" in problem_of(open_source(f"git+{folder}@main")).message


def test_a_shallow_clone_says_what_to_fetch(repository, tmp_path):
    commit(repository, entry(14, "production"))
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "shallow")
    problem = problem_of(open_source(f"git+{tmp_path / 'shallow'}@main"))
    assert "shallow" in problem.message
    assert "git fetch --unshallow" in problem.hint


def test_a_link_in_a_commit_is_not_followed(repository, tmp_path):
    secret = tmp_path / "secret.yaml"
    secret.write_bytes(files()["registry/prompts/triage-prompt/v9.yaml"])
    prompt = repository / "registry/prompts/triage-prompt/v9.yaml"
    prompt.unlink()
    prompt.symlink_to(secret)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "link")
    with pytest.raises(ConfigError):
        open_source(f"git+{repository}@main").fetch(None, 20)


def test_a_mistake_in_a_commit_is_shown_at_its_line(repository):
    commit(repository, entry(14, "production", prompt="nowhere@v1"))
    with pytest.raises(ConfigError, match=r"registry/entries/support-triage/v14\.yaml:5"):
        open_source(f"git+{repository}@main").fetch(None, 20)


def test_a_ref_that_does_not_exist_is_said(repository):
    assert "nowhere" in problem_of(open_source(f"git+{repository}@nowhere")).message


def test_a_remote_is_mirrored_and_asked_again(repository):
    source = open_source(f"git+file://{repository}@main")
    first = source.fetch(None, 20)
    assert primary(first) == 13
    assert source.fetch(first.tag, 20) is None
    commit(repository, entry(14, "production"))
    assert primary(source.fetch(first.tag, 20)) == 14


def test_a_remote_whose_branch_was_rewritten_is_followed(repository):
    source = open_source(f"git+file://{repository}@main")
    first = source.fetch(None, 20)
    git(repository, "commit", "-q", "--amend", "-m", "rewritten")
    assert source.fetch(first.tag, 20).bundle.commit.id == git(repository, "rev-parse", "main")


def test_a_remote_that_is_gone_is_an_error(repository):
    source = open_source(f"git+file://{repository}@main")
    source.fetch(None, 20)
    repository.rename(repository.with_name("moved"))
    assert problem_of(source).code == "EK704"


def test_several_processes_may_share_a_mirror(repository):
    code = (
        "import sys; from evalkit.runtime.sources.locate import open_source\n"
        "print(open_source(sys.argv[1]).fetch(None, 30).bundle.commit.count)"
    )
    command = [sys.executable, "-c", code, f"git+file://{repository}@main"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=60) for process in running]
    assert [answer[0].strip() for answer in answers] == ["1"] * 4, answers


def test_a_remote_that_never_answers_is_given_up_in_time(tmp_path):
    with Loopback(lambda request: server.over.wait(20)) as server:
        source = open_source(f"git+http://127.0.0.1:{server.port}/x.git@main")
        began = time.monotonic()
        problem = problem_of(source, timeout_s=1.0)
        assert time.monotonic() - began < 3
    assert problem.code == "EK704"


def test_a_password_is_in_no_message():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://ann:s3cret@127.0.0.1:{taken.getsockname()[1]}/x.git"
        source = open_source(f"git+{url}@main")
        assert "s3cret" not in source.display
        with pytest.raises(SourceError) as caught:
            source.fetch(None, 5)
    assert "s3cret" not in str(caught.value)


def test_a_password_is_not_taken_for_a_ref():
    assert "s3cret" not in open_source("git+https://ann:s3cret@host.example/x.git").display


@pytest.mark.parametrize("text", ["git+ext::sh -c touch@main", "git+--upload-pack=x@main"])
def test_a_url_that_runs_a_program_is_refused(text):
    with pytest.raises(SourceError):
        open_source(text).fetch(None, 5)
