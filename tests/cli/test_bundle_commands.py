from __future__ import annotations

import json
import os
import subprocess

import pytest
from small_registry import entry, files, write

DATE = "2026-11-01T12:00:00Z"


def git(folder, *arguments) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
    identity = ["-c", "user.name=Writer", "-c", "user.email=writer@example.com"]
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=folder, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    root = write(
        tmp_path / "project",
        files(
            entry(12, "production"),
            entry(13, "production"),
            entry(14, "staging", extra="rollout: { percent: 5 }\n"),
            entry(1, "draft", name="faq"),
        ),
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "First")
    monkeypatch.chdir(root)
    return root


def test_it_says_what_is_in_it_and_writes_it(evalkit, repository):
    result = evalkit("bundle", "-o", "bundle.json")
    assert result.code == 0
    assert result.out.splitlines()[:2] == [
        "  faq             production nobody, staging nobody",
        "  support-triage  production v13 + canary v14 5 %, staging v14",
    ]
    commit = git(repository, "rev-parse", "HEAD")
    assert f"of commit {commit[:12]}, number 1" in result.out
    assert result.out.splitlines()[-1] == "written to bundle.json"
    written = json.loads((repository / "bundle.json").read_text())
    assert sorted(written["entries"]) == [f"support-triage@v{v}" for v in (12, 13, 14)]
    assert written["commit"] == {"id": commit, "first_parent_count": 1, "time": DATE, "dirty": False}


def test_without_a_file_nothing_is_written(evalkit, repository):
    before = sorted(repository.rglob("*"))
    result = evalkit("bundle")
    assert result.out.splitlines()[-1] == "not written: name a file with -o"
    assert sorted(repository.rglob("*")) == before


def test_the_same_commit_gives_the_same_bytes_whatever_lies_here(evalkit, repository):
    first = evalkit("bundle", "--ref", "HEAD", "-o", "-").out
    (repository / "registry/entries/support-triage/v14.yaml").unlink()
    assert evalkit("bundle", "--ref", "main", "-o", "-").out == first


def test_what_is_not_committed_is_marked(evalkit, repository):
    write(repository, dict([entry(15, "staging")]))
    result = evalkit("bundle", "-o", "bundle.json", "--format", "json")
    summary = json.loads(result.out)
    assert summary["commit"]["dirty"] is True
    assert summary["serving"]["support-triage"]["staging"]["primary"] == 15
    assert "publish what is committed" in evalkit("bundle").out


def test_an_ambiguous_registry_is_refused_and_nothing_is_written(evalkit, repository):
    write(repository, dict(entry(v, "production", extra="traffic: 1\ncontrol: true\n") for v in (12, 13)))
    result = evalkit("bundle", "-o", "bundle.json")
    assert result.code == 2
    assert (
        "registry/entries/support-triage/v13.yaml:10:10: EK210 who serves support-triage is not clear"
        in result.err
    )
    assert not (repository / "bundle.json").exists()


def test_a_folder_that_is_not_there_is_named(evalkit, repository):
    result = evalkit("bundle", "-o", "none/bundle.json")
    assert result.code == 2
    assert "there is no folder none" in result.err
    assert "mkdir -p none" in result.err


@pytest.mark.parametrize("ref", ["no-such-branch", "--all"])
def test_a_ref_that_is_none_is_refused(evalkit, repository, ref):
    result = evalkit("bundle", f"--ref={ref}")
    assert result.code == 2
    assert "EK70" in result.err


def test_outside_of_git_there_is_no_commit(evalkit, tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, files(entry(13, "production"))))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    result = evalkit("bundle")
    assert "of no commit: not in git" in result.out


def test_verifying_a_good_bundle(evalkit, repository):
    evalkit("bundle", "--ref", "HEAD", "-o", "bundle.json")
    result = evalkit("verify", "bundle", "bundle.json", "--rebuild")
    assert result.code == 0
    assert result.out.startswith("bundle.json holds: 3 entries, commit ")
    assert json.loads(evalkit("verify", "bundle", "bundle.json", "--format", "json").out)["valid"] is True


def test_verifying_a_changed_bundle(evalkit, repository):
    evalkit("bundle", "-o", "bundle.json")
    path = repository / "bundle.json"
    path.write_text(path.read_text().replace("Sort the ticket", "Obey the ticket"))
    result = evalkit("verify", "bundle", "bundle.json")
    assert result.code == 1
    assert "bundle.json: EK702" in result.out


def test_verifying_a_bundle_that_was_resealed_by_somebody_else(evalkit, repository):
    from evalkit.runtime.bundle import encode_bundle

    evalkit("bundle", "--ref", "HEAD", "-o", "bundle.json")
    path = repository / "bundle.json"
    document = json.loads(path.read_text())
    document["entries"]["support-triage@v13"]["model"] = "another-2026-01-01"
    path.write_bytes(encode_bundle(document))
    result = evalkit("verify", "bundle", "bundle.json", "--rebuild")
    assert result.code == 1
    assert "EK702 support-triage@v13 names the digest" in result.out
    assert "compiles to another bundle: support-triage@v13 differ" in result.out


def test_verifying_what_is_not_there(evalkit, repository):
    assert evalkit("verify", "bundle", "none.json").code == 2


def test_resolving_shows_what_an_application_gets(evalkit, repository):
    result = evalkit("resolve", "support-triage", "--env", "production")
    assert result.code == 0
    assert result.out.splitlines()[0] == "support-triage@v13  v13 serves production"
    assert "  variants  primary v13 95.0%, canary v14 5.0%" in result.out
    assert "  | {{ ticket }}" in result.out


def test_resolving_from_a_bundle_a_ref_and_for_a_key(evalkit, repository):
    evalkit("bundle", "-o", "bundle.json")
    for source in ("bundle.json", "git:main", "registry"):
        arguments = ("resolve", "support-triage", "--env", "staging", "--from", source, "--format", "json")
        assert json.loads(evalkit(*arguments).out)["version"] == 14
    arguments = ("resolve", "support-triage", "--env", "production", "--key", "42", "--format", "json")
    data = json.loads(evalkit(*arguments).out)
    assert data["unit"].startswith("k1-")
    assert data["reason"] == "v13 is assigned to this key"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("faq", "--env", "production"), 2, "EK707 nobody serves faq in production"),
        (("suport-triage", "--env", "production"), 2, "did you mean 'support-triage'?"),
        (("support-triage", "--env", "prod"), 2, "EK707 there is no environment 'prod'"),
        (("support-triage",), 2, "Missing option '--env'"),
        (("support-triage", "--env", "production", "--from", "none.json"), 2, "EK704"),
        (("support-triage", "--env", "production", "--key", ""), 2, "EK902"),
    ],
)
def test_what_cannot_be_resolved_says_why(evalkit, repository, arguments, code, said):
    result = evalkit("resolve", *arguments)
    assert result.code == code
    assert said in result.err
