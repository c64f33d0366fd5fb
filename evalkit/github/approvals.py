"""Stamp approvals: write into each entry that was promoted who approved it, once that is merged.

A stamp is looked for wherever one is missing, not only where an event says so: an event that never fired is made up for
by the next run. Where the default branch takes commits, all stamps are one commit; where it is protected, they are one
pull request, kept up to date.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, Location, Problem
from evalkit.github.candidates import config_at
from evalkit.github.forge import ForgeError, MovedOn
from evalkit.github.reviewers import Approver, Declined, Reviewers
from evalkit.github.stamps_pull import propose
from evalkit.promote.base.snapshot import entry_path
from evalkit.promote.history import place
from evalkit.promote.history.transitions import exposure
from evalkit.registry.project import effective_policy
from evalkit.registry.schema.project import ForgeConfig
from evalkit.registry.writeback import edit
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalkit.github.forge import Forge, PullRequest
    from evalkit.promote.history import Moment, NameHistory, Repository, VersionState

__all__ = ["ApprovalError", "Approvals", "Done", "Stamp", "StampPlan", "awaiting"]

_ATTEMPTS = 10
_LONGEST_WAIT_S = 20.0
_PROTECTED = "EK879"


class ApprovalError(EvalkitError):
    """Stamps cannot be written at all (EK893)."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """One entry's approval."""

    entry: Ref
    approvers: tuple[str, ...]
    """Logins, in the order in which they approved."""
    pull: int
    """The pull request that they approved."""
    wrote: str | None = None
    """Where policy allows self-approval: which approver wrote what of it."""

    @property
    def text(self) -> str:
        """What `approved_by` becomes."""
        return ", ".join(self.approvers)


@dataclass(frozen=True, slots=True)
class StampPlan:
    """The stamps that are due."""

    head: str
    """The commit of the default branch that they are made for."""
    stamps: tuple[Stamp, ...]
    files: dict[str, bytes]
    """By path in the repository."""
    problems: tuple[Problem, ...]
    """Who is not stamped, and why: EK890 (nobody approved yet, a warning), EK891 (only its authors did)."""

    @property
    def message(self) -> str:
        """Of the commit."""
        names = ", ".join(str(stamp.entry) for stamp in self.stamps[:3])
        more = f" and {len(self.stamps) - 3} more" if len(self.stamps) > 3 else ""
        lines = [f"{stamp.entry}: approved by {stamp.text} in #{stamp.pull}" for stamp in self.stamps]
        return "\n".join([f"Stamp the approval of {names}{more}", "", *lines, ""])


@dataclass(frozen=True, slots=True)
class Done:
    """What became of the stamps."""

    plan: StampPlan
    commit: str | None = None
    """On the default branch; None if there was nothing to stamp, or it is protected."""
    pull: PullRequest | None = None
    """The pull request with all stamps, where the default branch is protected."""
    published: bool = False
    """Whether the workflow that publishes the bundle was started."""
    problems: tuple[Problem, ...] = ()
    """What did not work besides."""


def awaiting(history: NameHistory) -> dict[int, int]:
    """By version: the place of the last transition in `history.moments`, of those that no stamp followed.

    What serves staging or production awaits one, whatever a commit's message says of its approval.
    """
    found: dict[int, int] = {}
    before: dict[int, VersionState] = {}
    for index, moment in enumerate(history.moments):
        for version, now in moment.versions.items():
            old = before.get(version)
            moved = old is None or (old.state.status, exposure(old)) != (now.state.status, exposure(now))
            if moved:
                found[version] = index
            elif now.approved_by is not None and old is not None and now.approved_by != old.approved_by:
                found.pop(version, None)
        before = dict(moment.versions)
    live = {version for version, now in before.items() if now.state.status in {"staging", "production"}}
    return {version: index for version, index in found.items() if version in live}


class Approvals:
    """The approvals of one repository."""

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
        self.reviewers = Reviewers(forge, repository, self.bring)
        self._pulls: dict[str, PullRequest | None] = {}

    def look(self, number: int | None = None, head: str | None = None) -> StampPlan:
        """The stamps that are due now.

        Args:
            number: only those of one pull request.
            head: as of this commit of the default branch; its newest without one.

        Raises:
            ForgeError: the forge does not answer.
            UsageError: git fails; EK803, the clone is shallow.
        """
        if head is None:
            head = self.forge.head_of(self.forge.default_branch())
        if head is None:
            raise ApprovalError(Problem("EK893", f"{self.forge.repository} has no default branch"))
        self.bring([head])
        prefix = place.find(self.repository.root).prefix.decode("utf-8", "surrogateescape")
        stamps: list[Stamp] = []
        files: dict[str, bytes] = {}
        problems: list[Problem] = []
        for ref, moments, pull in self._awaited(head):
            if number not in {None, pull.number}:
                continue
            found = self._decide(ref, moments, pull)
            if isinstance(found, Problem):
                problems.append(found)
            elif found is not None:
                path = entry_path(ref.name, ref.version)
                old = self.repository.read(head, path) or b""
                try:
                    new = edit(old, {"approved_by": found.text}, path=path)
                except EvalkitError as error:
                    problems += [_unwritten(ref, one) for one in error.problems]
                    continue
                if new != old:
                    stamps.append(found)
                    files[f"{prefix}{path}"] = new
        return StampPlan(head, tuple(stamps), files, tuple(problems))

    def push(self, number: int | None = None) -> Done:
        """Write the stamps that are due, to the default branch or to the pull request that collects them.

        Raises:
            ApprovalError: EK893, the default branch moved on at every attempt.
            ForgeError: the forge refuses, or does not answer.
            UsageError: git fails.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return self._carry_out(self.look(number), number)
            except MovedOn:
                longest = min(_LONGEST_WAIT_S, 0.5 * 2**attempt)
                self._wait(random.uniform(0, longest))  # noqa: S311 - apart in time, no secret
        branch = self.forge.default_branch()
        message = f"{branch} moved on {_ATTEMPTS} times while approvals were stamped; nothing was written"
        raise ApprovalError(Problem("EK893", message, hint="run evalkit approve --pending --push"))

    def _carry_out(self, plan: StampPlan, number: int | None) -> Done:
        if not plan.files:
            return self._proposed(plan) if number is None else Done(plan)
        try:
            commit = self.forge.commit(
                self.forge.default_branch(), plan.message, plan.files, parents=[plan.head]
            )
        except MovedOn:
            raise
        except ForgeError as error:
            if error.problems[0].code != _PROTECTED:
                raise
            return self._proposed(plan if number is None else self.look(), asked=plan)
        return self._published(plan, commit)

    def _proposed(self, plan: StampPlan, asked: StampPlan | None = None) -> Done:
        """The pull request with every stamp that is due; what is reported is about what was asked for."""
        pull, problems = propose(self.forge, plan)
        return Done(asked or plan, pull=pull, problems=tuple(problems))

    def _published(self, plan: StampPlan, commit: str) -> Done:
        """What a job pushes with its own token starts no workflow, so what is to follow the stamp is started here."""
        config = config_at(self.repository, plan.head)
        if self.forge.is_app or config.publish is None:
            return Done(plan, commit)
        workflow = (config.forge or ForgeConfig()).publish_workflow
        try:
            self.forge.dispatch(workflow.rpartition("/")[2], self.forge.default_branch(), {})
        except ForgeError as error:
            hint = f"start it by hand: {workflow}; until then, the published bundle shows these approvals as pending"
            problem = Problem(
                "EK893", f"not published: {error.problems[0].message}", hint=hint, severity="warning"
            )
            return Done(plan, commit, problems=(problem,))
        return Done(plan, commit, published=True)

    def _awaited(self, head: str) -> Iterator[tuple[Ref, Sequence[Moment], PullRequest]]:
        """What waits for a stamp, with the pull request that brought it. What was pushed directly has none."""
        for name, history in self.repository.histories(head).items():
            for version, index in sorted(awaiting(history).items()):
                pull = self._pull_with(history.moments[index].commit.id)
                if pull is not None:
                    yield Ref(name, version), history.moments[: index + 1], pull

    def _pull_with(self, commit: str) -> PullRequest | None:
        if commit not in self._pulls:
            branch = self.forge.default_branch()
            merged = [one for one in self.forge.pulls_with(commit) if one.is_merged and one.base == branch]
            exact = [one for one in merged if one.merge_commit == commit]
            self._pulls[commit] = next(iter(exact or merged), None)
        return self._pulls[commit]

    def _decide(self, ref: Ref, moments: Sequence[Moment], pull: PullRequest) -> Stamp | Problem | None:
        """The stamp; why there is none; None where policy asks for none and nobody gave one."""
        before = moments[-1].commit.parents[:1]
        config = config_at(self.repository, before[0] if before else moments[-1].commit.id)
        required = effective_policy(config, ref.name).approvals
        found = self.reviewers.of(ref, moments, pull, allow_authors=config.policy.allow_self_approval)
        approvers = [one for one in found if isinstance(one, Approver)]
        declined = [one for one in found if isinstance(one, Declined)]
        if approvers and len(approvers) >= required:
            wrote = next((f"{one.login} {one.wrote}" for one in approvers if one.wrote), None)
            return Stamp(ref, tuple(one.login for one in approvers), pull.number, wrote)
        if not required:
            return None
        return _unapproved(ref, pull, required, approvers, declined)

    def bring(self, commits: Sequence[str]) -> None:
        """Fetch commits, by id, that are not in the clone."""
        git = place.find(self.repository.root).git
        missing = [one for one in commits if git.attempt("cat-file", "-e", f"{one}^{{commit}}").returncode]
        if missing:
            self._fetch(missing)


def _unapproved(
    ref: Ref, pull: PullRequest, required: int, approvers: Sequence[Approver], declined: Sequence[Declined]
) -> Problem:
    place_of = Location(entry_path(ref.name, ref.version))
    reasons = "; ".join(f"{one.login} {one.reason}" for one in declined)
    if declined and all(one.is_author for one in declined) and not approvers:
        message = f"{ref} was promoted by #{pull.number} and is approved by its authors alone: {reasons}"
        hint = (
            f"somebody who wrote none of it approves #{pull.number}, also now that it is merged; "
            "in a repository of one: policy.allow_self_approval: true"
        )
        return Problem("EK891", message, place_of, hint)
    count = "nobody whose approval counts has" if not approvers else f"{len(approvers)} of {required} have"
    message = f"{ref} was promoted by #{pull.number}, which {count} approved" + (
        f": {reasons}" if reasons else ""
    )
    hint = (
        f"approve #{pull.number}, which works after the merge too, then run evalkit approve --pending --push"
    )
    return Problem("EK890", message, place_of, hint, "warning")


def _unwritten(ref: Ref, problem: Problem) -> Problem:
    message = f"{ref} is approved, and its file cannot be stamped: {problem.message}"
    return Problem("EK893", message, problem.location, problem.hint)
