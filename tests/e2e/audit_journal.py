"""Three months of a registry, made by the commands as a team would, and a journal that is kept beside them by hand.

The journal never asks evalkit: what it says of a commit is written here, next to what was done. `python audit_journal.py
DIR` leaves the repository in DIR.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evalkit.cli.main import run
from evalkit.evals.evidence import Evidence, EvidenceRun, evidence_path, hashed_id, with_run
from evalkit.evals.pool import Evidences
from evalkit.registry.project import Project
from evalkit.registry.writeback import apply
from evalkit.runtime.refs import Ref

ANN, BEN, CLEO, DAN = (f"{name} <{name.lower()}@example.org>" for name in ("Ann", "Ben", "Cleo", "Dan"))
DEE = "Dan Dee <dan.dee@example.org>"
BOT = "evalkit <bot@example.org>"
TRIAGE, FAQ = "support-triage", "faq"
MODEL = "gpt-5.4-2026-03-05"
CASES = 100

CONFIG = """\
default_provider: openai
providers:
  openai: { kind: openai, api_key_env: OPENAI_API_KEY }
policy:
  defaults: { approvals: 1 }
  entries:
    support-triage: { suites: [triage-eval@v1] }                      # canary before production
    faq: { suites: [faq-eval@v1], production_gate: eval }
"""
ENTRY = """\
# {name}: {line}
name: {name}
version: {version}
model: {model}   # pinned
prompt_ref: {name}-prompt@v{version}
params: {{ max_tokens: 300 }}
status: draft    # draft | staging | production | retired
"""
PROMPT = """\
name: {name}-prompt
version: {version}
variables: {{ ticket: {{ type: string }} }}
messages:
  - role: system
    content: |
      {line}
  - role: user
    content: "{{{{ ticket }}}}"
"""
SUITE = "name: {name}\nversion: 1\ncases: cases.jsonl\nscorers: [exact_match]\ngate: {{ min_score: 0.8 }}\n"
SUITES = {TRIAGE: "triage-eval", FAQ: "faq-eval"}


def line_of(name: str, version: int) -> str:
    """What only this version's prompt says."""
    return f"This is prompt {version} of {name}: answer with one word."


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Landed:
    """A commit of the main line, as the one who made it knows it."""

    at: datetime
    commit: str
    authors: tuple[str, ...]
    pr: int | None


@dataclass(frozen=True)
class Change:
    landed: Landed
    name: str
    version: int | None
    """None: of a hold."""
    says: str
    approver: str | None = None
    score: float | None = None
    reason: str | None = None
    is_minor: bool = False
    """Shown by `log --all` only."""


@dataclass(frozen=True)
class Served:
    """From `at` on: each row is version, role, share of the calls."""

    at: datetime
    name: str
    production: tuple[tuple[int, str, float], ...]
    staging: tuple[tuple[int, str, float], ...]


@dataclass
class Journal:
    """What happened, oldest first."""

    commits: list[Landed] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)

    def at(self, when: datetime, name: str) -> Served | None:
        """None before the name's first commit."""
        known = [row for row in self.served if row.name == name and row.at <= when]
        return known[-1] if known else None

    def commit_at(self, when: datetime) -> Landed | None:
        known = [landed for landed in self.commits if landed.at <= when]
        return known[-1] if known else None


def rows(text: str) -> tuple[tuple[int, str, float], ...]:
    """`v4=0.9 ~v5=0.1`: the primary, then the arms of an A/B, `~` before the canary. Shares are written, not computed."""
    found = []
    for index, part in enumerate(text.split()):
        version, _, share = part.lstrip("~").removeprefix("v").partition("=")
        role = "canary" if part.startswith("~") else "arm" if index else "primary"
        found.append((int(version), role, float(share or 1)))
    return tuple(found)


class Story:
    """The repository and its journal."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = Journal()
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    # What a person does

    def git(self, *args: str, by: str = ANN, at: datetime | None = None, given: str = "") -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        person, _, address = by.rstrip(">").rpartition(" <")
        stamp = f"@{int((at or moment('2025-09-01')).timestamp())} +0000"
        env = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": person, f"GIT_{role}_EMAIL": address, f"GIT_{role}_DATE": stamp}
        done = subprocess.run(
            ["git", "-C", str(self.root), *args],
            env={**kept, **env},
            input=given.encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (args, done.stdout.decode(), done.stderr.decode())
        return done.stdout.decode().strip()

    def evalkit(self, *args: str, code: int = 0):
        """What a command prints as JSON."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = run([*args, "--format", "json"])
        assert got == code, (args, got, out.getvalue(), err.getvalue())
        return json.loads(out.getvalue())

    def do(self, *args: str) -> str:
        """Carry a plan out; the message that it offers for the commit."""
        told = self.evalkit(*args, "--apply")
        assert told["applied"], told
        return "\n".join(plan["commit_message"] for plan in told["plans"] if plan["commit_message"])

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def draft(self, name: str, version: int) -> None:
        values = {"name": name, "version": version, "line": line_of(name, version), "model": MODEL}
        self.write(f"registry/entries/{name}/v{version}.yaml", ENTRY.format(**values))
        self.write(f"registry/prompts/{name}-prompt/v{version}.yaml", PROMPT.format(**values))

    def put(self, name: str, version: int, **keys) -> None:
        """Keys of an entry, written as evalkit writes them: `canary`, `approved_by`, `rollout`."""
        path = f"registry/entries/{name}/v{version}.yaml"
        apply(self.root / path, keys, display=path, lock_dir=self.root / ".evalkit/locks")

    def measure(self, name: str, version: int, right: int) -> None:
        """A run of CI: so many cases right of all. The evidence, and the score in the entry."""
        ref, suite = Ref(name, version), Ref(SUITES[name], 1)
        evidences = Evidences(Project(self.root))
        known = evidences.suite(suite)
        values = {
            "run_id": f"ci-{name}-{version}-{right}",
            "created": "2025-09-01T00:00:00Z",
            "source": "ci",
            "generation_digest": evidences.generation(ref),
            "suite_digest": known.digest,
            "measurement_digest": known.measurement,
            "verdict": "pass",
            "score": right / CASES,
            "primary": "mean",
            "cases": CASES,
            "scored": CASES,
            "errors": 0,
            "cached": 0,
            "repeats": 1,
            "evalkit_version": "0.1.0",
            "scores": {hashed_id(f"c{case}"): (1, float(case < right)) for case in range(CASES)},
        }
        run_ = EvidenceRun.model_validate(values)
        evidence = with_run(Evidence(entry=name, version=version, suite=str(suite)), run_)
        path = evidence_path(self.root, ref, suite)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(evidence.to_bytes())
        block = {
            "suite": str(suite),
            "score": right / CASES,
            "run": run_.run_id,
            "evidence": evidence.digest,
        }
        self.put(name, version, eval=block)

    # How a change comes to the main line

    def land(
        self, message: str, at: str, by: str = ANN, *, pr: int | None = None, how: str = "", body: str = "", with_=""
    ) -> None:  # fmt: skip
        """What lies in the tree, as a commit of the main line.

        `how` is `merge` (a pull request's own commits and a merge commit by Ben), `squash`, `rebase` (its commit moved
        onto main, no number anywhere) or `direct`; `with_` is a second author of a squash, `body` ends the message.
        """
        how = how or ("merge" if pr else "direct")
        when, title = moment(at), message.splitlines()[0]
        gap = "\n" if "\n\n" in message else "\n\n"  # trailers stand together
        ended = f"{message.rstrip()}{gap}{body}\n" if body else message
        if how in {"merge", "squash"}:
            self.git("checkout", "-q", "-b", f"pr-{pr}")
        self.git("add", "-A")
        if how == "merge":
            self.commit(message, when - timedelta(minutes=95), by)
            self.join(title, when, pr or 0, body)
        elif how == "squash":
            self.commit(message, when - timedelta(hours=5), by)
            self.commit("Say it better", when - timedelta(hours=2), with_)
            self.git("checkout", "-q", "main")
            self.git("merge", "-q", "--squash", f"pr-{pr}", at=when)
            text = f"{title} (#{pr})\n\n* {message}\n* Say it better\n\nCo-authored-by: {with_}\n{body}\n"
            self.commit(text, when, by)
        else:
            self.commit(ended, when, by)
        wrote = (by, with_) if how == "squash" else (by,)
        self.note(when, wrote, pr)

    def commit(self, message: str, when: datetime, by: str) -> None:
        self.git("commit", "-q", "--allow-empty", "-F", "-", by=by, at=when, given=message)

    def join(self, title: str, when: datetime, pr: int, body: str = "") -> None:
        """Merge a pull request's branch."""
        self.git("checkout", "-q", "main")
        text = f"Merge pull request #{pr} from example/pr-{pr}\n\n{title}\n\n{body}".rstrip()
        self.git("merge", "-q", "--no-ff", "-m", text, f"pr-{pr}", by=BEN, at=when)

    def note(self, when: datetime, authors: tuple[str, ...], pr: int | None) -> None:
        head = self.git("rev-parse", "HEAD")
        self.journal.commits.append(Landed(when, head, authors, pr))

    # The journal

    def changed(
        self, name: str, version: int | None, says: str, *known, minor: bool = False, score=None
    ) -> None:
        """Of the last commit: who approved it and why, as far as it is known."""
        approver, reason = (*known, None, None)[:2]
        landed = self.journal.commits[-1]
        self.journal.changes.append(
            Change(landed, name, version, says, approver, score, reason, is_minor=minor)
        )

    def stamped(self, name: str, version: int, who: str, at: str, *, score: float) -> None:
        """The approval of what was merged, written afterwards by the bot."""
        self.put(name, version, approved_by=who)
        self.land(f"Stamp the approval of {name} v{version}", at, BOT)
        self.changed(name, version, f"v{version} approved by {who}", who, score=score, minor=True)

    def serves(self, name: str, production: str, staging: str) -> None:
        """Since the last commit."""
        at = self.journal.commits[-1].at
        self.journal.served.append(Served(at, name, rows(production), rows(staging)))


def reason_in(message: str) -> str:
    """The reason that the author committed with, out of the message at hand."""
    return next(line.removeprefix("Reason: ") for line in message.splitlines() if line.startswith("Reason: "))


def tell(root: Path) -> Story:
    """All of it, 2025-09-01 to 2025-11-28."""
    story = Story(root)
    september(story)
    october(story)
    november(story)
    return story


def september(s: Story) -> None:
    """Both names begin. v2 of support-triage comes by a canary, and is rolled back at night; v3 follows."""
    s.write("evalkit.yaml", CONFIG)
    s.write(".gitignore", ".evalkit/\n")
    for suite in SUITES.values():
        s.write(f"suites/{suite}/v1/suite.yaml", SUITE.format(name=suite))
        cases = [{"id": f"c{i}", "vars": {"ticket": f"ticket {i}"}, "expected": "a"} for i in range(CASES)]
        s.write(f"suites/{suite}/v1/cases.jsonl", "".join(json.dumps(case) + "\n" for case in cases))
    s.draft(TRIAGE, 1)
    s.land("Begin the registry", "2025-09-01 08:00")
    s.changed(TRIAGE, 1, "v1 created", minor=True)
    s.serves(TRIAGE, "", "")

    s.measure(TRIAGE, 1, 91)
    message = s.do("promote", f"{TRIAGE}@v1")
    s.land(message, "2025-09-02 10:00", pr=1)
    s.changed(TRIAGE, 1, "v1 draft -> staging", "cleo", reason_in(message), score=0.91)
    s.serves(TRIAGE, "", "v1")
    s.stamped(TRIAGE, 1, "cleo", "2025-09-02 10:05", score=0.91)

    message = s.do("promote", f"{TRIAGE}@v1")
    s.land(message, "2025-09-03 15:30:20", DAN, pr=2)
    says = "v1 staging -> production, the first to serve"
    s.changed(TRIAGE, 1, says, "cleo", reason_in(message), score=0.91)
    s.serves(TRIAGE, "v1", "v1")
    s.stamped(TRIAGE, 1, "cleo", "2025-09-03 15:41", score=0.91)  # who approved the step before, too

    s.draft(FAQ, 1)
    s.measure(FAQ, 1, 97)
    s.land("Answer common questions", "2025-09-05 09:00", DAN, pr=3)
    s.changed(FAQ, 1, "v1 created", score=0.97, minor=True)
    s.serves(FAQ, "", "")
    message = s.do("promote", f"{FAQ}@v1")
    s.land(message, "2025-09-06 09:00", DAN, how="rebase", body="Reviewed-by: Ann")
    s.changed(FAQ, 1, "v1 draft -> staging", "Ann", reason_in(message), score=0.97)
    s.serves(FAQ, "", "v1")
    message = s.do("promote", f"{FAQ}@v1")
    s.land(message, "2025-09-06 09:05", DAN, how="rebase", body="Reviewed-by: Ann")
    s.changed(FAQ, 1, "v1 staging -> production, the first to serve", "Ann", reason_in(message), score=0.97)
    s.serves(FAQ, "v1", "v1")

    s.draft(TRIAGE, 2)
    s.land("Try a shorter prompt", "2025-09-10 11:00", pr=4)
    s.changed(TRIAGE, 2, "v2 created", minor=True)
    s.measure(TRIAGE, 2, 93)
    s.land("Evaluate support-triage v2", "2025-09-10 12:00", BOT)
    s.changed(TRIAGE, 2, "v2 evaluated, score 0.93", score=0.93, minor=True)
    message = s.do("promote", f"{TRIAGE}@v2")
    s.land(message, "2025-09-11 10:00", pr=5, body="Approved-by: ben")
    s.changed(TRIAGE, 2, "v2 draft -> staging", "ben", reason_in(message), score=0.93)
    s.serves(TRIAGE, "v1", "v2")
    s.put(TRIAGE, 2, rollout={"percent": 5})
    s.land("Start the canary of support-triage v2", "2025-09-12 07:15", pr=6, body="Approved-by: ben")
    s.changed(TRIAGE, 2, "canary v2 starts with 5 %", "ben", score=0.93)
    s.serves(TRIAGE, "v1=0.95 ~v2=0.05", "v2")
    s.put(TRIAGE, 2, rollout={"percent": 25})
    s.land("Raise the canary (#7)\n\nApproved-by: cleo\n", "2025-09-15 07:15", DAN, pr=7, how="direct")
    s.changed(TRIAGE, 2, "canary v2 5 % -> 25 %", "cleo", score=0.93)
    s.serves(TRIAGE, "v1=0.75 ~v2=0.25", "v2")
    message = s.do("pause", TRIAGE, "--reason", "slow answers")
    s.land(message, "2025-09-16 21:48:59", CLEO)
    s.changed(TRIAGE, 2, "canary v2 25 % -> 0 %", None, "slow answers", score=0.93)
    s.serves(TRIAGE, "v1", "v2")
    s.put(TRIAGE, 2, rollout={"percent": 50})
    s.land("The provider was slow, not v2", "2025-09-17 09:00", pr=8, body="Approved-by: ben")
    s.changed(TRIAGE, 2, "canary v2 0 % -> 50 %", "ben", score=0.93)
    s.serves(TRIAGE, "v1=0.5 ~v2=0.5", "v2")
    s.put(TRIAGE, 2, canary={"verdict": "clean", "run": "canary-2"})
    message = s.do("promote", f"{TRIAGE}@v2")
    s.land(message, "2025-09-20 13:00", BOT, pr=9)
    says = "v2 staging -> production, replacing v1"
    s.changed(TRIAGE, 2, says, "ben", reason_in(message), score=0.93)
    s.changed(TRIAGE, 2, "canary v2 ends, it had 50 %", "ben", reason_in(message), score=0.93)
    s.serves(TRIAGE, "v2", "v2")
    s.stamped(TRIAGE, 2, "ben", "2025-09-20 13:05", score=0.93)

    message = s.do("rollback", TRIAGE, "--reason", "invented refunds", "--by", "Dan")
    s.land(message, "2025-09-23 02:40:11", DAN, pr=10, body="Approved-by: cleo")
    says = "v2 production -> retired; rolled back to v1"
    s.changed(TRIAGE, 2, says, "cleo", "invented refunds", score=0.93)
    s.changed(TRIAGE, None, "content held by Dan", "cleo", "invented refunds")
    s.serves(TRIAGE, "v1", "v1")

    s.draft(TRIAGE, 3)
    s.measure(TRIAGE, 3, 94)
    message = s.do("promote", f"{TRIAGE}@v3")
    s.land(
        message, "2025-09-24 16:00", ANN, pr=11, how="squash", with_=DEE,
        body="Approved-by: ben",
    )  # fmt: skip
    s.changed(TRIAGE, 3, "v3 created as staging", "ben", reason_in(message), score=0.94)
    s.serves(TRIAGE, "v1", "v3")
    s.put(TRIAGE, 3, rollout={"percent": 10})
    s.land("Start the canary of support-triage v3", "2025-09-26 08:00", how="rebase", body="Approved-by: ben")
    s.changed(TRIAGE, 3, "canary v3 starts with 10 %", "ben", score=0.94)
    s.serves(TRIAGE, "v1=0.9 ~v3=0.1", "v3")
    s.put(TRIAGE, 3, canary={"verdict": "clean", "run": "canary-3"})
    message = s.do("promote", f"{TRIAGE}@v3")
    s.land(message, "2025-09-30 13:00", BOT, pr=12, body="Approved-by: cleo")
    says = "v3 staging -> production, replacing v1"
    s.changed(TRIAGE, 3, says, "cleo", reason_in(message), score=0.94)
    s.changed(TRIAGE, 3, "canary v3 ends, it had 10 %", "cleo", reason_in(message), score=0.94)
    s.serves(TRIAGE, "v3", "v3")


def october(s: Story) -> None:
    """v4 follows, v5 meets it in an A/B and wins; faq v2 is written in parallel, faq v3 gets past the rules."""
    s.git("checkout", "-q", "-b", "pr-14")
    s.draft(FAQ, 2)
    s.measure(FAQ, 2, 98)
    s.git("add", "-A")
    s.commit("Answer shipping questions too", moment("2025-10-01 09:00"), DAN)
    s.git("checkout", "-q", "main")

    why = "the refunds were the client's"
    message = s.do("unhold", f"{TRIAGE}@v2", "--reason", why, "--by", "Ann")
    s.land(message, "2025-10-01 10:00", ANN, pr=13, body="Approved-by: ben")
    s.changed(TRIAGE, None, "content released by Ann", "ben", why)

    s.draft(TRIAGE, 4)
    s.measure(TRIAGE, 4, 95)
    s.land("Ask for the queue first", "2025-10-02 08:00", how="rebase")
    s.changed(TRIAGE, 4, "v4 created", score=0.95, minor=True)
    message = s.do("promote", f"{TRIAGE}@v4")
    s.land(message, "2025-10-02 09:00", how="rebase", body="Approved-by: ben")
    s.changed(TRIAGE, 4, "v4 draft -> staging", "ben", reason_in(message), score=0.95)
    s.serves(TRIAGE, "v3", "v4")
    s.join("Answer shipping questions too", moment("2025-10-03 12:00"), 14)
    s.note(moment("2025-10-03 12:00"), (DAN,), 14)
    s.changed(FAQ, 2, "v2 created", score=0.98, minor=True)
    message = s.do("promote", FAQ)
    s.land(message, "2025-10-03 17:00", BOT, pr=15, body="Approved-by: ann")
    s.changed(FAQ, 2, "v2 draft -> staging", "ann", reason_in(message), score=0.98)
    s.serves(FAQ, "v1", "v2")
    s.put(TRIAGE, 4, rollout={"percent": 20, "unit": "key"})
    s.land("Start the canary of support-triage v4", "2025-10-04 08:00", pr=16, body="Approved-by: ben")
    s.changed(TRIAGE, 4, "canary v4 starts with 20 % by key", "ben", score=0.95)
    s.serves(TRIAGE, "v3=0.8 ~v4=0.2", "v4")
    message = s.do("promote", FAQ, "--to", "production")
    s.land(message, "2025-10-05 10:00", BOT, pr=17, body="Approved-by: ann")
    s.changed(FAQ, 2, "v2 staging -> production, replacing v1", "ann", reason_in(message), score=0.98)
    s.serves(FAQ, "v2", "v2")
    s.put(TRIAGE, 4, canary={"verdict": "clean", "run": "canary-4"})
    message = s.do("promote", f"{TRIAGE}@v4")
    s.land(message, "2025-10-08 13:00", BOT, pr=18)
    says = "v4 staging -> production, replacing v3"
    s.changed(TRIAGE, 4, says, "cleo", reason_in(message), score=0.95)
    s.changed(TRIAGE, 4, "canary v4 ends, it had 20 % by key", "cleo", reason_in(message), score=0.95)
    s.serves(TRIAGE, "v4", "v4")
    s.stamped(TRIAGE, 4, "cleo", "2025-10-08 13:02:17", score=0.95)

    s.draft(TRIAGE, 5)
    s.measure(TRIAGE, 5, 96)
    message = s.do("promote", f"{TRIAGE}@v5")
    s.land(message, "2025-10-10 10:00", CLEO, pr=19, body="Approved-by: ben")
    s.changed(TRIAGE, 5, "v5 created as staging", "ben", reason_in(message), score=0.96)
    s.serves(TRIAGE, "v4", "v5")
    message = s.do("split", TRIAGE, "v4=70", "v5=30", "--reason", "compare the two")
    s.land(message, "2025-10-12 10:00", CLEO, pr=20, body="Approved-by: ben")
    s.changed(TRIAGE, 4, "v4 no weight -> weight 70, control", "ben", "compare the two", score=0.95)
    s.changed(
        TRIAGE, 5, "v5 no weight -> weight 30 (from production on)", "ben", "compare the two", score=0.96
    )
    s.put(TRIAGE, 5, canary={"verdict": "clean", "run": "canary-5"})
    message = s.do("promote", f"{TRIAGE}@v5")
    s.land(message, "2025-10-14 10:00", BOT, pr=21, body="Approved-by: ben")
    says = "v5 staging -> production, starting an A/B with v4"
    s.changed(TRIAGE, 5, says, "ben", reason_in(message), score=0.96)
    s.serves(TRIAGE, "v4=0.7 v5=0.3", "v4=0.7 v5=0.3")
    message = s.do("split", TRIAGE, "v4=50", "v5=50")
    s.land(message, "2025-10-20 10:00", CLEO, pr=22, body="Approved-by: ben")
    s.changed(TRIAGE, 4, "v4 weight 70, control -> weight 50, control", "ben", score=0.95)
    s.changed(TRIAGE, 5, "v5 weight 30 -> weight 50", "ben", score=0.96)
    s.serves(TRIAGE, "v4=0.5 v5=0.5", "v4=0.5 v5=0.5")
    message = s.do("retire", f"{TRIAGE}@v4", "--reason", "lost the A/B")
    s.land(message, "2025-10-27 10:00", CLEO, pr=23, body="Approved-by: ben")
    s.changed(
        TRIAGE, 4, "v4 production -> retired; the A/B ends, v5 serves", "ben", "lost the A/B", score=0.95
    )
    s.serves(TRIAGE, "v5", "v5")

    s.draft(FAQ, 3)
    s.land("Answer in one sentence", "2025-10-28 09:00", DAN, pr=24)
    s.changed(FAQ, 3, "v3 created", minor=True)
    why = "the old answers name a closed shop"
    message = s.do("promote", f"{FAQ}@v3", "--override", "--reason", why, "--by", "Cleo")
    s.land(message, "2025-10-29 07:00", CLEO, pr=25, body="Approved-by: ann")
    s.changed(FAQ, 3, "v3 draft -> staging", "ann", why)
    s.serves(FAQ, "v2", "v3")
    s.measure(FAQ, 3, 99)
    message = s.do("promote", f"{FAQ}@v3")
    s.land(message, "2025-10-31 09:00", DAN, how="rebase", body="Approved-by: ann")
    says = "v3 staging -> production, replacing v2"
    s.changed(FAQ, 3, says, "ann", reason_in(message), score=0.99)
    s.serves(FAQ, "v3", "v3")


def november(s: Story) -> None:
    """A revert, a second rollback that also pauses a canary, and v8 at the end."""
    s.git("revert", "--no-edit", "HEAD", by=ANN, at=moment("2025-11-03 18:22:07"))
    s.note(moment("2025-11-03 18:22:07"), (ANN,), None)
    why = 'Revert "Promote faq@v3 to production"'
    s.changed(FAQ, 3, "v3 production -> staging; v2 serves", None, why, score=None)
    s.serves(FAQ, "v2", "v3")
    s.measure(FAQ, 3, 99)
    message = s.do("promote", f"{FAQ}@v3")
    s.land(message, "2025-11-05 09:00", DAN, pr=26, body="Approved-by: ann")
    s.changed(FAQ, 3, "v3 staging -> production, replacing v2", "ann", reason_in(message), score=0.99)
    s.serves(FAQ, "v3", "v3")

    s.draft(TRIAGE, 6)
    s.measure(TRIAGE, 6, 97)
    message = s.do("promote", f"{TRIAGE}@v6")
    s.land(message, "2025-11-04 10:00", ANN, pr=27, body="Approved-by: ben")  # a clock that is behind
    s.journal.commits[-1] = replace(s.journal.commits[-1], at=moment("2025-11-05 09:00"))
    s.changed(TRIAGE, 6, "v6 created as staging", "ben", reason_in(message), score=0.97)
    s.serves(TRIAGE, "v5", "v6")
    s.put(TRIAGE, 6, rollout={"percent": 10})
    s.land("Start the canary of support-triage v6", "2025-11-06 08:00", pr=28, body="Approved-by: ben")
    s.changed(TRIAGE, 6, "canary v6 starts with 10 %", "ben", score=0.97)
    s.serves(TRIAGE, "v5=0.9 ~v6=0.1", "v6")
    s.put(TRIAGE, 6, canary={"verdict": "clean", "run": "canary-6"})
    message = s.do("promote", f"{TRIAGE}@v6")
    s.land(message, "2025-11-10 10:00", BOT, pr=29, body="Approved-by: cleo")
    # policy keeps two standby versions: v5 and v3
    says = "v1 production -> retired, a surplus standby when v6 came"
    s.changed(TRIAGE, 1, says, "cleo", score=0.91)
    says = "v6 staging -> production, replacing v5"
    s.changed(TRIAGE, 6, says, "cleo", reason_in(message), score=0.97)
    s.changed(TRIAGE, 6, "canary v6 ends, it had 10 %", "cleo", reason_in(message), score=0.97)
    s.serves(TRIAGE, "v6", "v6")
    s.draft(TRIAGE, 7)
    s.measure(TRIAGE, 7, 98)
    message = s.do("promote", f"{TRIAGE}@v7")
    s.land(message, "2025-11-11 10:00", DAN, pr=30, body="Approved-by: ben")
    s.changed(TRIAGE, 7, "v7 created as staging", "ben", reason_in(message), score=0.98)
    s.serves(TRIAGE, "v6", "v7")
    s.put(TRIAGE, 7, rollout={"percent": 5})
    s.land("Start the canary of support-triage v7", "2025-11-11 12:00", DAN, pr=31, body="Approved-by: ben")
    s.changed(TRIAGE, 7, "canary v7 starts with 5 %", "ben", score=0.98)
    s.serves(TRIAGE, "v6=0.95 ~v7=0.05", "v7")
    message = s.do("rollback", TRIAGE, "--reason", "answers in English only", "--by", "Ben")
    s.land(message, "2025-11-12 03:03:03", BEN, pr=32, body="Approved-by: dan")
    why = "answers in English only"
    s.changed(TRIAGE, 6, "v6 production -> retired; rolled back to v5", "dan", why, score=0.97)
    s.changed(TRIAGE, 7, "canary v7 5 % -> 0 %", "dan", why, score=0.98)
    s.changed(TRIAGE, None, "content held by Ben", "dan", why)
    s.serves(TRIAGE, "v5", "v7")

    message = s.do(
        "hold", TRIAGE, "--reason", "until the audit is over", "--by", "Ann", "--until", "2999-01-01"
    )
    s.land(message, "2025-11-13 10:00", ANN, pr=33)
    s.changed(TRIAGE, None, "every version held by Ann until 2999-01-01", None, "until the audit is over")
    message = s.do("unhold", TRIAGE, "--reason", "the audit is over", "--by", "Ann")
    s.land(message, "2025-11-19 10:00", ANN, pr=34)
    s.changed(TRIAGE, None, "every version released by Ann", None, "the audit is over")
    s.put(TRIAGE, 7, rollout={"percent": 15})
    s.land("Go on with v7", "2025-11-20 10:00", DAN, pr=35, body="Approved-by: ben")
    s.changed(TRIAGE, 7, "canary v7 0 % -> 15 %", "ben", score=0.98)
    s.serves(TRIAGE, "v5=0.85 ~v7=0.15", "v7")
    s.put(TRIAGE, 7, canary={"verdict": "clean", "run": "canary-7"})
    message = s.do("promote", f"{TRIAGE}@v7")
    s.land(message, "2025-11-28 10:00", BOT, pr=36, body="Approved-by: cleo")
    says = "v7 staging -> production, replacing v5"
    s.changed(TRIAGE, 7, says, "cleo", reason_in(message), score=0.98)
    s.changed(TRIAGE, 7, "canary v7 ends, it had 15 %", "cleo", reason_in(message), score=0.98)
    s.serves(TRIAGE, "v7", "v7")


if __name__ == "__main__":
    tell(Path(sys.argv[1]))
