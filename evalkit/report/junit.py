"""The run as JUnit XML, for every CI system that shows test results.

The shape is what the strictest reader accepts (the `junit-10.xsd` of Jenkins): `testsuites`, `testsuite` with
`properties`, `testcase` with `failure` or `error` and `system-out`; no further attributes. A case is one `testcase`,
with all its repeats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evalkit.report import figures, wording
from evalkit.report.cases import outcome, plain
from evalkit.report.neutral import xml_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from evalkit.evals.record import RunRecord, Sample
    from evalkit.report.cases import Outcome

__all__ = ["junit_xml"]

_TEXT_LIMIT: Final = 2_000


Run = tuple["RunRecord", "Callable[[], Iterable[Sample]]"]
"""A record, and how its samples are read: they are read twice, once for the totals that stand at the top."""


def junit_xml(runs: Sequence[Run], *, outputs: bool = True) -> Iterator[str]:
    """One document for all runs, in pieces, a line each.

    Memory holds the cases of which some repeats have been read and others not: none when repeats are adjacent. A case
    is an `<error>` when a repeat of it has no score, as in the run's own counts, and a `<failure>` when its mean is
    below 1. `outputs=False` leaves out every text of a case.
    """
    totals = [_totals(record, read_samples) for record, read_samples in runs]
    names = dict.fromkeys(f"{record.entry}@v{record.version}" for record, _ in runs)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f"<testsuites{_attributes(name=', '.join(names), **_counts(totals))}>\n"
    for (record, read_samples), total in zip(runs, totals, strict=True):
        stamp = record.started_at.removesuffix("Z")
        counts = _attributes(name=record.suite, **_counts([total]), skipped="0", timestamp=stamp)
        yield f"<testsuite{counts}>\n<properties>\n"
        for name, value in _properties(record):
            yield f"<property{_attributes(name=name, value=value)}/>\n"
        yield "</properties>\n"
        for case in _cases(read_samples(), record.repeats):
            yield from _testcase(case, record.suite, outputs=outputs)
        yield "</testsuite>\n"
    yield "</testsuites>\n"


@dataclass(slots=True)
class _Totals:
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    seconds: float = 0.0


def _totals(record: RunRecord, read_samples: Callable[[], Iterable[Sample]]) -> _Totals:
    total = _Totals()
    for case in _cases(read_samples(), record.repeats):
        total.outcomes[case.outcome] += 1
        total.seconds += case.seconds
    return total


def _counts(totals: Sequence[_Totals]) -> dict[str, str]:
    return {
        "tests": str(sum(total.outcomes.total() for total in totals)),
        "failures": str(sum(total.outcomes["failed"] for total in totals)),
        "errors": str(sum(total.outcomes["error"] for total in totals)),
        "time": f"{sum(total.seconds for total in totals):.3f}",
    }


@dataclass(slots=True)
class _Case:
    """What is kept of a case between its repeats."""

    first: Sample
    read: int = 0
    scored: int = 0
    total: float = 0.0
    seconds: float = 0.0
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Type and text for each repeat below 1."""
    unscored: list[tuple[str, str]] = field(default_factory=list)

    @property
    def score(self) -> float | None:
        return self.total / self.scored if self.scored and not self.unscored else None

    @property
    def outcome(self) -> Outcome:
        if self.score is None:
            return "error"
        return "passed" if self.score >= 1 - 1e-9 else "failed"

    def add(self, sample: Sample) -> None:
        self.read += 1
        self.seconds += (sample.latency_ms or 0.0) / 1000
        if sample.score is None:
            self.unscored.append(_finding(sample))
            return
        self.scored += 1
        self.total += sample.score
        if outcome(sample) == "failed":
            self.wrong.append(_finding(sample))


def _cases(samples: Iterable[Sample], repeats: int) -> Iterator[_Case]:
    open_cases: dict[str, _Case] = {}
    for sample in samples:
        case = open_cases.setdefault(sample.id, _Case(sample))
        case.add(sample)
        if case.read >= repeats:
            yield open_cases.pop(sample.id)
    yield from open_cases.values()


def _finding(sample: Sample) -> tuple[str, str]:
    prefix = f"repeat {sample.repeat + 1}: " if sample.repeat else ""
    if sample.error is not None:
        return sample.error.type, f"{prefix}{sample.error.type}: {sample.error.message[:_TEXT_LIMIT]}"
    reasons = "; ".join(f"{label}: {reason}" for label, reason in sample.reasons.items())
    lines = [prefix + (reasons[:_TEXT_LIMIT] or "below full score")]
    answer = sample.output if sample.got is None else plain(sample.got)
    for name, text in (
        ("expected", None if sample.expected is None else plain(sample.expected)),
        ("got", answer),
    ):
        if text is not None:
            lines.append(f"{name}: {text[:_TEXT_LIMIT]}")
    return ("wrong" if sample.score == 0 else "partial"), "\n".join(lines)


def _testcase(case: _Case, class_name: str, *, outputs: bool) -> Iterator[str]:
    yield f"<testcase{_attributes(name=case.first.id, classname=class_name, time=f'{case.seconds:.3f}')}>\n"
    if case.outcome != "passed":
        element = "error" if case.outcome == "error" else "failure"
        findings = case.unscored or case.wrong
        kind, first = findings[0]
        message = first.split("\n", 1)[0] if outputs else kind
        text = xml_text("\n".join(text for _, text in findings)) if outputs else ""
        yield f"<{element}{_attributes(message=message, type=kind)}>{text}</{element}>\n"
    about = [f"score {figures.score(case.score)}", *case.first.tags, case.first.location or ""]
    yield f"<system-out>{xml_text(', '.join(filter(None, about)))}</system-out>\n</testcase>\n"


def _properties(record: RunRecord) -> Iterator[tuple[str, str]]:
    yield "verdict", wording.verdict_word(record).lower()
    yield "score", figures.score(record.score, wording.threshold(record))
    yield "ci95", figures.interval(record.ci95).replace("–", "-")  # noqa: RUF001 - an en dash
    for index, reason in enumerate(record.reasons, start=1):
        yield f"reason.{index}", reason
    yield "run_id", record.run_id
    yield "source", record.source
    yield "generation_digest", record.generation_digest
    yield "suite_digest", record.suite_digest
    yield "measurement_digest", record.measurement_digest
    yield "evalkit_version", record.evalkit_version


def _attributes(**values: str) -> str:
    """Empty ones are left out, so that optional attributes are absent rather than empty."""
    return "".join(
        f' {name}="{xml_text(value)}"' for name, value in values.items() if value or name == "value"
    )
