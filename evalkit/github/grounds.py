"""What may move, judged on the default branch's own tree and on admitted evidence alone.

The tree is a temporary one. For judging, its evidence files hold only what the forge vouches for; what a promotion commits
is the files as they are and behind them what they lack.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, Location, Problem, SchemaError
from evalkit.evals.evidence import Evidence, EvidenceRun, evidence_path
from evalkit.evals.pool import Evidences
from evalkit.github.forge import ForgeError
from evalkit.github.promotable import Candidate, Planned
from evalkit.github.records import eval_block
from evalkit.github.scratch import Scratch
from evalkit.promote.authorship import authors_of_version
from evalkit.promote.base.evidence import read
from evalkit.promote.facts import SuiteVerdict
from evalkit.promote.gather import gather, pooled_judge
from evalkit.promote.history import Repository
from evalkit.promote.history.place import find
from evalkit.promote.promotion import plan_promotion, plan_promotions
from evalkit.registry.project import Project
from evalkit.registry.writeback import edit
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from evalkit.github.admission import Admission
    from evalkit.promote.facts import NameFacts, SpanLike
    from evalkit.promote.plan import Plan

__all__ = ["Grounds"]


class Grounds:
    """The default branch, as it is at one commit."""

    def __init__(self, tree: Path, commit: str, admission: Admission, today: date) -> None:
        """`tree` is a project's directory at that commit, and nobody's work tree."""
        self.tree = tree
        self.commit = commit
        self.admission = admission
        self.today = today
        self._scratch = Scratch(tree)
        self._repository = Repository.of(tree)

    def names(self) -> list[str]:
        """Every name that has entries."""
        return Project(self.tree).names()

    def may_move(self, name: str) -> bool:
        """Whether a name has a version that could be promoted at all; most have none, and nothing more is read of them."""
        try:
            states = Project(self.tree).states(name)
        except EvalkitError:
            return True  # which is told with its plans
        return any(state.status in {"draft", "staging"} for state in states)

    def planned(self, name: str, stamps: Mapping[str, str]) -> Planned:
        """The plans of one name, and what each possible one commits. No error of the name itself is raised."""
        facts: NameFacts | None = None
        try:
            with self._scratch.restored():
                project = Project(self.tree)
                facts = self._facts(project, name)
                return self._planned(project, facts, stamps)
        except ForgeError as error:
            return Planned(name, facts, problem=_said(error), is_outage=True)
        except EvalkitError as error:
            return Planned(name, facts, problem=_said(error))

    def objection(self, candidate: Candidate) -> str | None:
        """Why the tree with the files of a promotion must not be proposed; None if its gate passes.

        Judged twice, from the bytes that are committed: on all that they say, as `evalkit check` will, and on what of it
        is admitted.
        """
        files = candidate.files
        try:
            with self._scratch.restored():
                for path, content in files.items():
                    self._scratch.write(path, content)
                project = Project(self.tree)
                entry = project.entry(candidate.ref).model
                if entry.status != candidate.stage:
                    return f"{candidate.ref} would be in {entry.status}, not in {candidate.stage}"
                suites = project.policy_for(candidate.ref.name).suites
                if not suites:
                    return f"policy requires no suite of {candidate.ref.name}"
                if (why := _failing(project, candidate.ref, suites)) is not None:
                    return f"with all recorded runs: {why}"
                evidences = Evidences(project)
                for path in self._evidence_files(self._digests(evidences, candidate.ref)):
                    proposed = _parsed(self._scratch.read(path), path)
                    if proposed is not None:
                        counting = self.admission.pooled(proposed, (), path).counting
                        self._scratch.write(path, counting.to_bytes())
                if (why := _failing(Project(self.tree), candidate.ref, suites)) is not None:
                    return f"with the runs that are admitted: {why}"
        except ForgeError:
            raise
        except EvalkitError as error:
            return _said(error)
        return None

    def authors(self, ref: Ref) -> tuple[str, ...]:
        """The names of those who wrote a version, whose approval does not count; programs are left out."""
        moments = self._repository.history(ref.name, self.commit).moments
        wrote = authors_of_version(find(self.tree).git, ref.name, moments, ref.version, self.commit)
        names = (one.author.partition(" <")[0] for one in wrote)
        return tuple(dict.fromkeys(name for name in names if not name.endswith("[bot]")))

    def _facts(self, project: Project, name: str) -> NameFacts:
        """Facts in which every suite passes: what they rule out needs no evidence."""
        facts = gather(project, name, judge=lambda _, suite: SuiteVerdict(str(suite), "pass"))
        return replace(facts, spans=self._spans(name)) if facts.candidates else facts

    def _spans(self, name: str) -> Sequence[SpanLike]:
        return self._repository.history(name, self.commit).spans("production")

    def _planned(self, project: Project, hopeful: NameFacts, stamps: Mapping[str, str]) -> Planned:
        name = hopeful.name
        if hopeful.contradictions or not hopeful.candidates:
            return Planned(name, hopeful, tuple(plan_promotions(hopeful, None, self.today)))
        asked = [
            version
            for version in hopeful.candidates
            if plan_promotion(hopeful, version, None, self.today).outcome == "possible"
        ]
        committed = self._lay_evidence(project, hopeful, asked)
        fresh = Project(self.tree)
        judge = pooled_judge(fresh)
        facts = replace(gather(fresh, name, judge=judge, only=asked), spans=hopeful.spans)
        versions = {
            version: found if version in asked else hopeful.versions[version]
            for version, found in facts.versions.items()
        }
        # A plan's basis is the tree as it is committed, not as it was laid out for judging.
        facts = replace(facts, versions=versions, files=hopeful.files)
        plans = plan_promotions(facts, None, self.today)
        evidences = Evidences(fresh)
        candidates = [
            self._candidate(evidences, facts, plan, committed, stamps)
            for plan in plans
            if plan.outcome == "possible"
        ]
        return Planned(name, facts, tuple(plans), tuple(candidates))

    def _lay_evidence(self, project: Project, facts: NameFacts, asked: Sequence[int]) -> dict[str, Evidence]:
        """Lay out what counts for these versions and what they are compared with.

        Returns:
            The evidence files as they are to be committed, by path.
        """
        evidences = Evidences(project)
        policy = project.policy_for(facts.name)
        committed: dict[str, Evidence] = {}
        for version in asked:
            ref = Ref(facts.name, version)
            refs = [ref, *self._compared_with(facts, version)]
            for path in self._evidence_files({evidences.generation(one) for one in refs}):
                self._lay(path, None, ())
            for suite in policy.suites:
                found = evidences.suite(suite)
                compared = refs if found.suite.gate.max_regression is not None else refs[:1]
                for one in compared:
                    path = self._path(one, suite)
                    news = self.admission.find(evidences.generation(one), found.measurement)
                    empty = Evidence(entry=one.name, version=one.version, suite=str(suite))
                    if (grown := self._lay(path, empty, news)) is not None:
                        committed[path] = grown
        return committed

    def _compared_with(self, facts: NameFacts, version: int) -> list[Ref]:
        live = facts.serving("production")
        is_other = live is not None and live.primary != version
        return [facts.ref(live.primary)] if live is not None and is_other else []

    def _digests(self, evidences: Evidences, ref: Ref) -> set[str]:
        live = gather(evidences.project, ref.name).serving("production")
        refs = [ref] if live is None else [ref, Ref(ref.name, live.primary)]
        return {evidences.generation(one) for one in refs}

    def _candidate(
        self,
        evidences: Evidences,
        facts: NameFacts,
        plan: Plan,
        committed: Mapping[str, Evidence],
        stamps: Mapping[str, str],
    ) -> Candidate:
        ref = Ref(facts.name, plan.version or 0)
        stage = "staging" if facts.versions[ref.version].state.status == "draft" else "production"
        policy = evidences.project.policy_for(facts.name)
        files: dict[str, bytes | None] = {change.path: change.after for change in plan.changes}
        live = facts.serving(stage)
        runs: dict[str, tuple[EvidenceRun, ...]] = {}
        serving: dict[str, tuple[EvidenceRun, ...]] = {}
        digests: dict[str, tuple[str, str]] = {}
        rules: dict[str, tuple[float | None, float | None]] = {}
        for suite in policy.suites:
            found = evidences.suite(suite)
            runs[str(suite)] = _counting(evidences, ref, found.measurement)
            if live is not None and live.primary != ref.version:
                other = Ref(facts.name, live.primary)
                with contextlib.suppress(EvalkitError):  # only figures to compare with: it need not resolve
                    serving[str(suite)] = _counting(evidences, other, found.measurement)
            digests[str(suite)] = (found.digest, found.measurement)
            rules[str(suite)] = (found.suite.gate.min_score, found.suite.gate.lower_bound_required)
            for one in [ref, *self._compared_with(facts, ref.version)]:
                path = self._path(one, suite)
                if path in committed and committed[path].runs:
                    files[path] = committed[path].to_bytes()
        first = policy.suites[0] if policy.suites else None
        if first is not None and (own := committed.get(self._path(ref, first))) is not None:
            counting = own.model_copy(update={"runs": list(runs[str(first)])})
            measurement = evidences.suite(first).measurement
            block = eval_block(first, own, counting, evidences.generation(ref), measurement)
            entry = facts.entry_path(ref.version)
            files[entry] = edit(files[entry] or b"", {"eval": block} if block else {}, path=entry)
        riding = self._stamped(facts, files, stamps)
        changed = {
            path: content for path, content in files.items() if content != self._scratch.original(path)
        }
        return Candidate(plan, ref, stage, facts, changed, runs, serving, digests, rules, riding)

    def _stamped(
        self, facts: NameFacts, files: dict[str, bytes | None], stamps: Mapping[str, str]
    ) -> dict[str, str]:
        """Put stamps of the same name into the files, except where this very plan takes an approval away."""
        riding: dict[str, str] = {}
        for version in sorted(facts.versions):
            path = facts.entry_path(version)
            if path in stamps and path not in files:
                before = self._scratch.original(path) or b""
                files[path] = edit(before, {"approved_by": stamps[path]}, path=path)
                riding[path] = stamps[path]
        return riding

    def _path(self, ref: Ref, suite: Ref) -> str:
        return evidence_path(self.tree, ref, suite).relative_to(self.tree).as_posix()

    def _evidence_files(self, generations: set[str]) -> list[str]:
        """Every evidence file that has a run of one of these configs."""
        wanted = [digest.encode() for digest in generations]
        paths = sorted((self.tree / "registry" / "evidence").glob("*/v*/*.json"))
        return [
            path.relative_to(self.tree).as_posix()
            for path in paths
            if (raw := path.read_bytes()) and any(digest in raw for digest in wanted)
        ]

    def _lay(self, path: str, empty: Evidence | None, found: Sequence[EvidenceRun]) -> Evidence | None:
        """Write what counts into an evidence file of the tree.

        Returns:
            What is to be committed of it: the file as it was before anything was laid out, and what was found.
        """
        evidence = _parsed(self._scratch.original(path), path) or empty
        if evidence is None:
            return None
        pooled = self.admission.pooled(evidence, found, path)
        self._scratch.write(path, pooled.counting.to_bytes())
        return pooled.evidence


def _failing(project: Project, ref: Ref, suites: Sequence[Ref]) -> str | None:
    judge = pooled_judge(project)
    for suite in suites:
        verdict = judge(ref, suite)
        if verdict.verdict != "pass":
            return f"{suite} is {verdict.verdict}" + (f": {verdict.reasons[0]}" if verdict.reasons else "")
    return None


def _counting(evidences: Evidences, ref: Ref, measurement: str) -> tuple[EvidenceRun, ...]:
    runs = {
        run.run_id: run
        for run in evidences.of_config(evidences.generation(ref))
        if run.measurement_digest == measurement and run.source == "ci"
    }
    return tuple(sorted(runs.values(), key=lambda run: (run.created, run.run_id)))


def _said(error: EvalkitError) -> str:
    return "; ".join(dict.fromkeys(problem.message for problem in error.problems))


def _parsed(raw: bytes | None, path: str) -> Evidence | None:
    """An evidence file.

    Raises:
        SchemaError: EK208, it is none that evalkit wrote.
    """
    if raw is None:
        return None
    if (evidence := read(raw)) is None:
        hint = "evidence is written by evalkit; restore the file from git"
        raise SchemaError(Problem("EK208", "not an evidence file", Location(path), hint))
    return evidence
