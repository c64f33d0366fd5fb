"""All evidence of a project, found by the config that was measured."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from evalkit.evals.evidence import read_evidence
from evalkit.evals.pool.facts import suite_facts
from evalkit.registry.resolve import resolve_config
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.evals.evidence import EvidenceRun
    from evalkit.evals.pool.facts import SuiteFacts
    from evalkit.registry.project import Project

__all__ = ["Evidences"]

_GENERATION = re.compile(rb'"generation_digest"\s*:\s*"(sha256:[0-9a-f]{64})"')
_FILES_AT_HAND = 64


class Evidences:
    """The evidence, suites and digests of a project as it was when each was first asked for.

    Share one among the verdicts of many entries: every evidence file is scanned once for the digests in it, and parsed
    when a verdict needs it. Make a new one after files have changed.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._suites: dict[Ref, SuiteFacts] = {}
        self._generations: dict[Ref, str] = {}
        self._runs = lru_cache(maxsize=_FILES_AT_HAND)(self._read)  # parsed files are large: not all are kept

    def suite(self, ref: Ref) -> SuiteFacts:
        """A suite as it is now.

        Raises:
            UnresolvedReference: EK201, there is none.
            ConfigError: with every problem of the suite and its cases.
        """
        if ref not in self._suites:
            self._suites[ref] = suite_facts(self.project, ref)
        return self._suites[ref]

    def generation(self, entry: Ref) -> str:
        """The generation digest of an entry as it is now.

        Raises:
            UnknownEntry: EK202, there is none.
            ConfigError: it does not resolve.
        """
        if entry not in self._generations:
            self._generations[entry] = resolve_config(self.project, self.project.entry(entry)).digest
        return self._generations[entry]

    def of_config(self, generation: str) -> list[EvidenceRun]:
        """Every run of a config, from the evidence of whichever entries have or had it.

        Raises:
            SchemaError: EK208, one of the files is broken.
        """
        paths = self._by_generation.get(generation, ())
        return [run for path in paths for run in self._runs(path) if run.generation_digest == generation]

    def of_entry(self, entry: Ref, suite: str) -> list[EvidenceRun]:
        """Every run in the evidence of an entry with a suite, in whatever version of the suite.

        Raises:
            SchemaError: EK208, one of the files is broken.
        """
        folder = self._root / entry.name / f"v{entry.version}"
        paths = sorted(folder.glob("*.json"))
        refs = {path: Ref.parse(path.stem) for path in paths}
        return [
            run
            for path, ref in refs.items()
            if ref is not None and ref.name == suite
            for run in self._runs(path)
        ]

    @property
    def _root(self) -> Path:
        return self.project.root / "registry" / "evidence"

    @cached_property
    def _by_generation(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in sorted(self._root.glob("*/v*/*.json")):
            for match in {m[1] for m in _GENERATION.finditer(path.read_bytes())}:
                found.setdefault(match.decode(), []).append(path)
        return found

    def _read(self, path: Path) -> tuple[EvidenceRun, ...]:
        evidence = read_evidence(path, self.project.display(path))
        return tuple(evidence.runs) if evidence is not None else ()
