"""Between the project and its repository: the newest commit of the default branch, and paths as the forge knows them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from evalkit.errors import Problem
from evalkit.github.checkout import fetch
from evalkit.github.forge import ForgeError
from evalkit.promote.history.place import find

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evalkit.github.forge import Forge

__all__ = ["placed", "prepared"]


def prepared(forge: Forge, root: Path, environ: Mapping[str, str]) -> str:
    """The head of the default branch, which is in the clone afterwards.

    Raises:
        ForgeError: EK871, there is no such branch, or it cannot be fetched.
    """
    base = forge.default_branch()
    head = forge.head_of(base)
    if head is None:
        hint = "push the first commit, or set the default branch in the settings of the repository"
        raise ForgeError(Problem("EK871", f"{forge.repository} has no branch {base}", hint=hint))
    if find(root).git.attempt("cat-file", "-e", f"{head}^{{commit}}").returncode:
        fetch(root, [base], environ)
    return head


def placed(tree: Path) -> Callable[[Mapping[str, bytes | None]], dict[str, bytes | None]]:
    """Turns files by their path in the project into files by their path in the repository."""
    prefix = os.fsdecode(find(tree).prefix)

    def place(files: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
        return {f"{prefix}{path}": content for path, content in files.items()}

    return place
