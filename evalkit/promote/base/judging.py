"""The verdict on a promotion by the base's policy, suites, scorers and providers: nothing that the change says of them counts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalkit.evals.pool import Evidences, verdict_of
from evalkit.promote.base.evidence import EVIDENCE
from evalkit.promote.overlay import entry_files, workspace, write_files
from evalkit.registry.project import Project
from evalkit.runtime.refs import Ref
from evalkit.runtime.serving import conflicts, serving

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from evalkit.evals.pool import PoolVerdict
    from evalkit.promote.base.change import Change

__all__ = ["Judge", "judging", "scorer_files"]


class Judge:
    """A project made of the base's rules and what the change promotes, in a directory of its own."""

    def __init__(self, change: Change, root: Path) -> None:
        self._change = change
        self._root = root
        self._project = Project(root)

    def verdict(
        self, ref: Ref, suite: Ref, promoted: Collection[int], *, with_new_evidence: bool
    ) -> PoolVerdict:
        """What the runs of CI say of an entry and a suite.

        Args:
            ref: the entry, as it is after the change.
            suite: as it is in the base.
            promoted: the versions of the name that the change promotes; all others are as in the base.
            with_new_evidence: whether runs that the change adds are among them.

        Raises:
            EvalkitError: it cannot be judged, with what is broken.
        """
        self._lay_out(ref.name, suite, promoted)
        baseline = self._baseline(ref)
        evidences = Evidences(self._project)
        digests = [evidences.generation(ref)]
        if baseline is not None:
            digests.append(evidences.generation(baseline))
        self._lay_out_evidence(ref, digests, with_new=with_new_evidence)
        return verdict_of(
            self._project,
            ref,
            suite,
            sources=("ci",),
            baseline_digest=digests[1] if baseline else None,
            evidences=Evidences(self._project),
        )

    def _baseline(self, ref: Ref) -> Ref | None:
        """Who served production in the base."""
        states = [one.state for one in self._change.states_before(ref.name).values()]
        live = None if conflicts(states) else serving(states, "production")
        return Ref(ref.name, live.primary) if live and live.primary != ref.version else None

    def _lay_out(self, name: str, suite: Ref, promoted: Collection[int]) -> None:
        before, after = self._change.before, self._change.after
        files: dict[str, bytes | None] = {"evalkit.yaml": before.read("evalkit.yaml")}
        # What is promoted comes last: a prompt that it shares with a draft is as the change leaves it.
        for version in [*(set(before.entries.get(name, ())) - set(promoted)), *promoted]:
            side = after if version in promoted else before
            files |= entry_files(side.read, Ref(name, version))
        for path in before.below(f"suites/{suite.name}/v{suite.version}"):
            files[path] = before.read(path)
        for path in scorer_files(self._change.config_before.scorers):
            files[path] = self._change.repository.read(self._change.base, path)
        write_files(self._root, files)
        self._project = Project(self._root)

    def _lay_out_evidence(self, ref: Ref, digests: Collection[str], *, with_new: bool) -> None:
        """Every evidence file that has a run of one of these configs, or is the entry's own."""
        side = self._change.after if with_new else self._change.before
        paths = [path for path in side.below("registry/evidence") if EVIDENCE.fullmatch(path)]
        side.load(paths)
        own = f"registry/evidence/{ref.name}/v{ref.version}/"
        wanted = [digest.encode() for digest in digests]
        for stale in self._root.glob("registry/evidence/*/v*/*.json"):
            stale.unlink()
        files = {}
        for path in paths:
            raw = side.read(path) or b""
            if path.startswith(own) or any(digest in raw for digest in wanted):
                files[path] = raw
        write_files(self._root, files)


def scorer_files(scorers: Mapping[str, str]) -> list[str]:
    """Where the modules of a project's own scorers may lie in it."""
    found: dict[str, None] = {}
    for target in scorers.values():
        *packages, module = target.partition(":")[0].split(".")
        folder = "/".join(packages)
        for index in range(len(packages)):
            found["/".join([*packages[: index + 1], "__init__.py"])] = None
        stem = f"{folder}/{module}" if folder else module
        found[f"{stem}.py"] = None
        found[f"{stem}/__init__.py"] = None
    return list(found)


@contextmanager
def judging(change: Change) -> Iterator[Judge]:
    """A judge for as long as the block runs."""
    with workspace() as root:
        yield Judge(change, root)
