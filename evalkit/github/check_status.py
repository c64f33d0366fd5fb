"""The required status of a head that evalkit itself has pushed.

What a job pushes with its GITHUB_TOKEN starts no workflow, so the new head would never be checked. Where nothing but
records was added since a commit that was checked, and each of them is admitted, that commit's result holds for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evalkit.github.admission import Refused
from evalkit.github.records import recorded
from evalkit.promote.history import place
from evalkit.promote.history.commits import commits

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.github.admission import Admission
    from evalkit.github.forge import Forge

__all__ = ["TIMEOUT_S", "Carried", "carry_check", "judged_commit"]

TIMEOUT_S = 600.0
_POLL_S = 10.0
_FARTHEST = 100
"""Record commits in a row."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of the status."""

    state: str | None
    """`success`, `failure`, `pending`; None if there is nothing to carry: the head is checked like any other."""
    origin: str | None = None
    """The commit whose result it is."""


def judged_commit(admission: Admission, head: str) -> str:
    """The commit whose check says what a check of `head` would: the nearest before its record commits, else itself.

    Raises:
        UsageError: EK805, git lacks one of the commits.
        ForgeError: the forge cannot be asked what it admits.
    """
    where = place.find(admission.repository.root)
    commit = head
    for _ in range(_FARTHEST):
        known = commits(where.git, [commit])[commit]
        if len(known.parents) != 1:
            break
        found = recorded(where, known.parents[0], commit)
        if found.problem is not None or not found.runs:
            break
        if any(isinstance(admission.admit(run, path), Refused) for path, run in found.runs):
            break
        commit = known.parents[0]
    return commit


def carry_check(
    forge: Forge,
    admission: Admission,
    head: str,
    check: str,
    *,
    say: Callable[[str], None] = lambda _: None,
    wait: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Carried:
    """Give a head that evalkit pushed the result of the commit before its records, once that has one.

    A result that the head has already is left alone. With an App's token there is nothing to do: what it pushes is
    checked by itself.

    Args:
        forge: where.
        admission: by which records are real.
        head: the commit; it is in the clone.
        check: the name of the status.
        say: told every so often what is waited for.
        wait: so many seconds.
        now: seconds, of any clock that only goes forward.

    Raises:
        ForgeError: the status cannot be read or set.
    """
    origin = judged_commit(admission, head)
    if forge.is_app or origin == head or _final(forge, head, check) is not None:
        return Carried(None)
    deadline = now() + TIMEOUT_S
    state = _final(forge, origin, check)
    while state is None and now() < deadline:
        left = max(0.0, deadline - now())
        say(f"waiting for {check} of {origin[:12]}, for {left / 60:.0f} more minutes at most")
        wait(min(_POLL_S, left))
        state = _final(forge, origin, check)
    if state is not None:
        text = f"as for {origin[:12]}: since then, only records of evaluations were added"
        forge.set_status(head, check, state, text)
        return Carried(state, origin)
    text = f"{check} of {origin[:12]} has not ended; once it has, run the job that records again"
    forge.set_status(head, check, "pending", text[:140])
    return Carried("pending", origin)


def _final(forge: Forge, commit: str, check: str) -> Literal["success", "failure"] | None:
    """The result; None while there is none."""
    results: dict[str | None, Literal["success", "failure"]] = {"success": "success", "failure": "failure"}
    return results.get(forge.status(commit, check))
