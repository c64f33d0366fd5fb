"""What the body of a promotion pull request is made of: figures, cases from the artifact, and where both are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.evals.evidence import evidence_path
from evalkit.github.branches import WORKFLOWS
from evalkit.registry.differences import differences
from evalkit.report.pull_request import Measured, Promotion, RunPlace, promotion_body
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.github.details import RunDetails
    from evalkit.github.forge import Forge
    from evalkit.github.grounds import Grounds
    from evalkit.github.promotable import Candidate
    from evalkit.registry.differences import Difference

__all__ = ["Bodies"]


class Bodies:
    """Writes bodies; every artifact is asked for once."""

    def __init__(self, forge: Forge, grounds: Grounds, *, outputs: bool) -> None:
        """`outputs`: whether inputs and outputs of cases may be shown (`artifacts.outputs`)."""
        self._forge = forge
        self._grounds = grounds
        self._outputs = outputs
        self._details: dict[str, RunDetails | None] = {}

    def of(self, candidate: Candidate) -> str:
        """The body below the marker; the same for the same candidate.

        Raises:
            ForgeError: the forge does not answer. What is gone there is left out.
        """
        facts, version = candidate.facts, candidate.ref.version
        live = facts.serving(candidate.stage)
        replaces = live.primary if live is not None and live.primary != version else None
        notes: list[str] = []
        if candidate.stage == "production" and facts.production_gate != "eval" and facts.is_first_release():
            notes.append("No canary: first release")
        return promotion_body(
            Promotion(
                plan=candidate.plan,
                entry=str(candidate.ref),
                stage=candidate.stage,
                replaces=replaces,
                differences=self._differences(candidate, replaces),
                measured=tuple(self._measured(candidate, suite) for suite in facts.suites),
                digest=facts.versions[version].digest or "",
                approvals=facts.approvals,
                authors=self._grounds.authors(candidate.ref),
                files=tuple(_files(candidate)),
                stamps=tuple(
                    f"{path}: approved by {who}, recorded along with this"
                    for path, who in candidate.stamps.items()
                ),
                outputs=self._outputs,
                needs_click=self._forge.login() == WORKFLOWS,
                notes=tuple(notes),
            )
        )

    def _differences(self, candidate: Candidate, replaces: int | None) -> tuple[Difference, ...]:
        new = candidate.facts.versions[candidate.ref.version].config
        old = candidate.facts.versions[replaces].config if replaces is not None else None
        return tuple(differences(old, new)) if old is not None and new is not None else ()

    def _measured(self, candidate: Candidate, suite: str) -> Measured:
        found = candidate.facts.versions[candidate.ref.version]
        ref = Ref.parse(suite)
        path = (
            evidence_path(self._grounds.tree, candidate.ref, ref) if ref is not None else self._grounds.tree
        )
        runs = candidate.runs.get(suite, ())
        detail = self._detail(runs[-1]) if runs else None
        least, lower = candidate.rules[suite]
        digests = candidate.measurements[suite]
        return Measured(
            verdict=next(one for one in found.evidence if one.suite == suite),
            min_score=least,
            lower_required=lower,
            path=path.relative_to(self._grounds.tree).as_posix(),
            suite_digest=digests[0],
            measurement_digest=digests[1],
            runs=runs,
            serving=candidate.serving.get(suite, ()),
            places=tuple(map(self._place, runs)),
            record=detail.record if detail else None,
            cases=detail.cases if detail else None,
        )

    def _place(self, run: EvidenceRun) -> RunPlace:
        said = run.attestation
        if said is None:
            return RunPlace(run.run_id, run.created)
        url = self._grounds.admission.url(run)
        return RunPlace(run.run_id, run.created, url, said.artifact, said.artifact_digest)

    def _detail(self, run: EvidenceRun) -> RunDetails | None:
        said = run.attestation
        if said is None:
            return None
        if said.artifact_digest not in self._details:
            self._details[said.artifact_digest] = self._grounds.admission.details(run)
        return self._details[said.artifact_digest]


def _files(candidate: Candidate) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is committed; stamps are told by themselves."""
    said = {change.path: change.summary for change in candidate.plan.changes}
    planned = {change.path: change.after for change in candidate.plan.changes}
    for path in sorted(candidate.files.keys() - candidate.stamps.keys()):
        has_score = path in planned and candidate.files[path] != planned[path]
        added = ("eval: the score, and the evidence for it",) if has_score else ()
        yield path, (*said.get(path, ("the runs in CI that count",)), *added)
