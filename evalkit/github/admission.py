"""Which runs of CI count: those that an artifact of a trusted workflow run says, word for word.

A run in an evidence file is text that anybody with a branch can write. What makes it evidence is the artifact that the
evaluate workflow uploaded, on the default branch, by the default branch's own code. Evidence is looked up by the name of
the artifact, so it is found again whatever happened to a branch; and what was recorded is held against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.errors import Problem
from evalkit.evals.evidence import Attestation, Evidence, EvidenceRun, with_run
from evalkit.github.artifacts import Artifacts, Refused, artifact_label, evidence_artifact
from evalkit.promote.base.evidence import read
from evalkit.promote.history.objects import blobs_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalkit.github.details import RunDetails
    from evalkit.github.forge import Artifact, Forge, WorkflowRun
    from evalkit.promote.base.evidence import AddedRun
    from evalkit.promote.history import Repository
    from evalkit.registry.schema.project import ProjectConfig

__all__ = ["RETENTION", "Admission", "Admitted", "Pooled", "Refused", "evidence_artifact", "unadmitted"]

RETENTION = timedelta(days=90)
"""How long a forge keeps artifacts unless a repository says otherwise."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A run that counts."""

    run: EvidenceRun
    by_age: bool = False
    """Its artifact is gone, and it was recorded on the default branch while that was there."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """An evidence file together with what was found."""

    evidence: Evidence
    """What is to be committed: the file as it is, and behind it what it lacks, oldest first."""
    counting: Evidence
    """The same without the runs of CI that do not count: what a verdict is on."""
    refused: tuple[Refused, ...]
    """Runs in the file that do not count. They stay in it, since evidence only grows."""


@dataclass
class Admission:
    """What one forge says of evidence. Every list, artifact and workflow run is asked for once.

    Methods raise `ForgeError` where the forge cannot be asked: that nothing is known refuses nothing.
    """

    forge: Forge
    repository: Repository
    config: ProjectConfig
    """Of the default branch."""
    default_head: str
    """The newest commit of the default branch that is known here."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _refused: dict[tuple[str, str], Refused] = field(default_factory=dict)

    @cached_property
    def artifacts(self) -> Artifacts:
        """Those of the forge, and which workflow runs are trusted."""
        return Artifacts(self.forge, self.repository, self.config, self.default_head)

    def details(self, run: EvidenceRun) -> RunDetails | None:
        """See `Artifacts.details`."""
        return self.artifacts.details(run)

    def url(self, run: EvidenceRun) -> str | None:
        """The page of the workflow run that made a run; None where it is not known any more."""
        found = None if run.attestation is None else self.artifacts.run(run.attestation.workflow_run)
        return found.url if found is not None else None

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The artifacts that `find` passed over so far, and why."""
        return tuple(self._refused.values())

    def find(self, generation_digest: str, measurement_digest: str) -> list[EvidenceRun]:
        """The runs of CI of a config on a measurement, oldest first, each with its attestation.

        Artifacts that expired give nothing; those that are broken or not trusted are told in `refused`.
        """
        name = evidence_artifact(generation_digest, measurement_digest)
        found: dict[str, EvidenceRun] = {}
        for artifact in self.artifacts.named(name):
            if artifact.is_expired:
                continue
            run = self.artifacts.take(artifact)
            if isinstance(run, EvidenceRun):
                run = _of(run, generation_digest, measurement_digest, artifact)
            if isinstance(run, EvidenceRun) and run.run_id in found:
                if not run.same_measurement(found[run.run_id]):
                    self._report(
                        Refused(
                            artifact_label(artifact), f"an older one says otherwise of the run {run.run_id}"
                        )
                    )
            elif isinstance(run, EvidenceRun):
                found[run.run_id] = run
            else:
                self._report(run)
        return sorted(found.values(), key=_age)

    def admit(self, run: EvidenceRun, path: str) -> Admitted | Refused:
        """Whether a run of an evidence file counts.

        Args:
            run: as the file has it.
            path: of the file, relative to the project.
        """
        said = run.attestation
        if run.source != "ci":
            return Refused(run.run_id, f"it was made with source {run.source}, and only runs of CI count")
        if said is None:
            return Refused(
                run.run_id, "it says that it was made in CI, and not by which workflow run", "EK883"
            )
        name = evidence_artifact(run.generation_digest, run.measurement_digest)
        if said.artifact != name:
            return Refused(
                run.run_id, f"it names the artifact {said.artifact}, and such evidence is in {name}"
            )
        of_run = [one for one in self.artifacts.named(name) if one.run_id == said.workflow_run]
        artifact = next((one for one in of_run if one.digest == said.artifact_digest), None)
        if artifact is None and any(not one.is_expired for one in of_run):
            return Refused(run.run_id, "the artifact of its workflow run has another digest than it says")
        if artifact is None or artifact.is_expired:
            return self._by_age(run, said, path, artifact)
        original = self.artifacts.take(artifact)
        if isinstance(original, Refused):
            return Refused(run.run_id, original.reason)
        workflow_run = self.artifacts.run(said.workflow_run)
        if workflow_run is not None and (why := _contradicted(said, workflow_run)) is not None:
            return Refused(run.run_id, why)
        if not _records(run, original):
            return Refused(run.run_id, f"its artifact says otherwise: {', '.join(_differing(run, original))}")
        return Admitted(run)

    def pooled(self, evidence: Evidence, found: Iterable[EvidenceRun], path: str) -> Pooled:
        """An evidence file with the runs that were found; each once, by its id.

        Args:
            evidence: the file, which may have no run yet.
            found: what `find` gave.
            path: of the file, relative to the project.
        """
        news = sorted(found, key=_age)
        refused: list[Refused] = []
        counting: list[EvidenceRun] = []
        originals = {run.run_id: run for run in news}
        for run in evidence.runs:
            verdict = self.admit(run, path) if run.source == "ci" else None
            if isinstance(verdict, Refused):
                refused.append(verdict)
                if run.run_id in originals:  # the file has it wrong; the artifact's own word counts
                    counting.append(originals[run.run_id])
            else:
                counting.append(run)
        grown = evidence
        for run in news:
            grown = with_run(grown, run)
        known = {run.run_id for run in evidence.runs}
        counting += [run for run in grown.runs if run.run_id not in known]
        return Pooled(grown, grown.model_copy(update={"runs": counting}), tuple(refused))

    def _by_age(
        self, run: EvidenceRun, said: Attestation, path: str, artifact: Artifact | None
    ) -> Admitted | Refused:
        """A run whose artifact is gone counts if it was recorded on the default branch while it could be verified."""
        workflow_run = self.artifacts.run(said.workflow_run)
        why = (
            None
            if workflow_run is None
            else self.artifacts.trust(workflow_run) or _contradicted(said, workflow_run)
        )
        if why is not None:
            return Refused(run.run_id, why)
        since = self._recorded_since(run, path)
        if since is None:
            gone = "expired" if artifact else "is not there"
            return Refused(run.run_id, f"its artifact {gone}, and the default branch does not have the run")
        if artifact is not None and since >= artifact.created + RETENTION:
            return Refused(run.run_id, f"it was recorded on {since:%Y-%m-%d}, when its artifact had expired")
        if artifact is None and since > self.now - RETENTION:
            days = RETENTION.days
            return Refused(
                run.run_id, f"its artifact is not there, and it was recorded less than {days} days ago"
            )
        return Admitted(run, by_age=True)

    def _recorded_since(self, run: EvidenceRun, path: str) -> datetime | None:
        """Since when the default branch has had the run as it is, without a gap; None if it has not."""
        args = ("log", "--first-parent", "--diff-merges=first-parent", "--no-notes", "--format=%H")
        ids = self.artifacts.git.run(*args, self.default_head, "--", path).decode().split()
        contents = blobs_at(self.artifacts.git, ids, path)
        oldest: str | None = None
        for commit in ids:
            found = read(contents[commit])
            if found is None or not any(
                one.run_id == run.run_id and one.attestation == run.attestation and _records(run, one)
                for one in found.runs
            ):
                break
            oldest = commit
        known = self.repository.on_line(oldest, self.default_head) if oldest else None
        return known.time if known else None

    def _report(self, refused: Refused) -> None:
        self._refused[refused.what, refused.reason] = refused


def unadmitted(added: Sequence[AddedRun], admission: Admission | None, *, is_required: bool) -> list[Problem]:
    """What is wrong with the runs of CI that a change adds (EK881 to EK883).

    Args:
        added: of `evalkit.promote.base.evidence.added_runs`.
        admission: by the forge; None where it cannot be asked.
        is_required: whether the project has `forge:`; without one, evidence needs no attestation.

    Raises:
        ForgeError: the forge does not answer.
    """
    problems: list[Problem] = []
    for one in added:
        if not is_required or one.run.source != "ci":
            continue
        if admission is not None or one.run.attestation is None:
            verdict = _unattested(one.run) if admission is None else admission.admit(one.run, one.path)
            if isinstance(verdict, Refused):
                problems.append(verdict.problem(one.place))
        else:
            message = f"{one.run.run_id} could not be held against its artifact: the forge was not asked"
            hint = "the check in CI does, with its GITHUB_TOKEN"
            problems.append(Problem("EK882", message, one.place, hint, "warning"))
    return problems


def _unattested(run: EvidenceRun) -> Refused:
    return Refused(run.run_id, "it says that it was made in CI, and not by which workflow run", "EK883")


def _age(run: EvidenceRun) -> tuple[str, str]:
    return run.created, run.run_id


def _of(run: EvidenceRun, generation: str, measurement: str, artifact: Artifact) -> EvidenceRun | Refused:
    if (run.generation_digest, run.measurement_digest) != (generation, measurement):
        return Refused(
            artifact_label(artifact), "it holds a run of another config or measurement than its name says"
        )
    return run


def _records(recorded: EvidenceRun, original: EvidenceRun) -> bool:
    """Whether a file has a run as its artifact has it; a file that grew too large drops scores of single cases."""
    if recorded.scores is None:
        original = original.model_copy(update={"scores": None})
    return recorded.same_measurement(original)


def _differing(recorded: EvidenceRun, original: EvidenceRun) -> list[str]:
    one, other = (run.model_dump(mode="json", exclude={"attestation"}) for run in (recorded, original))
    return [key for key in one if one[key] != other[key]]


def _contradicted(said: Attestation, run: WorkflowRun) -> str | None:
    if said.commit != run.head_sha or said.workflow != run.path or said.attempt > run.attempt:
        return (
            "its workflow run was made at another commit, by another workflow or fewer attempts than it says"
        )
    return None
