"""What a change's own recordings say: its candidates' recorded answers, scored by the suites and policy of its base.

For changes that get no keys. Anybody can write a recording, so what comes out is information: it promotes nothing.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import EvalkitError
from evalkit.evals.recordings import open_recording, recording_path
from evalkit.evals.session import Finished, Session, SessionOptions
from evalkit.promote.base.judging import scorer_files
from evalkit.promote.needs import needs
from evalkit.promote.overlay import entry_files, overlay, workspace, write_files
from evalkit.promote.wanted import of_change
from evalkit.runtime.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.evals.evaluate import Progress
    from evalkit.promote.base.change import Change
    from evalkit.promote.needs import Left, Question
    from evalkit.registry.project import Project

__all__ = ["Replayed", "Replays", "replay"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One evaluation that the change needs, and what its recording came to."""

    question: Question
    path: str
    """Where its recording lies, or would lie."""
    finished: Finished | None = None
    """The run over the recorded answers; None without a recording that can be used."""
    refused: str | None = None
    """Why the recording that is there is not used, as a clause."""


@dataclass(frozen=True, slots=True)
class Replays:
    """Every evaluation of a change."""

    evaluations: tuple[Replayed, ...]
    after_merge: tuple[Left, ...]
    left_out: tuple[Left, ...]


def replay(change: Change, output: Path, progress: Progress, *, outputs: bool) -> Replays:
    """Score the recordings that a change brings along with its candidates. Nobody is called, and no key is read.

    What CI has measured before is not asked: in a change that may say anything, it is no reason to stay silent.

    Args:
        change: whose base gives suites, scorers, policy and providers.
        output: a directory in which each run gets one of its own.
        progress: follows each run.
        outputs: whether samples keep their texts.

    Raises:
        UsageError: EK805, git fails.
    """
    found = needs(of_change(change), lambda *_digests: False)
    questions = [one.question for one in found.evaluations]
    with (
        overlay(_rules(change, questions)) as rules,
        overlay(_data(change, questions)) as candidates,
        workspace() as scratch,
    ):
        done = []
        for question in questions:
            path = recording_path(question.entry, question.suite)
            raw = change.after.read(path)
            if raw is None:
                done.append(Replayed(question, path))
                continue
            write_files(scratch, {path: raw})
            place = output / f"{question.entry}-{question.suite}"
            options = SessionOptions(
                targets=(str(question.entry),),
                suites=(str(question.suite),),
                output_dir=place,
                outputs=outputs,
            )
            done.append(_replayed(question, path, scratch / path, (rules, candidates), options, progress))
    return Replays(tuple(done), found.after_merge, found.left_out)


def _replayed(
    question: Question,
    path: str,
    file: Path,
    projects: tuple[Project, Project],
    options: SessionOptions,
    progress: Progress,
) -> Replayed:
    rules, candidates = projects
    try:
        with closing(open_recording(file, path)) as recording:
            made_for = recording.generation_digest
            if made_for != question.generation_digest:
                said = f"it says {made_for[:19]}…" if made_for else "it does not say for which"
                why = f"it was made for another config: {said}, and this one is {question.generation_digest[:19]}…"
                return Replayed(question, path, refused=why)
            session = Session(rules, options, {}, recording, candidates=candidates)
            finished = session.run(session.plans(), progress, lambda _done: None)
    except EvalkitError as error:
        problem = error.problems[0]
        line = f"line {problem.location.line}: " if problem.location and problem.location.line else ""
        more = f", and {len(error.problems) - 1:,} more" if len(error.problems) > 1 else ""
        return Replayed(question, path, refused=f"{line}{problem.message}{more}")
    return Replayed(question, path, finished[0])


def _rules(change: Change, questions: Sequence[Question]) -> dict[str, bytes | None]:
    """What the base has: policy, suites, scorers, and its own entries, one of which serves."""
    before = change.before
    files: dict[str, bytes | None] = {"evalkit.yaml": before.read("evalkit.yaml")}
    for question in questions:
        for path in before.below(f"suites/{question.suite.name}/v{question.suite.version}"):
            files[path] = before.read(path)
        for version in before.entries.get(question.entry.name, ()):
            files |= entry_files(before.read, Ref(question.entry.name, version))
    for path in scorer_files(change.config_before.scorers):
        files[path] = change.repository.read(change.base, path)
    return files


def _data(change: Change, questions: Sequence[Question]) -> dict[str, bytes | None]:
    """What the change brings: its entries, and what they refer to."""
    files: dict[str, bytes | None] = {"evalkit.yaml": change.before.read("evalkit.yaml")}
    for question in questions:
        files |= entry_files(change.after.read, question.entry)
    return files
