"""What GitHub refuses, in plain words: what was asked, the reason, the fix."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from evalkit.errors import Problem
from evalkit.github.forge import ForgeError, MovedOn

__all__ = ["Lost", "invisible", "limited", "lost", "moved_on", "problem", "refused"]

_LONGEST_DATE: Final = 32_503_680_000.0
"""The year 3000: what a broken header may say beyond it is no date."""


class Lost(ForgeError):
    """The answer never came: whether GitHub carried the request out is unknown (EK871)."""


def refused(what: str, status: int, reason: str, needs: str, repository: str) -> ForgeError:
    """The error for a status from 300 to 499 that is no answer to whoever asked."""
    if status == 401:
        hint = (
            "in a workflow, give the step `GITHUB_TOKEN: ${{ github.token }}` in `env:`; "
            "a token of an App ends after one hour"
        )
        return problem("EK873", what, f"GitHub does not accept the token ({reason})", hint)
    if status == 403 and "not permitted to create or approve pull requests" in reason:
        hint = (
            "Settings > Actions > General > Workflow permissions: tick "
            '"Allow GitHub Actions to create and approve pull requests"; '
            "in an organisation, its owners may have to allow it first"
        )
        return problem("EK874", what, "the repository does not let workflows open pull requests", hint)
    if status == 403 and ("rule" in reason.lower() or "protected" in reason.lower()):
        return problem("EK879", what, f"a rule of the repository forbids it ({reason})", _PROTECTED)
    if status == 403:
        hint = (
            f"add `{needs}` under `permissions:` of the job; an App needs the same permission, "
            "and what a fork starts never gets more than to read"
        )
        return problem("EK873", what, f"the token may not do this ({reason})", hint)
    if 300 <= status < 400:
        hint = f"set GITHUB_REPOSITORY to its new name, and the remote: it is not {repository} any more"
        return problem("EK873", what, "the repository was renamed or moved", hint)
    hint = _PROTECTED if "protected" in reason.lower() or "rule" in reason.lower() else _LOOK
    return problem("EK879", what, f"GitHub refuses it with status {status} ({reason})", hint)


_PROTECTED: Final = (
    "evalkit writes to branches of its own and to those of pull requests; exempt it from a rule on these, "
    "under Settings > Rules"
)
_LOOK: Final = "the reason in brackets is GitHub's; put that right, and run the job again"


def invisible(what: str, repository: str) -> ForgeError:
    """The repository itself is not there."""
    hint = "check GITHUB_REPOSITORY; a private repository is there only for a token that has access to it"
    return problem("EK873", what, f"there is no repository {repository}, or the token cannot see it", hint)


def limited(what: str, until: float) -> ForgeError:
    """A wait would be too long; `until` is the moment, in seconds since 1970, at which it would end."""
    when = datetime.fromtimestamp(min(until, _LONGEST_DATE), UTC)
    message = f"GitHub asks to wait until {when:%Y-%m-%d %H:%M} UTC, which is longer than a job should"
    hint = "run the job again after that: it goes on where it stopped; a GitHub App has a limit of its own"
    return problem("EK875", what, message, hint)


def lost(what: str, reason: str, api_url: str) -> Lost:
    """No answer."""
    hint = "look at https://www.githubstatus.com, and run the job again: it goes on where it stopped"
    return Lost(Problem("EK871", f"cannot {what}: no answer from {api_url} ({reason})", hint=hint))


def moved_on(what: str, reason: str) -> MovedOn:
    """The branch is not where it was believed to be."""
    hint = "read the branch again, and make the change on what is there now"
    return MovedOn(Problem("EK872", f"cannot {what}: {reason}", hint=hint))


def problem(code: str, what: str, reason: str, hint: str) -> ForgeError:
    """`cannot WHAT: REASON`."""
    return ForgeError(Problem(code, f"cannot {what}: {reason}", hint=hint))
