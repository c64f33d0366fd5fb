"""Promotion pull requests: the forge made to agree with what may move on the default branch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from evalkit.github.admission import Admission
from evalkit.github.bodies import Bodies
from evalkit.github.branches import Branches, Outcome, Wanted
from evalkit.github.checkout import at
from evalkit.github.forge import ForgeError
from evalkit.github.grounds import Grounds
from evalkit.github.marker import Marker
from evalkit.github.placing import placed, prepared
from evalkit.promote.history import Repository
from evalkit.promote.promotion import plan_promotion
from evalkit.registry.project import Project
from evalkit.runtime.digest import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from evalkit.github.forge import Forge
    from evalkit.github.promotable import Candidate, Planned
    from evalkit.promote.plan import Plan
    from evalkit.promote.requirements import Stage

__all__ = ["KIND", "promotion_branch", "sync_promotions"]

KIND: Final = "promotion"
LABELS: Final = ("evalkit", "evalkit: promotion")


def promotion_branch(name: str, version: int, stage: str) -> str:
    """The one branch of a promotion: `evalkit/promote/support-triage-v14-to-staging`."""
    return f"evalkit/promote/{name}-v{version}-to-{stage}"


def sync_promotions(
    forge: Forge,
    root: Path,
    *,
    environ: Mapping[str, str],
    now: datetime,
    names: Iterable[str] | None = None,
    stamps: Mapping[str, str] | None = None,
    log: Callable[[str], None] | None = None,
    planned: Callable[[Sequence[Plan]], None] | None = None,
) -> list[Outcome]:
    """Open, refresh and close promotion pull requests until they say what may move now.

    A second call changes nothing. A call that was interrupted anywhere is made good by the next one.

    Args:
        forge: the repository.
        root: the project in a clone of it. Its work tree is neither read nor changed.
        environ: for git, with what `Actions` reads.
        now: aware; the day decides on holds and models.
        names: only of these entries.
        stamps: approvals to record along with a promotion of the same name: `approved_by` by path of the entry.
        log: told each outcome as it comes.
        planned: told the plans of each name that has a version which is not in production yet.

    Returns:
        An outcome for each pull request that is wanted or was open. Where the forge failed in one of them it says
        `failed`, and the others are still seen to.

    Raises:
        ForgeError: the forge cannot even be asked what there is.
        EvalkitError: `evalkit.yaml` of the default branch is not valid, or git fails.
    """
    head = prepared(forge, root, environ)
    with at(root, head) as tree:
        repository = Repository.of(tree)
        config = Project(tree).config
        admission = Admission(forge, repository, config, head, now)
        grounds = Grounds(tree, head, admission, now.date())
        bodies = Bodies(forge, grounds, outputs=config.artifacts.outputs)
        tell, seen = log or (lambda _: None), planned or (lambda _: None)
        sync = _Sync(Branches(forge, head), grounds, bodies, placed(tree), tell, seen)
        return sync.run(None if names is None else set(names), stamps or {})


class _Sync:
    def __init__(
        self,
        branches: Branches,
        grounds: Grounds,
        bodies: Bodies,
        place: Callable[[Mapping[str, bytes | None]], Mapping[str, bytes | None]],
        log: Callable[[str], None],
        seen: Callable[[Sequence[Plan]], None],
    ) -> None:
        self._branches = branches
        self._grounds = grounds
        self._bodies = bodies
        self._place = place
        self._log = log
        self._seen = seen
        self._outcomes: list[Outcome] = []

    def run(self, names: set[str] | None, stamps: Mapping[str, str]) -> list[Outcome]:
        opened = self._branches.open_of(KIND)
        known = self._grounds.names()
        busy = {marker.entry for _, marker in opened}
        planned = {
            name: self._grounds.planned(name, stamps)
            for name in known
            if (names is None or name in names) and (name in busy or self._grounds.may_move(name))
        }
        kept: dict[str, Outcome] = {}
        successors: dict[tuple[str, str], Outcome] = {}
        for one in planned.values():
            self._seen(one.plans)
            if one.is_outage:
                self._tell(Outcome(f"Promote {one.name}", "failed", one.problem or ""))
            for candidate in one.candidates:
                branch = promotion_branch(one.name, candidate.ref.version, candidate.stage)
                kept[branch] = self._attempt(candidate.plan.title, partial(self._keep, candidate, branch))
                successors[one.name, candidate.stage] = kept[branch]
        for pull, marker in opened:
            name = marker.entry or ""
            if pull.head in kept or (names is not None and name not in names):
                continue
            found = planned.get(name)
            if found is not None and found.is_outage:
                continue  # nothing is known, so nothing is wrong with it
            successor = successors.get((name, marker.target or ""))
            plan = self._plan(found, marker)
            if successor is not None and successor.action == "failed" and _is_overtaken(plan):
                continue  # its successor could not be opened, and nothing else is wrong with it
            reason = self._reason(found, marker, plan)
            number = successor.number if successor is not None and successor.is_open else None
            self._attempt(pull.title, partial(self._branches.close, pull, reason, number))
        return self._outcomes

    def _attempt(self, subject: str, step: Callable[[], Outcome]) -> Outcome:
        try:
            outcome = step()
        except ForgeError as error:
            said = "; ".join(problem.message for problem in error.problems)
            outcome = Outcome(subject, "failed", said)
        self._tell(outcome)
        return outcome

    def _tell(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._log(f"{outcome.subject}: {outcome.said}")

    def _keep(self, candidate: Candidate, branch: str) -> Outcome:
        marker = Marker(
            kind=KIND,
            entry=candidate.ref.name,
            version=str(candidate.ref.version),
            target=candidate.stage,
            digest=_subject(candidate),
        )
        wanted = Wanted(
            marker=marker,
            branch=branch,
            title=candidate.plan.title,
            body=self._bodies.of(candidate),
            message=_message(candidate),
            files=self._place(candidate.files),
            labels=LABELS,
        )
        return self._branches.keep(wanted, lambda: self._grounds.objection(candidate))

    def _plan(self, found: Planned | None, marker: Marker) -> Plan | None:
        """What is planned now of a promotion that was proposed; None where there is no such version."""
        if found is None or found.facts is None or found.problem is not None:
            return None
        version = int(marker.version) if marker.version is not None and marker.version.isdecimal() else 0
        stage: Stage = "staging" if marker.target == "staging" else "production"
        if version not in found.facts.versions:
            return None
        title = f"Promote {found.facts.ref(version)} to {stage}"
        planned = next((plan for plan in found.plans if plan.title == title and plan.is_refused), None)
        return planned or plan_promotion(found.facts, version, stage, self._grounds.today)

    def _reason(self, found: Planned | None, marker: Marker, plan: Plan | None) -> str:
        """Why a promotion that was proposed is no longer."""
        if found is None:  # whatever has entries and an open pull request was planned
            return f"{marker.entry} has no entries any more."
        if found.problem is not None:
            return f"it is not known any more that it may: {found.problem}."
        if plan is None:
            return f"there is no {marker.entry}@v{marker.version} any more."
        if plan.is_refused:
            return _refused(plan)
        return plan.idle or "it is not proposed any more."


def _is_overtaken(plan: Plan | None) -> bool:
    """Whether all that stands against it is a newer version that could move as well."""
    return plan is not None and [refusal.kind for refusal in plan.refusals] == ["overtaken"]


def _refused(plan: Plan) -> str:
    said = " ".join(f"{refusal.message.rstrip('.')}." for refusal in plan.refusals)
    if any(refusal.kind == "evidence" for refusal in plan.refusals):
        said += (
            " The runs that it was opened with do not count any more: the entry, what it refers to or the suite changed "
            "since, or their artifacts are gone."
        )
    return said


def _subject(candidate: Candidate) -> str:
    """What a person who closes the pull request declines: this content, measured by this, to go there."""
    return digest(
        {
            "generation": candidate.facts.versions[candidate.ref.version].digest,
            "measurements": {suite: both[1] for suite, both in sorted(candidate.measurements.items())},
            "target": candidate.stage,
        }
    )


def _message(candidate: Candidate) -> str:
    """The plan's message, and a trailer for each run that counts."""
    runs: Sequence[str] = [run.run_id for suite in sorted(candidate.runs) for run in candidate.runs[suite]]
    trailers = "".join(f"Evalkit-Run: {run}\n" for run in dict.fromkeys(runs))
    return f"{candidate.plan.commit_message.rstrip()}\n{trailers}"
