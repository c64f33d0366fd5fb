"""How git is asked, by whoever reads a repository: the environment that it gets, and what may name a commit."""

from __future__ import annotations

import os

__all__ = ["can_name_commit", "git_environment"]

_KEPT = (
    "GIT_ASKPASS",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_",
    "GIT_EXEC_PATH",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_SSH",
    "GIT_SSL_",
    "GIT_TRACE",
)
"""Where git lies, its configuration (`safe.directory` may be given there), and how a server is reached and trusted are
the user's to say; which repository is read is not."""

_FIXED = {
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_FLUSH": "0",  # else git writes each commit to a pipe by itself, which takes as long as reading them
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # a replaced commit would tell another history than the one that was reviewed
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
}
_LONGEST_NAME = 1_000


def git_environment() -> dict[str, str]:
    """The environment of this process, but for what would change which repository git reads, and what it prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_KEPT)}
    return kept | _FIXED


def can_name_commit(text: str) -> bool:
    """Whether a text may be given to git as the name of a commit: it is no option, and holds nothing invisible."""
    return 0 < len(text) <= _LONGEST_NAME and not text.startswith("-") and text.isprintable()
