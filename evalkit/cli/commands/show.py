"""`evalkit show`: one entry, with everything it resolves to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.common import find_project, format_option, line_width, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalkit.registry.project import Loaded, Project
    from evalkit.registry.schema import Entry

EPILOG = """\b
Examples:
  evalkit show support-triage              its newest draft, else its newest version
  evalkit show support-triage@v14          one version
  evalkit show support-triage --format json | jq -r .digest
"""


@click.command(epilog=EPILOG)
@click.argument("target")
@format_option("text", "json")
@click.pass_context
def command(ctx: click.Context, target: str, output_format: str) -> None:
    """Show what TARGET resolves to: model, prompt text, params, tools, digest, pin verdict, suites, evaluation.

    TARGET is a name, name@v14, or an entry file.
    """
    project = find_project(ctx)
    data = describe(project, project.target(target))
    if output_format == "json":
        print_json(data)
    else:
        _print_text(data)


def describe(project: Project, loaded: Loaded[Entry]) -> dict[str, Any]:
    """Everything about one entry, as plain data.

    Raises:
        ConfigError: it refers to something that does not exist or is not valid.
    """
    from evalkit.registry.resolve import provider_of, resolve_config

    entry = loaded.model
    config = resolve_config(project, loaded)
    policy = project.policy_for(entry.name)
    return {
        "schema_version": 1,
        "entry": f"{entry.name}@v{entry.version}",
        "path": project.display(loaded.path),
        "status": entry.status,
        "description": entry.description,
        "owner": entry.owner,
        "digest": config.digest,
        "provider": provider_of(project.config, entry),
        "provider_kind": config.provider_kind,
        "model": config.model,
        "class_ref": entry.class_ref,
        "members": [dict(member) for member in config.members] if config.members else None,
        "artifact": entry.artifact.model_dump(exclude_none=True) if entry.artifact else None,
        "pin": _pin(project, loaded),
        "params": dict(config.params),
        "prompt_ref": entry.prompt_ref,
        "variables": {
            name: {"type": v.type, "required": v.required} | ({} if v.required else {"default": v.default})
            for name, v in config.variables.items()
        },
        "messages": [{"role": message.role, "content": message.content} for message in config.messages],
        "tools_ref": entry.tools_ref,
        "tools": [dict(tool) for tool in config.tools] if config.tools else None,
        "response_format": dict(config.response_format) if config.response_format else None,
        "exposure": entry.model_dump(include={"traffic", "control", "rollout"}, exclude_none=True),
        "suites": [str(ref) for ref in policy.suites],
        "production_gate": policy.production_gate,
        "approvals": policy.approvals,
        "approved_by": entry.approved_by,
        "eval": entry.eval.model_dump(exclude_none=True) if entry.eval else None,
        "canary": entry.canary.model_dump() if entry.canary else None,
    }


def _pin(project: Project, loaded: Loaded[Entry]) -> dict[str, Any] | None:
    from evalkit.registry.pins import verdict
    from evalkit.registry.resolve import provider_of

    entry = loaded.model
    if entry.model is None:
        return None
    found = verdict(entry.model, provider_of(project.config, entry))
    exception = entry.pin_exception
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "exception": exception.model_dump(mode="json") if exception else None,
    }


def _print_text(data: Mapping[str, Any]) -> None:
    from evalkit.report.neutral import visible

    lines = [f"{data['entry']}  {data['status']}", f"  {data['path']}"]
    lines += [f"  {key}: {data[key]}" for key in ("description", "owner") if data[key]]
    lines += ["", *_section("generation", _generation(data))]
    for number, message in enumerate(data["messages"], 1):
        lines += ["", f"message {number}, {message['role']}:", *_indented(message["content"])]
    for tool in data["tools"] or ():
        function = tool["function"]
        lines += ["", f"tool {function['name']}:", *_indented(function.get("description") or "")]
        lines += _indented(_json(function.get("parameters")))
    if data["response_format"]:
        lines += ["", "response format:", *_indented(_json(data["response_format"]))]
    lines += ["", *_section("evaluation", _evaluation(data))]
    for line in lines:
        click.echo(visible(line))


def _generation(data: Mapping[str, Any]) -> dict[str, Any]:
    pin, variables = data["pin"], data["variables"]
    return {
        "digest": data["digest"],
        "model": data["model"],
        "pin": f"{pin['verdict']}: {pin['reason']}" if pin else None,
        "exception": f"until {pin['exception']['expires']}: {pin['exception']['reason']}"
        if pin and pin["exception"]
        else None,
        "class": data["class_ref"],
        "members": ", ".join(member["model"] for member in data["members"] or ()),
        "artifact": data["artifact"] and data["artifact"]["digest"],
        "provider": data["provider"],
        "params": _compact(data["params"]),
        "prompt": data["prompt_ref"],
        "variables": ", ".join(
            f"{name} ({v['type']}{'' if v['required'] else ', optional'})" for name, v in variables.items()
        ),
        "tools": data["tools_ref"],
    }


def _evaluation(data: Mapping[str, Any]) -> dict[str, Any]:
    block = data["eval"] or {}
    score = f"{block['score']:.4f} on {block['suite']}" if block else "none recorded"
    return {
        "suites": ", ".join(data["suites"]) or "policy requires none",
        "score": score,
        "run": block.get("run"),
        "evidence": block.get("evidence"),
        "canary": data["canary"] and f"{data['canary']['verdict']} ({data['canary']['run']})",
        "gate": data["production_gate"],
        "approved by": data["approved_by"] or f"nobody yet (policy asks for {data['approvals']})",
        "exposure": _compact(data["exposure"]),
    }


def _section(title: str, values: Mapping[str, Any]) -> list[str]:
    from evalkit.report.wrapping import wrapped

    shown = {key: str(value) for key, value in values.items() if value}
    width, lines = max(map(len, shown)), [f"{title}:"]
    for key, value in shown.items():
        hang = "  " if value.startswith("sha256:") else " " * (width + 2)  # a digest is long, and never cut
        lines += wrapped(f"{key.ljust(width)}  {value}", line_width(), "  ", hang)
    return lines


def _indented(text: str) -> list[str]:
    return [f"  | {line}" for line in text.rstrip("\n").split("\n")] if text else []


def _compact(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {json.dumps(item, ensure_ascii=False)}" for key, item in value.items())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
