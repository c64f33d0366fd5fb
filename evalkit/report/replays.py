"""What the recordings of a change came to, for people: in a terminal, and in the summary of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evalkit.report.neutral import markdown, markdown_code, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.needs import Left
    from evalkit.promote.replay import Replayed, Replays

__all__ = ["replays_data", "replays_markdown", "replays_text"]

_MAX_REASON: Final = 500
_NOTHING: Final = "No evaluation is needed."
_INFORMATION: Final = "Anybody can write a recording: what it shows is information, and promotes nothing. A maintainer's run decides."
_MAINTAINER: Final = (
    "It needs a maintainer's run: somebody who may write to the repository reads the change, pushes its branch there and "
    "opens a pull request from it. Merged as a draft, it is evaluated after the merge."
)


def replays_text(replays: Replays) -> str:
    """For a terminal; ends with a line feed. Foreign text in it is harmless."""
    return "\n".join(one_line(line, 2_000) if line else line for line in _lines(replays)) + "\n"


def replays_markdown(replays: Replays, summaries: Sequence[str]) -> str:
    """For the summary of a step.

    Args:
        replays: what came out.
        summaries: the Markdown of each run that was scored.
    """
    lines = ["### Recordings", ""]
    lines += [f"- {markdown_code(_name(one))}: {markdown(_said(one))}" for one in replays.evaluations]
    if not replays.evaluations:
        lines.append(_NOTHING)
    for title, listed in _titled(replays):
        lines += ["", f"#### {title}", ""]
        lines += [f"- {markdown_code(_left_name(left))}: {markdown(left.reason)}" for left in listed]
    for sentence in _conclusion(replays):
        lines += ["", sentence]
    return "\n".join(["\n".join(lines) + "\n", *summaries])


def replays_data(replays: Replays) -> dict[str, Any]:
    """Plain data."""
    return {
        "schema_version": 1,
        "evaluations": [
            {
                "entry": str(one.question.entry),
                "suite": str(one.question.suite),
                "generation_digest": one.question.generation_digest,
                "recording": one.path,
                "refused": one.refused,
                "run": one.finished.result.record.to_dict() if one.finished else None,
            }
            for one in replays.evaluations
        ],
        "after_merge": [_left(left) for left in replays.after_merge],
        "left_out": [_left(left) for left in replays.left_out],
    }


def _left(left: Left) -> dict[str, str | None]:
    return {"entry": left.entry, "suite": left.suite, "reason": left.reason}


def _lines(replays: Replays) -> Iterator[str]:
    if not replays.evaluations:
        yield _NOTHING
    for one in replays.evaluations:
        yield f"{_name(one)}: {_said(one)}"
    for title, listed in _titled(replays):
        yield from ("", title)
        yield from (f"  {_left_name(left)}: {left.reason}" for left in listed)
    for sentence in _conclusion(replays):
        yield from ("", sentence)


def _titled(replays: Replays) -> Iterator[tuple[str, Sequence[Left]]]:
    for title, listed in (("After the merge", replays.after_merge), ("Not evaluated", replays.left_out)):
        if listed:
            yield title, listed


def _conclusion(replays: Replays) -> Iterator[str]:
    if replays.evaluations:
        yield _INFORMATION
    if any(one.finished is None for one in replays.evaluations):
        yield _MAINTAINER


def _left_name(left: Left) -> str:
    return left.entry if left.suite is None else f"{left.entry} on {left.suite}"


def _name(one: Replayed) -> str:
    return f"{one.question.entry} on {one.question.suite}"


def _said(one: Replayed) -> str:
    if one.finished is not None:
        record = one.finished.result.record
        return f"the recorded answers give the verdict {record.verdict} ({record.scored:,} of {record.cases:,} cases scored)"
    if one.refused is not None:
        return f"the recording is not used: {one_line(one.refused, _MAX_REASON)}"
    return f"there is no recording; it would lie at {one.path}"
