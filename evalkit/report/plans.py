"""Plans for people and for scripts. A plan reads like what a colleague would say: what changes, why it may, how to undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evalkit.promote.wording import serving_text
from evalkit.report.neutral import visible
from evalkit.report.wrapping import WIDTH, table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evalkit.promote.plan import Plan, Refusal, Section, Shift
    from evalkit.runtime.serving import Serving

__all__ = ["plan_data", "plan_text"]

_RULE: Final = "!" * 72
_AS_PRODUCTION: Final = "as production"


def plan_text(plan: Plan, width: int = WIDTH) -> str:
    """The plan as a terminal of so many columns shows it; ends with a line feed. Foreign text in it is harmless.

    Sentences wrap. What is compared or copied (diffs, paths, digests, commands) never does.
    """
    return "\n".join(_lines(plan, width)) + "\n"


def _lines(plan: Plan, width: int) -> Iterator[str]:
    if plan.is_refused:
        yield from wrapped(f"{plan.title}: refused", width)
        yield from _refused(plan.refusals, width)
        return
    yield from wrapped(plan.title, width)
    if plan.outcome == "nothing":
        yield from ("", *wrapped(f"Nothing to do. {plan.idle}", width))
        return
    if plan.overridden:
        yield from _override(plan, width)
    yield from ("", *_table(plan.shifts, width))
    for section in plan.sections:
        yield from _section(section, width)
    yield from ("",) if plan.warnings else ()
    for warning in plan.warnings:
        yield from wrapped(f"Warning: {warning}", width)
    yield from ("", "Edits")
    for change in plan.changes:
        gone = "  (removed: it holds nothing any more)" if change.after is None else ""
        new = "  (new)" if change.before is None else ""
        yield f"  {visible(change.path)}{gone}{new}"
        yield from _all_wrapped(change.summary, width, "    ")
    yield from _titled("How to undo it", _all_wrapped(plan.undo, width))
    yield from _titled("What happens next", _all_wrapped(plan.next_steps, width))


def _refused(refusals: Sequence[Refusal], width: int) -> Iterator[str]:
    for refusal in refusals:
        yield ""
        yield from wrapped(f"{refusal.code} {refusal.message}", width, "  ")
        yield from wrapped(f"help: {refusal.fix}", width, "    ")
    if refusals and all(refusal.can_override for refusal in refusals):
        text = 'It can be overridden, which is recorded: --override --reason "…"'
        yield from ("", *wrapped(text, width, "  "))


def _override(plan: Plan, width: int) -> Iterator[str]:
    warning = "OVERRIDE: this breaks rules on purpose. The record names you and your reason."
    yield from ("", _RULE, *wrapped(warning, width))
    for refusal in plan.overridden:
        yield from wrapped(f"{refusal.code} {refusal.message}", width, "  ")
    yield _RULE


def _table(shifts: Sequence[Shift], width: int) -> list[str]:
    if not shifts:
        return []
    rows = [("", "serves now", "then")]
    production = next(shift for shift in shifts if shift.env == "production")
    for shift in shifts:
        before, after = _who(shift.before), _who(shift.after)
        unchanged = before == after
        if shift is not production:
            before = _AS_PRODUCTION if shift.before and shift.before == production.before else before
            after = _AS_PRODUCTION if shift.after and shift.after == production.after else after
        rows.append((shift.env, before, "the same" if unchanged or before == after else after))
    return table(rows, width)


def _who(live: Serving | None) -> str:
    standby = f" (standby: {', '.join(f'v{v}' for v in live.standby)})" if live and live.standby else ""
    return serving_text(live) + standby


def _section(section: Section, width: int) -> Iterator[str]:
    verbatim = (f"  {visible(line)}" for line in section.lines)
    return _titled(section.title, verbatim if section.verbatim else _all_wrapped(section.lines, width))


def _all_wrapped(lines: Iterable[str], width: int, indent: str = "  ") -> Iterator[str]:
    for line in lines:
        yield from wrapped(line, width, indent)


def _titled(title: str, lines: Iterable[str]) -> Iterator[str]:
    if found := list(lines):
        yield from ("", visible(title), *found)


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data for `--format json`; `weights` has the versions as its keys, `"14"`, as a bundle has."""
    return {
        "name": plan.name,
        "command": plan.command,
        "version": plan.version,
        "title": plan.title,
        "outcome": plan.outcome,
        "idle": plan.idle,
        "serving": {
            shift.env: {"before": _serving_data(shift.before), "after": _serving_data(shift.after)}
            for shift in plan.shifts
        },
        "sections": [{"title": section.title, "lines": list(section.lines)} for section in plan.sections],
        "refusals": [_refusal_data(refusal) for refusal in plan.refusals],
        "overridden": [_refusal_data(refusal) for refusal in plan.overridden],
        "warnings": list(plan.warnings),
        "edits": [
            {
                "path": change.path,
                "summary": list(change.summary),
                "content": None if change.after is None else change.after.decode("utf-8", "replace"),
            }
            for change in plan.changes
        ],
        "undo": list(plan.undo),
        "next_steps": list(plan.next_steps),
        "commit_message": plan.commit_message or None,
    }


def _refusal_data(refusal: Refusal) -> dict[str, Any]:
    return {
        "kind": refusal.kind,
        "code": refusal.code,
        "version": refusal.version,
        "message": refusal.message,
        "help": refusal.fix,
        "can_override": refusal.can_override,
        "undecided": refusal.is_undecided,
    }


def _serving_data(live: Serving | None) -> dict[str, Any] | None:
    if live is None:
        return None
    return {
        "primary": live.primary,
        "weights": {str(version): weight for version, weight in sorted(live.weights.items())},
        "standby": list(live.standby),
        "canary": {"version": live.canary.version, "percent": live.canary.percent} if live.canary else None,
    }
