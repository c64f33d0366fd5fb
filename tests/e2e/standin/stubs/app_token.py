"""actions/create-github-app-token: client-id (or app-id), private-key, permission-…"""

# ruff: noqa: T201 - a step of a job speaks by printing

from __future__ import annotations

import json
import os

from runtime import fail, given, output, request

client = given("client-id") or given("app-id")
if not client or not given("private-key"):
    fail("Input required and not supplied: client-id, private-key")
asked = {
    name.removeprefix("INPUT_PERMISSION_").lower().replace("_", "-"): level
    for name, level in os.environ.items()
    if name.startswith("INPUT_PERMISSION_") and level
}
body = {"client_id": client, "private_key": given("private-key"), "permissions": json.dumps(asked)}
made = json.loads(request("POST", "/_standin/app-token", json.dumps(body).encode()))
print(f"::add-mask::{made['token']}", flush=True)
output("token", made["token"])
output("installation-id", made["installation"])
output("app-slug", made["slug"])
