"""What happened to a name, for people and for scripts, and how the audit's answers show times and texts.

Texts keep to the width of the terminal, in a pipe to 80 columns; what somebody may copy is never cut. What commits and
files say is neutralised line by line.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

from evalkit.promote.audit import describe, describe_hold, is_notable
from evalkit.promote.history.holds import HoldChange
from evalkit.promote.when import clock_text
from evalkit.report.neutral import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from evalkit.promote.history import CommitInfo, NameHistory, Transition

__all__ = [
    "LOG_COLUMNS",
    "Clock",
    "by_commit",
    "change_data",
    "change_lines",
    "commit_data",
    "filled",
    "iso",
    "log_head",
    "name_notes",
    "people",
    "short_ref",
]

Entry = TypeVar("Entry", "Transition", "Transition | HoldChange")
WIDTH: Final = 80
LOG_COLUMNS: Final = (
    "time", "name", "version", "kind", "change", "before", "after", "commit", "subject", "pr", "authors", "approver",
    "score", "reason", "override", "serving_before", "serving_after", "held", "by", "until",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clock:
    """How times are shown, in UTC and in another zone beside it if there is one; and how much goes on a line."""

    zone: tzinfo
    both: bool
    width: int = WIDTH
    """In columns."""

    def text(self, moment: datetime) -> str:
        """`2026-11-03 13:00 UTC`, or `2026-11-03 13:00 UTC (14:00 CET)`."""
        plain = clock_text(moment, UTC)
        if not self.both or moment.astimezone(self.zone).utcoffset() == moment.astimezone(UTC).utcoffset():
            return plain
        day, _, rest = clock_text(moment, self.zone).partition(" ")
        return f"{plain} ({rest})" if plain.startswith(day) else f"{plain} ({day} {rest})"


def filled(text: str, indent: str = "", hang: str = "    ", *, width: int = WIDTH) -> Iterator[str]:
    """Foreign text on lines of so many columns at most; a word that is longer has a line to itself."""
    yield from textwrap.wrap(
        one_line(text, 2_000),
        width,
        initial_indent=indent,
        subsequent_indent=indent + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def people(persons: Iterable[str]) -> str:
    """Their names, without addresses."""
    return ", ".join(person.partition(" <")[0] or person for person in persons)


def iso(moment: datetime | None) -> str | None:
    """In UTC, as ISO 8601 with a Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def commit_data(commit: CommitInfo) -> dict[str, Any]:
    """A commit as plain data."""
    return {"id": commit.id, "time": iso(commit.time), "author": commit.author, "subject": commit.subject}


def change_lines(changes: Sequence[Transition | HoldChange], clock: Clock) -> Iterator[str]:
    """The changes of one commit: when and what, then who and why."""
    commit = changes[0].commit
    yield from _when_and_what(changes, clock)

    def details(text: str) -> Iterator[str]:
        return filled(text, "    ", width=clock.width)

    for digest in dict.fromkeys(one.digest for one in changes if isinstance(one, HoldChange) and one.digest):
        yield from details(digest)
    pr = f", PR #{changes[0].pr}" if changes[0].pr else ""
    yield from details(f"commit {commit.id[:12]}{pr}{_scores(changes)}")
    yield from details(f"by {people(changes[0].authors)}{_approved(changes)}")
    for reason in dict.fromkeys(filter(None, map(_reason, changes))):
        yield from details(f"reason: {reason}")


def _when_and_what(changes: Sequence[Transition | HoldChange], clock: Clock) -> Iterator[str]:
    """Beside each other, where there is room for it; else one below the other."""
    when = clock.text(changes[0].commit.time)
    said = [one_line(_said(one), 200) for one in sorted(changes, key=_order)]
    beside = len(when) + 2
    if beside + max(map(len, said)) <= clock.width:
        for number, text in enumerate(said):
            yield f"{' ' * beside if number else f'{when}  '}{text}"
        return
    yield when
    for text in said:
        yield from filled(text, "  ", width=clock.width)


def _order(change: Transition | HoldChange) -> int:
    return 2 if isinstance(change, HoldChange) else int(change.kind == "exposure")


def _said(change: Transition | HoldChange) -> str:
    return describe_hold(change) if isinstance(change, HoldChange) else describe(change)


def _approved(changes: Sequence[Transition | HoldChange]) -> str:
    """Who approved it; nothing where there is nothing to approve."""
    if approvers := dict.fromkeys(one.approver for one in changes if one.approver):
        return f"; approved by {', '.join(approvers)}"
    moved = [one for one in changes if not isinstance(one, HoldChange) and is_notable(one)]
    if any(one.is_pending for one in moved):
        return "; approval pending"
    return "; no approval recorded" if moved else ""


def _reason(change: Transition | HoldChange) -> str | None:
    if isinstance(change, HoldChange) or change.override is None:
        return change.reason
    return change.override.reason


def by_commit(changes: Sequence[Entry]) -> list[list[Entry]]:
    """The changes of each commit, in the order given."""
    return [list(own) for _, own in groupby(changes, key=lambda change: change.commit.id)]


def _scores(changes: Sequence[Transition | HoldChange]) -> str:
    """Of what moved for its own sake."""
    moved = [one for one in changes if not isinstance(one, HoldChange) and not one.surplus_of]
    known = {one.version: one.score for one in moved if one.score is not None}
    if len({one.version for one in moved}) == 1:
        return "".join(f", score {score:.4f}" for score in known.values())
    return "".join(f", v{version} score {score:.4f}" for version, score in sorted(known.items()))


def log_head(
    history: NameHistory,
    ref: str,
    total: int,
    shown: int,
    start: datetime | None,
    clock: Clock,
    *,
    everything: bool,
) -> Iterator[str]:
    """What is shown of which line, and what is to be known of the name itself."""
    count = f"{shown} of {total} changes" if shown < total else f"{total} change{'' if total == 1 else 's'}"
    since = f" since {clock.text(start)}" if start else ""
    order = ", newest first" if shown > 1 else ""
    yield from filled(f"{history.name}: {count}{since} on {short_ref(ref)}{order}", width=clock.width)
    yield from name_notes(history)
    if not total and not everything and not any(map(is_notable, history.transitions())):
        yield f"It was a draft only: evalkit log {history.name} --all shows drafts, edits and scores."


def name_notes(history: NameHistory) -> Iterator[str]:
    """What is to be known of the name itself: that it was renamed, is gone, or cannot be read."""
    for words, other in (("from", history.renamed_from), ("to", history.renamed_to)):
        if other:
            yield f"It was renamed {words} {one_line(other, 100)}: evalkit log {one_line(other, 100)}"
    if not history.renamed_to and not history.moments[-1].versions and not history.moments[-1].broken:
        yield f"It has no entries any more since commit {history.moments[-1].commit.id[:12]}."
    for version in history.moments[-1].broken:
        yield f"v{version} cannot be read; its last state that could be counts."


def change_data(change: Transition | HoldChange) -> dict[str, Any]:
    """A change as plain data; of a hold, `held` is the digest or `all`, and there is no version."""
    shared = {
        "time": iso(change.commit.time),
        "name": change.name,
        "kind": change.kind,
        "change": _said(change),
        "commit": change.commit.id,
        "subject": change.commit.subject,
        "pr": change.pr,
        "authors": list(change.authors),
        "approver": change.approver,
        "reason": change.reason,
    }
    if isinstance(change, HoldChange):
        own = {"held": change.digest or "all", "by": change.by, "until": change.until}
        return {**dict.fromkeys(LOG_COLUMNS), **shared, **own}
    return {
        **dict.fromkeys(LOG_COLUMNS),
        **shared,
        "version": change.version,
        "before": change.before,
        "after": change.after,
        "score": change.score,
        "override": ", ".join(change.override.kinds) if change.override else None,
        "serving_before": change.serving_before,
        "serving_after": change.serving_after,
    }


def short_ref(ref: str) -> str:
    """A ref as people say it: `main`, `origin/HEAD`."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
