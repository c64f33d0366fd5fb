"""`evalkit new`: the next version of an entry, as a draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from evalkit.cli.common import find_project, format_option, print_json
from evalkit.errors import Problem, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.registry.project import Project
    from evalkit.registry.writeback import Change
    from evalkit.runtime.refs import Ref

EPILOG = """\b
Examples:
  evalkit new support-triage                              v15 from v14, its comments kept
  evalkit new support-triage --from support-triage@v12    ... from an older one
  evalkit new support-triage --model gpt-5.4-2026-03-05   ... with another model
  evalkit new faq-answer --model gpt-5.4-mini-2026-03-17  a first version, with a prompt to fill in
  evalkit new support-triage --dry-run                    only say what would be written

Nothing is ever overwritten: a version's number is used once.
"""

_OF_ITS_OWN = ("eval", "canary", "approved_by", "traffic", "rollout", "control")
"""What a version earns or is given for itself, and what the next one does not inherit."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to create."""

    path: Path
    content: bytes


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option(
    "--from", "source", metavar="TARGET", help="The entry to start from; by default the newest version."
)
@click.option("--model", metavar="M", help="The model id of the new version.")
@click.option("--dry-run", is_flag=True, help="Write nothing; print what would be written.")
@format_option("text", "json")
@click.pass_context
def command(
    ctx: click.Context, name: str, source: str | None, model: str | None, dry_run: bool, output_format: str
) -> None:
    """Scaffold the next version of entry NAME as a draft.

    It starts as a copy of the newest version, or of TARGET, without what that version earned for itself: its
    evaluation, approval and traffic. A NAME that does not exist yet gets a first version and a prompt.
    """
    from evalkit.runtime.refs import Ref, is_name

    project = find_project(ctx)
    if not is_name(name):
        hint = "lower-case letters and digits joined by '-', '_' or '.'; the version is chosen for you"
        raise UsageError(Problem("EK901", f"'{name}' is no name of an entry", hint=hint))
    versions = project.versions(name)
    ref = Ref(name, max(versions, default=0) + 1)
    if source is None and versions:
        source = f"{name}@v{versions[-1]}"
    files = _next(project, ref, source, model) if source else _first(project, ref, model)
    if not dry_run:
        _create(project, files)
    _report(project, ref, files, dry_run=dry_run, as_json=output_format == "json")


def _next(project: Project, ref: Ref, source: str, model: str | None) -> list[NewFile]:
    """A copy of another entry's text in which only the lines change that must."""
    from evalkit.registry.writeback import edit

    origin = project.target(source)
    path = project.path_of("entries", ref)
    changes: dict[str, Change] = {"version": ref.version, "status": "draft"}
    if origin.model.name != ref.name:
        changes["name"] = ref.name
    if model is not None:
        # What was said of the old model does not hold for the new one.
        changes |= {"model": model, "class_ref": None, "pin_exception": None}
    changes |= dict.fromkeys(_OF_ITS_OWN)
    text = origin.path.read_bytes()
    return [NewFile(path, edit(text, changes, path=project.display(origin.path)))]


def _first(project: Project, ref: Ref, model: str | None) -> list[NewFile]:
    """A first version, and its prompt unless there is one of that name."""
    from evalkit.registry.schema.base import close_match
    from evalkit.runtime.refs import Ref

    if model is None:
        used = sorted({e for name in project.names()[:50] if (e := _newest_model(project, name))})
        guess = close_match(ref.name, project.names())
        meant = f"did you mean '{guess}'? for a new name, " if guess else ""
        hint = f"{meant}add --model ID, a pinned snapshot{', such as ' + ', '.join(used[:3]) if used else ''}"
        raise UsageError(
            Problem("EK901", f"there is no entry {ref.name} yet: which model is it to use?", hint=hint)
        )
    prompt_name = f"{ref.name}-prompt"
    existing = project.versions(prompt_name, "prompts")
    prompt = Ref(prompt_name, existing[-1] if existing else 1)
    from evalkit.registry.literal import literal

    entry = (
        f"{_header(project, 'entry')}"
        f"name: {ref.name}\n"
        f"version: {ref.version}\n"
        f"model: {literal(model)}    # a pinned snapshot, never a floating alias\n"
        f"{_provider_line(project)}"
        f"prompt_ref: {prompt}\n"
        "params: { max_tokens: 500 }    # sent to the provider as they are\n"
        "status: draft    # draft | staging | production | retired\n"
    )
    files = [NewFile(project.path_of("entries", ref), entry.encode())]
    if not existing:
        text = (
            f"{_header(project, 'prompt')}"
            f"name: {prompt.name}\n"
            f"version: {prompt.version}\n"
            "variables:\n"
            "  text: { type: string }    # what a case's `vars` and the application fill in\n"
            "messages:\n"
            "  - role: system\n"
            "    content: |\n"
            "      Say here what the model is to do, and in which form it is to answer.\n"
            "  - role: user\n"
            "    content: |\n"
            "      {{ text }}\n"
        )
        files.append(NewFile(project.path_of("prompts", prompt), text.encode()))
    return files


def _newest_model(project: Project, name: str) -> str | None:
    from evalkit.errors import EvalkitError

    try:
        return project.target(name).model.model
    except EvalkitError:
        return None


def _header(project: Project, kind: str) -> str:
    """The line by which an editor finds the schema, where the project has schemas."""
    from evalkit.registry.json_schema import file_name

    if not (project.root / "registry" / "schemas" / file_name(kind)).is_file():
        return ""
    return f"# yaml-language-server: $schema=../../schemas/{file_name(kind)}\n"


def _provider_line(project: Project) -> str:
    default = project.config.default_provider
    if default:
        return f"# provider: {default}    # the default_provider of evalkit.yaml; name another one here\n"
    return "provider: openai    # openai | anthropic | local, or one of evalkit.yaml\n"


def _create(project: Project, files: list[NewFile]) -> None:
    for file in files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with file.path.open("xb") as handle:
                handle.write(file.content)
        except FileExistsError:
            problem = Problem("EK901", f"{project.display(file.path)} exists already; nothing is overwritten")
            raise UsageError(problem) from None


def _report(project: Project, ref: Ref, files: list[NewFile], *, dry_run: bool, as_json: bool) -> None:
    from evalkit.report.neutral import visible

    if as_json:
        created = [{"path": project.display(f.path), "content": f.content.decode()} for f in files]
        print_json({"schema_version": 1, "entry": str(ref), "written": not dry_run, "files": created})
        return
    for file in files:
        click.echo(f"{'would create' if dry_run else 'created'} {project.display(file.path)}")
        if dry_run:
            click.echo(visible(file.content.decode()))
    click.echo(f"next: edit it, then evalkit check and evalkit run {ref}", err=True)
