"""What was in effect at a moment, or as of a commit that somebody names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, Problem, UsageError
from evalkit.promote.when import When, clock_text, read_when

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from evalkit.promote.history import CommitInfo, NameHistory, Repository

__all__ = ["AsOf", "as_of", "history_until", "since_moment"]

_NAMES_NO_COMMIT = re.compile(
    r"now|today|yesterday|(?:mon|tues|wednes|thurs|fri|satur|sun)day", re.IGNORECASE
)
_COMMIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*[~^0-9]*")
"""A branch, a tag or an id, perhaps with `~2`. Not `main@{yesterday}`: that asks this clone's own log, not history."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt].*)?")


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment on a line of history, and the commit that was in effect."""

    when: When
    ref: str
    """The line: a ref."""
    commit: CommitInfo | None
    """None: the line begins later."""

    @property
    def moment(self) -> datetime:
        """In UTC; for a commit that was named, when it took effect."""
        return self.when.moment


def as_of(
    repository: Repository,
    text: str,
    now: datetime,
    zone: tzinfo,
    ref: str | None = None,
    *,
    name: str | None = None,
    all_names: bool = False,
) -> AsOf:
    """The commit that a WHEN means: one that it names, or the one in effect at the moment that it says.

    Args:
        repository: to look in.
        text: a date, a time, a phrase, or a commit: its id, a tag, a branch.
        now: aware.
        zone: of times that name none.
        ref: the line, the main line without one.
        name: one whose history will be asked for: it is read in one pass with the line.
        all_names: whether the entries of every name will be asked for: they are read beside the line.

    Raises:
        UsageError: EK861, it can be read as neither, or names a commit that is not on the line; EK863, it has not come
            yet; otherwise as `Repository.commit_at`.
    """
    line = repository.main_ref() if ref is None else ref
    if (commit := _named(repository, text.strip())) is not None:
        if name is not None:
            repository.read_along(name, line)
        found = repository.on_line(commit, line)
        if found is None:
            raise UsageError(_off_line(text.strip(), commit, line))
        return AsOf(When(text.strip(), found.time, "commit"), line, found)
    when = read_when(text, now, zone)
    if name is not None:
        repository.read_along(name, line)
    elif all_names:
        repository.read_ahead(when.moment, line)
    try:
        found = repository.commit_at(when.moment, line)
    except UsageError as error:
        raise UsageError(*(_in_zone(problem, when.moment, zone) for problem in error.problems)) from None
    return AsOf(when, line, found)


def _in_zone(problem: Problem, moment: datetime, zone: tzinfo) -> Problem:
    """The problem with the moment as it was asked for: in the zone, and not as ISO 8601 in UTC."""
    said = problem.message.replace(moment.isoformat(), clock_text(moment, zone))
    return problem.replace(message=said)


def since_moment(
    repository: Repository, text: str, now: datetime, zone: tzinfo, ref: str | None = None
) -> datetime:
    """The moment from which on something is asked for: of a day its start, of a commit the time it took effect.

    Raises:
        UsageError: as `as_of`.
    """
    if _named(repository, text.strip()) is not None:
        return as_of(repository, text, now, zone, ref).moment
    return read_when(text, now, zone, day="start").moment


def history_until(repository: Repository, name: str, asked: AsOf) -> NameHistory:
    """A name's history up to the commit in effect, without what merges brought; without moments if it began later.

    Raises:
        UsageError: as `Repository.history`.
    """
    if asked.when.reading == "commit" and asked.commit:
        return repository.history(name, asked.commit.id, people=False)
    history = repository.history(name, asked.ref, people=False)
    last = history.at(asked.moment)
    count = history.moments.index(last) + 1 if last else 0
    return replace(history, moments=history.moments[:count])


def _named(repository: Repository, text: str) -> str | None:
    """The commit that a text names, if it looks like a commit and there is one."""
    if not _COMMIT.fullmatch(text) or _DATE.fullmatch(text) or _NAMES_NO_COMMIT.fullmatch(text):
        return None
    try:
        return repository.commit(text).id
    except EvalkitError as error:
        if error.problems[0].code == "EK804":
            return None
        raise


def _off_line(text: str, commit: str, ref: str) -> Problem:
    line = ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    message = f"'{text}' is commit {commit[:12]}, which is not on the line of {line} itself: it took no effect alone"
    hint = f"name the commit that merged it, or look at its own line: --ref {text}"
    return Problem("EK861", message, hint=hint)
