"""Whether an approver is an author. Pure.

git knows a person by name and e-mail address, a forge by login, and nothing ties the two together. Taken for the same
person are, regardless of case and of the separators `.`, `-`, `_` and space:

    login or name   =  author's name, local part of the address, or login in a noreply address of a forge
    address         =  author's address, or the login in the noreply address of either

So a login that has nothing in common with the name and the address in the author's commits is not recognised, and
somebody else whose local part is the approver's login is taken for the approver. The forge's own rule (nobody approves
a pull request of their own) stands beside this one.
"""

from __future__ import annotations

import re

__all__ = ["approvers", "is_same_person"]

_PERSON = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]*)>\s*")
_NOREPLY = re.compile(r"(?:[0-9]+[+-])?(?P<login>[^@+]+)@users\.noreply\.[^@]+")
_SEPARATORS = re.compile(r"[\s._-]+")
_ROLES = frozenset({
    "admin", "ci", "contact", "dev", "developer", "email", "git", "github", "hello", "hi", "info", "mail", "me",
    "noreply", "office", "root", "user", "webmaster", "work",
})  # fmt: skip
"""Local parts that say nothing about who it is."""


def approvers(stamp: str) -> list[str]:
    """The people that `approved_by` names, separated by commas."""
    return [one.strip() for one in stamp.split(",") if one.strip()]


def is_same_person(approver: str, author: str) -> bool:
    """Whether the approver may be the author.

    Args:
        approver: a login (with or without `@`), an address, a name, or `Name <address>`.
        author: `Name <address>`, as git has it.
    """
    one, other = _taken_apart(approver), _taken_apart(author)
    if one.address and other.address:
        if one.address == other.address:
            return True
        return bool(
            one.names & other.names or one.logins & (other.logins | other.local) or one.local & other.logins
        )
    known = other.names | other.logins | other.local
    return bool((one.names | one.logins | one.local) & known)


class _Person:
    """What is known of somebody, in a form that can be compared."""

    def __init__(self, name: str, address: str) -> None:
        self.address = address.casefold()
        self.names = {_plain(name)} - {""}
        noreply = _NOREPLY.fullmatch(self.address)
        self.logins = {_plain(noreply["login"])} if noreply else set()
        local = self.address.partition("@")[0].partition("+")[0] if not noreply else ""
        self.local = {_plain(local)} - {""} if local not in _ROLES else set()


def _taken_apart(text: str) -> _Person:
    if found := _PERSON.fullmatch(text):
        return _Person(found["name"], found["address"])
    bare = text.strip().removeprefix("@")
    return _Person("", bare) if "@" in bare else _Person(bare, "")


def _plain(text: str) -> str:
    return _SEPARATORS.sub("", text.casefold())
