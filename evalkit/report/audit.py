"""What happened to a name, for people and for scripts, and how the audit's answers show times and texts.

Texts keep to 80 columns, in a terminal and in a pipe. What commits and files say is neutralised line by line.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from evalkit.promote.audit import describe
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

WIDTH: Final = 80
LOG_COLUMNS: Final = (
    "time", "name", "version", "kind", "change", "before", "after", "commit", "subject", "pr", "authors", "approver",
    "score", "reason", "override", "serving_before", "serving_after",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clock:
    """How times are shown: in UTC, and in another zone beside it if there is one."""

    zone: tzinfo
    both: bool

    def text(self, moment: datetime) -> str:
        """`2026-11-03 13:00 UTC`, or `2026-11-03 13:00 UTC (14:00 CET)`."""
        plain = clock_text(moment, UTC)
        if not self.both or moment.astimezone(self.zone).utcoffset() == moment.astimezone(UTC).utcoffset():
            return plain
        day, _, rest = clock_text(moment, self.zone).partition(" ")
        return f"{plain} ({rest})" if plain.startswith(day) else f"{plain} ({day} {rest})"


def filled(text: str, indent: str = "", hang: str = "    ") -> Iterator[str]:
    """Foreign text on lines of 80 columns at most; a word that is longer has a line to itself."""
    yield from textwrap.wrap(
        one_line(text, 2_000),
        WIDTH,
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


def change_lines(changes: Sequence[Transition], clock: Clock) -> Iterator[str]:
    """The transitions of one commit: when and what, then who and why."""
    commit = changes[0].commit
    when = clock.text(commit.time)
    for number, change in enumerate(sorted(changes, key=lambda change: change.kind == "exposure")):
        yield f"{' ' * len(when) if number else when}  {one_line(describe(change), 200)}"
    pr = f", PR #{changes[0].pr}" if changes[0].pr else ""
    yield from filled(f"commit {commit.id[:12]}{pr}{_scores(changes)}", "    ")
    approvers = dict.fromkeys(change.approver for change in changes if change.approver)
    approved = f"approved by {', '.join(approvers)}" if approvers else "no approval recorded"
    yield from filled(f"by {people(changes[0].authors)}; {approved}", "    ")
    reasons = [change.override.reason if change.override else change.reason for change in changes]
    for reason in dict.fromkeys(filter(None, reasons)):
        yield from filled(f"reason: {reason}", "    ")


def by_commit(changes: Sequence[Transition]) -> list[list[Transition]]:
    """The transitions of each commit, in the order given."""
    return [list(own) for _, own in groupby(changes, key=lambda change: change.commit.id)]


def _scores(changes: Sequence[Transition]) -> str:
    known = {change.version: change.score for change in changes if change.score is not None}
    if len({change.version for change in changes}) == 1:
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
    noun = "change" if everything else "transition"
    count = f"{shown} of {total} {noun}s" if shown < total else f"{total} {noun}{'' if total == 1 else 's'}"
    since = f" since {clock.text(start)}" if start else ""
    order = ", newest first" if shown > 1 else ""
    yield from filled(f"{history.name}: {count}{since} on {short_ref(ref)}{order}")
    yield from name_notes(history)


def name_notes(history: NameHistory) -> Iterator[str]:
    """What is to be known of the name itself: that it was renamed, is gone, or cannot be read."""
    for words, other in (("from", history.renamed_from), ("to", history.renamed_to)):
        if other:
            yield f"It was renamed {words} {one_line(other, 100)}: evalkit log {one_line(other, 100)}"
    if not history.renamed_to and not history.moments[-1].versions and not history.moments[-1].broken:
        yield f"It has no entries any more since commit {history.moments[-1].commit.id[:12]}."
    for version in history.moments[-1].broken:
        yield f"v{version} cannot be read; its last state that could be counts."


def change_data(change: Transition) -> dict[str, Any]:
    """A transition as plain data."""
    return {
        "time": iso(change.commit.time),
        "name": change.name,
        "version": change.version,
        "kind": change.kind,
        "change": describe(change),
        "before": change.before,
        "after": change.after,
        "commit": change.commit.id,
        "subject": change.commit.subject,
        "pr": change.pr,
        "authors": list(change.authors),
        "approver": change.approver,
        "score": change.score,
        "reason": change.reason,
        "override": ", ".join(change.override.kinds) if change.override else None,
        "serving_before": change.serving_before,
        "serving_after": change.serving_after,
    }


def short_ref(ref: str) -> str:
    """A ref as people say it: `main`, `origin/HEAD`."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
