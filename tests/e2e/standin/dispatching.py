"""Starting a workflow by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .event import Event
from .model import Refused, Token
from .workflow_file import WorkflowFile

if TYPE_CHECKING:
    from .state import State

__all__ = ["dispatch"]


def dispatch(state: State, token: Token, workflow: str, ref: str, inputs: dict[str, Any]) -> None:
    """Start a workflow by hand."""
    branch = ref.removeprefix("refs/heads/")
    sha = state.git.head(branch)
    if sha is None:
        raise Refused(422, f"No ref found for: {ref}")
    path = f".github/workflows/{workflow.rpartition('/')[2]}"
    on_default = state.git.read(state.default_branch, path)
    if on_default is None or path in state.settings.disabled_workflows:
        raise Refused(404, "Not Found")
    content = state.git.read(sha, path)
    trigger = WorkflowFile(path, content).triggers.get("workflow_dispatch") if content else None
    if trigger is None:
        raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    declared = trigger.get("inputs") or {}
    if unknown := sorted(set(inputs) - set(declared)):
        raise Refused(422, f"Unexpected inputs provided: {json.dumps(unknown)}")
    for name, about in declared.items():
        if (about or {}).get("required") and "default" not in about and not inputs.get(name):
            raise Refused(422, f"Required input '{name}' not provided")
    given = {name: inputs.get(name, (about or {}).get("default", "")) for name, about in declared.items()}
    values = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()
    }
    payload = {"inputs": values, "ref": f"refs/heads/{branch}", "workflow": path}
    state.emit(
        Event(
            "workflow_dispatch",
            payload,
            token.account,
            token.kind,
            f"refs/heads/{branch}",
            sha,
            branch,
            sha,
            only=path,
        )
    )
