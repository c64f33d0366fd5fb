"""actions/deploy-pages."""

from __future__ import annotations

import json

from runtime import given, output, request

output("page_url", json.loads(request("POST", "/_standin/pages", b"{}", token=given("token")))["page_url"])
