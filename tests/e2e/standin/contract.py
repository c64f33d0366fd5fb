"""The traffic against GitHub's published OpenAPI description: known path, valid request, valid answer."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

__all__ = ["Contract"]

TAKES_A_LIST = {"POST /repos/{owner}/{repo}/issues/{issue_number}/labels": "labels"}
"""GitHub also takes the bare list here, which PyGithub sends; earlier versions of the description say so."""
SLASHES = {"ref", "path", "basehead", "branch", "tag"}


class Contract:
    """Collects what does not fit, as sentences."""

    def __init__(self) -> None:
        whole = json.loads(gzip.decompress((Path(__file__).parent / "openapi.json.gz").read_bytes()))
        self.source: str = whole["source"]
        self.operations: dict[str, Any] = whole["operations"]
        self.components = whole["components"]
        self.violations: list[str] = []
        self.seen: set[str] = set()
        self._validators: dict[str, Any] = {}
        self._patterns = [(name, self._pattern(name)) for name in self.operations]

    @staticmethod
    def _pattern(operation: str) -> re.Pattern[str]:
        def group(match: re.Match[str]) -> str:
            return ".+" if match[1] in SLASHES else "[^/]+"

        return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(operation)))

    def operation(self, method: str, path: str) -> str | None:
        """The described operation that a request is one of."""
        text = f"{method} {path}"
        found = [name for name, pattern in self._patterns if pattern.fullmatch(text)]
        return max(found, key=lambda name: len(re.sub(r"\{.*?\}", "", name)), default=None)

    def check(
        self, method: str, path: str, query: dict[str, str], body: Any, status: int, answer: Any
    ) -> None:
        """Note what does not fit."""
        name = self.operation(method, path)
        if name is None:
            self.violations.append(f"{method} {unquote(path)}: GitHub describes no such endpoint")
            return
        self.seen.add(name)
        about = self.operations[name]
        for key in sorted(set(query) - set(about["query"])):
            self.violations.append(f"{name}: no query parameter `{key}`")
        if name in TAKES_A_LIST and isinstance(body, list):
            body = {TAKES_A_LIST[name]: body}
        if status < 400 and about["request"] is not None and body is not None:
            self._validate(f"{name} request", about["request"], body)
        if status >= 400 or answer is None:
            return
        if str(status) not in about["answers"]:
            self.violations.append(f"{name}: no answer {status} described")
        elif about["answers"][str(status)] is not None:
            self._validate(f"{name} answer {status}", about["answers"][str(status)], answer)

    def _validate(self, place: str, schema: Any, value: Any) -> None:
        if place not in self._validators:
            whole = {"components": self.components, **schema}
            self._validators[place] = jsonschema_rs.validator_for(whole, validate_formats=False)
        for error in self._validators[place].iter_errors(value):
            where = "/".join(map(str, error.instance_path))
            note = f"{place}: at `{where}`: {error.message[:300]}"
            if note not in self.violations:
                self.violations.append(note)
