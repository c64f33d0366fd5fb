"""What GitHub Actions says about the job that runs, by its environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Actions"]


class Actions:
    """The job that runs. A person may set the same variables by hand: the repository and the token are enough.

    Every property raises `UsageError` EK870 if it is asked for what is not there.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @property
    def in_actions(self) -> bool:
        """Whether this is a job of GitHub Actions."""
        return self._environ.get("GITHUB_ACTIONS") == "true"

    @property
    def repository(self) -> str:
        """`owner/name`."""
        return self._text("GITHUB_REPOSITORY", "outside Actions, set it to OWNER/NAME")

    @property
    def server_url(self) -> str:
        """For people and for git."""
        return self._environ.get("GITHUB_SERVER_URL") or "https://github.com"

    @property
    def api_url(self) -> str:
        """Of the REST API."""
        return self._environ.get("GITHUB_API_URL") or "https://api.github.com"

    @property
    def has_token(self) -> bool:
        """Whether the forge can be asked at all."""
        return bool(self._environ.get("GITHUB_TOKEN") or self._environ.get("GH_TOKEN"))

    @property
    def token(self) -> str:
        """`GITHUB_TOKEN`, or else `GH_TOKEN`."""
        hint = (
            "give the step `GITHUB_TOKEN: ${{ github.token }}` in `env:`; outside Actions, set it to a token"
        )
        name = "GH_TOKEN" if not self._environ.get("GITHUB_TOKEN") and self.has_token else "GITHUB_TOKEN"
        return self._text(name, hint)

    @property
    def is_app(self) -> bool:
        """Whether the token is an App's (`EVALKIT_TOKEN_KIND: app`). Tokens of a job and of an App look alike."""
        return self._environ.get("EVALKIT_TOKEN_KIND") == "app"

    @property
    def login(self) -> str:
        """Who the token stands for, if the workflow says so (`EVALKIT_LOGIN`); empty if it has to be asked."""
        return self._environ.get("EVALKIT_LOGIN", "").strip()

    @property
    def run_id(self) -> int:
        """Of the workflow run."""
        return self._number("GITHUB_RUN_ID")

    @property
    def run_attempt(self) -> int:
        """From 1."""
        return self._number("GITHUB_RUN_ATTEMPT")

    @property
    def run_url(self) -> str:
        """The run's page."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"

    @property
    def workflow_path(self) -> str:
        """Of the workflow that was started: `.github/workflows/evaluate.yml`."""
        ref = self._text("GITHUB_WORKFLOW_REF", _ONLY_IN_ACTIONS)
        return ref.partition("@")[0].split("/", 2)[-1]

    @property
    def event_name(self) -> str:
        """`push`, `pull_request`, …."""
        return self._text("GITHUB_EVENT_NAME", _ONLY_IN_ACTIONS)

    @property
    def event_path(self) -> Path:
        """The file with the event; see `evalkit.github.events`."""
        return Path(self._text("GITHUB_EVENT_PATH", _ONLY_IN_ACTIONS))

    @property
    def sha(self) -> str:
        """The commit for which the workflow runs."""
        return self._text("GITHUB_SHA", _ONLY_IN_ACTIONS)

    @property
    def ref(self) -> str:
        """`refs/heads/main`, `refs/pull/7/merge`, …."""
        return self._text("GITHUB_REF", _ONLY_IN_ACTIONS)

    @property
    def actor(self) -> str:
        """The login of who or what started the run."""
        return self._text("GITHUB_ACTOR", _ONLY_IN_ACTIONS)

    def _text(self, name: str, hint: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            raise UsageError(Problem("EK870", f"{name} is not set", hint=hint))
        return value

    def _number(self, name: str) -> int:
        value = self._text(name, _ONLY_IN_ACTIONS)
        if not (value.isascii() and value.isdigit()):
            raise UsageError(
                Problem("EK870", f"{name} is {value!r}, and should be a number", hint=_ONLY_IN_ACTIONS)
            )
        return int(value)


_ONLY_IN_ACTIONS = "GitHub Actions sets it for every step; this command belongs in a workflow"
