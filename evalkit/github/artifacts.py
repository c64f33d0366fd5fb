"""The artifacts that hold evidence, and the workflow runs that are trusted to have made them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from evalkit.errors import EvalkitError, Problem, UsageError
from evalkit.evals.evidence import Attestation, EvidenceRun
from evalkit.github.archive import MAX_ARCHIVE_BYTES, member
from evalkit.github.forge import ForgeError
from evalkit.promote.history import place
from evalkit.registry.schema.project import ForgeConfig

if TYPE_CHECKING:
    from evalkit.errors import Location
    from evalkit.github.details import RunDetails
    from evalkit.github.forge import Artifact, Forge, WorkflowRun
    from evalkit.promote.history import Repository
    from evalkit.promote.history.command import Git
    from evalkit.registry.schema.project import ProjectConfig

__all__ = ["Artifacts", "Refused", "artifact_label", "evidence_artifact"]

_EVENTS = frozenset({"push", "workflow_dispatch", "schedule"})
"""What starts a workflow with the default branch's file and code. A pull request's runs bring their own."""
_GONE = frozenset({"EK876", "EK877"})
_MEMBER = "evidence.json"


@dataclass(frozen=True, slots=True)
class Refused:
    """A run, or an artifact, that does not count, and why."""

    what: str
    """The run's id, or the artifact's name and number."""
    reason: str
    """A clause."""
    code: str = "EK881"

    def problem(self, location: Location | None = None) -> Problem:
        """As it is reported, at the place of the run."""
        hint = (
            "evaluate it in CI: what its workflow uploads is recorded by evalkit record and evalkit promote"
        )
        if location is not None:
            hint = f"take the run out of the file again; {hint}"
        return Problem(self.code, f"{self.what} does not count: {self.reason}", location, hint)


def evidence_artifact(generation_digest: str, measurement_digest: str) -> str:
    """The name of the artifact that holds the evidence of a config on a measurement."""
    generation, measurement = (
        digest.removeprefix("sha256:")[:16] for digest in (generation_digest, measurement_digest)
    )
    return f"evalkit-evidence-{generation}-{measurement}"


def artifact_label(artifact: Artifact) -> str:
    """How messages name it."""
    return f"the artifact {artifact.name} ({artifact.id})"


def _is_cited(artifact: Artifact, said: Attestation | None) -> bool:
    cited = (artifact.run_id, artifact.digest)
    return said is not None and cited == (said.workflow_run, said.artifact_digest)


@dataclass
class Artifacts:
    """Those of one forge. Every list, artifact and workflow run is asked for once.

    Methods raise `ForgeError` where the forge cannot be asked, and `UsageError` (EK803) in a clone that is too shallow.
    """

    forge: Forge
    repository: Repository
    config: ProjectConfig
    default_head: str
    _lists: dict[str, list[Artifact]] = field(default_factory=dict)
    _taken: dict[int, EvidenceRun | Refused] = field(default_factory=dict)
    _runs: dict[int, WorkflowRun | None] = field(default_factory=dict)
    _on_default: dict[str, bool] = field(default_factory=dict)

    @cached_property
    def git(self) -> Git:
        """The command, in the clone."""
        return place.find(self.repository.root).git

    def details(self, run: EvidenceRun) -> RunDetails | None:
        """The whole record of a run, and its cases, from the artifact of its attestation; None if that is gone."""
        from evalkit.github.details import details_in

        said = run.attestation
        for artifact in self.named(said.artifact) if said is not None else ():
            taken = None if artifact.is_expired else self.take(artifact)
            if isinstance(taken, EvidenceRun) and _is_cited(artifact, said):
                archive = self.forge.download(artifact, MAX_ARCHIVE_BYTES)
                return details_in(archive, run)
        return None

    def trust(self, run: WorkflowRun) -> str | None:
        """Why a workflow run is not trusted, as a clause; None if it is."""
        branch = self._default_branch
        if run.head_repository is None or run.head_repository.casefold() != self.forge.repository.casefold():
            return f"its workflow run is of {run.head_repository or 'a repository that is gone'}"
        if run.path != self._workflow:
            return f"it was uploaded by {run.path}, and only {self._workflow} gives evidence"
        if run.event not in _EVENTS:
            return f"its workflow run was started by {run.event}, with code that was not merged"
        if run.head_branch != branch:
            return f"its workflow run was made on {run.head_branch}, and only {branch} counts"
        if not self._is_on_default(run.head_sha):
            return f"its workflow run was made at {run.head_sha[:12]}, which is not on {branch}"
        return None

    @cached_property
    def _default_branch(self) -> str:
        return self.forge.default_branch()

    @property
    def _workflow(self) -> str:
        return (self.config.forge or ForgeConfig()).evaluate_workflow

    def _is_on_default(self, commit: str) -> bool:
        if commit not in self._on_default:
            done = self.git.attempt("merge-base", "--is-ancestor", commit, self.default_head)
            if done.returncode and place.find(self.repository.root).is_shallow:
                message = (
                    f"this clone is shallow: whether {commit[:12]} is on the default branch cannot be told"
                )
                hint = (
                    "run `git fetch --unshallow`; in GitHub Actions, give actions/checkout `fetch-depth: 0`"
                )
                raise UsageError(Problem("EK803", message, hint=hint))
            self._on_default[commit] = done.returncode == 0
        return self._on_default[commit]

    def named(self, name: str) -> list[Artifact]:
        """All of a name, of whatever run, oldest first."""
        if name not in self._lists:
            listed = (one for one in self.forge.artifacts(name) if one.name == name)
            self._lists[name] = sorted(listed, key=lambda one: (one.created, one.id))
        return self._lists[name]

    def run(self, run_id: int) -> WorkflowRun | None:
        """A workflow run; None if there is none, or it was deleted."""
        if run_id not in self._runs:
            self._runs[run_id] = self.forge.run(run_id)
        return self._runs[run_id]

    def take(self, artifact: Artifact) -> EvidenceRun | Refused:
        """The run in an artifact, with its attestation; or why it does not count."""
        if artifact.id not in self._taken:
            try:
                self._taken[artifact.id] = self._attested(artifact)
            except ForgeError as error:
                if not _GONE & {one.code for one in error.problems}:
                    raise
                self._taken[artifact.id] = Refused(artifact_label(artifact), error.problems[0].message)
        return self._taken[artifact.id]

    def _attested(self, artifact: Artifact) -> EvidenceRun | Refused:
        """What an artifact that is there says, with where it says it."""
        label = artifact_label(artifact)
        workflow_run = None if artifact.run_id is None else self.run(artifact.run_id)
        if workflow_run is None:
            return Refused(label, "its workflow run was deleted")
        if (why := self.trust(workflow_run)) is not None:
            return Refused(label, why)
        if artifact.size_bytes > MAX_ARCHIVE_BYTES:
            return Refused(
                label, f"it has {artifact.size_bytes:,} bytes; at most {MAX_ARCHIVE_BYTES:,} are read"
            )
        archive = self.forge.download(artifact, MAX_ARCHIVE_BYTES)
        if artifact.digest != f"sha256:{hashlib.sha256(archive).hexdigest()}":
            return Refused(label, "what was downloaded has another digest than the forge computed")
        try:
            run = EvidenceRun.from_bytes(member(archive, _MEMBER), _MEMBER)
            said = Attestation(
                workflow_run=workflow_run.id,
                attempt=workflow_run.attempt,
                workflow=workflow_run.path,
                commit=workflow_run.head_sha,
                artifact=artifact.name,
                artifact_digest=artifact.digest,
            )
        except ValidationError as error:
            return Refused(label, f"it cannot be attested: {error.errors(include_url=False)[0]['msg']}")
        except EvalkitError as error:
            return Refused(label, error.problems[0].message, error.problems[0].code)
        if run.source != "ci":
            return Refused(label, f"it holds a run with source {run.source}")
        return run.model_copy(update={"attestation": said})
