"""One call of a model as a block: `with cfg.call() as call: …` measures it and records it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from evalkit.runtime.call_log import log_fields
from evalkit.runtime.responses import Answered, read_response

if TYPE_CHECKING:
    from types import TracebackType

    from evalkit.runtime.call_log import Logged

__all__ = ["LOGGER", "Call"]

LOGGER = "evalkit.calls"
"""The logger that calls are recorded with, at INFO."""


class Call:
    """One call of a model, recorded when the block ends, however it ends.

        with cfg.call() as call:
            call.response = client.chat.completions.create(**cfg.request(ticket=ticket))

    An exception is recorded and goes on; so do a cancellation and Ctrl-C. The block may `await`. Its length is the
    latency, so it should hold the call, the check of its answer, and nothing else.
    """

    __slots__ = (
        "_config",
        "_failure",
        "_started",
        "_started_wall",
        "_streamed",
        "attempt",
        "fallback",
        "feedback",
        "fields",
        "request_id",
        "response",
        "unit",
    )

    def __init__(
        self,
        config: Logged,
        *,
        unit: str | None = None,
        attempt: int | None = None,
        fallback: bool | None = None,
        feedback: str | float | None = None,
        request_id: object = None,
    ) -> None:
        """The arguments are those of `log_fields`; each can also be set inside the block.

        Raises:
            TypeError: `attempt` is no count from 1, or `fallback` is no bool: the record would leave it out.
        """
        if attempt is not None and (type(attempt) is not int or attempt < 1):
            raise TypeError(
                f"attempt is 1 for the first try, 2 for its first retry, and so on, not {attempt!r}"
            )
        if fallback is not None and not isinstance(fallback, bool):
            raise TypeError(f"fallback is True or False, not {fallback!r}")
        self._config = config
        self.unit = unit
        self.attempt = attempt
        self.fallback = fallback
        self.feedback = feedback
        self.request_id = request_id
        self.response: Any = None
        """The provider's response; of a stream, its last chunk (or give every chunk to `add`)."""
        self.fields: dict[str, Any] = {}
        """What was recorded. Empty until the block ends."""
        self._failure: str | None = None
        self._streamed = Answered()
        self._started = self._started_wall = 0.0

    def add(self, chunk: Any) -> None:
        """Take one chunk of a streamed answer. Reason, model and tokens come in different chunks; all are kept."""
        self._streamed = self._streamed.then(read_response(chunk))

    def fail(self, error: str = "failed") -> None:
        """Record the call as bad although a response came: `malformed`, for one that does not parse."""
        self._failure = error

    def __enter__(self) -> Self:
        self.response, self.fields = None, {}
        self._failure, self._streamed = None, Answered()
        self._started_wall, self._started = time.time(), time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            latency_ms = (time.perf_counter() - self._started) * 1000
            self.fields = log_fields(
                self._config,
                self._streamed.then(read_response(self.response)),
                self._failure if self._failure is not None else error,
                self._started_wall,
                latency_ms=latency_ms,
                attempt=self.attempt,
                fallback=self.fallback,
                feedback=self.feedback,
                request_id=self.request_id,
                unit=self.unit,
            )
            _record(self.fields)
        except Exception as failure:  # noqa: BLE001 - a call that worked must not fail for its record
            _complain(failure)


def _record(fields: dict[str, Any]) -> None:
    import logging

    # The record names the application's line, where the block is, and not this one.
    logging.getLogger(LOGGER).info("llm_call", extra=fields, stacklevel=3)


def _complain(failure: Exception) -> None:
    """As logging does it: one line on stderr, unless the application asked for silence."""
    import logging
    import sys

    if logging.raiseExceptions and sys.stderr is not None:
        sys.stderr.write(f"evalkit: a call was not logged: {type(failure).__name__}: {failure}\n")
