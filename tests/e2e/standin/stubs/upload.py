"""actions/upload-artifact and actions/upload-pages-artifact: name, path, if-no-files-found, retention-days, overwrite."""

# ruff: noqa: T201 - a step of a job speaks by printing

from __future__ import annotations

import glob
import io
import json
import os
import zipfile
from pathlib import Path

from runtime import fail, given, output, request

workspace = Path(os.environ["GITHUB_WORKSPACE"])
taken: dict[Path, None] = {}
searched: list[Path] = []
for line in given("path").splitlines():
    pattern = line.strip()
    if not pattern:
        continue
    whole = str(workspace / Path(pattern.removeprefix("!")).expanduser())
    found = [Path(name) for name in glob.glob(whole, recursive=True)]  # noqa: PTH207 - an absolute pattern
    files = [
        file
        for item in found
        for file in ([item] if item.is_file() else sorted(item.rglob("*")))
        if file.is_file()
    ]
    if pattern.startswith("!"):
        taken = {file: None for file in taken if file not in files}
        continue
    fixed = Path(whole.split("*", maxsplit=1)[0].rpartition("/")[0]) if "*" in whole else Path(whole)
    searched.append(fixed)
    taken |= dict.fromkeys(files)
if given("include-hidden-files") != "true":
    taken = {
        file: None
        for file in taken
        if not any(
            part.startswith(".") for part in Path(os.path.relpath(file, workspace)).parts if part != ".."
        )
    }
if not taken:
    message = f"No files were found with the provided path: {given('path')}. No artifacts will be uploaded."
    if given("if-no-files-found") == "error":
        fail(message)
    print(f"::warning::{message}" if given("if-no-files-found") != "ignore" else message)
    raise SystemExit(0)
if len(searched) == 1:
    only = searched[0]
    root = only.parent if only.is_file() else only
else:
    root = Path(os.path.commonpath([path.parent if path.is_file() else path for path in searched]))
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
    for file in taken:
        archive.write(file, os.path.relpath(file, root))
query = {"name": given("name"), "retention": given("retention-days"), "overwrite": given("overwrite")}
if any(char in given("name") for char in '":<>|*?\r\n\\/'):
    fail(f"The artifact name is not valid: {given('name')}")
made = json.loads(request("POST", "/_standin/artifacts", packed.getvalue(), **query))
output("artifact-id", made["id"])
output("artifact_id", made["id"])
output("artifact-digest", made["digest"].removeprefix("sha256:"))
output("artifact-url", made["url"])
