"""What the commands that plan share: their options, who decides, carrying a plan out, and printing it."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evalkit.cli.common import format_option, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from evalkit.promote.facts import NameFacts
    from evalkit.promote.plan import Force, Plan
    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import Entry

__all__ = [
    "day_option",
    "decider",
    "entry_of",
    "finish",
    "force_of",
    "held_digest",
    "now",
    "plan_options",
    "reason_option",
    "version_number",
]

F = TypeVar("F", bound="Callable[..., Any]")


def plan_options(command: F) -> F:
    """`--apply` and `--format`."""
    command = format_option("text", "json")(command)
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


def decider(by: str | None, root: Path) -> str:
    """Who decides: what `--by` says, else the user of git.

    Raises:
        UsageError: EK819, neither says it.
    """
    if by is not None and by.strip():
        return by.strip()
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
    return name


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
        return gather(project, target, only=project.versions(target) if digest else None), digest
    loaded = project.target(target)
    entry = loaded.model
    if digest or every:
        hint = f"evalkit hold {entry.name} with the option, or {target} without"
        raise UsageError(Problem("EK901", f"{target} is one version already", hint=hint))
    own = resolve_config(project, loaded).digest
    return gather(project, entry.name, only=[entry.version]), own


def force_of(*, override: bool, reason: str | None, by: str | None, root: Path) -> Force | None:
    """What `--override` asks for.

    Raises:
        UsageError: EK901, it gives no reason; EK819, nobody is named.
    """
    if not override:
        return None
    if not reason:
        hint = "the record must say why: --override --reason R"
        raise UsageError(Problem("EK901", "--override needs a --reason", hint=hint))
    from evalkit.promote.plan import Force

    return Force(reason, decider(by, root), now().date())


def finish(
    project: Project,
    plans: Sequence[Plan],
    *,
    apply: bool,
    output_format: str,
    again: str,
    asked: bool = True,
) -> int:
    """Print the plans, carry them out if asked, and say how to go on.

    Args:
        project: where.
        plans: what was planned.
        apply: carry out what is possible.
        output_format: `text` or `json`.
        again: the command line that carries this out.
        asked: something was named: that nothing of it is possible is the outcome. Otherwise refusals are only told.

    Returns:
        0, or 1 when what was asked for is refused.
    """
    refused = asked and bool(plans) and all(plan.is_refused for plan in plans)
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
    return 1 if refused else 0


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
    texts = [plan_text(plan) for plan in sorted(plans, key=lambda plan: order[plan.outcome])]
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
