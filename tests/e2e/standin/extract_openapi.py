"""Cut GitHub's published OpenAPI description down to the endpoints that the stand-in answers.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python extract_openapi.py package/generated/api.github.com.json package/package.json

Kept: paths, parameters, request bodies and answers. Left out: prose and examples, and in answers the properties that
only hold addresses of further endpoints (`…_url`, `_links`, `node_id`), which the stand-in mostly does not serve. The
description is MIT-licensed, Copyright (c) 2020 Octokit contributors.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = re.compile(
    r"^(/users/\{username\}|/user|/app|/repos/\{owner\}/\{repo\}("
    r"|/immutable-releases|/branches/\{branch\}/protection|/actions/(artifacts.*|runs/\{run_id\}(/artifacts|/approve|/jobs)?|workflows/\{workflow_id\}/dispatches"
    r"|permissions(/workflow|/artifact-and-log-retention)?|secrets|variables|runs|workflows(/\{workflow_id\})?)"
    r"|/branches(/\{branch\})?|/commits|/commits/(\{ref\}(/check-runs|/status|/statuses)?|\{commit_sha\}/pulls)"
    r"|/compare/.*|/contents/\{path\}|/collaborators/\{username\}(/permission)?"
    r"|/environments(/\{environment_name\}(/deployment-branch-policies|/secrets|/variables)?)?"
    r"|/git/(blobs.*|commits.*|trees.*|refs.*|ref/.*|matching-refs/.*)"
    r"|/issues/(\{issue_number\}(/comments|/labels(/\{name\})?)?|comments/\{comment_id\})|/labels(/\{name\})?"
    r"|/pulls(/\{pull_number\}(/commits|/files|/merge|/reviews(/\{review_id\}/dismissals)?|/requested_reviewers)?)?"
    r"|/releases(/\{release_id\}(/assets)?|/tags/\{tag\}|/assets/\{asset_id\})?"
    r"|/rules/branches/\{branch\}|/rulesets(/\{ruleset_id\})?|/statuses/\{sha\}|/dispatches"
    r"|/codeowners/errors|/check-runs))$"
)
ADDRESS = re.compile(r"(_url|^_links|^node_id|^gravatar_id|^performed_via_github_app)$")
KEPT_ADDRESSES = {
    "html_url",
    "upload_url",
    "browser_download_url",
    "archive_download_url",
    "target_url",
    "clone_url",
}
PROSE = {
    "description",
    "example",
    "examples",
    "title",
    "externalDocs",
    "deprecated",
    "readOnly",
    "summary",
    "default",
}


def schema(node: Any, *, is_answer: bool) -> Any:
    """A JSON schema out of an OpenAPI 3.0 one: `nullable` becomes a type, prose goes."""
    if isinstance(node, list):
        return [schema(item, is_answer=is_answer) for item in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {
                name: schema(inner, is_answer=is_answer)
                for name, inner in value.items()
                if not is_answer or name in KEPT_ADDRESSES or not ADDRESS.search(name)
            }
        elif key == "required" and isinstance(value, list):
            kept[key] = [
                name for name in value if not is_answer or name in KEPT_ADDRESSES or not ADDRESS.search(name)
            ]
        elif (
            key == "discriminator"
            or key.startswith("x-")
            or (key in PROSE and not isinstance(value, dict))
            or key in {"example", "examples", "externalDocs", "default"}
        ):
            continue
        else:
            kept[key] = schema(value, is_answer=is_answer)
    if kept.pop("nullable", False):
        if "enum" in kept and None not in kept["enum"]:
            kept["enum"] = [*kept["enum"], None]
        if isinstance(kept.get("type"), str):
            kept["type"] = [kept["type"], "null"]
        elif "type" not in kept:
            return {"anyOf": [kept, {"type": "null"}]}
    return kept


def references(node: Any) -> set[str]:
    """The names of the component schemas that a schema refers to."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(references, node.values()))
    if isinstance(node.get("$ref"), str):
        found.add(node["$ref"].rpartition("/")[2])
    return found


def extract(whole: dict[str, Any], version: str) -> dict[str, Any]:
    """The endpoints that are kept, with the component schemas that they need."""
    components = whole["components"]

    def at(node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        kind, name = node["$ref"].split("/")[-2:]
        found: dict[str, Any] = components[kind][name]
        return found

    def body(node: dict[str, Any], *, is_answer: bool) -> Any:
        content = at(node).get("content", {})
        return (
            schema(content["application/json"]["schema"], is_answer=is_answer)
            if "application/json" in content
            else None
        )

    operations: dict[str, Any] = {}
    for path, methods in whole["paths"].items():
        if not KEPT.match(path):
            continue
        for method, operation in methods.items():
            parameters = [
                at(item) for item in [*methods.get("parameters", []), *operation.get("parameters", [])]
            ]
            operations[f"{method.upper()} {path}"] = {
                "query": sorted(item["name"] for item in parameters if item["in"] == "query"),
                "request": body(operation["requestBody"], is_answer=False)
                if "requestBody" in operation
                else None,
                "answers": {
                    code: body(answer, is_answer=True)
                    for code, answer in operation.get("responses", {}).items()
                },
            }
    needed: dict[str, Any] = {}
    open_names = references(operations)
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed[name] = schema(components["schemas"][name], is_answer=True)
            open_names |= references(needed[name])
    return {
        "source": f"@octokit/openapi {version} (MIT)",
        "operations": operations,
        "components": {"schemas": needed},
    }


def main() -> None:
    """Write `openapi.json.gz` beside this file."""
    description, package = map(Path, sys.argv[1:3])
    version = json.loads(package.read_text(encoding="utf-8"))["version"]
    kept = extract(json.loads(description.read_text(encoding="utf-8")), version)
    packed = gzip.compress(json.dumps(kept, separators=(",", ":"), sort_keys=True).encode(), mtime=0)
    (HERE / "openapi.json.gz").write_bytes(packed)
    print(f"{len(kept['operations'])} operations, {len(packed) / 1024:.0f} KiB")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
