"""Approvals that do not count because who gave them wrote what they approve: said while it can still be put right.

A stamp is refused after the merge in any case. But by then the change serves; so an approval of an author's own is
dismissed as it comes, and the required review stays open for somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.github.approvals import awaiting
from evalkit.github.candidates import config_at
from evalkit.github.reviewers import Declined
from evalkit.promote.base.change import Change
from evalkit.report.neutral import markdown, one_line
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from evalkit.github.approvals import Approvals

__all__ = ["OwnApproval", "dismiss", "own_approvals"]


@dataclass(frozen=True, slots=True)
class OwnApproval:
    """An approval by somebody who wrote what the pull request moves."""

    login: str
    entry: Ref
    reason: str
    """A clause that goes on after the login."""

    @property
    def message(self) -> str:
        """For its author."""
        reason = markdown(one_line(self.reason, 300))
        return (
            f"@{self.login} {reason}, so this approval of {self.entry} does not count: "
            "somebody who wrote none of it approves."
        )


def own_approvals(approvals: Approvals, number: int) -> list[OwnApproval]:
    """The approvals of an open pull request that do not count, as its authors gave them; one for each person.

    Raises:
        ForgeError: the forge does not answer.
        UsageError: git fails; EK803, the clone is shallow.
    """
    forge, repository = approvals.forge, approvals.repository
    pull = forge.pull(number)
    base = forge.head_of(pull.base) if pull else None
    if pull is None or base is None or pull.state != "open" or pull.head_repository != forge.repository:
        return []
    approvals.bring([base, pull.head_sha])
    allow_authors = config_at(repository, base).policy.allow_self_approval
    change = Change(repository.root, base, pull.head_sha)
    found: dict[str, OwnApproval] = {}
    for name in change.names:
        before = change.states_before(name)
        history = repository.history(name, pull.head_sha)
        for version, index in sorted(awaiting(history).items()):
            moment = history.moments[index]
            now = moment.versions[version].state
            if version in before and before[version].state == now:
                continue
            ref, moments = Ref(name, version), history.moments[: index + 1]
            for one in approvals.reviewers.of(ref, moments, pull, allow_authors=allow_authors):
                if isinstance(one, Declined) and one.is_author:
                    found.setdefault(one.login, OwnApproval(one.login, ref, one.reason))
    return list(found.values())


def dismiss(approvals: Approvals, number: int, found: list[OwnApproval]) -> None:
    """Dismiss these approvals, with the reason. Done twice, it is done once.

    Raises:
        ForgeError: the forge refused.
    """
    by_login = {one.login: one for one in found}
    for review in approvals.forge.reviews(number):
        if review.state == "approved" and review.author in by_login:
            approvals.forge.dismiss_review(number, review.id, by_login[review.author].message)
