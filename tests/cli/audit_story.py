"""A small history of `support-triage`, written down line by line: what the audit commands are asked about."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import datetime
from pathlib import Path

from small_registry import PROMPT, entry, files, write

ANN, BOB, DAN = "Ann <ann@example.com>", "Bob <bob@example.com>", "Dan <dan@example.com>"
NAME = "support-triage"


class AuditStory:
    """A repository whose commits have the times that they are given."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str, by: str = ANN, at: str = "2026-10-01T00:00Z", given: str = "") -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        person, _, address = by.rstrip(">").rpartition(" <")
        when = f"@{int(datetime.fromisoformat(at).timestamp())} +0000"
        env = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": person, f"GIT_{role}_EMAIL": address, f"GIT_{role}_DATE": when}
        done = subprocess.run(
            ["git", "-C", str(self.root), *args],
            env={**kept, **env},
            input=given.encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def put(
        self,
        version: int,
        status: str,
        extra: str = "",
        *,
        name: str = NAME,
        prompt: str = "triage-prompt@v8",
    ):
        write(self.root, dict([entry(version, status, name=name, prompt=prompt, extra=extra)]))

    def commit(self, message: str, at: str, by: str = ANN) -> str:
        self.git("add", "-A")
        self.git(
            "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", by=by, at=at, given=message
        )
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str, message: str, at: str, by: str = BOB) -> str:
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--no-ff", "-m", message, branch, by=by, at=at)
        return self.git("rev-parse", "HEAD")


def evaluated(score: float, run: str, approver: str | None = None) -> str:
    """What an evaluation, and an approval, leave in an entry."""
    text = f"eval: {{ suite: triage-eval@v4, score: {score}, run: {run} }}\n"
    return text + (f"approved_by: {approver}\n" if approver else "")


def tell(root: Path) -> AuditStory:
    """v13 serves; v14 comes by a canary, serves six days, and is rolled back.

    Times are UTC. `Europe/Berlin` is two hours ahead until 25 October, and one hour after it.
    """
    story = AuditStory(root)
    write(root, {key: raw for key, raw in files().items() if not key.endswith("/v9.yaml")})
    story.put(12, "retired", evaluated(0.9, "run-12", "cara"))
    story.put(13, "production", evaluated(0.91, "run-13", "cara"))
    story.commit("Begin the registry", "2026-10-02T08:00Z")

    story.git("checkout", "-q", "-b", "v14")
    write(root, {"registry/prompts/triage-prompt/v9.yaml": PROMPT.format(version=9).encode()})
    story.commit("Ask for the queue first", "2026-10-12T09:00Z", DAN)
    story.put(14, "draft", prompt="triage-prompt@v9")
    story.commit("Try the new prompt", "2026-10-12T09:30Z", ANN)
    story.merge("v14", "Merge pull request #11 from example/v14\n\nA new prompt", "2026-10-12T15:00Z")

    def v14(status: str, extra: str = "", score: str = "") -> None:
        story.put(14, status, (score or evaluated(0.9312, "run-14")) + extra, prompt="triage-prompt@v9")

    v14("staging")
    story.commit(
        "Promote support-triage v14 to staging (#12)\n\nApproved-by: bob",
        "2026-10-20T10:00Z",
        "evalkit <bot@example.com>",
    )
    v14("staging", "rollout: { percent: 5 }\n")
    story.commit("Start the canary of support-triage v14 (#13)\n\nApproved-by: bob", "2026-10-21T07:15Z", ANN)
    v14("staging", "rollout: { percent: 25 }\n")
    story.commit("Raise the canary of support-triage v14 (#14)\n\nApproved-by: bob", "2026-10-26T07:15Z", ANN)
    v14("production")
    story.commit(
        "Promote support-triage v14 to production (#15)", "2026-11-03T13:00Z", "evalkit <bot@example.com>"
    )
    v14("production", score=evaluated(0.9312, "run-14", "bob"))
    story.commit("Stamp the approval of support-triage v14", "2026-11-03T13:05Z", "evalkit <bot@example.com>")
    v14("retired", score=evaluated(0.9312, "run-14", "bob"))
    story.commit(
        "Roll support-triage back to v13 (#16)\n\nReason: invented refunds\nApproved-by: cara",
        "2026-11-09T16:40Z",
        DAN,
    )
    return story


def begin(tmp_path: Path, monkeypatch) -> AuditStory:
    """The repository, the current directory in it, and the local zone Berlin's: what the fixture `story` is."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    told = tell(tmp_path / "project")
    monkeypatch.chdir(told.root)
    return told


def normal(text: str) -> str:
    """Without what other files than the story's decide: the ids of commits."""
    return re.sub(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b", lambda found: "#" * len(found[0]), text)


if __name__ == "__main__":
    import sys

    tell(Path(sys.argv[1]))
