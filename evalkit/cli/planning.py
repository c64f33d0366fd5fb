"""What the commands that plan share: their options, who decides, carrying a plan out, and printing it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from evalkit.cli.common import format_option, line_width, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from evalkit.promote.facts import NameFacts
    from evalkit.promote.plan import Force, Plan
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import Entry

__all__ = [
    "Decider",
    "carry_out",
    "day_option",
    "decider",
    "entry_of",
    "finish",
    "force_of",
    "held_digest",
    "now",
    "plan_options",
    "reason_option",
    "refuse_both",
    "version_number",
]

F = TypeVar("F", bound="Callable[..., Any]")


def plan_options(command: F) -> F:
    """`--apply`, `--open-pr` and `--format`."""
    command = format_option("text", "json")(command)
    command = click.option(
        "--open-pr",
        is_flag=True,
        help="Open or refresh the pull request for it, planned on the default branch; GITHUB_TOKEN is needed.",
    )(command)
    return click.option("--apply", is_flag=True, help="Edit the files; without it, only the plan is shown.")(
        command
    )


def reason_option(*, required: bool) -> Callable[[F], F]:
    """`--reason`, which ends up in the commit message."""
    text = "Why: for the record and the commit message."
    return click.option("--reason", required=required, metavar="R", callback=_said, help=text)


def _said(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("say why, in a few words")
    return value


def now() -> datetime:
    """The time at which a command plans."""
    return datetime.now(UTC)


class Decider(NamedTuple):
    """Who decides, and how that is known."""

    name: str
    source: str


def decider(by: str | None, root: Path) -> Decider:
    """Who decides: what `--by` says, else the user of git.

    Raises:
        UsageError: EK819, neither says it.
    """
    if by is not None and by.strip():
        return Decider(by.strip(), "--by")
    try:
        asked = subprocess.run(
            ["git", "config", "user.name"],
            cwd=root,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=10,
        )
        name = asked.stdout.strip() if asked.returncode == 0 else ""
    except (OSError, subprocess.SubprocessError):
        name = ""
    if not name:
        hint = 'say it with --by NAME, or once with git config user.name "…"'
        raise UsageError(Problem("EK819", "it is not clear who decides this", hint=hint))
    return Decider(name, "git config user.name; --by names another")


def entry_of(project: Project, target: str, command: str) -> Loaded[Entry]:
    """The one version that a TARGET names; a bare name is refused, since it could be any.

    Raises:
        UsageError: EK901, no version is named.
        UnknownEntry: EK202.
    """
    from evalkit.runtime.refs import is_name

    if is_name(target) and project.versions(target):
        newest = project.versions(target)[-1]
        hint = f"evalkit {command} {target}@v{newest}, for example; evalkit list shows what there is"
        raise UsageError(Problem("EK901", f"which version of {target} is it?", hint=hint))
    return project.target(target)


def version_number(text: str, name: str) -> int:
    """The number in `v14`, `14` or `name@v14`.

    Raises:
        UsageError: EK901.
    """
    from evalkit.runtime.refs import Ref

    ref = Ref.parse(text) or Ref.parse(f"{name}@{text}")
    if ref is None or ref.name != name:
        raise UsageError(Problem("EK901", f"'{text}' is no version of {name}", hint="write it like v14"))
    return ref.version


def day_option(flag: str, text: str) -> Callable[[F], F]:
    """An option that is a day, kept as text in ISO 8601."""
    return click.option(flag, metavar="DAY", callback=_day, help=text)


def _day(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise click.BadParameter(f"'{value}' is no day: write 2027-01-06") from None


def held_digest(
    project: Project, target: str, digest: str | None, *, every: bool
) -> tuple[NameFacts, str | None]:
    """The name, and the digest that a hold is about; None for every version.

    Raises:
        UsageError: EK901, TARGET and the options contradict each other.
        ConfigError: the version does not resolve, so it has no digest.
    """
    from evalkit.promote.gather import gather
    from evalkit.registry.resolve import resolve_config
    from evalkit.runtime.refs import is_name

    if is_name(target) and project.versions(target):
        if digest and every:
            raise UsageError(Problem("EK901", "--digest and --all are two different holds", hint="keep one"))
        facts = gather(project, target)
        if digest or any(hold.digest for hold in facts.holds):  # which versions have it?
            facts = gather(project, target, only=project.versions(target))
        return facts, digest
    loaded = project.target(target)
    entry = loaded.model
    if digest or every:
        hint = f"evalkit hold {entry.name} with the option, or {target} without"
        raise UsageError(Problem("EK901", f"{target} is one version already", hint=hint))
    own = resolve_config(project, loaded).digest
    return gather(project, entry.name, only=[entry.version]), own


def force_of(
    *, override: bool, reason: str | None, by: str | None, root: Path
) -> tuple[Force, Decider] | None:
    """What `--override` asks for, and how it is known who asks.

    Raises:
        UsageError: EK901, it gives no reason; EK819, nobody is named.
    """
    if not override:
        return None
    if not reason:
        hint = "the record must say why: --override --reason R"
        raise UsageError(Problem("EK901", "--override needs a --reason", hint=hint))
    from evalkit.promote.plan import Force

    who = decider(by, root)
    return Force(reason, who.name, now().date()), who


def carry_out(
    project: Project,
    planner: Callable[[Project], Plan],
    *,
    apply: bool,
    open_pr: bool,
    output_format: str,
    again: str | Callable[[Plan], str],
    who: Decider | None = None,
) -> int:
    """`finish` one plan, or open the pull request for it; that is planned on the default branch, not on these files.

    Raises:
        UsageError: EK901, both are asked for.
    """
    refuse_both(apply=apply, open_pr=open_pr)
    if open_pr:
        from evalkit.cli.opening import open_planned

        return open_planned(project, planner, output_format=output_format)
    plan = planner(project)
    said = again if isinstance(again, str) else again(plan)
    return finish(project, [plan], apply=apply, output_format=output_format, again=said, who=who)


def refuse_both(*, apply: bool, open_pr: bool) -> None:
    """Two ways to carry out one plan.

    Raises:
        UsageError: EK901.
    """
    if apply and open_pr:
        hint = "--apply edits the files here; --open-pr leaves them alone and writes to the forge"
        raise UsageError(Problem("EK901", "--apply and --open-pr are two ways to do it", hint=hint))


def finish(
    project: Project,
    plans: Sequence[Plan],
    *,
    apply: bool,
    output_format: str,
    again: str,
    who: Decider | None = None,
) -> int:
    """Print the plans, carry them out if asked, and say how to go on.

    Args:
        project: where.
        plans: what was planned.
        apply: carry out what is possible.
        output_format: `text` or `json`.
        again: the command line that carries this out.
        who: decides, where a plan puts that on record.

    Returns:
        0 when something is possible or there is nothing to do. When all is refused: 3 if nothing but a verdict that is
        not clear yet stands against each plan, else 1.
    """
    if who is not None:
        plans = [_signed(plan, who) for plan in plans]
    written: list[str] = []
    ready = [plan for plan in plans if plan.outcome == "possible"]
    if apply and ready:
        from evalkit.promote.apply import apply_plans

        written = apply_plans(project.root, ready, lock_dir=project.state_dir() / "locks")
    if output_format == "json":
        _print_json(plans, written, applied=bool(apply and ready))
    else:
        _print_text(plans)
        if ready and apply:
            _say_written(ready, written)
        elif not ready and len(plans) > 1:
            click.echo("\nNothing may move now.")
        elif ready:
            click.echo(f"\nThis is a plan; nothing was changed. Carry it out with:\n  {again} --apply")
    return _exit_code(plans)


def _signed(plan: Plan, who: Decider) -> Plan:
    """The plan with a word on whose name it puts on record, if it does."""
    from evalkit.promote.edits import SetKeys
    from evalkit.promote.plan import Section

    if all(isinstance(edit, SetKeys) for edit in plan.edits):
        return plan
    return replace(plan, sections=(*plan.sections, Section("Who decides", (f"{who.name} ({who.source})",))))


def _exit_code(plans: Sequence[Plan]) -> int:
    if not plans or not all(plan.is_refused for plan in plans):
        return 0
    return 3 if all(one.is_undecided for plan in plans for one in plan.refusals) else 1


def _print_json(plans: Sequence[Plan], written: list[str], *, applied: bool) -> None:
    from evalkit.report.plans import plan_data

    print_json(
        {
            "schema_version": 1,
            "applied": applied,
            "written": written,
            "plans": [plan_data(plan) for plan in plans],
        }
    )


def _print_text(plans: Sequence[Plan]) -> None:
    from evalkit.report.plans import plan_text

    order = {"possible": 0, "nothing": 1, "refused": 2}
    width = line_width()
    texts = [plan_text(plan, width) for plan in sorted(plans, key=lambda plan: order[plan.outcome])]
    click.echo("\n".join(texts), nl=False)


def _say_written(ready: Sequence[Plan], written: list[str]) -> None:
    from evalkit.report.neutral import visible

    if not written:
        click.echo("\nDone already: the files are as this plan leaves them.")
        return
    click.echo("\nDone. Changed:")
    for path in written:
        click.echo(visible(f"  {path}"))
    click.echo("\nCommit these together, with this message:")
    for plan in ready:
        for line in plan.commit_message.rstrip("\n").split("\n"):
            click.echo(visible(f"  {line}".rstrip()))
        click.echo("")
