"""The port behind which every source of answers stands, and the three ways in which one fails.

`Unavailable` says nothing about the candidate: the case is tried again, then left unscored. `CandidateFailed` is the
candidate's own doing: the case scores 0. `Fatal` would be the same for every case: the run stops with one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.errors import Problem
    from evalkit.evals.case import Answer

__all__ = [
    "APPLICATION_KINDS",
    "CandidateFailed",
    "CandidateFailureType",
    "Fatal",
    "Provider",
    "Request",
    "Unavailable",
    "UnavailableType",
]

APPLICATION_KINDS = frozenset({"http", "command"})
"""Providers that are whole applications: they are given a case's id and variables, never the body."""

UnavailableType = Literal["rate_limited", "server_error", "network", "timeout"]
CandidateFailureType = Literal[
    "bad_request", "context_overflow", "malformed", "content_filter", "process_failed"
]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for one case."""

    body: Mapping[str, Any]
    """The shape of chat completions: model, messages, tools, response_format, and the entry's params verbatim."""
    vars: Mapping[str, Any]
    """The case's variables: what an application target is given in place of `body`."""
    case_id: str


class Provider(Protocol):
    """Answers requests. Any number of `complete` calls run at once, between one `open` and one `close`."""

    @property
    def kind(self) -> str:
        """`openai`, `anthropic`, `local`, `http`, `command`, …: part of the generation digest."""

    @property
    def name(self) -> str:
        """As declared in evalkit.yaml: for messages."""

    @property
    def endpoint(self) -> str:
        """Where the answers come from, a URL or a command: part of the cache key. Holds no secret."""

    @property
    def promotable(self) -> bool:
        """Whether evidence from here may promote: not from an application, whose config the registry does not hold."""

    @property
    def slots(self) -> int | None:
        """Requests that it can answer at once; None where it sets no limit of its own."""

    async def open(self) -> None:
        """Connect, load, start. Called once, and only if something must be asked."""

    async def close(self) -> None:
        """Give everything back. Called once after `open`, also when the run is interrupted."""

    async def complete(self, request: Request) -> Answer:
        """Answer one request, once: trying again is the engine's part.

        Raises:
            Unavailable: nothing was learnt about the candidate.
            CandidateFailed: the candidate cannot answer this case.
            Fatal: no case can be answered.
        """


class Unavailable(Exception):
    """The case could not be measured this time."""

    def __init__(
        self,
        type: UnavailableType,  # noqa: A002 - the name of the field in samples.jsonl
        message: str,
        *,
        retry_after_s: float | None = None,
        retryable: bool = True,
    ) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
        self.retry_after_s = retry_after_s
        """What the server asks to wait, in seconds from now; None where it does not say."""
        self.retryable = retryable
        """False where trying again cannot help: a spent quota, an untrusted certificate."""


class CandidateFailed(Exception):
    """The candidate cannot answer this case: that is a measurement, and it scores 0."""

    def __init__(self, type: CandidateFailureType, message: str) -> None:  # noqa: A002 - as above
        super().__init__(message)
        self.type = type
        self.message = message


class Fatal(Exception):
    """No case can be answered. `exit_code` 2: the configuration is wrong; 3: the provider cannot be used."""

    def __init__(self, problem: Problem, exit_code: Literal[2, 3] = 2) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.exit_code = exit_code
