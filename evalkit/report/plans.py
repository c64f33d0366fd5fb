"""Plans for people and for scripts. A plan reads like what a colleague would say: what changes, why it may, how to undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evalkit.promote.wording import serving_text
from evalkit.report.neutral import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.promote.plan import Plan, Refusal, Section, Shift
    from evalkit.runtime.serving import Serving

__all__ = ["plan_data", "plan_text"]

_RULE: Final = "!" * 72
_AS_PRODUCTION: Final = "as production"


def plan_text(plan: Plan) -> str:
    """The plan as a terminal shows it; ends with a line feed. Foreign text in it is harmless."""
    return "\n".join(visible(line) for line in _lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    if plan.is_refused:
        yield f"{plan.title}: refused"
        yield from _refused(plan.refusals)
        return
    yield plan.title
    if plan.outcome == "nothing":
        yield from ("", f"Nothing to do. {plan.idle}")
        return
    if plan.overridden:
        yield from _override(plan)
    yield from ("", *_table(plan.shifts))
    yield from _sections(plan.sections)
    yield from ("",) if plan.warnings else ()
    yield from (f"Warning: {warning}" for warning in plan.warnings)
    yield from ("", "Edits")
    for change in plan.changes:
        gone = "  (removed: it holds nothing any more)" if change.after is None else ""
        new = "  (new)" if change.before is None else ""
        yield f"  {change.path}{gone}{new}"
        yield from (f"    {line}" for line in change.summary)
    yield from _titled("How to undo it", plan.undo)
    yield from _titled("What happens next", plan.next_steps)


def _refused(refusals: Sequence[Refusal]) -> Iterator[str]:
    for refusal in refusals:
        yield ""
        yield f"  {refusal.code} {refusal.message}"
        yield f"    help: {refusal.fix}"
    if refusals and all(refusal.can_override for refusal in refusals):
        yield from ("", '  It can be overridden, which is recorded: --override --reason "…"')


def _override(plan: Plan) -> Iterator[str]:
    yield from ("", _RULE, "OVERRIDE: this breaks rules on purpose. The record names you and your reason.")
    for refusal in plan.overridden:
        yield f"  {refusal.code} {refusal.message}"
    yield _RULE


def _table(shifts: Sequence[Shift]) -> Iterator[str]:
    if not shifts:
        return
    rows = [("", "serves now", "then")]
    production = next(shift for shift in shifts if shift.env == "production")
    for shift in shifts:
        before, after = _who(shift.before), _who(shift.after)
        unchanged = before == after
        if shift is not production:
            before = _AS_PRODUCTION if shift.before and shift.before == production.before else before
            after = _AS_PRODUCTION if shift.after and shift.after == production.after else after
        rows.append((shift.env, before, "the same" if unchanged or before == after else after))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for row in rows:
        yield f"  {row[0].ljust(widths[0])}  {row[1].ljust(widths[1])}  {row[2]}".rstrip()


def _who(live: Serving | None) -> str:
    standby = f" (standby: {', '.join(f'v{v}' for v in live.standby)})" if live and live.standby else ""
    return serving_text(live) + standby


def _sections(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        yield from _titled(section.title, section.lines)


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", title, *(f"  {line}" for line in lines))


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data for `--format json`."""
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
    }


def _serving_data(live: Serving | None) -> dict[str, Any] | None:
    if live is None:
        return None
    return {
        "primary": live.primary,
        "weights": {f"v{version}": weight for version, weight in sorted(live.weights.items())},
        "standby": list(live.standby),
        "canary": {"version": live.canary.version, "percent": live.canary.percent} if live.canary else None,
    }
