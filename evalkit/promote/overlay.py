"""A project made of files from several places, in a directory of its own: the rules of one commit, the entries of another.

Only data is taken from where a candidate comes from: its entry, and the prompt, tools and class that this refers to.
Providers, policy, suites and scorers are somebody else's to give.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from evalkit.errors import Location, Problem, SchemaError, UnknownEntry
from evalkit.promote.history import Repository
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref
from evalkit.runtime.yaml_source import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Read: TypeAlias = Callable[[str], bytes | None]
    """A file by its path in the project; None where there is no plain file."""

__all__ = ["candidates", "entry_files", "overlay", "workspace", "write_files"]

_CITED = {"prompt_ref": "prompts", "tools_ref": "tools", "class_ref": "classes"}


def entry_files(read: Read, ref: Ref) -> dict[str, bytes | None]:
    """The file of an entry and those of the prompt, tools and class that it refers to, by path; None for a missing one."""
    path = _path("entries", ref)
    raw = read(path)
    files = {path: raw}
    source, problems = parse_bytes(raw or b"", path)
    keys = source.data if not problems and isinstance(source.data, dict) else {}
    for key, kind in _CITED.items():
        cited = Ref.parse(str(keys.get(key, "")))
        if cited is not None:
            place = _path(kind, cited)
            files[place] = read(place)
    return files


def write_files(root: Path, files: Mapping[str, bytes | None]) -> None:
    """Write files below a directory; those that are None are passed over."""
    for path, raw in files.items():
        if raw is not None:
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)


@contextmanager
def workspace() -> Iterator[Path]:
    """An empty directory for as long as the block runs. What was imported from it is forgotten with it."""
    with tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
        root = Path(folder).resolve()
        try:
            yield root
        finally:
            _forget(root)


@contextmanager
def overlay(files: Mapping[str, bytes | None]) -> Iterator[Project]:
    """A project of these files, by their paths in it, for as long as the block runs."""
    with workspace() as root:
        write_files(root, files)
        yield Project(root)


@contextmanager
def candidates(project: Project, head: str, targets: Iterable[Ref]) -> Iterator[Project]:
    """Entries as a commit has them, with what they refer to; `evalkit.yaml` is that of the work tree.

    Args:
        project: the work tree.
        head: the commit.
        targets: the entries.

    Raises:
        UsageError: EK801 to EK805, git cannot read the commit.
        UnknownEntry: EK202, the commit has no such entry.
        SchemaError: EK109, the file of an entry is another's.
    """
    repository = Repository.of(project.root)
    commit = repository.commit(head).id

    def read(path: str) -> bytes | None:
        return repository.read(commit, path)

    config = project.root / "evalkit.yaml"
    files: dict[str, bytes | None] = {"evalkit.yaml": config.read_bytes() if config.is_file() else None}
    problems = []
    for ref in targets:
        found = entry_files(read, ref)
        if found[_path("entries", ref)] is None:
            hint = f"look at what it has: git ls-tree -r --name-only {commit[:12]} registry/entries"
            problems.append(
                Problem("EK202", f"there is no entry {ref} in the commit {commit[:12]}", hint=hint)
            )
        files |= found
    if problems:
        raise UnknownEntry(problems)
    with overlay(files) as made:
        for ref in targets:
            entry = made.entry(ref).model
            if (entry.name, entry.version) != (ref.name, ref.version):
                place = Location(_path("entries", ref))
                message = f"the file of {ref} says that it is {entry.name}@v{entry.version}"
                raise SchemaError(
                    Problem("EK109", message, place, "let name and version agree with the path")
                )
        yield made


def _path(kind: str, ref: Ref) -> str:
    return f"registry/{kind}/{ref.name}/v{ref.version}.yaml"


def _forget(root: Path) -> None:
    """Scorers were imported from a directory that is gone soon."""
    sys.path[:] = [entry for entry in sys.path if entry != str(root)]
    for name, module in list(sys.modules.items()):
        file: Any = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(f"{root}/"):
            del sys.modules[name]
