"""What is known of one version, for people and for scripts. Its first line answers who approved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.promote.audit import describe, served_time
from evalkit.report.audit import by_commit, change_data, change_lines, filled, iso

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from evalkit.promote.account import Account
    from evalkit.promote.audit import Tenure
    from evalkit.report.audit import Clock

__all__ = ["ACCOUNT_COLUMNS", "account_data", "account_lines"]

ACCOUNT_COLUMNS = (
    "name", "version", "status", "approver", "pending", "approved_since", "pr", "writers", "movers", "suite", "score", "run", "replaced",
    "served_seconds", "canary_seconds", "left",
)  # fmt: skip
_LABEL = 14


def account_lines(account: Account, now: datetime, clock: Clock) -> Iterator[str]:
    """The whole account; foreign text in it is on lines of its own."""
    yield from filled(_headline(account, clock), width=clock.width)
    yield ""
    for label, lines in _facts(account, now, clock).items():
        first, *rest = (
            part for line in lines for part in filled(line, " " * _LABEL, "  ", width=clock.width)
        )
        yield f"  {label}".ljust(_LABEL) + first[_LABEL:]
        yield from rest
    yield from ("", "Its changes, oldest first")
    for changes in by_commit([change for change in account.changes if change.kind != "approved"]):
        yield from ("", *change_lines(changes, clock))


def account_data(account: Account, now: datetime) -> dict[str, Any]:
    """The account as plain data."""
    approval, evaluation = account.approval, account.evaluation
    return {
        "name": account.name,
        "version": account.version,
        "status": account.status,
        "approver": approval.approver if approval else None,
        "pending": bool(approval and approval.is_pending),
        "self_approved": account.own_approval is not None,
        "approved_since": iso(approval.commit.time) if approval and approval.approver else None,
        "pr": approval.pr if approval else None,
        "writers": [{"person": person, "wrote": list(what)} for person, what in account.writers.items()],
        "movers": [{"person": person, "changed": list(what)} for person, what in account.movers.items()],
        "evaluation": {
            "suite": evaluation.suite,
            "score": evaluation.score,
            "run": evaluation.run,
            "evidence": evaluation.evidence,
            "commit": evaluation.commit.id,
        }
        if evaluation
        else None,
        "replaced": account.replaced,
        "served_seconds": _seconds(account, now, "primary", "arm"),
        "canary_seconds": _seconds(account, now, "canary"),
        "served": [
            {
                "role": one.role,
                "since": iso(one.since),
                "until": iso(one.until),
                "since_commit": one.commit_since.id,
                "until_commit": one.commit_until.id if one.commit_until else None,
            }
            for one in account.tenures
        ],
        "left": _left(account),
        "pull_requests": sorted({change.pr for change in account.changes if change.pr}),
        "changes": [change_data(change) for change in account.changes],
    }


def _headline(account: Account, clock: Clock) -> str:
    target, approval = f"{account.name}@v{account.version}", account.approval
    if approval is None:
        return f"{target}: nobody is recorded as having approved it; it never went to production"
    what = describe(approval).partition(" ")[2]
    pr = f", PR #{approval.pr}" if approval.pr else ""
    when = clock.text(approval.commit.time)
    if approval.is_pending:
        return f"{target}: its approval is pending ({what}, {when}{pr})"
    if approval.approver is None:
        return f"{target}: nobody is recorded as having approved it ({what}, {when}{pr})"
    deed = {"wrote": "wrote", "moved": "changed"}.get(account.own_approval or "")
    own = f", who also {deed} it," if deed else ""
    return f"{target}: {approval.approver}{own} approved it ({what}, {when}{pr})"


def _facts(account: Account, now: datetime, clock: Clock) -> dict[str, list[str]]:
    evaluation = account.evaluation
    measured = []
    if evaluation:
        score = "no score" if evaluation.score is None else f"score {evaluation.score:.4f}"
        run = f", run {evaluation.run}" if evaluation.run else ""
        when = f"{clock.text(evaluation.commit.time)}, commit {evaluation.commit.id[:12]}"
        measured = [f"{evaluation.suite}: {score}{run}", when]
    pulls = sorted({change.pr for change in account.changes if change.pr})
    moved = [f"{person}: {', '.join(what)}" for person, what in account.movers.items()]
    replaced = f"v{account.replaced}" if account.replaced else "nothing: it is the first here"
    left = _left(account)
    return {
        "status": [account.status or "its file is gone"],
        "written by": [f"{person}: {', '.join(what)}" for person, what in account.writers.items()]
        or ["nobody is known"],
        **({"moved by": moved} if moved else {}),
        "evaluated": measured or ["no evaluation is recorded"],
        "follows": [replaced],
        "PRs": [", ".join(f"#{number}" for number in pulls)] if pulls else ["none is named"],
        "served": _served(account, now, clock),
        **({"left": [left]} if left else {}),
    }


def _served(account: Account, now: datetime, clock: Clock) -> list[str]:
    if not account.tenures:
        return ["never in production"]
    parts = []
    for words, *roles in (("production for", "primary", "arm"), ("as a canary for", "canary")):
        if own := [one for one in account.tenures if one.role in roles]:
            parts.append(f"{words} {duration(served_time(own, now))}")
    return [", ".join(parts), *(_spell(one, now, clock) for one in account.tenures)]


def _seconds(account: Account, now: datetime, *roles: str) -> int:
    return int(served_time((one for one in account.tenures if one.role in roles), now).total_seconds())


def _spell(one: Tenure, now: datetime, clock: Clock) -> str:
    length = duration((one.until or now) - one.since)
    return f"{one.role} from {clock.text(one.since)}, {length}{'' if one.until else ' and still'}"


def _left(account: Account) -> str | None:
    """Why it serves production no more: what took it away, and the reason that is recorded."""
    departure = account.departure
    if departure is None or departure.commit_until is None:
        return None
    own = [change for change in account.changes if change.commit.id == departure.commit_until.id]
    text = "; ".join(describe(change) for change in own) or _overtaken(account)
    reason = next((change.reason for change in own if change.reason), None)
    return f"{text} (reason: {reason})" if reason else text


def _overtaken(account: Account) -> str:
    if account.departure and account.departure.role == "arm":
        return "the A/B ended"
    return f"v{account.successor} took over" if account.successor else "others serve"


def duration(span: timedelta) -> str:
    """`6 days 2 hours`: the two largest units that are not nothing."""
    seconds = max(int(span.total_seconds()), 0)
    parts = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 seconds"
