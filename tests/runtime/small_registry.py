"""A registry as files in memory or on disk: two versions of a prompt, one tools file, as many entries as a test wants."""

from __future__ import annotations

from pathlib import Path

ENTRY = """\
name: {name}
version: {version}
model: gpt-5-mini-2025-08-07
provider: openai
prompt_ref: {prompt}
params: {{ max_tokens: {max_tokens} }}
tools_ref: triage-tools@v3
status: {status}
{extra}"""
PROMPT = """\
name: triage-prompt
version: {version}
variables:
  ticket: {{ type: string }}
  tone: {{ type: string, required: false, default: calm }}
messages:
  - role: system
    content: |
      Prompt {version}. Sort the ticket, be {{{{ tone }}}}.
  - {{ role: user, content: "{{{{ ticket }}}}" }}
"""
TOOLS = """\
name: triage-tools
version: 3
tools:
  - name: route
    description: Send the ticket on.
    parameters: { type: object, properties: { queue: { type: string } }, required: [queue] }
response_formats:
  queue: { type: json_object }
"""
PROJECT = """\
default_provider: openai
providers:
  openai: { kind: openai, api_key_env: OPENAI_API_KEY }
"""


def entry(version, status, *, name="support-triage", prompt="triage-prompt@v9", max_tokens=None, extra=""):
    """The path and the bytes of one entry; `max_tokens` is the version unless given, so versions differ."""
    text = ENTRY.format(
        name=name,
        version=version,
        prompt=prompt,
        status=status,
        max_tokens=version if max_tokens is None else max_tokens,
        extra=extra,
    )
    return f"registry/entries/{name}/v{version}.yaml", text.encode()


def files(*entries):
    """A whole registry; each entry as `entry` gives it."""
    return {
        "evalkit.yaml": PROJECT.encode(),
        "registry/prompts/triage-prompt/v8.yaml": PROMPT.format(version=8).encode(),
        "registry/prompts/triage-prompt/v9.yaml": PROMPT.format(version=9).encode(),
        "registry/tools/triage-tools/v3.yaml": TOOLS.encode(),
        **dict(entries),
    }


def write(root: Path, content) -> Path:
    """The same on disk."""
    for path, data in content.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return root
