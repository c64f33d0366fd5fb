"""actions/download-artifact: name, artifact-ids, pattern, merge-multiple, path, run-id with github-token."""

# ruff: noqa: T201 - a step of a job speaks by printing

from __future__ import annotations

import fnmatch
import io
import json
import os
import zipfile
from pathlib import Path

from runtime import fail, given, output, request

place = Path(os.environ["GITHUB_WORKSPACE"]) / Path(given("path")).expanduser()
query = {"run_id": given("run-id")} if given("run-id") else {}
token = given("github-token") if given("run-id") else ""
items = json.loads(request("GET", "/_standin/artifacts", token=token, **query))
name, pattern, ids = (
    given("name"),
    given("pattern"),
    [part for part in given("artifact-ids").split(",") if part],
)
if name:
    chosen = [item for item in items if item["name"] == name]
    if not chosen:
        fail(f"Unable to download artifact(s): Artifact not found for name: {name}")
elif ids:
    chosen = [item for item in items if str(item["id"]) in ids]
else:
    chosen = [item for item in items if fnmatch.fnmatchcase(item["name"], pattern or "*")]
for item in chosen:
    is_flat = bool(name) or given("merge-multiple") == "true" or len(ids) == 1
    target = place if is_flat else place / item["name"]
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(
        io.BytesIO(request("GET", f"/_standin/artifacts/{item['id']}", token=token))
    ) as archive:
        archive.extractall(target)
print(f"Total of {len(chosen)} artifact(s) downloaded")
output("download-path", place)
