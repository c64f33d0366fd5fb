"""Record on a pull request's branch what its evaluations measured: evidence files and `eval` blocks, as one commit.

Whatever else happens to the branch at the same time is kept: the commit is made on top of the head that was read, and if
the branch has moved on, everything is read and decided anew on its new head. Nothing of the pull request is run.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, Location, Problem
from evalkit.evals.evidence import MAX_BYTES, Evidence
from evalkit.github.admission import Admission
from evalkit.github.candidates import candidates_of, config_at
from evalkit.github.forge import MovedOn
from evalkit.github.records import eval_block, no_record
from evalkit.promote.base.evidence import read
from evalkit.promote.base.snapshot import entry_path
from evalkit.promote.history import place
from evalkit.registry.writeback import edit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.github.admission import Pooled
    from evalkit.github.candidates import Candidate, Candidates
    from evalkit.github.forge import Forge, PullRequest
    from evalkit.promote.facts import SuiteVerdict
    from evalkit.promote.history import Repository

__all__ = ["ATTEMPTS", "RecordError", "RecordPlan", "Recorder", "Row"]

ATTEMPTS = 10
_LONGEST_WAIT_S = 20.0


class RecordError(EvalkitError):
    """Nothing can be recorded on this pull request (EK885, EK886, EK889)."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One entry with one suite."""

    candidate: Candidate
    runs: tuple[EvidenceRun, ...] = ()
    """Of CI, that count, oldest first."""
    added: int = 0
    """How many of them the branch does not have yet."""
    verdict: SuiteVerdict | None = None
    """Of the gate, on these runs; None where there are none."""
    problem: Problem | None = None
    """Why nothing of it is recorded."""


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """What would be committed."""

    pull: PullRequest
    head: str
    """The commit on which the plan was made."""
    rows: tuple[Row, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    """By path in the repository; empty if everything is recorded already."""
    message: str = ""

    @property
    def problems(self) -> list[Problem]:
        """What is not recorded, and why."""
        return [row.problem for row in self.rows if row.problem is not None]


class Recorder:
    """Records on the pull requests of one forge."""

    def __init__(
        self,
        forge: Forge,
        repository: Repository,
        *,
        fetch: Callable[[Sequence[str]], None],
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Use a clone of the default branch.

        Args:
            forge: where the pull requests are.
            repository: the clone.
            fetch: brings commits, by id, into it.
            wait: so many seconds, before a commit is tried again.
        """
        self.forge = forge
        self.repository = repository
        self._fetch = fetch
        self._wait = wait
        self._admission: Admission | None = None
        self._evaluated: dict[tuple[str, str], str] = {}

    @property
    def admission(self) -> Admission:
        """Which runs count, by the default branch as it is known here."""
        rules = self.forge.head_of(self.forge.default_branch())
        if rules is None:
            raise RecordError(Problem("EK885", f"{self.forge.repository} has no default branch"))
        if self._admission is None or self._admission.default_head != rules:
            self.bring([rules])
            config = config_at(self.repository, rules)
            self._admission = Admission(self.forge, self.repository, config, rules)
        return self._admission

    def bring(self, commits: Sequence[str]) -> None:
        """Have commits here; what is here already is not fetched."""
        git = place.find(self.repository.root).git
        missing = [one for one in commits if git.attempt("cat-file", "-e", f"{one}^{{commit}}").returncode]
        if missing:
            self._fetch(missing)

    def plan(self, number: int) -> RecordPlan:
        """What would be committed to the branch of a pull request now.

        Raises:
            RecordError: EK885, there is no such open pull request, or its branch is not one to write to; EK886, it
                comes from a fork.
            ForgeError: the forge does not answer.
            UsageError: git fails.
        """
        pull = self.forge.pull(number)
        head = self._writable(number, pull)
        assert pull is not None  # noqa: S101 - `_writable` refuses it
        admission = self.admission
        self.bring([head])
        rows: list[Row] = []
        files: dict[str, bytes] = {}
        counting: dict[str, Evidence] = {}
        with candidates_of(self.repository, admission.default_head, head) as found:
            for candidate in found.all:
                row, pooled = self._row(found, candidate, admission)
                changes = self._files(found, candidate, pooled) if pooled is not None else {}
                if isinstance(changes, Problem):
                    rows.append(replace(row, problem=changes))
                    continue
                rows.append(row)
                files |= changes
                if pooled is not None:
                    counting[candidate.path] = pooled.counting
            verdicts = found.judge([row.candidate for row in rows if row.runs], counting)
            rows = [replace(row, verdict=verdicts.get(row.candidate)) for row in rows]
        prefix = place.find(self.repository.root).prefix.decode("utf-8", "surrogateescape")
        changed = {f"{prefix}{path}": raw for path, raw in files.items()}
        named = [row for row in rows if {row.candidate.path, _entry(row)} & files.keys()]
        return RecordPlan(pull, head, tuple(rows), changed, _message(named, admission))

    def push(self, number: int) -> tuple[RecordPlan, str | None]:
        """Commit it. Where the branch has moved on meanwhile, it is planned and tried again.

        Returns:
            The plan that was carried out, and the commit; None if all was recorded already.

        Raises:
            RecordError: as `plan`; EK889, the branch moved on at every attempt.
            ForgeError: the forge refuses, or does not answer.
        """
        for attempt in range(ATTEMPTS):
            plan = self.plan(number)
            if not plan.files:
                return plan, None
            try:
                return plan, self.forge.commit(plan.pull.head, plan.message, plan.files, parents=[plan.head])
            except MovedOn:
                longest = min(_LONGEST_WAIT_S, 0.5 * 2**attempt)
                self._wait(random.uniform(0, longest))  # noqa: S311 - apart in time, no secret
        message = (
            f"the branch of #{number} moved on {ATTEMPTS} times while this was recorded; nothing was written"
        )
        raise RecordError(Problem("EK889", message, hint="run the job again: what was measured is kept"))

    def _writable(self, number: int, pull: PullRequest | None) -> str:
        """The head of a branch that may be written to."""
        if pull is None or pull.state != "open":
            what = "there is no pull request" if pull is None else "this pull request is closed:"
            hint = "evidence of what is merged is recorded by the pull request that promotes it"
            raise RecordError(Problem("EK885", f"{what} #{number}; nothing is recorded", hint=hint))
        if (pull.head_repository or "").casefold() != self.forge.repository.casefold():
            whose = pull.head_repository or "a fork that is gone"
            message = f"#{number} comes from {whose}: nothing is evaluated with keys or recorded there"
            hint = "a maintainer who has read it brings the branch into this repository and opens a pull request from there"
            raise RecordError(Problem("EK886", message, hint=hint))
        if pull.head == self.forge.default_branch() or pull.base == pull.head:
            message = f"#{number} goes from the branch {pull.head}, which is not one to write records to"
            raise RecordError(Problem("EK885", message, hint="open it from a branch of its own"))
        head = self.forge.head_of(pull.head)
        if head is None:
            message = f"the branch {pull.head} of #{number} is gone"
            raise RecordError(Problem("EK885", message, hint="restore the branch, or close the pull request"))
        return head

    def _row(
        self, found: Candidates, candidate: Candidate, admission: Admission
    ) -> tuple[Row, Pooled | None]:
        """What is known of a candidate, and its evidence file if something may be recorded."""
        if candidate.problem is not None:
            return Row(candidate, problem=candidate.problem), None
        place_of = Location(candidate.path)
        runs = admission.find(candidate.generation, candidate.measurement)
        raw = found.head.read(candidate.path)
        before = read(raw)
        if raw is not None and before is None:
            hint = "restore the file from the default branch"
            problem = Problem("EK208", "this is no evidence that evalkit wrote", place_of, hint)
            return Row(candidate, problem=problem), None
        ref = candidate.entry
        file = before or Evidence(entry=ref.name, version=ref.version, suite=str(candidate.suite))
        pooled = admission.pooled(file, runs, candidate.path)
        merged = read(found.base.read(candidate.path))
        known = {run.run_id for run in merged.runs} if merged else set()
        forged = next((one for one in pooled.refused if one.what not in known), None)
        if forged is not None:  # the branch itself brought it
            return Row(candidate, problem=forged.problem(place_of)), None
        digests = (candidate.generation, candidate.measurement)
        counting = tuple(
            run
            for run in pooled.counting.runs
            if run.source == "ci" and (run.generation_digest, run.measurement_digest) == digests
        )
        if not counting:
            return Row(candidate, problem=self._nothing(candidate)), None
        self._evaluated[str(ref), str(candidate.suite)] = candidate.generation
        return Row(candidate, counting, len(pooled.evidence.runs) - len(file.runs)), pooled

    def _nothing(self, candidate: Candidate) -> Problem:
        """Why there is nothing to record."""
        ref, suite = candidate.entry, candidate.suite
        now = f"{candidate.generation[:19]}…"
        before = self._evaluated.get((str(ref), str(suite)))
        if before is not None:
            message = f"{ref} was changed while this was recorded: its evidence is of {before[:19]}…, and it is {now} now"
        else:
            message = f"CI measured nothing of {ref} with {suite} as they are now (config {now})"
        hint = "evidence is of exactly what was evaluated; it is evaluated again after each change of what is sent"
        return Problem("EK888", message, Location(entry_path(ref.name, ref.version)), hint, "warning")

    def _files(self, found: Candidates, candidate: Candidate, pooled: Pooled) -> dict[str, bytes] | Problem:
        """The files that change, each proved to be a record."""
        ref = candidate.entry
        files: dict[str, bytes] = {}
        written = pooled.evidence.to_bytes()
        if len(written) > MAX_BYTES:
            message = (
                f"with these runs the file has {len(written):,} bytes; evidence has at most {MAX_BYTES:,}"
            )
            hint = f"go on with a new version: evalkit new {ref.name} --from {ref}"
            return Problem("EK888", message, Location(candidate.path), hint)
        if read(found.head.read(candidate.path)) != pooled.evidence:
            files[candidate.path] = written
        if candidate.is_first:
            path = entry_path(ref.name, ref.version)
            block = eval_block(
                candidate.suite, pooled.evidence, pooled.counting, candidate.generation, candidate.measurement
            )
            old = found.head.read(path) or b""
            try:
                new = edit(old, {"eval": block} if block else {}, path=path)
            except EvalkitError as error:
                return error.problems[0]
            if new != old:
                files[path] = new
        for path, content in files.items():
            if (why := no_record(path, found.head.read(path), content)) is not None:
                hint = "put the file right on the branch: as it is, evalkit cannot add to it"
                return Problem("EK887", f"this would be more than a record: {why}", Location(path), hint)
        return files


def _entry(row: Row) -> str:
    return entry_path(row.candidate.entry.name, row.candidate.entry.version)


def _message(recorded: Sequence[Row], admission: Admission) -> str:
    """The commit's: what was measured, and by which workflow runs."""
    names = list(dict.fromkeys(str(row.candidate.entry) for row in recorded))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    lines = [f"Record evaluations of {shown}", ""]
    for row in recorded:
        found = row.verdict
        what = found.verdict if found else "measured"
        score = f", score {found.score:.4g}" if found and found.score is not None else ""
        count = f"{len(row.runs)} run{'' if len(row.runs) == 1 else 's'}"
        lines.append(f"{row.candidate.entry} on {row.candidate.suite}: {what}{score}, {count}")
    runs = {
        run.attestation.workflow_run: run
        for row in recorded
        for run in row.runs
        if run.attestation is not None
    }
    trailers = [f"Evalkit-Run: {admission.url(run) or number}" for number, run in sorted(runs.items())]
    return "\n".join([*lines, "", *trailers, ""])
