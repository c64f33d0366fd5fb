"""The entries of a pull request, laid out with the default branch's rules: what they are evaluated and judged as.

From the pull request come entries, and the prompts, tools and classes that they refer to: data, read by evalkit's own
reader. Policy, suites, scorers and providers are the default branch's.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError, Location, Problem, SchemaError
from evalkit.evals.pool import Evidences
from evalkit.promote.base.evidence import EVIDENCE
from evalkit.promote.base.judging import scorer_files
from evalkit.promote.base.snapshot import Snapshot, entry_path, keys_of, ref_of
from evalkit.promote.gather import pooled_judge
from evalkit.promote.history import place
from evalkit.promote.overlay import entry_files, overlay, write_files
from evalkit.registry.project import effective_policy
from evalkit.registry.schema import ProjectConfig, validate
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalkit.evals.evidence import Evidence
    from evalkit.promote.facts import SuiteVerdict
    from evalkit.promote.history import Repository
    from evalkit.registry.project import Project

__all__ = ["Candidate", "Candidates", "candidates_of", "config_at", "touched"]

_CITED = {"prompt_ref": "prompts", "tools_ref": "tools", "class_ref": "classes"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry with one suite that policy requires of it."""

    entry: Ref
    suite: Ref
    is_first: bool
    """Whether it is the first required suite, whose score the entry carries."""
    generation: str = ""
    measurement: str = ""
    problem: Problem | None = None
    """Why there are no digests: something cannot be read or resolved."""

    @property
    def path(self) -> str:
        """Of its evidence, in the project."""
        return f"registry/evidence/{self.entry.name}/v{self.entry.version}/{self.suite}.json"


def config_at(repository: Repository, commit: str) -> ProjectConfig:
    """`evalkit.yaml` of a commit; the defaults where it has none that is valid."""
    source = Snapshot(place.find(repository.root).git, commit).parsed("evalkit.yaml")
    model = validate(ProjectConfig, source)[0] if source else None
    return model or ProjectConfig()


def touched(repository: Repository, rules: str, head: str) -> list[Ref]:
    """The entries that a branch adds or changes, in themselves or in what they refer to; none that are retired.

    Args:
        repository: that has both.
        rules: the commit of the default branch that the branch is compared with, where the two went apart.
        head: of the branch.
    """
    base = repository.merge_base(rules, head)
    if base is None:
        return []
    changed = {change.path for change in repository.changed(base, head) if change.after is not None}
    after = Snapshot(place.find(repository.root).git, head)
    found = {ref for path in changed if (ref := ref_of(path, "registry/entries"))}
    components = {
        f"{ref}": kind
        for kind in _CITED.values()
        for path in changed
        if (ref := ref_of(path, f"registry/{kind}"))
    }
    if components:
        every = [Ref(name, version) for name, versions in after.entries.items() for version in versions]
        after.load(entry_path(ref.name, ref.version) for ref in every)
        found |= {ref for ref in every if _cites(after, ref, components)}
    kept = [ref for ref in found if _keys(after, ref).get("status") in {"draft", "staging", "production"}]
    return sorted(kept, key=lambda ref: (ref.name, ref.version))


def _keys(side: Snapshot, ref: Ref) -> Mapping[str, object]:
    path = entry_path(ref.name, ref.version)
    return keys_of(side.read(path), path) or {}


def _cites(side: Snapshot, ref: Ref, components: Mapping[str, str]) -> bool:
    keys = _keys(side, ref)
    return any(
        components.get(str(Ref.parse(text))) == kind
        for key, kind in _CITED.items()
        if isinstance(text := keys.get(key), str)
    )


class Candidates:
    """A project of the default branch's rules and the candidates' data, in a directory of its own."""

    def __init__(self, project: Project, refs: Sequence[Ref], base: Snapshot, head: Snapshot) -> None:
        self.base = base
        """The files of the default branch."""
        self.head = head
        """The files of the branch."""
        self._project = project
        evidences = Evidences(project)
        self.all = [one for ref in refs for one in self._of(ref, evidences)]

    def judge(
        self, candidates: Iterable[Candidate], evidence: Mapping[str, Evidence]
    ) -> dict[Candidate, SuiteVerdict]:
        """The gate's verdicts on the runs that count.

        Args:
            candidates: of `all`, with digests.
            evidence: what counts, by the path of its file; files that are not named are as the default branch has them.
        """
        write_files(self._project.root, {path: one.to_bytes() for path, one in evidence.items()})
        judge = pooled_judge(self._project)
        return {one: judge(one.entry, one.suite) for one in candidates}

    def _of(self, ref: Ref, evidences: Evidences) -> Iterator[Candidate]:
        for index, suite in enumerate(self._project.policy_for(ref.name).suites):
            is_first = index == 0
            try:
                found = self._project.entry(ref).model
                if (found.name, found.version) != (ref.name, ref.version):
                    message = f"the file of {ref} says that it is {found.name}@v{found.version}"
                    place_of = Location(entry_path(ref.name, ref.version))
                    hint = "let name and version agree with the path"
                    raise SchemaError(Problem("EK106", message, place_of, hint))
                generation, measured = evidences.generation(ref), evidences.suite(suite).measurement
            except EvalkitError as error:
                yield Candidate(ref, suite, is_first, problem=error.problems[0])
            else:
                yield Candidate(ref, suite, is_first, generation, measured)


@contextmanager
def candidates_of(repository: Repository, rules: str, head: str) -> Iterator[Candidates]:
    """The candidates of a branch, for as long as the block runs.

    Args:
        repository: that has both commits.
        rules: the commit of the default branch whose rules hold.
        head: of the branch.

    Raises:
        UsageError: EK803 to EK805, git cannot read one of the commits.
    """
    git = place.find(repository.root).git
    base, side = Snapshot(git, rules), Snapshot(git, head)
    refs = touched(repository, rules, head)
    names = {ref.name for ref in refs}
    side.load(entry_path(ref.name, ref.version) for ref in refs)
    base.load(path for name in names for path in base.below(f"registry/entries/{name}"))
    files: dict[str, bytes | None] = {"evalkit.yaml": base.read("evalkit.yaml")}
    config = config_at(repository, rules)
    for name in names:
        for version in base.entries.get(name, ()):  # who serves is what a gate compares with
            files |= entry_files(base.read, Ref(name, version))
        for suite in effective_policy(config, name).suites:
            paths = base.below(f"suites/{suite.name}/v{suite.version}")
            files |= {path: base.read(path) for path in paths}
    for path in scorer_files(config.scorers):
        files[path] = repository.read(rules, path)
    for ref in refs:
        files |= entry_files(side.read, ref)
    with overlay(files) as project:
        found = Candidates(project, refs, base, side)
        side.load(one.path for one in found.all)
        write_files(project.root, _evidence(base, found))
        yield found


def _evidence(base: Snapshot, found: Candidates) -> dict[str, bytes | None]:
    """The default branch's evidence of these names, and whatever else has the same configs."""
    paths = [path for path in base.below("registry/evidence") if EVIDENCE.fullmatch(path)]
    base.load(paths)
    names = {one.entry.name for one in found.all}
    configs = {one.generation.encode() for one in found.all if one.generation}
    contents = {path: base.read(path) or b"" for path in paths}
    return {
        path: raw
        for path, raw in contents.items()
        if path.split("/")[2] in names or any(config in raw for config in configs)
    }
